"""Suspects: requests that may differ from a manifest's rows, found by the database and loaded in batches.

What is as the manifest says, which is nearly everything, never leaves the database.
"""

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

from billing.books.reconciliation.forms.rows import ManifestRow
from billing.core.charges import Charge, Output, as_delivered
from billing.core.refusals import Invalid
from billing.core.text import identifier
from billing.store import rows
from billing.store.connection import Connection
from billing.store.rows import columns

SUSPECTS_AT_ONCE = 2_000

_OUTPUT_OF_ROW = "o.account_id = m.account_id AND o.request_id = m.request_id AND o.index = m.index"
# A row is as it was charged. Where corrections or a row's own words are in play, the core looks closer.
_SAME: Final = """
    CASE WHEN c.request_id IS NULL THEN m.status = 'failed'
         WHEN c.status <> 'settled' THEN m.status = 'failed'
         ELSE (m.price_version IS NULL OR m.price_version = c.price_version)
            AND coalesce(o.corrected_credits, 0) = 0
            AND CASE WHEN m.status = 'failed' THEN coalesce(o.status, 'failed') = 'failed'
                     ELSE o.status = 'succeeded'
                        AND CASE WHEN m.width IS NULL THEN m.size_tier IS NULL OR m.size_tier = o.size_tier
                                 ELSE m.width = o.width AND m.height = o.height END END END"""
_ROWS: Final = "SELECT * FROM manifest_row WHERE staging_id = $1"
# Charges of the time that the manifest says all about: what of them is billed and in no row was not delivered.
_OF_TIME: Final = """
    SELECT c.account_id, c.request_id, c.settled_credits + c.corrected_credits AS credits, c.refunded_credits FROM charge c
    WHERE $2 AND c.status = 'settled' AND c.resolved_at >= $3 AND c.resolved_at < $4 AND ($5::text IS NULL OR c.account_id = $5)"""
_SUSPECTS: Final = f"""
    WITH rows AS MATERIALIZED ({_ROWS}),
    asked AS MATERIALIZED (SELECT DISTINCT account_id, request_id FROM rows),
    found AS MATERIALIZED (
        SELECT m.account_id, m.request_id, c.request_id IS NULL AS unknown
        FROM rows m
        LEFT JOIN charge c ON c.account_id = m.account_id AND c.request_id = m.request_id
        LEFT JOIN output o ON {_OUTPUT_OF_ROW}
        WHERE ({_SAME}) IS NOT TRUE),
    elsewhere AS (
        SELECT c.request_id, min(c.account_id) AS account_id FROM charge c
        WHERE c.request_id IN (SELECT request_id FROM found WHERE unknown) GROUP BY 1),
    undelivered AS (
        SELECT o.account_id, o.request_id FROM asked JOIN output o USING (account_id, request_id)
        LEFT JOIN rows m ON {_OUTPUT_OF_ROW}
        WHERE m.request_id IS NULL AND o.credits + o.corrected_credits > o.refunded_credits),
    unlisted AS (
        SELECT account_id, request_id FROM ({_OF_TIME}) t
        WHERE credits > refunded_credits AND NOT EXISTS
            (SELECT FROM asked WHERE asked.account_id = t.account_id AND asked.request_id = t.request_id)),
    misplaced AS (SELECT request_id, min(account_id) AS account_id FROM found WHERE unknown GROUP BY 1)
    SELECT every.account_id, every.request_id, coalesce(min(elsewhere.account_id), min(misplaced.account_id)) AS elsewhere
    FROM (SELECT account_id, request_id, unknown FROM found UNION ALL SELECT account_id, request_id, false FROM undelivered
          UNION ALL SELECT account_id, request_id, false FROM unlisted) every
    LEFT JOIN elsewhere ON every.unknown AND elsewhere.request_id = every.request_id
    LEFT JOIN misplaced ON NOT every.unknown AND misplaced.request_id = every.request_id
    GROUP BY 1, 2 ORDER BY 1, 2"""
_COUNTS: Final = f"""
    WITH asked AS MATERIALIZED (SELECT DISTINCT account_id, request_id FROM ({_ROWS}) m)
    SELECT count(*) AS charges, coalesce(sum(credits), 0)::bigint AS charged_credits FROM (
        SELECT c.account_id, c.request_id, c.settled_credits + c.corrected_credits AS credits
        FROM asked JOIN charge c ON c.account_id = asked.account_id AND c.request_id = asked.request_id
        UNION SELECT account_id, request_id, credits FROM ({_OF_TIME}) t) looked_at"""

# A batch of keys against tables of any size.
_LOOK_UP: Final = "SET LOCAL enable_nestloop = on; SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off"


@dataclass(slots=True)
class Suspect:
    """One request: its charge as it is now, its outputs as they were settled and as they are known to be, and its rows.

    `elsewhere` is another account that has a charge of this id, where this one has none; or, where it has one, an account
    without such a charge that the manifest names for it.
    """

    account_id: str
    request_id: str
    elsewhere: str | None
    account_known: bool = False
    charge: Charge | None = None
    outputs: list[Output] = field(default_factory=list)
    standing: list[Output] = field(default_factory=list)
    rows: dict[int, ManifestRow] = field(default_factory=dict)


@dataclass(frozen=True)
class ComparisonTerms:
    """What is to be compared. `complete`: the manifest is all that was delivered from `starts_at` until before `ends_at`.

    Only then a charge of that time without any row was not delivered. Raises Invalid.
    """

    reconciliation_id: str
    actor: str
    account_id: str | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    complete: bool = False

    def __post_init__(self) -> None:
        identifier(self.reconciliation_id, "reconciliation_id")
        if self.account_id is not None:
            identifier(self.account_id, "account_id")
        if (self.starts_at is None) != (self.ends_at is None):
            raise Invalid.of("end", "needs start, and start needs end")
        if self.starts_at is not None and self.ends_at is not None and self.starts_at >= self.ends_at:
            raise Invalid.of("end", "must be later than start")
        if self.complete and self.starts_at is None:
            raise Invalid.of("complete", "needs start and end: the time of which the manifest is everything")

    @property
    def time(self) -> tuple[datetime, datetime] | None:
        """From when until before when the manifest says all, if it does."""
        if self.complete and self.starts_at and self.ends_at:
            return self.starts_at, self.ends_at
        return None

    def scope(self, staging_id: str) -> tuple[Any, ...]:
        """What the queries go by: a staged manifest, and if it is `complete` all charges of a time, of one account or of all."""
        return staging_id, self.complete, self.starts_at, self.ends_at, self.account_id

    def digest(self, manifest: bytes) -> bytes:
        """What names the content: the manifest, by its own digest, and what it is compared with."""
        times = [None if moment is None else moment.isoformat() for moment in (self.starts_at, self.ends_at)]
        asked = json.dumps([self.account_id, *times, self.complete])
        return sha256(manifest + asked.encode()).digest()


async def counted(connection: Connection, staging_id: str, terms: ComparisonTerms, row_count: int) -> tuple[int, int]:
    """How many charges are looked at, and what they cost by now. Inside a transaction."""
    await _plan_for(connection, row_count)
    row = await connection.fetchrow(_COUNTS, *terms.scope(staging_id))
    assert row is not None
    return row["charges"], row["charged_credits"]


async def suspects(
    connection: Connection, staging_id: str, terms: ComparisonTerms, row_count: int, now: datetime
) -> AsyncIterator[list[Suspect]]:
    """What may differ, by account and request, SUSPECTS_AT_ONCE of them at a time. Inside a transaction."""
    await _plan_for(connection, row_count)
    cursor = await connection.cursor(_SUSPECTS, *terms.scope(staging_id))
    await connection.execute(_LOOK_UP)  # the cursor keeps its plan
    while found := await cursor.fetch(SUSPECTS_AT_ONCE):
        yield await _looked_at(connection, staging_id, found, now)


async def _plan_for(connection: Connection, row_count: int) -> None:
    """Joins whole tables where that is faster than looking rows up: nobody has analyzed what was just loaded."""
    charges = await connection.fetchval("SELECT reltuples FROM pg_class WHERE oid = 'charge'::regclass")
    await connection.execute(f"SET LOCAL enable_nestloop = {'off' if row_count * 50 > charges else 'on'}")


async def _looked_at(connection: Connection, staging_id: str, found: Sequence[Any], now: datetime) -> list[Suspect]:
    by_key = {
        (account_id, request_id): Suspect(account_id, request_id, other) for account_id, request_id, other in found
    }
    keys = [list(part) for part in zip(*by_key, strict=True)]
    wanted = "unnest($1::text[], $2::text[]) AS wanted(account_id, request_id)"
    of = "x.account_id = wanted.account_id AND x.request_id = wanted.request_id"
    for row in await connection.fetch(
        f"SELECT {columns(Charge._fields, 'x')} FROM {wanted} JOIN charge x ON {of}", *keys
    ):
        charge = rows.charge(row).as_of(now)
        by_key[charge.account_id, charge.request_id].charge = charge
    for row in await connection.fetch(
        f"SELECT {columns(Output._fields, 'x')} FROM {wanted} JOIN output x ON {of} ORDER BY x.index", *keys
    ):
        output = rows.output(row)
        by_key[output.account_id, output.request_id].outputs.append(output)
    for row in await connection.fetch(
        f"""SELECT {columns(ManifestRow._fields, "x")} FROM {wanted}
            JOIN manifest_row x ON {of} AND x.staging_id = $3 ORDER BY x.index""",
        *keys,
        staging_id,
    ):
        listed = ManifestRow(*row)
        by_key[listed.account_id, listed.request_id].rows[listed.index] = listed
    known = await connection.fetch("SELECT account_id FROM account WHERE account_id = ANY($1::text[])", keys[0])
    accounts = {account_id for (account_id,) in known}
    for suspect in by_key.values():
        suspect.account_known = suspect.account_id in accounts
        suspect.standing = suspect.outputs
    corrected = [key for key, suspect in by_key.items() if suspect.charge is not None]
    if corrected:
        for row in await connection.fetch(
            f"""SELECT {rows.CORRECTION} FROM {wanted}
                JOIN correction r USING (account_id, request_id) ORDER BY r.first_seq""",
            *[list(part) for part in zip(*corrected, strict=True)],
        ):
            correction = rows.correction(row)
            suspect = by_key[correction.account_id, correction.request_id]
            suspect.standing = as_delivered(suspect.standing, correction.outputs)
    return list(by_key.values())
