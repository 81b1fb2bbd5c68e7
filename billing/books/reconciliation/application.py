"""Application: what a reconciliation found is posted, each charge once, by who asked for it and, above a sum, a second key.

Every charge has one correction whose id follows from the reconciliation and the request, so posting again after a crash,
or beside somebody else, posts nothing twice. What came of a charge is written into its lines.
"""

import asyncio
import json
from collections.abc import Callable, Sequence
from hashlib import sha256
from itertools import groupby

from billing.books.reconciliation import rows as store
from billing.books.reconciliation.rows import Outcome
from billing.core.answers import ChargeAnswer, CorrectionAnswer
from billing.core.charges import Reported
from billing.core.commands import Command, Correct, Settle
from billing.core.reconciliation import (
    APPLYING,
    AWAITING_APPROVAL,
    CORRECT,
    NOTHING,
    POSTED,
    REFUSED,
    Line,
    Reconciliation,
)
from billing.core.refusals import ApprovalNotAwaited, Invalid, NothingToCorrect, Refusal, SecondKeyNeeded, Unavailable
from billing.core.text import free_text
from billing.posting import Posting
from billing.store.engine import Engine
from billing.store.refusals import Overloaded

_ATTEMPTS, _PAUSE_SECONDS = 8, 0.05

Progress = Callable[[int], None]


class Application:
    """Applies and approves. `approval_credits`: above them, in sum and without signs, a second key must approve."""

    def __init__(self, work: Engine, posting: Posting, approval_credits: int) -> None:
        self._work = work
        self._posting = posting
        self._approval_credits = approval_credits

    async def apply(
        self, reconciliation_id: str, actor: str, reason: str, progress: Progress | None = None
    ) -> tuple[Reconciliation, bool]:
        """Posts what was found, or has it wait for approval; and whether that had been asked for before.

        Begun before and not finished, it goes on. Raises ReconciliationNotFound, Invalid, Unavailable.
        """
        _check(reason)
        found = await store.reconciliation(self._work, reconciliation_id)
        replayed = found.asked_by is not None
        if not replayed:
            needed = bool(json.loads(found.totals)["absolute_credits"] > self._approval_credits)
            found = await store.ask_for(self._work, reconciliation_id, actor, reason, approval_needed=needed)
        return await self._post(found, progress), replayed

    async def approve(
        self, reconciliation_id: str, actor: str, reason: str, progress: Progress | None = None
    ) -> tuple[Reconciliation, bool]:
        """Approves, by another key than the one that asked, and posts; and whether this key had approved before.

        Raises ReconciliationNotFound, Invalid, SecondKeyNeeded, ApprovalNotAwaited, Unavailable.
        """
        _check(reason)
        before = await store.reconciliation(self._work, reconciliation_id)
        if before.state == AWAITING_APPROVAL and before.asked_by == actor:
            raise SecondKeyNeeded()
        found = await store.approve(self._work, reconciliation_id, actor, reason)
        if found.approved_by is None:
            raise ApprovalNotAwaited(found.state)
        return await self._post(found, progress), before.approved_by is not None

    async def _post(self, found: Reconciliation, progress: Progress | None) -> Reconciliation:
        if found.state != APPLYING:
            return found
        reconciliation_id = found.reconciliation_id
        done = after = 0
        while lines := await store.to_post(self._work, reconciliation_id, after=after):
            charges = [list(group) for _, group in groupby(lines, key=lambda line: (line.account_id, line.request_id))]
            commands = [_command(found, group) for group in charges]
            results = await self._results(commands)
            outcomes = [
                outcome
                for group, command, result in zip(charges, commands, results, strict=True)
                for outcome in _outcomes(group, command, result)
            ]
            await store.mark(self._work, reconciliation_id, outcomes)
            done += len(charges)
            after = lines[-1].line
            if progress is not None:
                progress(done)
        return await store.finish(self._work, reconciliation_id)

    async def _results(self, commands: Sequence[Command[CorrectionAnswer | ChargeAnswer]]) -> list[object]:
        """What came of each command. Raises Unavailable where that is not known: asking again finds out."""
        for attempt in range(_ATTEMPTS):
            try:
                results: list[object] = list(await self._posting.post_many(commands))
                break
            except Overloaded:  # charges come first
                if attempt == _ATTEMPTS - 1:
                    raise
                await asyncio.sleep(_PAUSE_SECONDS * 2**attempt)
        for result in results:
            if isinstance(result, Exception) and (isinstance(result, Unavailable) or not isinstance(result, Refusal)):
                raise result
        return results


def correction_id(reconciliation_id: str, request_id: str) -> str:
    """The id of the one correction that a reconciliation makes of a charge."""
    return f"rec:{sha256(f'{reconciliation_id}/{request_id}'.encode()).hexdigest()[:40]}"


def _command(found: Reconciliation, lines: Sequence[Line]) -> Command[CorrectionAnswer | ChargeAnswer]:
    first = lines[0]
    name = correction_id(found.reconciliation_id, first.request_id)
    # A settlement carries the name among what it reports: that of another reconciliation is not this one, sent again.
    source = None if first.action == CORRECT else f"reconciled: {name}"
    reported = tuple(
        Reported(
            line.index or 0, line.delivered_status or "failed", line.delivered_width, line.delivered_height, source
        )
        for line in lines
    )
    if first.action == CORRECT:
        return Correct(
            first.account_id,
            name,
            first.request_id,
            reported,
            found.reason or "",
            found.asked_by or "",
        )
    return Settle(first.account_id, first.request_id, reported, force=True)


def _outcomes(
    lines: Sequence[Line], command: Command[CorrectionAnswer | ChargeAnswer], result: object
) -> list[Outcome]:
    """What came of the lines of one charge. The credits stand with the output that they are for."""
    name = command.correction_id if isinstance(command, Correct) else None
    match result:
        case CorrectionAnswer():
            moved = {one.index: one.credits_after - one.credits_before for one in result.correction.outputs}
        case ChargeAnswer():
            moved = {one.index: one.credits for one in result.outputs}
        case NothingToCorrect():
            return [Outcome(line.line, NOTHING, None, 0, result.detail) for line in lines]
        case _:
            return [Outcome(line.line, REFUSED, None, 0, str(result)) for line in lines]
    outcomes = [Outcome(line.line, POSTED, name, moved.pop(line.index or 0, 0), None) for line in lines]
    if rest := sum(moved.values()):  # an output that had changed since it was compared
        outcomes[0] = outcomes[0]._replace(posted_credits=outcomes[0].posted_credits + rest)
    return outcomes


def _check(reason: str) -> None:
    """Raises Invalid: somebody will want to know why."""
    free_text(reason, "reason")
    if not reason.strip():
        raise Invalid.of("reason", "must not be empty")
