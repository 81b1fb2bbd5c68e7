"""The key ring: keys as one process knows them, never for longer than a second without asking again.

Strangers cost nothing: what cannot be a key by its length is not even hashed, nothing is kept of a secret but its
digest, and what nobody has is kept apart, so that it drives no key out.
"""

import asyncio
import hmac
import time
from datetime import UTC, datetime
from typing import NamedTuple

from billing.http.attempts import Attempts
from billing.http.look_ups import LookUps
from billing.http.visits import Client
from billing.store.engine import Engine
from billing.store.keys import SECRET_LENGTH, Key, digest, find_keys, well_formed

KEY_LIFETIME_SECONDS = 1.0  # a revoked key must stop within two
KEYS_AT_MOST = 10_000
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


class _Known(NamedTuple):
    """`until`: when it is looked up again, in monotonic seconds."""

    until: float
    key: asyncio.Future[Key | None]


class KeyRing:
    """Keys as this process knows them: each is looked up again a second after it was last looked up."""

    def __init__(self, engine: Engine, admin_key: str | None) -> None:
        self.attempts = Attempts()
        self._admin_length = -1 if admin_key is None else len(admin_key)
        self._admin_digest = None if admin_key is None else digest(admin_key)
        self._admin = Key("environment", "admin", None, "BILLING_ADMIN_KEY", _BEGINNING, None)
        self._longest = max(SECRET_LENGTH, self._admin_length)
        self._look_ups: LookUps[Key] = LookUps(lambda digests: find_keys(engine, digests))
        self._known: dict[bytes, _Known] = {}  # the one that was looked up longest ago first

    async def find(self, secret: str, client: Client | None = None) -> Key | None:
        """The key of `secret`, or None. Raises TooManyAttempts, and DatabaseUnavailable when it cannot be known."""
        if len(secret) > self._longest:
            return None
        hashed = digest(secret)
        known = self._known.get(hashed)
        if known is None or known.until < time.monotonic():
            if admin := self.environment_key(hashed):
                return admin
            if not well_formed(secret):
                if len(secret) == self._admin_length:  # the one secret that a person may have chosen
                    self.attempts.failed(client)
                return None
            if self._look_ups.is_absent(hashed):
                return None
            known = self._look_up(hashed, client, again=known is not None)
        return await asyncio.shield(known.key) if not known.key.done() else known.key.result()

    def may_be_one(self, secret: str) -> bool:
        """Whether `secret` has the form of a key: others are wrong without a look."""
        return len(secret) == self._admin_length or well_formed(secret)

    def environment_key(self, hashed: bytes) -> Key | None:
        """The environment's admin key, if this is its digest."""
        if self._admin_digest is not None and hmac.compare_digest(hashed, self._admin_digest):
            return self._admin
        return None

    def _look_up(self, hashed: bytes, client: Client | None, *, again: bool) -> _Known:
        """Starts one look-up for however many requests wait for it. A key that was one is asked for at once."""
        patient = not again and self.attempts.used_up(client)
        self._known.pop(hashed, None)
        if len(self._known) >= KEYS_AT_MOST:
            del self._known[next(iter(self._known))]
        known = _Known(
            time.monotonic() + KEY_LIFETIME_SECONDS, asyncio.ensure_future(self._read(hashed, client, patient))
        )
        self._known[hashed] = known
        return known

    async def _read(self, hashed: bytes, client: Client | None, patient: bool) -> Key | None:
        key = None
        try:
            key = await self._look_ups.find(hashed, patient=patient)
        finally:
            if key is None:
                self._known.pop(hashed, None)
        if key is None:
            self.attempts.failed(client)
        return key
