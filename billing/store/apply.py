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
from billing.core.effects import AccountChange
from billing.core.grants import Debt, Fill, Grant
from billing.core.ledger import Transfer
from billing.core.usage import UsageCount, day_of
from billing.core.wallet import CorrectionRow, Hold, RefundRow, Wallet, ended_holds, opened_holds
from billing.store import rows
from billing.store.payments import apply_payments
from billing.store.recognition import apply_recognition
from billing.store.sql import CHANGES, PARTS
from billing.store.usage import sum_up


async def apply(connection: asyncpg.Connection, wallets: Iterable[Wallet], now: Callable[[Wallet], Any]) -> None:
    """Writes what changed in `wallets`; `now` gives each its instant. Raises what asyncpg raises."""
    changed = [wallet for wallet in wallets if wallet.changed]
    left: list[tuple[str, datetime]] = []
    for wallet in changed:
        before, wallet.last_at = wallet.last_at, now(wallet)
        if before is not None and day_of(before) < day_of(wallet.last_at):
            left.append((wallet.account_id, day_of(before)))
    opened: list[Any] = []
    standing: list[Any] = []
    charges: list[Charge] = []
    resolved: list[Any] = []
    holds: list[Hold] = []
    ended: list[Hold] = []
    outputs: list[Output] = []
    transfers: list[Transfer] = []
    grants: list[Grant] = []
    drawn: list[Any] = []
    usage: list[UsageCount] = []
    for wallet in changed:
        if wallet.opened:
            opened.append(rows.account_row(wallet))
        else:
            standing.append(rows.standing(wallet))
        if wallet.charges.added:
            new = wallet.charges.new
            charges += new
            holds += opened_holds(new)
        if wallet.charges.before:
            resolving = wallet.charges.changed
            resolved += [rows.resolution(charge) for _, charge in resolving]
            ended += ended_holds(resolving)
        for request_id in wallet.outputs.added:
            outputs += wallet.outputs[request_id]
        transfers += wallet.effects.transfers
        if wallet.effects.usage is not None:
            usage += wallet.effects.usage.rows(wallet.account_id)
        if wallet.grants.added:
            grants += wallet.grants.new
        if wallet.grants.before:
            drawn += [rows.grant_parts(one) for was, one in wallet.grants.changed if one.clawed == was.clawed]

    if left:
        await sum_up(connection, left)
    await _copy(connection, "account", rows.ACCOUNT_COLUMNS, opened)
    await _copy(connection, "grant", Grant._fields, grants)
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
    if rare := [wallet for wallet in changed if not wallet.plain]:
        await _apply_rare(connection, rare)


async def _write(connection: asyncpg.Connection, written: dict[str, Sequence[Any]]) -> None:
    """All parts in one statement: small batches are mostly round trips. No two parts write the same row."""
    if written:
        await connection.execute(_statement(tuple(written)), *written.values())


@cache
def _statement(parts: tuple[str, ...]) -> str:
    texts = [PARTS[part].replace("$1", f"${place}") for place, part in enumerate(parts, 1)]
    if len(texts) == 1:
        return texts[0]
    return "WITH " + ", ".join(f"part_{place} AS ({text})" for place, text in enumerate(texts)) + " SELECT"


async def _apply_rare(connection: asyncpg.Connection, wallets: Sequence[Wallet]) -> None:
    """Debts, refunds, corrections, payments, announcements and changes of settings: few batches have any."""
    watched = [wallet for wallet in wallets if wallet.watched_otherwise and not wallet.opened]
    if settings := [rows.settings_row(wallet) for wallet in watched if wallet.amended]:
        await connection.execute(CHANGES["settings"], settings)
    changes = [change for wallet in wallets for change in wallet.effects.changes]
    await _copy(connection, "account_change", AccountChange._fields, changes)
    await _copy(connection, "debt", Debt._fields, [debt for wallet in wallets for debt in wallet.debts.new])
    paid = [(one.account_id, one.seq, one.outstanding) for wallet in wallets for _, one in wallet.debts.changed]
    if paid:
        await connection.execute(CHANGES["paid debts"], *rows.arrays(paid))
    await _copy(connection, "fill", Fill._fields, [fill for wallet in wallets for fill in wallet.effects.fills])
    await _apply_refunds(connection, [one for wallet in wallets for one in wallet.refunds.new])
    await _apply_corrections(connection, [one for wallet in wallets for one in wallet.corrections.new])
    clawed = [one for wallet in wallets for was, one in wallet.grants.changed if one.clawed != was.clawed]
    if clawed:
        parts = [rows.grant_parts(grant) for grant in clawed]
        await connection.execute(CHANGES["clawed grants"], parts, [grant.clawed for grant in clawed])
    if watched:
        levels = [(w.account_id, w.settings and w.settings.low_balance, w.recharge_below) for w in watched]
        await connection.executemany(CHANGES["watched levels"], levels)
    told = [announcement for wallet in wallets for announcement in wallet.effects.announcements]
    await _copy(connection, "outbox", Announcement._fields, told)
    await apply_payments(connection, [wallet for wallet in wallets if wallet.pays or wallet.effects.recharge_due])
    if recognised := [wallet for wallet in wallets if wallet.unrecognised]:
        await apply_recognition(connection, recognised)
    outputs = [
        (output.account_id, output.request_id, output.index, output.refunded_credits, output.corrected_credits)
        for wallet in wallets
        for before, after in wallet.outputs.changed
        for was, output in zip(before, after, strict=True)
        if output is not was
    ]
    if outputs:
        await connection.execute(CHANGES["outputs"], *rows.arrays(outputs))


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
