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

from billing.core.charges import Charge, Output
from billing.core.grants import Debt, Draw, EarlyHolds, Grant
from billing.core.needs import Needs
from billing.core.wallet import Wallet
from billing.store import rows
from billing.store.clock import Now, as_told
from billing.store.payments import load_payments
from billing.store.recognition import load_unrecognised
from billing.store.refusals import DatabaseUnavailable
from billing.store.schema import WrongSchema, require_known
from billing.store.sql import LOADS, STANDING
from billing.store.sqlstates import NotMigrated

_TICK = timedelta(microseconds=1)


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
    found = await connection.fetch(LOADS["lock" if lock else "read"], sorted(needs.accounts))
    *_, revision, told = (found or await connection.fetch(f"SELECT {STANDING}"))[-1]
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
        closed_at = await connection.fetchval(LOADS["last closed"])
        if closed_at is not None and batch.clock <= closed_at:
            batch.clock = closed_at + _TICK
    drawing = needs.open_grants.union(wallet.account_id for wallet in due)
    if drawing:
        for row in await connection.fetch(LOADS["open grants"], list(drawing)):
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
        for row in await connection.fetch(LOADS["grants"], *rows.arrays(needs.grants)):
            _add_grant(batch, row)
    if owing := [account for account in needs.debts if account in wallets and wallets[account].debt]:
        for row in await connection.fetch(LOADS["debts"], owing):
            debt = Debt(*row)
            wallets[debt.account_id].debts.load(debt.seq, debt)
    if needs.bills:
        await _load_bills(connection, batch, needs)
    if recognised := [wallets[account] for account in needs.unrecognised if account in wallets]:
        await load_unrecognised(connection, recognised)
    if due:
        await _lapse(connection, batch, due)
    return batch


async def _load_charges(connection: asyncpg.Connection, batch: Gathered, needs: Needs) -> None:
    settled = []
    for row in await connection.fetch(LOADS["charges"], *rows.arrays(needs.charges)):
        charge = rows.charge(row)
        batch.wallets[charge.account_id].charges.load(charge.request_id, charge)
        if charge.status == "settled":
            settled.append((charge.account_id, charge.request_id))
    if settled:
        outputs: dict[tuple[str, str], list[Output]] = {key: [] for key in settled}
        for row in await connection.fetch(LOADS["outputs"], *rows.arrays(settled)):
            output = rows.output(row)
            outputs[output.account_id, output.request_id].append(output)
        for (account_id, request_id), found in outputs.items():
            batch.wallets[account_id].outputs.load(request_id, found)


async def _load_bills(connection: asyncpg.Connection, batch: Gathered, needs: Needs) -> None:
    """What refunds and corrections undo: what bills drew, who paid their debts, what was returned, and all the grants."""
    if needs.refunds:
        for row in await connection.fetch(LOADS["refunds"], *rows.arrays(needs.refunds)):
            refund = rows.refund(row)
            batch.wallets[refund.account_id].refunds.load(refund.refund_id, refund)
    for row in await connection.fetch(LOADS["refunds of charges"], *rows.arrays(needs.bills)):
        refund = rows.refund(row)
        batch.wallets[refund.account_id].returned.setdefault(refund.request_id, []).extend(refund.returns)
    ranges = [
        (charge.account_id, charge.first_seq, charge.last_seq)
        for wallet in batch.wallets.values()
        for charge in wallet.charges.values()
        if charge.status == "settled" and (charge.account_id, charge.request_id) in needs.bills
    ]
    if needs.corrections:
        for row in await connection.fetch(LOADS["corrections"], *rows.arrays(needs.corrections)):
            correction = rows.correction(row)
            batch.wallets[correction.account_id].corrections.load(correction.correction_id, correction)
    for row in await connection.fetch(LOADS["corrections of charges"], *rows.arrays(needs.bills)):
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
    for account_id, request_id, grant_id, amount, seq in await connection.fetch(LOADS["draws"], *rows.arrays(ranges)):
        batch.wallets[account_id].draws.setdefault(request_id, []).append(Draw(grant_id, amount, seq))
        if grant_id is None:
            debts.append((account_id, seq))
        else:
            grants.add((account_id, grant_id))
    if debts:
        for account_id, seq, grant_id, credits in await connection.fetch(LOADS["fills"], *rows.arrays(debts)):
            batch.wallets[account_id].paid.setdefault(seq, []).append((grant_id, credits))
            grants.add((account_id, grant_id))
    if missing := [key for key in grants if key[1] not in batch.wallets[key[0]].grants]:
        for row in await connection.fetch(LOADS["grants"], *rows.arrays(missing)):
            _add_grant(batch, row)


async def _lapse(connection: asyncpg.Connection, batch: Gathered, due: Sequence[Wallet]) -> None:
    """Posts, in memory, what is due on the wallets, before any command sees them."""
    keys = [(wallet.account_id, batch.now(wallet)) for wallet in due]
    charges: dict[str, list[Charge]] = {}
    for row in await connection.fetch(LOADS["due charges"], *rows.arrays(keys)):
        charge = rows.charge(row)
        charges.setdefault(charge.account_id, []).append(charge)
        batch.wallets[charge.account_id].charges.load(charge.request_id, charge)
    for account_id, moment in await connection.fetch(LOADS["next holds"], *rows.arrays(keys)):
        batch.wallets[account_id].next_hold_at = moment
    lapsed = {wallet.account_id: _expiries(wallet, batch.now(wallet)) for wallet in due}
    early: dict[str, list[tuple[datetime, int]]] = {account: [] for account, expiries in lapsed.items() if expiries}
    if early:
        before = [(account, max(lapsed[account])) for account in early]
        for account_id, authorized_at, credits in await connection.fetch(LOADS["early holds"], *rows.arrays(before)):
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
    batch.wallets[grant.account_id].grants.load(grant.grant_id, grant)
