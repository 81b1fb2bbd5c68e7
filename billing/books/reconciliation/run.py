"""Run: a manifest is read, compared with the ledger, and what was found is kept. Nothing is posted here."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, get_args

import asyncpg

from billing.books.reconciliation.answer import Reconciliation
from billing.books.reconciliation.comparison import compare
from billing.books.reconciliation.discrepancy import CORRECT, PERSON, SETTLE, Discrepancy, DiscrepancyKind
from billing.books.reconciliation.forms import Manifest
from billing.books.reconciliation.forms.rows import Loading, ManifestRow, check_not_twice
from billing.books.reconciliation.report import maybe_kept
from billing.books.reconciliation.staging import Staging, connected
from billing.books.reconciliation.suspects import ComparisonTerms, counted, suspects
from billing.core.content import must_agree
from billing.core.languages import ENGLISH, Language
from billing.core.prices import PriceBooks
from billing.core.refusals import IdReused, Invalid
from billing.store.accounts import must_exist
from billing.store.connection import Connection
from billing.store.snapshot import reachable

Tell = Callable[[str, int], None]  # a stage, and bytes read or lines found


class _AlreadyThere(Exception):
    """Another reconciliation of this id was made meanwhile."""


@dataclass
class _Sums:
    """What was found, as it counts: `totals` are what a Reconciliation says. Credits are of what will be posted."""

    totals: Counter[str] = field(default_factory=Counter)
    kinds: dict[DiscrepancyKind, Counter[str]] = field(default_factory=dict)

    def add(self, some: Sequence[Discrepancy]) -> None:
        """Counts what was found in one request."""
        self.totals["lines"] += len(some)
        self.totals["matched_rows"] -= len({one.manifest_line for one in some if one.manifest_line is not None})
        self.totals["charges_to_post"] += any(one.action in (CORRECT, SETTLE) for one in some)
        for one in some:
            kind = self.kinds.setdefault(one.kind, Counter())
            kind["lines"] += 1
            kind["difference_credits"] += one.difference_credits
            self.totals["for_a_person"] += one.action == PERSON
            if one.action in (CORRECT, SETTLE):
                self.totals["difference_credits"] += one.difference_credits
                self.totals["absolute_credits"] += abs(one.difference_credits)

    def text(self) -> str:
        """The totals as they are kept: JSON."""
        names = ("rows", "matched_rows", "charges", "charged_credits", "lines", "charges_to_post", "difference_credits",
                 "absolute_credits", "for_a_person")  # fmt: skip
        by_kind = [{"kind": kind, **self.kinds[kind]} for kind in get_args(DiscrepancyKind) if kind in self.kinds]
        return json.dumps({name: self.totals[name] for name in names} | {"by_kind": by_kind})


async def reconcile(
    dsn: str,
    manifest: Manifest,
    terms: ComparisonTerms,
    books: PriceBooks,
    language: Language = ENGLISH,
    tell: Tell = lambda stage, done: None,
) -> tuple[Reconciliation, bool]:
    """Compares a manifest with the ledger; and whether it had been compared under this id before, and nothing was done now.

    What cannot be read leaves nothing behind. Raises ManifestUnreadable, IdReused, Invalid, AccountNotFound,
    DatabaseUnavailable.
    """
    with reachable():
        async with connected(dsn) as connection:
            digest = await asyncio.to_thread(lambda: terms.digest(manifest.digest()))
            if known := await _known(connection, terms, digest, language):
                return known, True
            await _check(connection, terms)
            staging = Staging(connection)
            await staging.begin()
            try:
                rows = await _load(staging, manifest, terms, tell)
                await _compare(connection, staging, manifest.name, terms, digest, books, rows, tell)
                replayed = False
            except Exception as problem:
                if not connection.is_closed():
                    await staging.end()
                replayed = isinstance(problem, _AlreadyThere)
                if not replayed:
                    raise
            known = await _known(connection, terms, digest, language)
            assert known is not None
            return known, replayed


async def _known(
    connection: Connection, terms: ComparisonTerms, digest: bytes, language: Language
) -> Reconciliation | None:
    known = await maybe_kept(connection, terms.reconciliation_id, language)
    if known is not None and known.digest != digest.hex():
        said = {
            "account_id": (known.account_id, terms.account_id),
            "start": (known.start, terms.starts_at),
            "end": (known.end, terms.ends_at),
            "complete": (known.complete, terms.complete),
        }
        must_agree(terms.reconciliation_id, said)
        raise IdReused(terms.reconciliation_id, ["manifest"])  # the only other thing that the digest is of
    return known


async def _check(connection: Connection, terms: ComparisonTerms) -> None:
    now: datetime = await connection.fetchval("SELECT clock_timestamp()")
    if terms.ends_at is not None and terms.ends_at > now:
        raise Invalid.of("end", "lies in the future: what is still to come cannot be compared")
    await must_exist(connection, terms.account_id)


async def _load(staging: Staging, manifest: Manifest, terms: ComparisonTerms, tell: Tell) -> int:
    """Stages all rows; how many there are. They are read by another thread: whoever else is served here goes on."""
    chunks = manifest.chunks(Loading(staging.staging_id, terms.account_id))
    loaded = 0
    while rows := await asyncio.to_thread(_next, chunks):
        await staging.add(rows)
        loaded += len(rows)
        tell("reading", manifest.bytes_read)
    return loaded


def _next(chunks: Iterator[list[ManifestRow]]) -> list[ManifestRow] | None:
    rows = next(chunks, None)
    if rows is not None:
        check_not_twice(rows)
    return rows


async def _compare(
    connection: Connection,
    staging: Staging,
    name: str,
    terms: ComparisonTerms,
    digest: bytes,
    books: PriceBooks,
    rows: int,
    tell: Tell,
) -> None:
    """Raises _AlreadyThere."""
    sums = _Sums()
    async with connection.transaction(isolation="repeatable_read"):
        await staging.hold()
        now: datetime = await connection.fetchval("SELECT clock_timestamp()")
        tell("comparing", 0)
        charges, charged_credits = await counted(connection, staging.staging_id, terms, rows)
        sums.totals.update(rows=rows, matched_rows=rows, charges=charges, charged_credits=charged_credits)
        try:
            async for some in suspects(connection, staging.staging_id, terms, rows, now):
                found = []
                for suspect in some:
                    differs = compare(suspect, books, terms.time)
                    sums.add(differs)
                    found += differs
                first = sums.totals["lines"] - len(found) + 1
                await connection.copy_records_to_table(
                    "reconciliation_line",
                    columns=(*Discrepancy._fields, "posted_credits"),
                    records=[_record(terms.reconciliation_id, line, one) for line, one in enumerate(found, first)],
                )
                tell("comparing", sums.totals["lines"])
            await connection.execute(
                """INSERT INTO reconciliation (reconciliation_id, digest, manifest, account_id, starts_at, ends_at, complete, state, totals,
                       created_at, created_by) VALUES ($1, $2, $3, $4, $5, $6, $7, 'compared', $8, $9, $10)""",
                terms.reconciliation_id,
                digest,
                name,
                terms.account_id,
                terms.starts_at,
                terms.ends_at,
                terms.complete,
                sums.text(),
                now,
                terms.actor,
            )
        except asyncpg.UniqueViolationError:
            raise _AlreadyThere() from None
        await staging.end()


def _record(reconciliation_id: str, line: int, one: Discrepancy) -> tuple[Any, ...]:
    return (*one._replace(reconciliation_id=reconciliation_id, line=line, facts=json.dumps(one.facts)), 0)  # type: ignore[arg-type]
