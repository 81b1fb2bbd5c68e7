"""Rows: between the core's values and the tables' columns. The core's tuples are rows already."""

from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any

from billing.core.charges import Charge, Delivered, Output, Reported
from billing.core.grants import Debt, Grant
from billing.core.ledger import Transfer
from billing.core.wallet import AccountSettings, CorrectionRow, RefundPart, RefundRow, Return, Wallet

ACCOUNT_COLUMNS = (
    "account_id", *AccountSettings._fields, "opening_digest", "posted", "held", "frozen", "debt", "wallet_seq", "wallet_head",
    "money_seq", "money_head", "last_at", "due_at", "recharge_below",
)  # fmt: skip

_SETTINGS = len(AccountSettings._fields)
REFUND_COLUMNS, CORRECTION_COLUMNS = RefundRow._fields[:-2], CorrectionRow._fields[:-3]  # then come their parts
REFUND_OUTPUT_COLUMNS = ("account_id", "refund_id", *RefundPart._fields)
CORRECTION_REPORT_COLUMNS = ("account_id", "correction_id", *Reported._fields)
CORRECTION_OUTPUT_COLUMNS = ("account_id", "correction_id", *Delivered._fields)
RETURNED_COLUMNS = ("account_id", "seq", "request_id", *Return._fields)

_CHARGE_FLAGS, _OUTPUT_FLAGS = Charge._fields.index("flags"), Output._fields.index("flags")

grant_parts = attrgetter("account_id", "grant_id", "remaining", "used", "expired", "revoked", "moved", "frozen", "open")


def columns(names: Sequence[str], of: str) -> str:
    """The columns `names` of the table aliased `of`, as a SELECT list."""
    return ", ".join(f'{of}."{name}"' for name in names)


def arrays(keys: Iterable[Sequence[Any]]) -> list[list[Any]]:
    """Key tuples, at least one, as an array for each part: asyncpg encodes arrays of scalars fastest."""
    return [list(part) for part in zip(*keys, strict=True)]


CHARGE, OUTPUT = columns(Charge._fields, "c"), columns(Output._fields, "o")
TRANSFER = columns(Transfer._fields, "t")
GRANT, DEBT = columns(Grant._fields, "g"), columns(Debt._fields, "d")
# What returned credits (`r`), whole: with its parts, each an array of rows in their order.
_RETURNS = """ARRAY(SELECT ROW(b.drawn_from, b.credits, b.returned_to) FROM returned b
        WHERE b.account_id = r.account_id AND b.seq BETWEEN r.first_seq AND r.last_seq ORDER BY b.seq)"""
# By credits, the last output was refunded first.
REFUND = f"""{columns(REFUND_COLUMNS, "r")},
    ARRAY(SELECT ROW({columns(RefundPart._fields, "p")}) FROM refund_output p
        WHERE p.account_id = r.account_id AND p.refund_id = r.refund_id
        ORDER BY CASE WHEN r.asked_outputs IS NULL THEN -p.index ELSE p.index END),
    {_RETURNS}"""
_OF_CORRECTION = "p WHERE p.account_id = r.account_id AND p.correction_id = r.correction_id ORDER BY p.index"
CORRECTION = f"""{columns(CORRECTION_COLUMNS, "r")},
    ARRAY(SELECT ROW({columns(Reported._fields, "p")}) FROM correction_report {_OF_CORRECTION}),
    ARRAY(SELECT ROW({columns(Delivered._fields, "p")}) FROM correction_output {_OF_CORRECTION}),
    {_RETURNS}"""
ACCOUNT = columns(ACCOUNT_COLUMNS, "a")


def wallet(row: Any) -> Wallet:
    """A wallet as its account's row, in ACCOUNT_COLUMNS' order, says."""
    settings = AccountSettings._make(row[1 : 1 + _SETTINGS])
    if settings.low_balance is not None:
        settings = settings._replace(low_balance=tuple(settings.low_balance))
    return Wallet(row[0], settings, *row[1 + _SETTINGS :])


def account_row(wallet: Wallet) -> tuple[Any, ...]:
    assert wallet.settings is not None
    _, *figures = standing(wallet)
    return (wallet.account_id, *wallet.settings, wallet.opening_digest, *figures, wallet.recharge_below)


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
    *plain, outputs, returns = row
    parts = tuple(RefundPart(*one) for one in outputs), tuple(Return(*one) for one in returns)
    r = RefundRow._make((*plain, *parts))
    return r._replace(asked_outputs=None if r.asked_outputs is None else tuple(r.asked_outputs))


def correction(row: Any) -> CorrectionRow:
    *plain, asked, outputs, returns = row
    reports, delivered = tuple(Reported(*one) for one in asked), tuple(Delivered(*one) for one in outputs)
    return CorrectionRow._make((*plain, reports, delivered, tuple(Return(*one) for one in returns)))


def returned(of: RefundRow | CorrectionRow) -> Iterable[tuple[Any, ...]]:
    """Each of its transfers returned the credits of one of its returns."""
    return ((of.account_id, seq, of.request_id, *one) for seq, one in enumerate(of.returns, of.first_seq))
