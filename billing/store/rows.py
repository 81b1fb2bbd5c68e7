"""Rows: between the core's values and the tables' columns. The core's tuples are rows already."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import fields
from operator import attrgetter
from typing import Any

from billing.core.charges import Charge, Delivered, Output, Reported
from billing.core.grants import Debt, Grant
from billing.core.ledger import Transfer
from billing.core.wallet import CorrectionRow, RefundRow, Settings, Wallet

GRANT_COLUMNS = tuple(field.name for field in fields(Grant))
DEBT_COLUMNS = tuple(field.name for field in fields(Debt))
SETTINGS_COLUMNS = tuple(field.name for field in fields(Settings))
ACCOUNT_COLUMNS = (
    "account_id", *SETTINGS_COLUMNS, "opening_digest", "posted", "held", "frozen", "debt", "wallet_seq", "wallet_head",
    "money_seq", "money_head", "last_at", "due_at", "recharge_below",
)  # fmt: skip

_CHARGE_FLAGS, _OUTPUT_FLAGS = Charge._fields.index("flags"), Output._fields.index("flags")

grant_row = attrgetter(*GRANT_COLUMNS)
debt_row = attrgetter(*DEBT_COLUMNS)
grant_parts = attrgetter("account_id", "grant_id", "remaining", "used", "expired", "revoked", "moved", "frozen", "open")


def columns(names: Sequence[str], of: str) -> str:
    """The columns `names` of the table aliased `of`, as a SELECT list."""
    return ", ".join(f'{of}."{name}"' for name in names)


def arrays(keys: Iterable[Sequence[Any]]) -> list[list[Any]]:
    """Key tuples, at least one, as an array for each part: asyncpg encodes arrays of scalars fastest."""
    return [list(part) for part in zip(*keys, strict=True)]


CHARGE, OUTPUT = columns(Charge._fields, "c"), columns(Output._fields, "o")
TRANSFER = columns(Transfer._fields, "t")
GRANT, DEBT = columns(GRANT_COLUMNS, "g"), columns(DEBT_COLUMNS, "d")
REFUND, CORRECTION = columns(RefundRow._fields, "r"), columns(CorrectionRow._fields, "r")
ACCOUNT = columns(ACCOUNT_COLUMNS, "a")


def wallet(row: Any) -> Wallet:
    """A wallet as its account's row, in ACCOUNT_COLUMNS' order, says."""
    (account_id, asset, name, status, credit_limit, overage, hold, metadata, created_at, low_balance, *standing) = row
    levels = None if low_balance is None else tuple(low_balance)
    settings = Settings(asset, name, status, credit_limit, overage, hold, metadata, created_at, levels)
    return Wallet(account_id, settings, *standing)


def account_row(wallet: Wallet) -> tuple[Any, ...]:
    s = wallet.settings
    assert s is not None
    return (
        wallet.account_id, s.asset, s.name, s.status, s.credit_limit, s.overage, s.hold, s.metadata, s.created_at,
        s.low_balance, wallet.opening_digest, *standing(wallet)[1:], wallet.recharge_below,
    )  # fmt: skip


def standing(wallet: Wallet) -> tuple[Any, ...]:
    return (
        wallet.account_id, wallet.posted, wallet.held, wallet.frozen, wallet.debt, wallet.wallet_seq,
        wallet.wallet_head, wallet.money_seq, wallet.money_head, wallet.last_at, wallet.due_at,
    )  # fmt: skip


def settings_row(wallet: Wallet) -> tuple[Any, ...]:
    s = wallet.settings
    assert s is not None
    return (wallet.account_id, s.name, s.status, s.credit_limit, s.overage, s.hold, s.metadata)


def resolution(c: Charge) -> tuple[Any, ...]:
    return (
        c.account_id, c.request_id, c.status, c.settled_credits, c.refunded_credits, c.forced, c.flags,
        c.void_reason, c.resolved_at, c.first_seq, c.last_seq, c.released_at, c.corrected_credits,
    )  # fmt: skip


def charge(row: Any) -> Charge:
    return Charge._make((*row[:_CHARGE_FLAGS], tuple(row[_CHARGE_FLAGS]), *row[_CHARGE_FLAGS + 1 :]))


def output(row: Any) -> Output:
    return Output._make((*row[:_OUTPUT_FLAGS], tuple(row[_OUTPUT_FLAGS]), *row[_OUTPUT_FLAGS + 1 :]))


def refund(row: Any) -> RefundRow:
    r = RefundRow(*row)
    return r._replace(
        asked_outputs=None if r.asked_outputs is None else tuple(r.asked_outputs),
        outputs=tuple((index, credits) for index, credits in json.loads(r.outputs)),  # type: ignore[arg-type]
        returns=tuple((drawn, credits, to) for drawn, credits, to in json.loads(r.returns)),  # type: ignore[arg-type]
    )


def refund_row(r: RefundRow) -> tuple[Any, ...]:
    return tuple(r._replace(outputs=json.dumps(r.outputs), returns=json.dumps(r.returns)))  # type: ignore[arg-type]


def correction(row: Any) -> CorrectionRow:
    c = CorrectionRow(*row)
    return c._replace(
        asked=tuple(Reported(*one) for one in json.loads(c.asked)),  # type: ignore[arg-type]
        outputs=tuple(Delivered(*one) for one in json.loads(c.outputs)),  # type: ignore[arg-type]
        returns=tuple((drawn, credits, to) for drawn, credits, to in json.loads(c.returns)),  # type: ignore[arg-type]
    )


def correction_row(c: CorrectionRow) -> tuple[Any, ...]:
    texts = {"asked": json.dumps(c.asked), "outputs": json.dumps(c.outputs), "returns": json.dumps(c.returns)}
    return tuple(c._replace(**texts))  # type: ignore[arg-type]
