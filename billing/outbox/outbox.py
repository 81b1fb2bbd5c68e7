"""The outbox: finds the listeners of what was announced, and tells them, again and again until they have heard."""

import asyncio
import random
from collections import Counter
from datetime import timedelta

import structlog

from billing.core.refusals import Refusal
from billing.outbox import message
from billing.outbox.backoff import pause_seconds
from billing.outbox.sender import Sender
from billing.store.deliveries import Errand, claim, dispatch, record_delivered, record_failed
from billing.store.engine import Engine

DISPATCHED_AT_ONCE = 1_000
SENT_AT_ONCE = 32
OF_ONE_ENDPOINT = 8  # of those, so that an endpoint that hangs leaves room for the others
LEASE = timedelta(seconds=60)  # well above what a sending may take: who holds no lease any more records nothing
FINISH_SECONDS = 5.0
GONE = 410
log = structlog.get_logger("billing.outbox")


class Outbox:
    """Looks for announcements and due deliveries every `interval_seconds`. Several processes work side by side.

    No transaction is open while something is sent. A process that dies between sending and recording has told the
    endpoint, and another will tell it again, under the same `webhook-id`.
    """

    def __init__(self, work: Engine, sender: Sender, *, interval_seconds: float = 1.0) -> None:
        self._work = work
        self._sender = sender
        self._interval = interval_seconds
        self._sending: dict[asyncio.Task[None], str] = {}  # and to which endpoint

    async def run(self) -> None:
        """Until cancelled; then what is being sent has a moment to finish. What fails is tried again the next time."""
        try:
            while True:
                try:
                    await self._start()
                except Refusal as refusal:
                    log.warning("outbox put off", reason=refusal.code)
                    await asyncio.sleep(self._interval)
                except Exception as error:  # without its traceback: frames hold secrets
                    log.error("outbox failed", reason=repr(error))
                    await asyncio.sleep(self._interval)
                await self._pause()
        finally:
            await self._finish()
            await self._sender.close()

    async def once(self) -> int:
        """One round: all that is due by now, and its answers; how many attempts were made."""
        made = 0
        while True:
            busy = bool(self._sending)  # as it was before the look: what held a place may have left it meanwhile
            started = await self._start()
            made += started
            if not started and not busy:
                return made
            if self._sending:
                await asyncio.wait(self._sending, return_when=asyncio.FIRST_COMPLETED)

    async def _start(self) -> int:
        """Dispatches, and begins to send as much as there is room for; how many deliveries that is."""
        while await dispatch(self._work, DISPATCHED_AT_ONCE) == DISPATCHED_AT_ONCE:
            pass
        room = SENT_AT_ONCE - len(self._sending)
        if room == 0:
            return 0
        errands = await claim(
            self._work, room, busy=Counter(self._sending.values()), of_one_endpoint=OF_ONE_ENDPOINT, lease=LEASE
        )
        for errand in errands:
            task = asyncio.create_task(self._send(errand), name=f"webhook {errand.event_id}")
            self._sending[task] = errand.endpoint_id
            task.add_done_callback(self._sending.pop)
        return len(errands)

    async def _pause(self) -> None:
        """Until there is room again, or it is time for another look."""
        if self._sending:
            await asyncio.wait(self._sending, timeout=self._interval, return_when=asyncio.FIRST_COMPLETED)
        else:
            await asyncio.sleep(self._interval)

    async def _finish(self) -> None:
        if self._sending:
            await asyncio.wait(self._sending, timeout=FINISH_SECONDS)
        unfinished = list(self._sending)
        for task in unfinished:
            task.cancel()
        await asyncio.gather(*unfinished, return_exceptions=True)

    async def _send(self, errand: Errand) -> None:
        """One attempt and its record. Where that fails the lease runs out, and the delivery is due again."""
        try:
            content = message.body(errand.type, errand.happened_at, errand.data)
            headers = message.headers(errand.event_id, errand.sent_at, content, errand.secrets)
            outcome = await self._sender.post(errand.url, headers, content)
            if outcome.problem is None:
                await record_delivered(self._work, errand, outcome.status)
                return
            gone = outcome.status == GONE
            pause = None if gone else pause_seconds(errand.attempts, random.random())
            again_after = None if pause is None else timedelta(seconds=pause)
            await record_failed(self._work, errand, outcome.status, outcome.problem, again_after=again_after, gone=gone)
            if again_after is None:
                log.warning(
                    "webhook given up",
                    endpoint_id=errand.endpoint_id,
                    event_id=errand.event_id,
                    status=outcome.status,
                    disabled=gone,
                )
        except Refusal as refusal:
            log.warning("webhook not recorded", event_id=errand.event_id, reason=refusal.code)
        except Exception as error:
            log.error("webhook failed", event_id=errand.event_id, reason=repr(error))
