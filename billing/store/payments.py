"""Payments in the database: their rows, loaded and written under the account's lock.

Few batches name any, so these rows go one statement for each kind, and a row is written whole.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import asyncpg

from billing.core.payments import (
    AutoRecharge,
    BookedTransaction,
    CardRefund,
    Dispute,
    ExpiryNotice,
    Row,
    StripeObject,
    Topup,
)
from billing.core.wallet import Wallet
from billing.store import rows

# kind → (table, key, whether a row changes after it was written)
_TABLES: Final[dict[type[Row], tuple[str, tuple[str, ...], bool]]] = {
    Topup: ("topup", ("account_id", "topup_id"), True),
    CardRefund: ("card_refund", ("account_id", "card_refund_id"), True),
    Dispute: ("dispute", ("account_id", "dispute_id"), True),
    AutoRecharge: ("auto_recharge", ("account_id",), True),
    BookedTransaction: ("stripe_transaction", ("account_id", "transaction_id"), False),
    ExpiryNotice: ("expiry_notice", ("account_id", "grant_id"), False),
    StripeObject: ("stripe_object", ("object_id",), False),
}


def _select(kind: type[Row], *names: str) -> str:
    """The rows of `kind` whose columns `names` are the parameters, an array for each."""
    parameters = ", ".join(f"${place}::text[]" for place in range(1, len(names) + 1))
    return (
        f"SELECT {select_list(kind)} FROM unnest({parameters}) k({', '.join(names)}) "
        f"JOIN {_TABLES[kind][0]} x USING ({', '.join(names)})"
    )


def _stored(kind: type[Row]) -> tuple[str, ...]:
    """What is a column: what was clawed back is rows of its own."""
    return tuple(name for name in kind._fields if name != "clawed")


def select_list(kind: type[Row]) -> str:
    """A row `x`, whole."""
    *_, key = _TABLES[kind][1]
    clawed = f"""ARRAY(SELECT ROW(b.grant_id, b.revoked, b.owed) FROM clawback b
        WHERE b.account_id = x.account_id AND b.external_id = x.{key} ORDER BY b.grant_id)"""
    return ", ".join(clawed if name == "clawed" else f"x.{name}" for name in kind._fields)


_TOPUPS, _TRANSACTIONS = (
    _select(Topup, "account_id", "topup_id"),
    _select(BookedTransaction, "account_id", "transaction_id"),
)
_CARD_REFUNDS, _DISPUTES = _select(CardRefund, "account_id", "topup_id"), _select(Dispute, "account_id", "topup_id")
_RECHARGES, _NOTICES = _select(AutoRecharge, "account_id"), _select(ExpiryNotice, "account_id", "grant_id")
_CLAWED = """
    INSERT INTO clawback (account_id, external_id, grant_id, revoked, owed) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (account_id, external_id, grant_id) DO UPDATE SET revoked = excluded.revoked, owed = excluded.owed"""
_MARK_DUE = """
    UPDATE auto_recharge a SET due_at = u.due_at FROM unnest($1::text[], $2::timestamptz[]) u(account_id, due_at)
    WHERE a.account_id = u.account_id AND a.status = 'active' AND a.due_at IS NULL"""


async def load_payments(
    connection: asyncpg.Connection,
    wallets: Mapping[str, Wallet],
    *,
    topups: Iterable[tuple[str, str]],
    recharges: Iterable[str],
    transactions: Iterable[tuple[str, str]],
    notices: Iterable[tuple[str, str]],
) -> set[tuple[str, str]]:
    """Loads what is named into the wallets; returns the grants (account, grant) that its top-ups may have."""

    async def load(kind: type[Row], query: str, keys: Sequence[Any]) -> list[Any]:
        if not keys:
            return []
        found = [row_of(kind, row) for row in await connection.fetch(query, *rows.arrays(keys))]
        for row in found:
            wallets[row.account_id].payments.load(row)
        return found

    in_flight = [
        (row.account_id, row.topup_id)
        for row in await load(AutoRecharge, _RECHARGES, [(account,) for account in recharges])
        if row.topup_id
    ]
    await load(BookedTransaction, _TRANSACTIONS, list(transactions))
    await load(ExpiryNotice, _NOTICES, list(notices))
    found = await load(Topup, _TOPUPS, list({*topups, *in_flight}))
    paid = [(topup.account_id, topup.topup_id) for topup in found if topup.paid]
    refunds = await load(CardRefund, _CARD_REFUNDS, paid)
    disputes = await load(Dispute, _DISPUTES, paid)
    given_back = [(one, int(one.status == "failed")) for one in refunds] + [(one, one.undone) for one in disputes]
    restored: dict[tuple[str, str], int] = {}
    for one, times in given_back:  # each time at most a grant for each of the two that came with the money
        key = (one.account_id, one.topup_id)
        restored[key] = restored.get(key, 0) + 2 * times
    return {
        (topup.account_id, topup.grant_id(k))
        for topup in found
        for k in range(1, 3 + restored.get((topup.account_id, topup.topup_id), 0))
    }


async def load_topups(
    connection: asyncpg.Connection, wallets: Mapping[str, Wallet], topups: Sequence[tuple[str, str]]
) -> None:
    """Top-ups (account, id) alone, without what was returned of them."""
    if topups:
        for row in await connection.fetch(_TOPUPS, *rows.arrays(topups)):
            topup = Topup(*row)
            wallets[topup.account_id].payments.load(topup)


async def apply_payments(connection: asyncpg.Connection, wallets: Sequence[Wallet]) -> None:
    """Writes what was put among the payments, each row once, and marks the accounts whose recharge is due."""
    written: dict[type[Row], list[Row]] = {}
    for wallet in wallets:
        for kind, rows_of_kind in wallet.payments.rows.items():
            written.setdefault(kind, []).extend(rows_of_kind.written)
    for kind, found in written.items():
        if found:
            names = _stored(kind)
            records = [[getattr(row, name) for name in names] for row in found]
            await connection.executemany(_upsert(kind), records)
        if clawed := [
            (row.account_id, row.key, *part)
            for row in found
            if isinstance(row, CardRefund | Dispute)
            for part in row.clawed
        ]:
            await connection.executemany(_CLAWED, clawed)
    if due := [(wallet.account_id, wallet.last_at) for wallet in wallets if wallet.effects.recharge_due]:
        await connection.execute(_MARK_DUE, *rows.arrays(due))


def row_of(kind: type[Row], record: Any) -> Any:
    row = kind(*record)
    if isinstance(row, CardRefund | Dispute):
        return row._replace(clawed=tuple(row.clawed))
    return row


def _upsert(kind: type[Row]) -> str:
    table, key, changes = _TABLES[kind]
    names = _stored(kind)
    values = ", ".join(f"${place}" for place in range(1, len(names) + 1))
    settled = "NOTHING"
    if changes:
        settled = "UPDATE SET " + ", ".join(f"{name} = excluded.{name}" for name in names if name not in key)
    return f"INSERT INTO {table} ({', '.join(names)}) VALUES ({values}) ON CONFLICT ({', '.join(key)}) DO {settled}"
