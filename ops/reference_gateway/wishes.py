"""All wishes that this process knows: who waits for them, their answers while there is room, and who works on them.

Whatever is forgotten here costs nobody anything: billing knows what was charged under which id.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from typing import Any

from .charge_ids import ChargeIds
from .errors import Refused
from .visit import Visit
from .wish import Asking, Name, State, Weighed, Wish, choose

MOST_NAMES = 10_000
MOST_UNDER_A_NAME = 64
"""Wishes without a key that nobody works on or waits for."""

Work = Callable[[Wish], Coroutine[Any, Any, Weighed]]
"""Fulfils a wish, or raises `Refused`. Cancelled, it leaves the hold open."""

_log = logging.getLogger("gateway")


class Wishes:
    """Keeps `kept_bytes` of answers, the oldest forgotten first, and those without a key for `kept_seconds`. Work that
    nobody waits for any more goes on: under a key to its end, for `linger_seconds` if there will be a repeat, and else
    not at all."""

    def __init__(self, *, kept_bytes: int, kept_seconds: float, linger_seconds: float) -> None:
        self._room = kept_bytes
        self._kept_seconds = kept_seconds
        self._linger_seconds = linger_seconds
        self._by_name: OrderedDict[Name, list[Wish]] = OrderedDict()
        self._answered: OrderedDict[Wish, int] = OrderedDict()
        self._weight = 0

    def visit(self, asking: Asking, work: Work) -> Visit:
        """A place at the wish that is meant, with its answer there or somebody working on it. Raises `Refused`."""
        now = time.monotonic()
        wishes = self._remembered(asking.name, now)
        wish = choose(wishes, asking, now)
        if wish is None:
            wish = _new(wishes, asking, now)
            if asking.caller.key is not None and not (asking.splits and wishes and wishes[0].asking.kin == asking.kin):
                self._forget_all(wishes)  # nothing was billed under the key: it is free for something else
            wishes.append(wish)
        replayed = wish.state is State.WORKING or wish.answer is not None
        if not replayed:
            task = asyncio.create_task(self._run(wish, work))
            task.add_done_callback(_heard)
            wish.begin(task)
        visit = Visit(wish, asking.caller, self._left, replayed=replayed)
        self._make_room()
        return visit

    def ended(self, wish: Wish, refused: Refused | None) -> None:
        """What the wish was answered with has come to nothing, or nobody knows to what (None)."""
        if wish.work is not None:
            return  # begun anew meanwhile
        self.forget(wish)
        wish.end(refused, time.monotonic())

    def forget(self, wish: Wish) -> None:
        """Its answer is not kept any more."""
        wish.answer = None
        self._weight -= self._answered.pop(wish, 0)

    async def close(self) -> None:
        """Cancels what runs: its holds are left to expire."""
        tasks = [wish.work for wishes in self._by_name.values() for wish in wishes if wish.work is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _left(self, wish: Wish) -> None:
        """A visit has ended."""
        if wish.attended or wish.work is None or wish.asking.caller.key is not None:
            return
        if wish.returning:
            loop = asyncio.get_running_loop()
            loop.call_later(self._linger_seconds, self._stop, wish, wish.work, wish.handed)
        else:
            self._stop(wish, wish.work, wish.handed)

    def _stop(self, wish: Wish, work: asyncio.Task[Weighed], handed: int) -> None:
        """Unless somebody has come meanwhile."""
        if not wish.attended and wish.handed == handed and wish.work is work and not wish.arrived:
            work.cancel()
            wish.end(None, time.monotonic())

    async def _run(self, wish: Wish, work: Work) -> Weighed:
        outcome: Weighed | Refused | None = None
        try:
            outcome = await work(wish)
            return outcome
        except Refused as refused:
            outcome = refused
            raise
        except Exception:
            _log.exception("charge %s %s", wish.asking.customer.account_id, wish.ids.current)
            raise
        finally:
            if wish.work is asyncio.current_task():  # else it was stopped, and perhaps begun anew
                self._end(wish, outcome)

    def _end(self, wish: Wish, outcome: Weighed | Refused | None) -> None:
        wish.end(outcome, time.monotonic())
        if wish.answer is not None:
            self._answered[wish] = wish.answer.weight
            self._weight += wish.answer.weight
            self._make_room()

    def _remembered(self, name: Name, now: float) -> list[Wish]:
        """The wishes of this name but for those whose time is over; the name is now the last to be forgotten."""
        wishes = self._by_name.setdefault(name, [])
        self._by_name.move_to_end(name)
        if name[1] == "content":
            idle = [wish for wish in wishes if wish.idle]
            too_many = max(0, len(idle) - MOST_UNDER_A_NAME)
            for number, wish in enumerate(idle):
                if number < too_many or (wish.state is not State.HELD and now - wish.idle_since > self._kept_seconds):
                    self.forget(wish)
                    wishes.remove(wish)
        return wishes

    def _make_room(self) -> None:
        while self._weight > self._room:
            self.forget(next(iter(self._answered)))
        while len(self._by_name) > MOST_NAMES:
            name = next((name for name, wishes in self._by_name.items() if all(wish.idle for wish in wishes)), None)
            if name is None:
                return
            self._forget_all(self._by_name.pop(name))

    def _forget_all(self, wishes: list[Wish]) -> None:
        for wish in wishes:
            self.forget(wish)
        wishes.clear()


def _new(wishes: list[Wish], asking: Asking, now: float) -> Wish:
    alike = sum(wish.asking.digest == asking.digest for wish in wishes) if asking.splits else 0
    return Wish(asking, ChargeIds(asking.caller.key, f"{asking.n}.{alike}" if alike else ""), now)


def _heard(work: asyncio.Task[Weighed]) -> None:
    """Why there is no answer may have nobody left to hear it; asyncio need not say so."""
    if not work.cancelled():
        work.exception()
