"""Reconciliations and their lines: written once, read in pages, and marked as they are applied."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

import asyncpg

from billing.core.reconciliation import (
    APPLIED,
    APPLYING,
    AWAITING_APPROVAL,
    COMPARED,
    CORRECT,
    NOTHING,
    POSTED,
    REFUSED,
    SETTLE,
    Line,
    Reconciliation,
)
from billing.core.refusals import ReconciliationNotFound
from billing.store.engine import Engine
from billing.store.rows import columns
from billing.store.snapshot import snapshot, working

LINES_AT_ONCE = 2_000

_HEAD: Final = columns(Reconciliation._fields, "r")
_LINE: Final = columns(Line._fields, "l")
_TO_POST: Final = f"l.outcome IS NULL AND l.action IN ('{CORRECT}', '{SETTLE}')"


@dataclass(frozen=True, slots=True)
class LineFilter:
    kind: str | None = None
    action: str | None = None
    outcome: str | None = None
    account_id: str | None = None


class Outcome(NamedTuple):
    """What came of one line: `problem` says why it was refused."""

    line: int
    outcome: str
    correction_id: str | None
    posted_credits: int
    problem: str | None


class AlreadyThere(Exception):
    """Another reconciliation of this id was made meanwhile."""


async def insert(connection: asyncpg.Connection, head: Reconciliation) -> None:
    """Raises AlreadyThere."""
    marks = ", ".join(f"${place}" for place in range(1, len(head) + 1))
    try:
        await connection.execute(f"INSERT INTO reconciliation VALUES ({marks})", *head)
    except asyncpg.UniqueViolationError:
        raise AlreadyThere() from None


async def insert_lines(connection: asyncpg.Connection, lines: Sequence[Line]) -> None:
    """Raises AlreadyThere."""
    try:
        await connection.copy_records_to_table("reconciliation_line", records=lines)
    except asyncpg.UniqueViolationError:
        raise AlreadyThere() from None


async def known(connection: asyncpg.Connection, reconciliation_id: str) -> Reconciliation | None:
    row = await connection.fetchrow(
        f"SELECT {_HEAD} FROM reconciliation r WHERE reconciliation_id = $1", reconciliation_id
    )
    return None if row is None else Reconciliation(*row)


async def reconciliation(engine: Engine, reconciliation_id: str) -> Reconciliation:
    """Raises ReconciliationNotFound."""
    async with snapshot(engine) as connection:
        found = await known(connection, reconciliation_id)
    if found is None:
        raise ReconciliationNotFound(reconciliation_id)
    return found


async def reconciliations(engine: Engine, *, before: tuple[datetime, str] | None, limit: int) -> list[Reconciliation]:
    """Newest first, beyond (created_at, reconciliation_id)."""
    moment, last = before or (None, None)
    async with snapshot(engine) as connection:
        found = await connection.fetch(
            f"""SELECT {_HEAD} FROM reconciliation r
                WHERE $1::timestamptz IS NULL OR (created_at, reconciliation_id) < ($1, $2)
                ORDER BY created_at DESC, reconciliation_id DESC LIMIT $3""",
            moment,
            last,
            limit,
        )
    return [Reconciliation(*row) for row in found]


async def lines(engine: Engine, reconciliation_id: str, where: LineFilter, *, after: int, limit: int) -> list[Line]:
    """Lines in their order, beyond the number `after`."""
    async with snapshot(engine) as connection:
        found = await connection.fetch(
            f"""SELECT {_LINE} FROM reconciliation_line l WHERE reconciliation_id = $1 AND line > $2
                AND ($3::text IS NULL OR kind = $3) AND ($4::text IS NULL OR action = $4)
                AND ($5::text IS NULL OR outcome = $5) AND ($6::text IS NULL OR account_id = $6)
                ORDER BY line LIMIT $7""",
            reconciliation_id,
            after,
            where.kind,
            where.action,
            where.outcome,
            where.account_id,
            limit,
        )
    return [Line(*row) for row in found]


async def all_lines(engine: Engine, reconciliation_id: str, where: LineFilter) -> AsyncIterator[Sequence[Line]]:
    """Every line, LINES_AT_ONCE of them at a time."""
    after = 0
    while found := await lines(engine, reconciliation_id, where, after=after, limit=LINES_AT_ONCE):
        yield found
        after = found[-1].line


async def ask_for(
    engine: Engine, reconciliation_id: str, actor: str, reason: str, *, approval_needed: bool
) -> Reconciliation:
    """Says that it is to be applied, unless somebody has. Raises ReconciliationNotFound."""
    return await _change(
        engine,
        reconciliation_id,
        f"state = $2, asked_by = $3, reason = $4, asked_at = clock_timestamp() WHERE r.state = '{COMPARED}'",
        AWAITING_APPROVAL if approval_needed else APPLYING,
        actor,
        reason,
    )


async def approve(engine: Engine, reconciliation_id: str, actor: str, reason: str) -> Reconciliation:
    """Approves what waits for that, unless it was the same actor who asked. Raises ReconciliationNotFound."""
    return await _change(
        engine,
        reconciliation_id,
        f"""state = '{APPLYING}', approved_by = $2, approval_reason = $3, approved_at = clock_timestamp()
            WHERE r.state = '{AWAITING_APPROVAL}' AND r.asked_by <> $2""",
        actor,
        reason,
    )


async def _change(engine: Engine, reconciliation_id: str, change: str, *values: str) -> Reconciliation:
    """One UPDATE that only one of many racers makes, and what stands after it."""
    async with working(engine) as connection:
        await connection.execute(
            f"UPDATE reconciliation r SET {change} AND reconciliation_id = $1", reconciliation_id, *values
        )
        found = await known(connection, reconciliation_id)
    if found is None:
        raise ReconciliationNotFound(reconciliation_id)
    return found


async def to_post(engine: Engine, reconciliation_id: str, *, after: int) -> list[Line]:
    """The next lines that are still to be posted, beyond the number `after`: those of whole charges."""
    async with snapshot(engine) as connection:
        found = await connection.fetch(
            f"""SELECT {_LINE} FROM reconciliation_line l
                WHERE reconciliation_id = $1 AND line > $2 AND {_TO_POST} ORDER BY line LIMIT $3""",
            reconciliation_id,
            after,
            LINES_AT_ONCE,
        )
    lines = [Line(*row) for row in found]
    if len(lines) == LINES_AT_ONCE:  # the last charge may go on; no charge has so many
        last = (lines[-1].account_id, lines[-1].request_id)
        lines = [line for line in lines if (line.account_id, line.request_id) != last]
    return lines


async def mark(engine: Engine, reconciliation_id: str, outcomes: Sequence[Outcome]) -> None:
    """Writes what came of lines, those that nobody else has written meanwhile.

    Where two post at once, one of them may find nothing to do, or be refused, and the other post: that it was posted stays.
    """
    arrays: list[Any] = [list(part) for part in zip(*outcomes, strict=True)]
    async with working(engine) as connection:
        await connection.execute(
            """UPDATE reconciliation_line l SET outcome = o.outcome, correction_id = o.correction_id,
                   posted_credits = o.posted_credits, problem = o.problem, posted_at = clock_timestamp()
               FROM unnest($2::bigint[], $3::text[], $4::text[], $5::bigint[], $6::text[])
                   AS o(line, outcome, correction_id, posted_credits, problem)
               WHERE l.reconciliation_id = $1 AND l.line = o.line
                   AND (l.outcome IS NULL OR (l.outcome <> $7 AND o.outcome = $7))""",
            reconciliation_id,
            *arrays,
            POSTED,
        )


async def finish(engine: Engine, reconciliation_id: str) -> Reconciliation:
    """Sums up what was posted, when nothing is left to be; who ends after another, again. Raises ReconciliationNotFound."""
    return await _change(
        engine,
        reconciliation_id,
        f"""state = '{APPLIED}', applied_at = coalesce(applied_at, clock_timestamp()), posted = (
                SELECT json_build_object(
                    'charges', count(DISTINCT (account_id, request_id)) FILTER (WHERE outcome = '{POSTED}'),
                    'credits', coalesce(sum(posted_credits), 0),
                    'supplemented_credits', coalesce(sum(posted_credits) FILTER (WHERE posted_credits > 0), 0),
                    'reduced_credits', coalesce(-sum(posted_credits) FILTER (WHERE posted_credits < 0), 0),
                    'posted_lines', count(*) FILTER (WHERE outcome = '{POSTED}'),
                    'refused_lines', count(*) FILTER (WHERE outcome = '{REFUSED}'),
                    'unneeded_lines', count(*) FILTER (WHERE outcome = '{NOTHING}'))::text
                FROM reconciliation_line l WHERE l.reconciliation_id = r.reconciliation_id AND outcome IS NOT NULL)
            WHERE r.state IN ('{APPLYING}', '{APPLIED}')
                AND NOT EXISTS (SELECT FROM reconciliation_line l WHERE l.reconciliation_id = r.reconciliation_id AND {_TO_POST})""",
    )
