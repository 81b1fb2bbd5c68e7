"""Apply: what a batch decided, written in sets. Each row is written at most once, with its net effect.

What nearly every batch has (charges, holds, outputs, transfers, and the standing of grants and accounts) goes in one
statement, an array of tuples for each table: small batches are mostly round trips, and for large ones COPY is no faster.
What few batches have goes by itself. The caller commits.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import cache
from typing import Any

import asyncpg

from billing.core.announcements import Announcement
from billing.core.charges import Charge, Output
from billing.core.grants import Fill
from billing.core.ledger import Transfer
from billing.core.usage import UsageCount, day_of
from billing.core.wallet import AccountChange, CorrectionRow, Hold, RefundRow, Wallet
from billing.store import rows
from billing.store.payments import apply_payments
from billing.store.recognition import apply_recognition
from billing.store.usage import sum_up


def _insert(table: str, columns: Sequence[str]) -> str:
    names = ", ".join(f'"{name}"' for name in columns)
    return f"INSERT INTO {table} ({names}) SELECT {names} FROM unnest($1::{table}_row[])"


# What nearly every batch writes, by what it means.
_PARTS = {
    "charge": _insert("charge", Charge._fields),
    "hold": _insert("hold", Hold._fields),
    "output": _insert("output", Output._fields),
    "transfer": _insert("transfer", Transfer._fields),
    "usage": """
    INSERT INTO usage_bucket AS b SELECT * FROM unnest($1::usage_bucket_row[])
    ON CONFLICT (account_id, quarter_hour, model, operation, size_tier, quality, api_key_id) DO UPDATE
    SET requests = b.requests + excluded.requests, images = b.images + excluded.images,
        failed_images = b.failed_images + excluded.failed_images, credits = b.credits + excluded.credits""",
    "resolve": """
    UPDATE charge c SET status = u.status, settled_credits = u.settled_credits, refunded_credits = u.refunded_credits,
        forced = u.forced, flags = u.flags, void_reason = u.void_reason, resolved_at = u.resolved_at,
        first_seq = u.first_seq, last_seq = u.last_seq, released_at = u.released_at, corrected_credits = u.corrected_credits
    FROM unnest($1::charge_resolution[]) u WHERE c.account_id = u.account_id AND c.request_id = u.request_id""",
    "end_hold": """
    DELETE FROM hold h USING unnest($1::hold_row[]) u
    WHERE h.account_id = u.account_id AND h.expires_at = u.expires_at AND h.request_id = u.request_id""",
    "draw": """
    UPDATE "grant" g SET remaining = u.remaining, used = u.used, expired = u.expired, revoked = u.revoked, moved = u.moved,
        frozen = u.frozen, open = u.open
    FROM unnest($1::grant_parts[]) u WHERE g.account_id = u.account_id AND g.grant_id = u.grant_id""",
    "standing": """
    UPDATE account a SET posted = u.posted, held = u.held, frozen = u.frozen, debt = u.debt, wallet_seq = u.wallet_seq,
        wallet_head = u.wallet_head, money_seq = u.money_seq, money_head = u.money_head, last_at = u.last_at, due_at = u.due_at
    FROM unnest($1::account_standing[]) u WHERE a.account_id = u.account_id""",
}

_SETTINGS = """
    UPDATE account a SET name = u.name, status = u.status, credit_limit = u.credit_limit, overage = u.overage, hold = u.hold,
        metadata = u.metadata
    FROM unnest($1::account_settings[]) u WHERE a.account_id = u.account_id"""
_OUTPUTS = """
    UPDATE output o SET refunded_credits = u.refunded, corrected_credits = u.corrected
    FROM unnest($1::text[], $2::text[], $3::integer[], $4::bigint[], $5::bigint[])
        u(account_id, request_id, index, refunded, corrected)
    WHERE o.account_id = u.account_id AND o.request_id = u.request_id AND o.index = u.index"""
# All parts at once: at no time is more revoked than was clawed back.
_CLAWED = """
    UPDATE "grant" g SET remaining = u.remaining, used = u.used, expired = u.expired, revoked = u.revoked, moved = u.moved,
        frozen = u.frozen, open = u.open, clawed = u.clawed
    FROM unnest($1::grant_parts[], $2::bigint[])
        u(account_id, grant_id, remaining, used, expired, revoked, moved, frozen, open, clawed)
    WHERE g.account_id = u.account_id AND g.grant_id = u.grant_id"""
_WATCHED = "UPDATE account SET low_balance = $2, recharge_below = $3 WHERE account_id = $1"
_DEBTS = """
    UPDATE debt d SET outstanding = u.outstanding FROM unnest($1::text[], $2::bigint[], $3::bigint[]) u(account_id, seq, outstanding)
    WHERE d.account_id = u.account_id AND d.seq = u.seq"""


async def apply(connection: asyncpg.Connection, wallets: Iterable[Wallet], now: Callable[[Wallet], Any]) -> None:
    """Writes what changed in `wallets`; `now` gives each its instant. Raises what asyncpg raises."""
    changed = [wallet for wallet in wallets if wallet.changed]
    left: list[tuple[str, datetime]] = []
    for wallet in changed:
        before, wallet.last_at = wallet.last_at, now(wallet)
        if before is not None and day_of(before) < day_of(wallet.last_at):
            left.append((wallet.account_id, day_of(before)))
    charges: list[Charge] = []
    resolved: list[Any] = []
    holds: list[Hold] = []
    ended: list[Hold] = []
    outputs: list[Output] = []
    transfers: list[Transfer] = []
    grants: list[Any] = []
    drawn: list[Any] = []
    usage: list[UsageCount] = []
    for wallet in changed:
        if wallet.new_charges:
            charges += [wallet.charges[request_id] for request_id in wallet.new_charges]
        if wallet.changed_charges:
            resolved += [rows.resolution(wallet.charges[request_id]) for request_id in wallet.changed_charges]
        if wallet.new_holds:
            holds += wallet.new_holds.values()
        if wallet.ended_holds:
            ended += wallet.ended_holds
        for request_id in wallet.billed:
            outputs += wallet.outputs[request_id]
        transfers += wallet.transfers
        if wallet.usage is not None:
            usage += wallet.usage.rows(wallet.account_id)
        if wallet.new_grants:
            grants += [rows.grant_row(wallet.grants[grant_id]) for grant_id in wallet.new_grants]
        if wallet.changed_grants:
            drawn += [
                rows.grant_parts(wallet.grants[grant_id])
                for grant_id in wallet.changed_grants - wallet.new_grants - wallet.clawed_grants
            ]
    opened = [rows.account_row(wallet) for wallet in changed if wallet.opened]
    standing = [rows.standing(wallet) for wallet in changed if not wallet.opened]

    if left:
        await sum_up(connection, left)
    await _copy(connection, "account", rows.ACCOUNT_COLUMNS, opened)
    await _copy(connection, "grant", rows.GRANT_COLUMNS, grants)
    written: dict[str, Sequence[Any]] = {
        "charge": charges,
        "hold": holds,
        "output": outputs,
        "transfer": transfers,
        "usage": usage,
        "resolve": resolved,
        "end_hold": ended,
        "draw": drawn,
        "standing": standing,
    }
    await _write(connection, {part: records for part, records in written.items() if records})
    await _apply_rare(connection, changed)


async def _write(connection: asyncpg.Connection, written: dict[str, Sequence[Any]]) -> None:
    """All parts in one statement: small batches are mostly round trips. No two parts write the same row."""
    if written:
        await connection.execute(_statement(tuple(written)), *written.values())


@cache
def _statement(parts: tuple[str, ...]) -> str:
    texts = [_PARTS[part].replace("$1", f"${place}") for place, part in enumerate(parts, 1)]
    if len(texts) == 1:
        return texts[0]
    return "WITH " + ", ".join(f"part_{place} AS ({text})" for place, text in enumerate(texts)) + " SELECT"


async def _apply_rare(connection: asyncpg.Connection, wallets: Sequence[Wallet]) -> None:
    """Debts, refunds, corrections, payments, announcements and changes of settings: few batches have any."""
    if settings := [rows.settings_row(wallet) for wallet in wallets if wallet.settings_changed]:
        await connection.execute(_SETTINGS, settings)
    changes = [change for wallet in wallets for change in wallet.changes]
    await _copy(connection, "account_change", AccountChange._fields, changes)
    debts = [debt for wallet in wallets for debt in wallet.debts if debt.seq in wallet.new_debts]
    await _copy(connection, "debt", rows.DEBT_COLUMNS, [rows.debt_row(debt) for debt in debts])
    paid = [
        (debt.account_id, debt.seq, debt.outstanding)
        for wallet in wallets
        for debt in wallet.debts
        if debt.seq in wallet.changed_debts and debt.seq not in wallet.new_debts
    ]
    if paid:
        await connection.execute(_DEBTS, *rows.arrays(paid))
    await _copy(connection, "fill", Fill._fields, [fill for wallet in wallets for fill in wallet.fills])
    await _apply_refunds(connection, [one for wallet in wallets for one in wallet.new_refunds])
    await _apply_corrections(connection, [one for wallet in wallets for one in wallet.new_corrections])
    clawed = [wallet.grants[grant_id] for wallet in wallets for grant_id in wallet.clawed_grants - wallet.new_grants]
    if clawed:
        parts = [rows.grant_parts(grant) for grant in clawed]
        await connection.execute(_CLAWED, parts, [grant.clawed for grant in clawed])
    if watched := [w for w in wallets if (w.settings_changed or w.watch_changed) and w.settings and not w.opened]:
        levels = [(w.account_id, w.settings and w.settings.low_balance, w.recharge_below) for w in watched]
        await connection.executemany(_WATCHED, levels)
    await _copy(
        connection, "outbox", Announcement._fields, [told for wallet in wallets for told in wallet.announcements]
    )
    await apply_payments(connection, [wallet for wallet in wallets if wallet.pays or wallet.recharge_due])
    if recognised := [wallet for wallet in wallets if wallet.unrecognised]:
        await apply_recognition(connection, recognised)
    outputs = [
        (output.account_id, output.request_id, output.index, output.refunded_credits, output.corrected_credits)
        for wallet in wallets
        if wallet.changed_outputs
        for request_id in {request_id for request_id, _ in wallet.changed_outputs} - set(wallet.billed)
        for output in wallet.outputs[request_id]
        if (request_id, output.index) in wallet.changed_outputs
    ]
    if outputs:
        await connection.execute(_OUTPUTS, *rows.arrays(outputs))


async def _apply_refunds(connection: asyncpg.Connection, refunds: Sequence[RefundRow]) -> None:
    parts = [(one.account_id, one.refund_id, *part) for one in refunds for part in one.outputs]
    await _copy(connection, "refund", rows.REFUND_COLUMNS, [one[:-2] for one in refunds])
    await _copy(connection, "refund_output", rows.REFUND_OUTPUT_COLUMNS, parts)
    await _copy(connection, "returned", rows.RETURNED_COLUMNS, [row for one in refunds for row in rows.returned(one)])


async def _apply_corrections(connection: asyncpg.Connection, corrections: Sequence[CorrectionRow]) -> None:
    asked = [(one.account_id, one.correction_id, *part) for one in corrections for part in one.asked]
    parts = [(one.account_id, one.correction_id, *part) for one in corrections for part in one.outputs]
    returned = [row for one in corrections for row in rows.returned(one)]
    await _copy(connection, "correction", rows.CORRECTION_COLUMNS, [one[:-3] for one in corrections])
    await _copy(connection, "correction_report", rows.CORRECTION_REPORT_COLUMNS, asked)
    await _copy(connection, "correction_output", rows.CORRECTION_OUTPUT_COLUMNS, parts)
    await _copy(connection, "returned", rows.RETURNED_COLUMNS, returned)


async def _copy(connection: asyncpg.Connection, table: str, columns: Sequence[str], records: Sequence[Any]) -> None:
    if records:
        await connection.copy_records_to_table(table, records=records, columns=columns)
