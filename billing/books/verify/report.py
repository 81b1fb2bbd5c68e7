"""Reports: what a verification looked at and, for each invariant, the first row that is wrong."""

from dataclasses import asdict, dataclass
from typing import Any, Final, NamedTuple

TITLES: Final = {
    "I1": "Ledger accounts equal grants, settlements, refunds, corrections and clawbacks",
    "I2": "Posted is the sum of its transfers, numbered without gaps",
    "I3": "Held is the sum of the holds of authorized charges",
    "I4": "No authorization above what was available",
    "I5": "Settled or voided at most once, refunds within the bill",
    "I6": "What is left of grants, less debt, is what is posted",
    "I9": "Failed outputs cost nothing, a bill is the sum of its outputs and corrections",
    "I10": "The journal's chains verify and nobody may rewrite them",
    "I11": "Usage is what was billed and corrected, less what was refunded",
    "I12": "Deferred revenue is what was paid, not recognised and not returned",
    "I13": "Transfers carry what Stripe booked, and payouts add up",
    "I15": "A closed month is what it was known to be when it was closed",
}


@dataclass(frozen=True)
class Finding:
    """A row that breaks an invariant. `key` is its primary key, parts joined by `/`; `problem` a sentence."""

    invariant: str
    table: str
    key: str
    problem: str


class Checked(NamedTuple):
    """One invariant: how many rows were looked at, and the first that is wrong."""

    name: str
    title: str
    checked_rows: int
    finding: Finding | None


@dataclass(frozen=True)
class Report:
    """One verification. `accounts`, `charges` and `transfers` are how many there were to look at."""

    accounts: int
    charges: int
    transfers: int
    invariants: list[Checked]

    @property
    def ok(self) -> bool:
        return all(checked.finding is None for checked in self.invariants)

    def document(self) -> dict[str, Any]:
        """The report as JSON says it, by the same names."""
        return {
            "ok": self.ok,
            "accounts": self.accounts,
            "charges": self.charges,
            "transfers": self.transfers,
            "invariants": [
                checked._asdict() | {"finding": None if checked.finding is None else asdict(checked.finding)}
                for checked in self.invariants
            ],
        }


class Findings:
    """The first finding of each invariant, in the order of accounts; within one account, of `rank` and then of checks."""

    def __init__(self) -> None:
        self._first: dict[str, tuple[tuple[str, int], Finding]] = {}

    def add(self, account_id: str, finding: Finding, *, rank: int = 1) -> None:
        known = self._first.get(finding.invariant)
        if known is None or (account_id, rank) < known[0]:
            self._first[finding.invariant] = ((account_id, rank), finding)

    def of(self, invariant: str) -> Finding | None:
        known = self._first.get(invariant)
        return known[1] if known else None
