"""Rows that break an invariant: of each invariant the first."""

from dataclasses import dataclass

from billing.core.document import DOCUMENT


@dataclass(frozen=True, slots=True)
class BrokenRow:
    """A row that breaks an invariant."""

    __pydantic_config__ = DOCUMENT
    invariant: str
    """its name"""
    table: str
    """where the row is; for what the service may do to a table, that table"""
    key: str
    """its primary key, parts joined by `/`"""
    problem: str
    """what is wrong with it, in a sentence"""


class BrokenRows:
    """The first of each invariant, in the order of accounts; within one account, of `rank` and then of checks."""

    def __init__(self) -> None:
        self._first: dict[str, tuple[tuple[str, int], BrokenRow]] = {}

    def add(self, account_id: str, row: BrokenRow, *, rank: int = 1) -> None:
        known = self._first.get(row.invariant)
        if known is None or (account_id, rank) < known[0]:
            self._first[row.invariant] = ((account_id, rank), row)

    def of(self, invariant: str) -> BrokenRow | None:
        known = self._first.get(invariant)
        return known[1] if known else None
