"""Readiness: whether this process can post, and if not, why.

A list of conditions, each of which says what is wrong or nothing. They are looked at together, at most once a second
and only when somebody asks, so that it costs nothing to ask.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

from billing.http.problems import TYPE
from billing.posting import Posting
from billing.store.proof import Proof, takes_no_writes
from billing.store.schema import WrongSchema, require_known, revisions
from billing.store.sqlstates import NotMigrated

LOOK_SECONDS = 1.0  # between looks
PROOF_SECONDS = 2.0  # for a lane to commit: its batches take a twentieth of that


class Obstacle(NamedTuple):
    """Why not: `code` for programs, `sentence` for people."""

    code: str
    sentence: str


Condition = Callable[[], Awaitable[Obstacle | None]]


class Readiness:
    """What `conditions` say, as one process knows it."""

    def __init__(self, *conditions: Condition) -> None:
        self._conditions = conditions
        self.known: list[Obstacle] = []  # as of the last look
        self._known_until = 0.0
        self._looking: asyncio.Task[None] | None = None

    async def reasons(self) -> list[Obstacle]:
        """Why this process cannot post; empty where it can."""
        if self._known_until < time.monotonic():
            if self._looking is None or self._looking.done():
                self._looking = asyncio.create_task(self._look())
            await asyncio.shield(self._looking)
        return self.known

    async def _look(self) -> None:
        found = await asyncio.gather(*(condition() for condition in self._conditions))
        self.known = [reason for reason in found if reason is not None]
        self._known_until = time.monotonic() + LOOK_SECONDS


def document(reasons: Sequence[Obstacle]) -> dict[str, Any]:
    """The problem document of `reasons`, of which there is at least one."""
    return {
        "type": f"{TYPE}{reasons[0].code}",
        "title": "Not ready to post",
        "status": 503,
        "detail": " ".join(reason.sentence for reason in reasons),
        "code": reasons[0].code,
        "retry": "later",
        "reasons": [reason._asdict() for reason in reasons],
    }


def lanes_commit(posting: Posting) -> Condition:
    """Every lane commits on its own connection, to a server that takes writes and a schema that is ours."""
    revisions()  # read before anybody waits for it

    async def condition() -> Obstacle | None:
        proofs = [lane.prove() for lane in posting.lanes]
        _, late = await asyncio.wait(proofs, timeout=PROOF_SECONDS)
        if late:
            return Obstacle(
                "posting_stalled",
                f"{len(late)} of {len(proofs)} posting lanes committed nothing for {PROOF_SECONDS:.0f} seconds: "
                "the database does not answer, or something holds its locks.",
            )
        return next(filter(None, map(_objection, proofs)), None)

    return condition


def _objection(done: asyncio.Future[Proof]) -> Obstacle | None:
    error = done.exception()
    if error is not None and not takes_no_writes(error):  # the log says what it was: strangers should not know that
        return Obstacle(
            "database_unavailable", "A posting lane cannot commit: the database refuses, or is not reached."
        )
    if error is not None or done.result().read_only:
        return Obstacle("database_read_only", "The database takes no writes: it is a standby, or was set to read only.")
    try:
        require_known(done.result().revision)
    except (NotMigrated, WrongSchema) as wrong:
        return Obstacle("wrong_schema", str(wrong))
    if done.result().put_off:
        return Obstacle(
            "database_unavailable", "The database refuses what a posting lane writes: its disk is full, say."
        )
    return None
