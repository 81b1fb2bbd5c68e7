"""The key ring: keys as one process knows them, never for longer than a second without asking again."""

import asyncio
import hmac
import time
from datetime import UTC, datetime

from billing.store.engine import Engine
from billing.store.keys import Key, digest, find_key, well_formed

KEY_LIFETIME_SECONDS = 1.0  # a revoked key must stop within two
_CACHED_KEYS = 10_000
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


class KeyRing:
    """Keys as this process knows them: each is looked up again a second after it was last looked up."""

    def __init__(self, engine: Engine, admin_key: str | None) -> None:
        self._engine = engine
        self._admin_digest = None if admin_key is None else digest(admin_key)
        self._admin = Key("environment", "admin", None, "BILLING_ADMIN_KEY", _BEGINNING, None)
        self._known: dict[str, tuple[float, asyncio.Future[Key | None]]] = {}

    async def find(self, secret: str) -> Key | None:
        """The key of `secret`, or None. Raises DatabaseUnavailable when it cannot be known."""
        entry = self._known.get(secret)
        if entry is None or entry[0] < time.monotonic():
            entry = self._look_up(secret)
        return await asyncio.shield(entry[1]) if not entry[1].done() else entry[1].result()

    def environment_key(self, hashed: bytes) -> Key | None:
        """The environment's admin key, if this is its digest."""
        if self._admin_digest is not None and hmac.compare_digest(hashed, self._admin_digest):
            return self._admin
        return None

    def _look_up(self, secret: str) -> tuple[float, asyncio.Future[Key | None]]:
        """Starts one look-up for however many requests wait for it."""
        if len(self._known) >= _CACHED_KEYS:
            self._known.clear()
        entry = (time.monotonic() + KEY_LIFETIME_SECONDS, asyncio.ensure_future(self._read(secret)))
        self._known[secret] = entry
        return entry

    async def _read(self, secret: str) -> Key | None:
        hashed = digest(secret)
        if admin := self.environment_key(hashed):
            return admin
        try:
            return await find_key(self._engine, hashed) if well_formed(secret) else None
        except BaseException:
            self._known.pop(secret, None)
            raise
