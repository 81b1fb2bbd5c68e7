"""Recognition in the database: what accounts have that is not revenue yet, loaded and written under their locks.

Wallet transfers are summed by the database into movements, one for each run of a grant and UTC day, in the words of
`billing.core.cost_basis.movements`.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import asyncpg

from billing.core.cost_basis import Movement, Recognition, Unrecognised
from billing.core.grants import Grant
from billing.core.payments import Topup
from billing.core.wallet import Wallet
from billing.store import rows
from billing.store.payments import load_topups

# Transfers of an account that one transaction looks at: others of the lane wait for it about as long as for a batch.
TRANSFERS_AT_ONCE: Final = 5_000
_TICK = timedelta(microseconds=1)

_PROGRESS = """
    SELECT a.account_id, a.recognised_seq, a.recognised_at FROM account a WHERE a.account_id = ANY($1::text[])"""
# A grant is brought by the transfer of its own `seq`: where that returned credits and the grant has an origin, they moved
# to it. A debt is paid by the transfer that brought the credits, unless that came before the debt: then a clawback drew
# on others at once (its debt is a `revoke`), or a grant thawed, which no transfer shows.
_MOVEMENTS = """
    WITH k AS (SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[]) k(account_id, after, until)),
    moved AS (
        SELECT t.account_id, coalesce(s.origin_grant_id, t.grant_id) AS grant_id, t.seq, t.effective_at,
            CASE WHEN t.kind IN ('settle', 'supplement') THEN t.amount WHEN t.kind = 'expire' THEN 0 ELSE -t.amount END AS used,
            CASE WHEN t.kind = 'expire' THEN t.amount ELSE 0 END AS expired,
            CASE WHEN s.grant_id IS NULL THEN 0 ELSE t.amount END AS moved, coalesce(s.paid_micros, 0) AS succeeded_micros
        FROM k JOIN transfer t ON t.account_id = k.account_id AND t.book = 'wallet' AND t.seq > k.after AND t.seq <= k.until
        LEFT JOIN LATERAL (  -- OFFSET 0: only what returned credits is looked up
            SELECT g.grant_id, g.origin_grant_id, g.paid_micros FROM "grant" g
            WHERE t.kind IN ('refund', 'reduction') AND g.account_id = t.account_id AND g.grant_id = t.grant_id
                AND g.seq = t.seq AND g.origin_grant_id IS NOT NULL OFFSET 0) s ON true
        WHERE t.grant_id IS NOT NULL AND t.kind IN ('settle', 'supplement', 'refund', 'reduction', 'expire')
        UNION ALL
        SELECT f.account_id, f.grant_id, t.seq, t.effective_at, f.credits, 0, 0, 0
        FROM k JOIN fill f ON f.account_id = k.account_id AND f.paid_by_seq > k.after AND f.paid_by_seq <= k.until
            AND f.paid_by_seq > f.seq
        JOIN transfer t ON t.account_id = f.account_id AND t.book = 'wallet' AND t.seq = f.paid_by_seq
        WHERE t.grant_id IS NOT NULL
        UNION ALL
        SELECT f.account_id, f.grant_id, t.seq, t.effective_at, f.credits, 0, 0, 0
        FROM k JOIN fill f ON f.account_id = k.account_id AND f.seq > k.after AND f.seq <= k.until AND f.paid_by_seq < f.seq
        JOIN transfer t ON t.account_id = f.account_id AND t.book = 'wallet' AND t.seq = f.seq
        WHERE t.kind = 'revoke'),
    days AS (SELECT *, (effective_at AT TIME ZONE 'UTC')::date AS day FROM moved),
    starts AS (
        SELECT *, day IS DISTINCT FROM lag(day) OVER (PARTITION BY account_id, grant_id ORDER BY seq) AS start FROM days),
    runs AS (
        SELECT *, count(*) FILTER (WHERE start) OVER (PARTITION BY account_id, grant_id ORDER BY seq) AS run FROM starts)
    SELECT account_id, grant_id, max(seq), max(effective_at), sum(used)::bigint, sum(expired)::bigint, sum(moved)::bigint,
        sum(succeeded_micros)::bigint
    FROM runs GROUP BY account_id, grant_id, run ORDER BY account_id, max(seq)"""
# Grants whose credits are not where they were when they were recognised.
_GRANTS = f"""
    SELECT {rows.GRANT} FROM unnest($1::text[]) k(account_id)
    JOIN "grant" g ON g.account_id = k.account_id AND g.paid_micros > 0
    LEFT JOIN recognition r ON r.account_id = g.account_id AND r.grant_id = g.grant_id
    LEFT JOIN topup u ON g.revoked > 0 AND u.account_id = g.account_id AND u.topup_id =
        CASE WHEN g.grant_id LIKE 'pack:%' THEN substr(g.grant_id, 6, length(g.grant_id) - 7) ELSE left(g.grant_id, -2) END
    WHERE ROW(g.used, g.expired, g.moved, g.revoked, coalesce(u.returned_deferred_micros, 0))
        <> ROW(coalesce(r.used, 0), coalesce(r.expired, 0), coalesce(r.moved, 0), coalesce(r.revoked, 0),
               coalesce(r.returned_micros, 0))"""
_NAMED = f"""
    SELECT {rows.GRANT} FROM unnest($1::text[], $2::text[]) k(account_id, grant_id)
    JOIN "grant" g ON g.account_id = k.account_id AND g.grant_id = k.grant_id"""
_KNOWN = f"""
    SELECT {rows.columns(Recognition._fields, "r")} FROM unnest($1::text[], $2::text[]) k(account_id, grant_id)
    JOIN recognition r ON r.account_id = k.account_id AND r.grant_id = k.grant_id"""

_WRITE = f"""
    INSERT INTO recognition ({", ".join(Recognition._fields)})
    SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[],
        $8::bigint[], $9::bigint[])
    ON CONFLICT (account_id, grant_id) DO UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in Recognition._fields[2:])}"""
_MARK = """
    UPDATE account a SET recognised_seq = u.seq, recognised_at = coalesce(u.at, a.recognised_at)
    FROM unnest($1::text[], $2::bigint[], $3::timestamptz[]) u(account_id, seq, at) WHERE a.account_id = u.account_id"""


async def load_unrecognised(connection: asyncpg.Connection, wallets: Sequence[Wallet]) -> None:
    """What is not recognised of these accounts, before anything that is due on them is posted."""
    found: dict[str, Unrecognised] = {}
    by_id = {wallet.account_id: wallet for wallet in wallets}
    for account_id, seq, at in await connection.fetch(_PROGRESS, list(by_id)):
        last = by_id[account_id].wallet_seq
        found[account_id] = Unrecognised(seq, min(last, seq + TRANSFERS_AT_ONCE), last, at)
        by_id[account_id].unrecognised = found[account_id]
    if ahead := [(account, one.seq, one.until) for account, one in found.items() if one.seq < one.until]:
        movements: dict[str, list[Movement]] = {}
        for row in await connection.fetch(_MOVEMENTS, *rows.arrays(ahead)):
            movements.setdefault(row[0], []).append(Movement(*row))
        for account_id, moved in movements.items():
            found[account_id].movements = moved
    if whole := [account for account, one in found.items() if one.whole]:
        for row in await connection.fetch(_GRANTS, whole):
            _add_grant(by_id, row)
    named = {(account, moved.grant_id) for account, one in found.items() for moved in one.movements}
    if missing := [key for key in named if key[1] not in by_id[key[0]].grants]:
        for row in await connection.fetch(_NAMED, *rows.arrays(missing)):
            _add_grant(by_id, row)
    paid = [
        (account, grant.grant_id) for account in found for grant in by_id[account].grants.values() if grant.paid_micros
    ]
    if paid:
        for row in await connection.fetch(_KNOWN, *rows.arrays(paid)):
            found[row[0]].known.load(row[1], Recognition(*row))
        await load_topups(connection, by_id, [(a, t) for a, g in paid if (t := Topup.of_grant(g)) is not None])


async def apply_recognition(connection: asyncpg.Connection, wallets: Sequence[Wallet]) -> None:
    """Writes what was recognised of `wallets`, and how far that went."""
    written, marks = [], []
    for wallet in wallets:
        if (found := wallet.unrecognised) and found.changed:
            written += found.known.written
            marks.append((wallet.account_id, found.seq, _seen_at(wallet, found)))
    if written:
        await connection.execute(_WRITE, *rows.arrays(written))
    if marks:
        await connection.execute(_MARK, *rows.arrays(marks))


def _add_grant(wallets: dict[str, Wallet], row: asyncpg.Record) -> None:
    grant = Grant(*row)
    wallets[grant.account_id].grants.load(grant.grant_id, grant)


def _seen_at(wallet: Wallet, found: Unrecognised) -> datetime | None:
    """When nothing was missing, which the batch may have changed since; None where more is to be looked at."""
    if found.nothing_missing is None or wallet.last_at is None:
        return None
    later = found.nothing_missing != (wallet.wallet_seq, wallet.money_seq)
    return wallet.last_at - _TICK if later else wallet.last_at
