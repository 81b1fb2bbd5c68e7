"""Stored charges: a database that has been in use for a while, loaded by the server itself.

One settled charge of one image for each: charge, output and transfer as wide as real ones, in the order of
time, so that the indexes grow as they would in use. The accounts' figures agree with them; the hashes are of
the right length but do not chain.
"""

import asyncpg

from billing.bench.progress import Progress
from billing.bench.workload import GRANTED
from billing.store.connection import plain_dsn

_STEP = 50_000  # charges to a transaction
_CREDITS = 14

# Each account gets every n-th charge, n being the number of accounts.
_EACH = f"""
    SELECT format('acct_%s', lpad((i % $3)::text, 8, '0')) AS account_id,
           format('req_%s', left(md5(i::text), 24)) AS request_id,
           i / $3 + 2 AS seq,
           {GRANTED}::bigint - (i / $3 + 1) * {_CREDITS} AS balance_after,
           clock_timestamp() - interval '30 days' + i * interval '1 millisecond' AS moment
    FROM generate_series($1::bigint, $2::bigint - 1) i"""

_CHARGE = f"""
    INSERT INTO {{charge}} (account_id, request_id, status, model, operation, mode, n, size, quality,
        billed_quality, quoted_tier, credits_per_image, quoted_credits, held_credits, settled_credits,
        refunded_credits, price_version, asked_price_version, overage, one_step, forced, flags, void_reason,
        api_key_id, end_user, metadata, hold_seconds, credit_limit, available_credits, authorized_seq,
        authorized_at, expires_at, resolved_at, first_seq, last_seq, released_at)
    SELECT account_id, request_id, 'settled', 'gpt-image-2', 'generation', 'sync', 1, '1024x1024', 'high',
        'high', '1K', {_CREDITS}, {_CREDITS}, {_CREDITS}, {_CREDITS},
        0, 1, NULL, 'bill', false, false, '{{{{}}}}', NULL,
        'key_4f1c09aa', format('user_%s', seq), NULL, 900, 0, balance_after + {_CREDITS}, seq - 1,
        moment, moment + interval '900 seconds', moment,
        seq, seq, moment
    FROM ({_EACH}) each"""
_OUTPUT = f"""
    INSERT INTO {{output}} (account_id, request_id, index, status, width, height, size_tier, credits,
        refunded_credits, flags, reason)
    SELECT account_id, request_id, 0, 'succeeded', 1024, 1024, '1K', {_CREDITS}, 0, '{{{{}}}}', NULL
    FROM ({_EACH}) each"""
_TRANSFER = f"""
    INSERT INTO {{transfer}} (account_id, book, seq, kind, debit, credit, asset, amount, balance_after,
        request_id, grant_id, refund_id, external_id, effective_at, posted_at, digest, hash)
    SELECT account_id, 'wallet', seq, 'settle', 'wallet', 'consumed', 'CREDIT', {_CREDITS}, balance_after,
        request_id, 'grant_1', NULL, NULL, moment, moment, sha256(request_id::bytea),
        sha256(account_id::bytea)
    FROM ({_EACH}) each"""
CHARGES = [
    _CHARGE.format(charge="charge"),
    _OUTPUT.format(output="output"),
    _TRANSFER.format(transfer="transfer"),
]
_STATEMENTS = [
    *CHARGES,
    _CHARGE.format(charge="floor_charge"),
    _OUTPUT.format(output="floor_output"),
    _TRANSFER.format(transfer="floor_transfer"),
]

_SUMS = """
    SELECT account_id, count(*) AS charges, sum(amount) AS spent, max(seq) AS seq
    FROM transfer WHERE book = 'wallet' AND kind = 'settle' GROUP BY account_id"""
_GRANT = f"""
    UPDATE "grant" g SET remaining = remaining - spent, used = used + spent
    FROM ({_SUMS}) s WHERE s.account_id = g.account_id"""
_ACCOUNT = f"""
    UPDATE account a SET posted = posted - spent, wallet_seq = s.seq
    FROM ({_SUMS}) s WHERE s.account_id = a.account_id"""


async def load(dsn: str, charges: int, accounts: int, progress: Progress) -> None:
    """Stores settled charges on accounts that were just opened, and the same in the floor's tables."""
    connection = await asyncpg.connect(plain_dsn(dsn))
    try:
        with progress.step(f"storing {charges:,} charges", total=charges) as step:
            for first in range(0, charges, _STEP):
                past = min(first + _STEP, charges)
                async with connection.transaction():
                    for statement in _STATEMENTS:
                        await connection.execute(statement, first, past, accounts)
                step.advance(past - first)
        async with connection.transaction():
            await connection.execute(_GRANT)
            await connection.execute(_ACCOUNT)
    finally:
        await connection.close()
