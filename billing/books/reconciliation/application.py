"""Application: what a reconciliation found is posted, each charge once, by who asked for it and, above a sum, a second key.

Every charge has one correction whose id follows from the reconciliation and the request, so posting again after a crash,
or beside somebody else, posts nothing twice. What came of a charge is written into its lines.
"""

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import groupby
from typing import Any, Final, NamedTuple

from billing.books.reconciliation.answer import Reconciliation
from billing.books.reconciliation.discrepancy import CORRECT, NOTHING, POSTED, REFUSED, SETTLE, LineOutcome, Sentence
from billing.books.reconciliation.report import LINES_AT_ONCE, kept, reconciliation
from billing.core.answers import ChargeAnswer, CorrectionAnswer
from billing.core.charges import Reported
from billing.core.commands import Command, Correct, Settle
from billing.core.languages import ENGLISH, Language
from billing.core.refusals import ChargeNotFound, ChargeNotOpen, Invalid, NothingToCorrect, Refusal, Unavailable
from billing.core.text import free_text
from billing.posting import Posting
from billing.store.engine import Engine
from billing.store.refusals import Overloaded
from billing.store.rows import columns
from billing.store.snapshot import snapshot, working

_ATTEMPTS, _PAUSE_SECONDS = 8, 0.05
# Refusals that have a sentence of their own; of any other the ledger's own words are quoted.
_REFUSALS: Final[dict[type[Refusal], Sentence]] = {
    ChargeNotOpen: "charge_not_open",
    ChargeNotFound: "charge_not_found",
    NothingToCorrect: "nothing_to_correct",
}

ChargesDone = Callable[[int], None]
Mend = Command[CorrectionAnswer | ChargeAnswer]


@dataclass(eq=False)
class SecondKeyNeeded(Refusal):
    code = "second_key_needed"
    title = "Another key must approve this"

    @property
    def detail(self) -> str:
        return "The key that asked for it cannot approve it too: have it approved with another key."


@dataclass(eq=False)
class ApprovalNotAwaited(Refusal):
    state: str
    code = "approval_not_awaited"
    title = "Nothing waits for approval here"

    @property
    def detail(self) -> str:
        return f"The reconciliation is {self.state}; only one that is awaiting_approval can be approved."


class LineToPost(NamedTuple):
    account_id: str
    request_id: str
    line: int
    index: int | None  # type: ignore[assignment]
    action: str
    delivered_status: str | None
    delivered_width: int | None
    delivered_height: int | None


class LineResult(NamedTuple):
    """What came of one line: `problem` says why it was not posted, and `problem_facts`, in JSON, what that tells."""

    line: int
    outcome: LineOutcome
    correction_id: str | None = None
    posted_credits: int = 0
    problem: Sentence | None = None
    problem_facts: str | None = None


_TO_POST: Final = f"l.outcome IS NULL AND l.action IN ('{CORRECT}', '{SETTLE}')"
_NEXT: Final = f"""
    SELECT {columns(LineToPost._fields, "l")} FROM reconciliation_line l
    WHERE reconciliation_id = $1 AND line > $2 AND {_TO_POST} ORDER BY line LIMIT $3"""
# Where two post at once, one of them may find nothing to do, or be refused, and the other post: that it was posted stays.
_MARK: Final = f"""
    UPDATE reconciliation_line l SET outcome = o.outcome, correction_id = o.correction_id, posted_credits = o.posted_credits,
        problem = o.problem, problem_facts = o.problem_facts, posted_at = clock_timestamp()
    FROM unnest($2::bigint[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::text[])
        AS o(line, outcome, correction_id, posted_credits, problem, problem_facts)
    WHERE l.reconciliation_id = $1 AND l.line = o.line
        AND (l.outcome IS NULL OR (l.outcome <> '{POSTED}' AND o.outcome = '{POSTED}'))"""
# Each is one UPDATE that only one of many racers makes.
_ASK: Final = """
    UPDATE reconciliation SET state = $2, asked_by = $3, reason = $4, asked_at = clock_timestamp()
    WHERE reconciliation_id = $1 AND state = 'compared'"""
_APPROVE: Final = """
    UPDATE reconciliation SET state = 'applying', approved_by = $2, approval_reason = $3, approved_at = clock_timestamp()
    WHERE reconciliation_id = $1 AND state = 'awaiting_approval' AND asked_by <> $2"""
# When nothing is left to be posted; who ends after another sums up again.
_FINISH: Final = f"""
    UPDATE reconciliation r SET state = 'applied', applied_at = coalesce(applied_at, clock_timestamp()), posted = (
        SELECT json_build_object(
            'charges', count(DISTINCT (account_id, request_id)) FILTER (WHERE outcome = '{POSTED}'),
            'credits', coalesce(sum(posted_credits), 0),
            'supplemented_credits', coalesce(sum(posted_credits) FILTER (WHERE posted_credits > 0), 0),
            'reduced_credits', coalesce(-sum(posted_credits) FILTER (WHERE posted_credits < 0), 0),
            'posted_lines', count(*) FILTER (WHERE outcome = '{POSTED}'),
            'refused_lines', count(*) FILTER (WHERE outcome = '{REFUSED}'),
            'unneeded_lines', count(*) FILTER (WHERE outcome = '{NOTHING}'))::text
        FROM reconciliation_line l WHERE l.reconciliation_id = r.reconciliation_id AND outcome IS NOT NULL)
    WHERE reconciliation_id = $1 AND state IN ('applying', 'applied')
        AND NOT EXISTS (SELECT FROM reconciliation_line l WHERE l.reconciliation_id = r.reconciliation_id AND {_TO_POST})"""


class Application:
    """Applies and approves. `approval_credits`: above them, in sum and without signs, a second key must approve."""

    def __init__(self, work: Engine, posting: Posting, approval_credits: int, language: Language = ENGLISH) -> None:
        self._work = work
        self._posting = posting
        self._approval_credits = approval_credits
        self._language = language

    async def apply(
        self, reconciliation_id: str, actor: str, reason: str, progress: ChargesDone | None = None
    ) -> tuple[Reconciliation, bool]:
        """Posts what was found, or has it wait for approval; and whether that had been asked for before.

        Begun before and not finished, it goes on. Raises ReconciliationNotFound, Invalid, Unavailable.
        """
        _check(reason)
        found = await reconciliation(self._work, reconciliation_id, self._language)
        replayed = found.asked_by is not None
        if not replayed:
            state = "awaiting_approval" if found.absolute_credits > self._approval_credits else "applying"
            found = await self._changed(_ASK, reconciliation_id, state, actor, reason)
        return await self._post(found, progress), replayed

    async def approve(
        self, reconciliation_id: str, actor: str, reason: str, progress: ChargesDone | None = None
    ) -> tuple[Reconciliation, bool]:
        """Approves, by another key than the one that asked, and posts; and whether this key had approved before.

        Raises ReconciliationNotFound, Invalid, SecondKeyNeeded, ApprovalNotAwaited, Unavailable.
        """
        _check(reason)
        before = await reconciliation(self._work, reconciliation_id, self._language)
        if before.state == "awaiting_approval" and before.asked_by == actor:
            raise SecondKeyNeeded()
        found = await self._changed(_APPROVE, reconciliation_id, actor, reason)
        if found.approved_by is None:
            raise ApprovalNotAwaited(found.state)
        return await self._post(found, progress), before.approved_by is not None

    async def finish(self, reconciliation_id: str) -> Reconciliation:
        """Sums up what was posted, if nothing is left to be."""
        return await self._changed(_FINISH, reconciliation_id)

    async def mark(self, reconciliation_id: str, results: Sequence[LineResult]) -> None:
        """Writes what came of lines, those that nobody else has written meanwhile."""
        arrays: list[Any] = [list(part) for part in zip(*results, strict=True)]
        async with working(self._work) as connection:
            await connection.execute(_MARK, reconciliation_id, *arrays)

    async def _changed(self, change: str, reconciliation_id: str, *values: str) -> Reconciliation:
        """What stands after a change that is made by one. Raises ReconciliationNotFound."""
        async with working(self._work) as connection:
            await connection.execute(change, reconciliation_id, *values)
            return await kept(connection, reconciliation_id, self._language)

    async def _post(self, found: Reconciliation, progress: ChargesDone | None) -> Reconciliation:
        if found.state != "applying":
            return found
        reconciliation_id = found.reconciliation_id
        done = after = 0
        while lines := await self._next(reconciliation_id, after):
            charges = [list(group) for _, group in groupby(lines, key=lambda line: (line.account_id, line.request_id))]
            commands = [_command(found, group) for group in charges]
            answers = await self._answers(commands)
            results = [
                result
                for group, command, answer in zip(charges, commands, answers, strict=True)
                for result in _results(group, command, answer)
            ]
            await self.mark(reconciliation_id, results)
            done += len(charges)
            after = lines[-1].line
            if progress is not None:
                progress(done)
        return await self.finish(reconciliation_id)

    async def _next(self, reconciliation_id: str, after: int) -> list[LineToPost]:
        """The next lines that are still to be posted, beyond the number `after`: those of whole charges."""
        async with snapshot(self._work) as connection:
            found = await connection.fetch(_NEXT, reconciliation_id, after, LINES_AT_ONCE)
        lines = [LineToPost(*row) for row in found]
        if len(lines) == LINES_AT_ONCE:  # the last charge may go on; no charge has so many
            last = (lines[-1].account_id, lines[-1].request_id)
            lines = [line for line in lines if (line.account_id, line.request_id) != last]
        return lines

    async def _answers(self, commands: Sequence[Mend]) -> list[object]:
        """What came of each command. Raises Unavailable where that is not known: asking again finds out."""
        for attempt in range(_ATTEMPTS):
            try:
                answers: list[object] = list(await self._posting.post_many(commands))
                break
            except Overloaded:  # charges come first
                if attempt == _ATTEMPTS - 1:
                    raise
                await asyncio.sleep(_PAUSE_SECONDS * 2**attempt)
        for answer in answers:
            if isinstance(answer, Exception) and (isinstance(answer, Unavailable) or not isinstance(answer, Refusal)):
                raise answer
        return answers


def correction_id(reconciliation_id: str, request_id: str) -> str:
    """The id of the one correction that a reconciliation makes of a charge."""
    return f"rec:{sha256(f'{reconciliation_id}/{request_id}'.encode()).hexdigest()[:40]}"


def _command(found: Reconciliation, lines: Sequence[LineToPost]) -> Mend:
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
        return Correct(first.account_id, name, first.request_id, reported, found.reason or "", found.asked_by or "")
    return Settle(first.account_id, first.request_id, reported, force=True)


def _results(lines: Sequence[LineToPost], command: Mend, answer: object) -> list[LineResult]:
    """What came of the lines of one charge. The credits stand with the output that they are for."""
    match answer:
        case CorrectionAnswer():
            moved = {one.index: one.credits_after - one.credits_before for one in answer.correction.outputs}
        case ChargeAnswer():
            moved = {one.index: one.credits for one in answer.outputs}
        case Refusal():
            outcome: LineOutcome = NOTHING if isinstance(answer, NothingToCorrect) else REFUSED
            problem = _REFUSALS.get(type(answer), "refused")
            facts = json.dumps(answer.facts() if problem != "refused" else {"detail": answer.detail})
            return [LineResult(line.line, outcome, problem=problem, problem_facts=facts) for line in lines]
        case _:
            raise TypeError(answer)
    name = command.correction_id if isinstance(command, Correct) else None
    results = [LineResult(line.line, POSTED, name, moved.pop(line.index or 0, 0)) for line in lines]
    if rest := sum(moved.values()):  # an output that had changed since it was compared
        results[0] = results[0]._replace(posted_credits=results[0].posted_credits + rest)
    return results


def _check(reason: str) -> None:
    """Raises Invalid: somebody will want to know why."""
    free_text(reason, "reason")
    if not reason.strip():
        raise Invalid.of("reason", "must not be empty")
