"""The inbox: Stripe's events are stored first, and acted on afterwards, until they have taken effect.

An event is marked done after its effect is committed: whoever dies in between acts again, which changes nothing.
"""

import asyncio
import json
import re
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final

import stripe
import structlog

from billing.core.refusals import Invalid, Refusal, Unavailable
from billing.funding.effects import HANDLERS, Effects, NotOurs, Stopped, TooEarly
from billing.funding.refusals import SignatureInvalid
from billing.posting.chore import repeat, until_nothing_is_left
from billing.store import inbox as store
from billing.store.engine import Engine

TOLERANCE_SECONDS: Final = 300  # https://docs.stripe.com/webhooks#verify-official-libraries
AT_ONCE: Final = 8
LEASE_SECONDS: Final = 60
# Seconds to the next attempt; after the last of them, three days and more, the event is dead.
RETRIES: Final = (1, 3, 10, 30, 120, 600, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400, 86_400)
DEEPEST: Final = 64
_NAME = re.compile(r"[A-Za-z0-9_.]{1,255}").fullmatch
_UNFIT = re.compile("[\0\ud800-\udfff]").search
log = structlog.get_logger("billing.funding")


class Inbox:
    """Takes events in and acts on them. `work` is a pool for writing beside the ledger."""

    def __init__(
        self, effects: Effects, work: Engine, secrets: Sequence[str], *, interval_seconds: float = 1.0
    ) -> None:
        self._effects = effects
        self._work = work
        self._secrets = secrets
        self._interval = interval_seconds
        self._arrived = asyncio.Event()

    async def receive(self, body: bytes, signature: str | None) -> None:
        """Stores the event in `body` once; the first of our secrets that fits says which endpoint sent it.

        Raises SignatureInvalid, Invalid (signed, but no event), DatabaseUnavailable.
        """
        text, endpoint = _verified(body, signature, self._secrets)
        await store.keep_events(self._work, [_event(text)], f"endpoint {endpoint}")
        self.wake()

    async def keep(self, events: Sequence[dict[str, Any]]) -> int:
        """Stores events that were listed, not sent; how many were new. One that is none must not keep back the others."""
        sound = []
        for event in events:
            try:
                sound.append(_event(json.dumps(event)))
            except Invalid:
                log.error("stripe lists an event that is none", event_id=str(event.get("id"))[:255])
        new = await store.keep_events(self._work, sound, "sync")
        if new:
            self.wake()
        return new

    def wake(self) -> None:
        """There is something to act on."""
        self._arrived.set()

    async def run(self) -> None:
        """Until cancelled. What fails is tried again the next time."""
        await repeat("inbox", lambda: until_nothing_is_left(self.once), self._pause, log)

    async def _pause(self) -> None:
        """Until something arrives, or it is time for another look."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._arrived.wait(), self._interval)
        self._arrived.clear()

    async def once(self) -> int:
        """Acts on the events whose turn has come, side by side: what waits for Stripe keeps nobody else waiting.

        In which order they take effect makes no difference. Returns how many they were.
        """
        claimed = await store.claim_events(self._work, limit=AT_ONCE, lease_seconds=LEASE_SECONDS)
        await asyncio.gather(*(self._deal_with(event) for event in claimed))
        return len(claimed)

    async def _deal_with(self, event: store.Claimed) -> None:
        if event.type not in HANDLERS:
            await store.close_event(self._work, event.event_id, "ignored", problem="of no consequence to the ledger")
            return
        try:
            account_id = await self._effects.act(event.type, json.loads(event.payload)["data"]["object"])
        except NotOurs:
            await store.close_event(self._work, event.event_id, "ignored", problem="not made by this service")
        except Stopped as stopped:
            await self._bury(event, str(stopped))
        except Invalid as refusal:  # what Stripe says does not fit into the ledger, and will not tomorrow
            await self._bury(event, refusal.detail)
        except TooEarly as reason:
            await self._put_off(event, str(reason))
        except Unavailable as refusal:
            await self._put_off(event, refusal.title)
        except Refusal as refusal:
            await self._put_off(event, f"{refusal.code}: {refusal.detail}")
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            await self._bury(event, f"the event is not as expected: {type(error).__name__} {error}"[:500])
        except Exception as error:  # our own fault: the others must not wait for it
            log.exception("stripe event failed", event_id=event.event_id, type=event.type)
            await self._put_off(event, f"internal error: {type(error).__name__}")
        else:
            await store.close_event(self._work, event.event_id, "done", account_id=account_id)

    async def _put_off(self, event: store.Claimed, problem: str) -> None:
        if event.attempts > len(RETRIES):
            await self._bury(event, problem)
        else:
            await store.put_off_event(self._work, event.event_id, RETRIES[event.attempts - 1], problem)

    async def _bury(self, event: store.Claimed, problem: str) -> None:
        log.error("stripe event needs somebody to look", event_id=event.event_id, type=event.type, problem=problem)
        await store.close_event(self._work, event.event_id, "dead", problem=problem)


def _verified(body: bytes, signature: str | None, secrets: Sequence[str]) -> tuple[str, int]:
    """The body as text, and the number of the secret that signed it. Raises SignatureInvalid."""
    for number, secret in enumerate(secrets, 1):
        try:
            stripe.WebhookSignature.verify_header(body, signature, secret, TOLERANCE_SECONDS)
            return body.decode(), number
        except (stripe.SignatureVerificationError, ValueError, TypeError):  # a header may hold anything
            continue
    raise SignatureInvalid()


def _event(text: str) -> tuple[str, str, datetime, str]:
    """(id, type, created, text) of an event. Raises Invalid where it is none."""
    try:
        event = json.loads(text, parse_constant=_no_number)
        _check_text(event)
        event_id, kind, created = event["id"], event["type"], event["created"]
        if not isinstance(event["data"]["object"], dict) or event.get("object") != "event":
            raise TypeError
        if not _NAME(event_id) or not _NAME(kind) or type(created) is not int or not 0 < created < 2**33:
            raise ValueError
    except (ValueError, KeyError, TypeError, RecursionError):
        raise Invalid.of("body", "is not an event of Stripe's") from None
    return event_id, kind, datetime.fromtimestamp(created, UTC), text


def _check_text(document: Any) -> None:
    """Raises ValueError for what PostgreSQL could not keep or we could not show again: see `free_text`."""
    level, depth = [document], 0
    while level:
        depth += 1
        if depth > DEEPEST:
            raise ValueError
        below: list[Any] = []
        for value in level:
            if isinstance(value, str) and _UNFIT(value):
                raise ValueError
            if isinstance(value, dict):
                below += [*value.keys(), *value.values()]
            elif isinstance(value, list):
                below += value
        level = below


def _no_number(name: str) -> None:
    raise ValueError(name)  # NaN and Infinity, which JSON does not know
