"""Answers: what a command came to, as its caller is told."""

from collections.abc import Sequence
from typing import NamedTuple

from billing.core.charges import Charge, Output
from billing.core.grants import Grant
from billing.core.payments import AutoRecharge, BookedTransaction, Topup
from billing.core.wallet import AccountSettings, Balance, CorrectionRow, RefundRow


class ChargeAnswer(NamedTuple):
    """The charge as it is now; `replayed` when this very call had been answered before."""

    replayed: bool
    charge: Charge
    outputs: Sequence[Output]
    balance: Balance


class RefundAnswer(NamedTuple):
    replayed: bool
    refund: RefundRow
    charge: Charge
    outputs: Sequence[Output]
    balance: Balance


class CorrectionAnswer(NamedTuple):
    replayed: bool
    correction: CorrectionRow
    charge: Charge
    outputs: Sequence[Output]
    balance: Balance


class GrantAnswer(NamedTuple):
    replayed: bool
    grant: Grant
    balance: Balance


class AccountAnswer(NamedTuple):
    replayed: bool
    account_id: str
    settings: AccountSettings


class LapseAnswer(NamedTuple):
    """The balance with everything that was due posted."""

    balance: Balance


class RecogniseAnswer(NamedTuple):
    """How many transfers were posted, and by currency micros of usage and breakage. `more`: there is more to look at."""

    transfers: int
    amounts: dict[str, tuple[int, int]]
    more: bool


class TopupAnswer(NamedTuple):
    """The top-up as it is now. `problem`: what was reported cannot be, and nothing was posted.

    `overtaken`: somebody else reported meanwhile, nobody knows what is newer, and nothing was posted: ask once more.
    """

    replayed: bool
    topup: Topup
    problem: str | None = None
    overtaken: bool = False


class RechargeAnswer(NamedTuple):
    """Auto-recharge as it is now, and the top-up in flight where there is one."""

    replayed: bool
    recharge: AutoRecharge
    topup: Topup | None = None


class ClearingAnswer(NamedTuple):
    replayed: bool
    transaction: BookedTransaction


Answer = (
    ChargeAnswer
    | RefundAnswer
    | CorrectionAnswer
    | GrantAnswer
    | AccountAnswer
    | LapseAnswer
    | RecogniseAnswer
    | TopupAnswer
    | RechargeAnswer
    | ClearingAnswer
)
