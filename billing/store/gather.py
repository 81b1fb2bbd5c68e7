"""Gather: the wallets that a batch of commands works on, with whatever of their rows the commands name.

For writing, the accounts are locked first, in the order of their ids (so that two batches cannot wait for
each other), by a statement of their own: everything else is loaded by later ones, which see what the
batch that was waited for has committed. The clock is read after the last lock is held.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import asyncpg

from billing.core.announcements import EVERY, SETTLED
from billing.core.charges import Charge
from billing.core.grants import Debt, Draw, EarlyHolds, Grant
from billing.core.needs import Needs
from billing.core.wallet import Wallet
from billing.store import rows
from billing.store.clock import Now, as_told
from billing.store.payments import load_payments
from billing.store.recognition import load_unrecognised
from billing.store.refusals import DatabaseUnavailable
from billing.store.schema import WrongSchema, require_known
from billing.store.sqlstates import NotMigrated

_TICK = timedelta(microseconds=1)

# The schema's revision: whoever works on another than its own would write what nobody counts. And the time.
_STANDING = "(SELECT version_num FROM alembic_version), clock_timestamp()"
_LOCK = f"""
    WITH locked AS MATERIALIZED (
        SELECT {rows.ACCOUNT} FROM account a WHERE a.account_id = ANY($1::text[])
        ORDER BY a.account_id FOR NO KEY UPDATE)
    SELECT *, (SELECT EXISTS (SELECT FROM webhook_endpoint e WHERE e.enabled AND e.events && '{{{SETTLED},{EVERY}}}')),
        {_STANDING}
    FROM locked"""
_READ = f"SELECT {rows.ACCOUNT}, false, {_STANDING} FROM account a WHERE a.account_id = ANY($1::text[])"
_CHARGES = f"""
    SELECT {rows.CHARGE} FROM unnest($1::text[], $2::text[]) k(account_id, request_id)
    JOIN charge c ON c.account_id = k.account_id AND c.request_id = k.request_id"""
_OUTPUTS = f"""
    SELECT {rows.OUTPUT} FROM unnest($1::text[], $2::text[]) k(account_id, request_id)
    JOIN output o ON o.account_id = k.account_id AND o.request_id = k.request_id
    ORDER BY o.account_id, o.request_id, o.index"""
_OPEN_GRANTS = f'SELECT {rows.GRANT} FROM "grant" g WHERE g.account_id = ANY($1::text[]) AND g.open'
_GRANTS = f"""
    SELECT {rows.GRANT} FROM unnest($1::text[], $2::text[]) k(account_id, grant_id)
    JOIN "grant" g ON g.account_id = k.account_id AND g.grant_id = k.grant_id"""
_DUE_CHARGES = f"""
    SELECT {rows.CHARGE} FROM unnest($1::text[], $2::timestamptz[]) k(account_id, now)
    JOIN hold h ON h.account_id = k.account_id AND h.expires_at <= k.now
    JOIN charge c ON c.account_id = h.account_id AND c.request_id = h.request_id"""
_NEXT_HOLDS = """
    SELECT k.account_id, (SELECT h.expires_at FROM hold h WHERE h.account_id = k.account_id AND h.expires_at > k.now
                          ORDER BY h.expires_at LIMIT 1)
    FROM unnest($1::text[], $2::timestamptz[]) k(account_id, now)"""
_EARLY_HOLDS = """
    SELECT h.account_id, h.authorized_at, h.credits FROM unnest($1::text[], $2::timestamptz[]) k(account_id, before)
    JOIN hold h ON h.account_id = k.account_id AND h.authorized_at < k.before"""
_DEBTS = f"""
    SELECT {rows.DEBT} FROM debt d WHERE d.account_id = ANY($1::text[]) AND d.outstanding > 0 ORDER BY d.seq"""
_REFUNDS_BY_ID = f"""
    SELECT {rows.REFUND} FROM unnest($1::text[], $2::text[]) k(account_id, refund_id)
    JOIN refund r ON r.account_id = k.account_id AND r.refund_id = k.refund_id"""
_REFUNDS_OF_CHARGES = f"""
    SELECT {rows.REFUND} FROM unnest($1::text[], $2::text[]) k(account_id, request_id)
    JOIN refund r ON r.account_id = k.account_id AND r.request_id = k.request_id ORDER BY r.first_seq"""
_CORRECTIONS_BY_ID = f"""
    SELECT {rows.CORRECTION} FROM unnest($1::text[], $2::text[]) k(account_id, correction_id)
    JOIN correction r ON r.account_id = k.account_id AND r.correction_id = k.correction_id"""
_CORRECTIONS_OF_CHARGES = f"""
    SELECT {rows.CORRECTION} FROM unnest($1::text[], $2::text[]) k(account_id, request_id)
    JOIN correction r ON r.account_id = k.account_id AND r.request_id = k.request_id ORDER BY r.first_seq"""
_DRAWS = """
    SELECT t.account_id, t.request_id, t.grant_id, t.amount, t.seq
    FROM unnest($1::text[], $2::bigint[], $3::bigint[]) k(account_id, first_seq, last_seq)
    JOIN transfer t ON t.account_id = k.account_id AND t.book = 'wallet' AND t.seq BETWEEN k.first_seq AND k.last_seq
    WHERE t.amount > 0 ORDER BY t.account_id, t.seq"""
_LAST_CLOSED = "SELECT max(closed_at) FROM closing"
_FILLS = """
    SELECT f.account_id, f.seq, f.grant_id, f.credits FROM unnest($1::text[], $2::bigint[]) k(account_id, seq)
    JOIN fill f ON f.account_id = k.account_id AND f.seq = k.seq ORDER BY f.paid_by_seq"""


@dataclass(slots=True)
class Gathered:
    """Wallets by account (also of accounts to be opened), and the database's clock, as far as it is believed."""

    wallets: dict[str, Wallet]
    clock: datetime

    def wallet(self, account_id: str) -> Wallet:
        """The account's wallet; an empty one where there is no such account yet."""
        wallet = self.wallets.get(account_id)
        if wallet is None:
            wallet = self.wallets[account_id] = Wallet(account_id)
        return wallet

    def now(self, wallet: Wallet) -> datetime:
        """The clock, but after the account's last row, so that its rows are in order."""
        if wallet.last_at is None or wallet.last_at < self.clock:
            return self.clock
        return wallet.last_at + _TICK


async def gather(connection: asyncpg.Connection, needs: Needs, *, lock: bool = True, now: Now = as_told) -> Gathered:
    """Loads what `needs` names inside the connection's transaction; with `lock`, for writing.

    `now` says how far the clock is believed. Raises DatabaseUnavailable where another program has migrated the database meanwhile.
    """
    found = await connection.fetch(_LOCK if lock else _READ, sorted(needs.accounts))
    *_, revision, told = (found or await connection.fetch(f"SELECT {_STANDING}"))[-1]
    try:
        require_known(revision)
    except (NotMigrated, WrongSchema) as wrong:
        raise DatabaseUnavailable() from wrong
    wallets = {row[0]: rows.wallet(row[:-3]) for row in found}
    batch = Gathered(wallets, now(told))
    if not wallets:
        return batch
    if found[0][-3]:
        for wallet in wallets.values():
            wallet.tells_settled = True
    if needs.charges:
        await _load_charges(connection, batch, needs)
    due = [wallet for wallet in wallets.values() if wallet.due_at is not None and wallet.due_at <= batch.now(wallet)]
    if needs.ended_grants:
        due += [wallets[account] for account in needs.ended_grants & wallets.keys() if wallets[account] not in due]
    if lock and (due or needs.unrecognised):
        # What was due before now is posted after the last closing, also where the clock was set back behind its line.
        closed_at = await connection.fetchval(_LAST_CLOSED)
        if closed_at is not None and batch.clock <= closed_at:
            batch.clock = closed_at + _TICK
    drawing = needs.open_grants.union(wallet.account_id for wallet in due)
    if drawing:
        for row in await connection.fetch(_OPEN_GRANTS, list(drawing)):
            _add_grant(batch, row)
    if needs.payments:
        needs.grants |= await load_payments(
            connection,
            wallets,
            topups=needs.topups,
            recharges=needs.payments,
            transactions=needs.transactions,
            notices=needs.notices,
        )
    if needs.grants:
        for row in await connection.fetch(_GRANTS, *rows.arrays(needs.grants)):
            _add_grant(batch, row)
    if owing := [account for account in needs.debts if account in wallets and wallets[account].debt]:
        for row in await connection.fetch(_DEBTS, owing):
            wallets[row[0]].debts.append(Debt(*row))
    if needs.bills:
        await _load_bills(connection, batch, needs)
    if recognised := [wallets[account] for account in needs.unrecognised if account in wallets]:
        await load_unrecognised(connection, recognised)
    if due:
        await _lapse(connection, batch, due)
    return batch


async def _load_charges(connection: asyncpg.Connection, batch: Gathered, needs: Needs) -> None:
    settled = []
    for row in await connection.fetch(_CHARGES, *rows.arrays(needs.charges)):
        charge = rows.charge(row)
        batch.wallets[charge.account_id].charges[charge.request_id] = charge
        if charge.status == "settled":
            settled.append((charge.account_id, charge.request_id))
    if settled:
        for account_id, request_id in settled:
            batch.wallets[account_id].outputs[request_id] = []
        for row in await connection.fetch(_OUTPUTS, *rows.arrays(settled)):
            output = rows.output(row)
            batch.wallets[output.account_id].outputs[output.request_id].append(output)


async def _load_bills(connection: asyncpg.Connection, batch: Gathered, needs: Needs) -> None:
    """What refunds and corrections undo: what bills drew, who paid their debts, what was returned, and all the grants."""
    if needs.refunds:
        for row in await connection.fetch(_REFUNDS_BY_ID, *rows.arrays(needs.refunds)):
            refund = rows.refund(row)
            batch.wallets[refund.account_id].refunds[refund.refund_id] = refund
    for row in await connection.fetch(_REFUNDS_OF_CHARGES, *rows.arrays(needs.bills)):
        refund = rows.refund(row)
        batch.wallets[refund.account_id].returned.setdefault(refund.request_id, []).extend(refund.returns)
    ranges = [
        (charge.account_id, charge.first_seq, charge.last_seq)
        for wallet in batch.wallets.values()
        for charge in wallet.charges.values()
        if charge.status == "settled" and (charge.account_id, charge.request_id) in needs.bills
    ]
    if needs.corrections:
        for row in await connection.fetch(_CORRECTIONS_BY_ID, *rows.arrays(needs.corrections)):
            correction = rows.correction(row)
            batch.wallets[correction.account_id].corrections[correction.correction_id] = correction
    for row in await connection.fetch(_CORRECTIONS_OF_CHARGES, *rows.arrays(needs.bills)):
        correction = rows.correction(row)
        wallet = batch.wallets[correction.account_id]
        wallet.delivered.setdefault(correction.request_id, []).extend(correction.outputs)
        wallet.returned.setdefault(correction.request_id, []).extend(correction.returns)
        if correction.credits > 0:
            ranges.append((correction.account_id, correction.first_seq, correction.last_seq))
    if not ranges:
        return
    grants: set[tuple[str, str]] = set()
    debts: list[tuple[str, int]] = []
    for account_id, request_id, grant_id, amount, seq in await connection.fetch(_DRAWS, *rows.arrays(ranges)):
        batch.wallets[account_id].draws.setdefault(request_id, []).append(Draw(grant_id, amount, seq))
        if grant_id is None:
            debts.append((account_id, seq))
        else:
            grants.add((account_id, grant_id))
    if debts:
        for account_id, seq, grant_id, credits in await connection.fetch(_FILLS, *rows.arrays(debts)):
            batch.wallets[account_id].paid.setdefault(seq, []).append((grant_id, credits))
            grants.add((account_id, grant_id))
    if missing := [key for key in grants if key[1] not in batch.wallets[key[0]].grants]:
        for row in await connection.fetch(_GRANTS, *rows.arrays(missing)):
            _add_grant(batch, row)


async def _lapse(connection: asyncpg.Connection, batch: Gathered, due: Sequence[Wallet]) -> None:
    """Posts, in memory, what is due on the wallets, before any command sees them."""
    keys = [(wallet.account_id, batch.now(wallet)) for wallet in due]
    charges: dict[str, list[Charge]] = {}
    for row in await connection.fetch(_DUE_CHARGES, *rows.arrays(keys)):
        charge = rows.charge(row)
        charges.setdefault(charge.account_id, []).append(charge)
        batch.wallets[charge.account_id].charges[charge.request_id] = charge
    for account_id, moment in await connection.fetch(_NEXT_HOLDS, *rows.arrays(keys)):
        batch.wallets[account_id].next_hold_at = moment
    lapsed = {wallet.account_id: _expiries(wallet, batch.now(wallet)) for wallet in due}
    early: dict[str, list[tuple[datetime, int]]] = {account: [] for account, expiries in lapsed.items() if expiries}
    if early:
        before = [(account, max(lapsed[account])) for account in early]
        for account_id, authorized_at, credits in await connection.fetch(_EARLY_HOLDS, *rows.arrays(before)):
            early[account_id].append((authorized_at, credits))
        for account_id, holds in early.items():
            batch.wallets[account_id].early_holds = EarlyHolds(lapsed[account_id], holds)
    for wallet in due:
        wallet.lapse(charges.get(wallet.account_id, ()), batch.now(wallet))


def _expiries(wallet: Wallet, now: datetime) -> list[datetime]:
    return [
        grant.expires_at
        for grant in wallet.grants.values()
        if grant.expires_at is not None
        and grant.expires_at <= now
        and (grant.open or grant.frozen or grant.clawed)  # it may be about to thaw, or to be restored
    ]


def _add_grant(batch: Gathered, row: Any) -> None:
    grant = Grant(*row)
    batch.wallets[grant.account_id].grants.setdefault(grant.grant_id, grant)
