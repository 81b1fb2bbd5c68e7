"""Effects: what a batch has decided to write for an account beyond its rows, which note that themselves."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from billing.core.announcements import Announcement
from billing.core.grants import Fill
from billing.core.ledger import Transfer
from billing.core.usage import Tally


class AccountChange(NamedTuple):
    """One change of a setting that decides money: who, when, from, to."""

    account_id: str
    changed_at: datetime
    position: int
    setting: str
    old: str | None
    new: str
    actor: str


@dataclass(slots=True)
class WalletEffects:
    """What is only ever added: transfers of the journal, payments of debts, changes on record, what the outside is told,
    usage. `recharge_due`: somebody has to look whether to recharge."""

    transfers: list[Transfer] = field(default_factory=list)
    fills: list[Fill] = field(default_factory=list)
    changes: list[AccountChange] = field(default_factory=list)
    announcements: list[Announcement] = field(default_factory=list)
    usage: Tally | None = None
    recharge_due: bool = False

    @property
    def tally(self) -> Tally:
        """What the batch adds to the account's usage."""
        if self.usage is None:
            self.usage = Tally()
        return self.usage
