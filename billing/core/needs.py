"""Needs: what of an account each kind of command works on, and which of its figures it may change.

The store loads, for a batch, what its commands need, and no more: a hundred charges do not make the next one slower.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from billing.core.commands import (
    AmendAccount,
    Authorize,
    Command,
    Correct,
    IssueGrant,
    Lapse,
    OpenAccount,
    Recognise,
    Refund,
    Settle,
    Void,
)
from billing.core.funding_commands import (
    AnnounceExpiry,
    BookTransaction,
    EndAutoRecharge,
    FailTopup,
    OpenTopup,
    PayTopup,
    Recharge,
    RecordCheckout,
    ReportCardRefund,
    ReportDispute,
    SetAutoRecharge,
)

Key = tuple[str, str]  # account, id


class Need(NamedTuple):
    """Rows of one kind (a set of `Needs`): the one whose id is in the command's field `named`, or those in `each`; or,
    without, what there is of the account. `given`: only where the command has that field."""

    rows: str
    named: str | None = None
    each: str | None = None
    given: str | None = None


class Kind(NamedTuple):
    """What a kind of command needs, and which figures of the wallet it `touches` beyond what falls due on the way."""

    needs: tuple[Need, ...] = ()
    touches: frozenset[str] = frozenset()


_CHARGE = Need("charges", named="request_id")
_GRANT = Need("grants", named="grant_id")
_OPEN_GRANTS = Need("open_grants")
_DEBTS = Need("debts")
_BILL = Need("bills", named="request_id")
_PAYMENTS = Need("payments")
_TOPUP = Need("topups", named="topup_id")
_MONEY_BACK = (_PAYMENTS, _TOPUP, _OPEN_GRANTS, _DEBTS, Need("ended_grants"))

_NOTHING: Final[frozenset[str]] = frozenset()
_BILLED = frozenset({"posted", "held", "debt"})
_GIVEN = frozenset({"posted", "debt"})
_FROZEN = frozenset({"posted", "debt", "frozen"})

KINDS: Final[Mapping[type[Command[Any]], Kind]] = {
    OpenAccount: Kind(),
    AmendAccount: Kind(),
    Authorize: Kind((_CHARGE, Need("open_grants", given="outputs")), _BILLED),
    Settle: Kind((_CHARGE, _OPEN_GRANTS), _BILLED),
    Void: Kind((_CHARGE,), frozenset({"posted", "held"})),  # what was kept of a lapsed grant expires with the hold
    Refund: Kind((_CHARGE, Need("refunds", named="refund_id"), _BILL, _OPEN_GRANTS, _DEBTS), _FROZEN),
    Correct: Kind((_CHARGE, Need("corrections", named="correction_id"), _BILL, _OPEN_GRANTS, _DEBTS), _FROZEN),
    IssueGrant: Kind((_GRANT, _OPEN_GRANTS, _DEBTS), _GIVEN),
    OpenTopup: Kind((_PAYMENTS, _TOPUP)),
    RecordCheckout: Kind((_PAYMENTS, _TOPUP)),
    PayTopup: Kind((_PAYMENTS, _TOPUP, _OPEN_GRANTS, _DEBTS), _GIVEN),
    FailTopup: Kind((_PAYMENTS, _TOPUP)),
    ReportCardRefund: Kind(_MONEY_BACK, _FROZEN),
    ReportDispute: Kind((*_MONEY_BACK, Need("transactions", each="transaction_ids")), _FROZEN),
    BookTransaction: Kind((_PAYMENTS, Need("transactions", named="transaction_id"))),
    SetAutoRecharge: Kind((_PAYMENTS,)),
    EndAutoRecharge: Kind((_PAYMENTS,)),
    Recharge: Kind((_PAYMENTS,)),
    AnnounceExpiry: Kind((_PAYMENTS, _GRANT, Need("notices", named="grant_id"))),
    Recognise: Kind((Need("unrecognised"),)),
    Lapse: Kind(),
}


@dataclass(slots=True)
class Needs:
    """What to load beside the accounts themselves: rows by account and id, or of an account all there are."""

    accounts: set[str] = field(default_factory=set)
    charges: set[Key] = field(default_factory=set)
    grants: set[Key] = field(default_factory=set)
    refunds: set[Key] = field(default_factory=set)
    corrections: set[Key] = field(default_factory=set)
    bills: set[Key] = field(default_factory=set)  # of charges, with all that was drawn for them and given back
    topups: set[Key] = field(default_factory=set)
    transactions: set[Key] = field(default_factory=set)
    notices: set[Key] = field(default_factory=set)
    open_grants: set[str] = field(default_factory=set)
    ended_grants: set[str] = field(default_factory=set)  # those that a verdict may bring back, to expire at once
    debts: set[str] = field(default_factory=set)
    payments: set[str] = field(default_factory=set)
    unrecognised: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, commands: Iterable[Command[Any]]) -> "Needs":
        needs = cls()
        for command in commands:
            account_id = command.account_id
            needs.accounts.add(account_id)
            for rows, named, each, given in KINDS[type(command)].needs:
                if named is not None:
                    getattr(needs, rows).add((account_id, getattr(command, named)))
                elif each is not None:
                    getattr(needs, rows).update((account_id, name) for name in getattr(command, each))
                elif given is None or getattr(command, given) is not None:
                    getattr(needs, rows).add(account_id)
        return needs
