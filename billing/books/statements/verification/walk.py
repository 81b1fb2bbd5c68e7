"""Walking through a statement's movements: the chain is recomputed, and the first line that does not fit is explained.

Which field of it was changed is found by trial: a value that may have stood there is put in its place, and if the hash
then fits, it did. What may have stood there follows from the lines around it.
"""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from billing.books.statements.document.fields import written
from billing.books.statements.document.file import MovementRow, Unreadable
from billing.books.statements.document.statement import MOVEMENT, MovementTotal, Statement, change, consumption
from billing.core.ledger import ROUTES, WALLET, Transfer, chained

REMEMBERED = 1_000  # movements whose ids are tried in place of one that does not fit
_NAMES: Final = frozenset(field.name for field in MOVEMENT)
_WORDS: Final = sorted({word for _, debit, credit in ROUTES.values() for word in (debit, credit)})
# By kind, what no other field follows from: what it always holds, and what it may hold.
_HELD: Final = {
    "grant": (("grant_id",), ("external_id",)),
    "settle": (("request_id", "digest"), ("grant_id",)),
    "refund": (("request_id", "refund_id"), ("grant_id",)),
    "supplement": (("request_id",), ("grant_id",)),
    "reduction": (("request_id",), ("grant_id",)),
    "expire": (("grant_id", "effective_at", "posted_at"), ()),
    "revoke": ((), ("grant_id", "external_id")),
    "restore": (("grant_id",), ("external_id",)),
}
_FREE: Final = ("request_id", "grant_id", "refund_id", "external_id", "digest")


@dataclass(frozen=True, slots=True)
class Flaw:
    """What is wrong: on which line of the file, in which movement and field, as far as that can be told."""

    message: str
    line: int | None = None
    seq: int | None = None
    field: str | None = None


@dataclass(slots=True)
class Footing:
    """What the movements read so far come to. `opening`, `first_seq` and `owner` are as the first one has them."""

    head: bytes
    balance: int
    seq: int
    opening: int | None = None
    first_seq: int | None = None
    owner: tuple[str, str] | None = None
    consumed: int = 0
    kinds: dict[str, tuple[int, int]] = field(default_factory=dict)

    def add(self, transfer: Transfer) -> None:
        moved, balance = change(transfer), balance_of(transfer)
        if self.first_seq is None:
            self.first_seq, self.opening = transfer.seq, balance - moved
            self.owner = transfer.account_id, transfer.asset
        self.head, self.balance, self.seq = transfer.hash, balance, transfer.seq
        self.consumed += consumption(transfer)
        count, total = self.kinds.get(transfer.kind, (0, 0))
        self.kinds[transfer.kind] = count + 1, total + moved

    @property
    def totals(self) -> tuple[MovementTotal, ...]:
        return tuple(MovementTotal(kind, count, moved) for kind, (count, moved) in sorted(self.kinds.items()))


class Walk:
    """Goes through the movements once. `trusted`: the header is as it was signed, so that it says where they begin."""

    def __init__(self, statement: Statement, rows: Iterator[MovementRow], *, trusted: bool) -> None:
        self._statement, self._rows, self._trusted = statement, rows, trusted
        self._ahead: MovementRow | None = None
        self._recent: deque[Transfer] = deque(maxlen=REMEMBERED)
        self.footing = Footing(statement.hash_before, statement.opening_balance, statement.first_seq - 1)

    def first_wrong(self, progress: Callable[[int], None] = lambda _: None) -> Flaw | None:
        """The first line that was changed, and what of it; None where all fit."""
        line, count = None, 0
        try:
            while (row := self._next()) is not None:
                line, count = row.line, count + 1
                if finding := self._wrong(row):
                    return finding
                if count % 1000 == 0:
                    progress(count)
        except Unreadable as error:
            return Flaw(error.message, error.line, field=error.field)
        last = self._statement.last_seq
        if self._trusted and self.footing.seq < last:
            return Flaw(f"{_missing(self.footing.seq + 1, last)} after this line, at the end", line, last)
        return None

    def _next(self) -> MovementRow | None:
        row, self._ahead = self._ahead, None
        return next(self._rows, None) if row is None else row

    def _wrong(self, row: MovementRow) -> Flaw | None:
        footing = self.footing
        transfer = transfer_of(row)
        if isinstance(transfer, Flaw):
            return transfer
        if footing.first_seq is None and not self._trusted:  # the header may be what was changed
            footing.seq, footing.balance = transfer.seq - 1, balance_of(transfer) - change(transfer)
        fits = transfer.seq == footing.seq + 1 and self._fits(transfer)
        finding = self._forged(row, transfer) if fits else self._explained(row, transfer)
        if finding is None:
            footing.add(transfer)
            self._recent.append(transfer)
        return finding

    def _fits(self, transfer: Transfer) -> bool:
        return chained(self.footing.head, *transfer[:-1]) == transfer.hash

    def _forged(self, row: MovementRow, transfer: Transfer) -> Flaw | None:
        """The hash fits, yet no such movement is posted there: the chain was made anew after a change."""
        footing, s = self.footing, self._statement
        account_id, asset = footing.owner or (s.account_id, s.asset)
        name = None
        if transfer.book != WALLET:
            name, message = "book", f"is not {WALLET}"
        elif transfer.balance_after != footing.balance + change(transfer):
            name, message = "balance_after", self._sum(transfer)
        elif not self._trusted:
            return None
        elif transfer.account_id != account_id:
            name, message = "account_id", f"is not {account_id}"
        elif transfer.asset != asset:
            name, message = "asset", f"is not {asset}"
        elif transfer.seq > s.last_seq:
            name, message = "seq", f"is beyond {s.last_seq}, the statement's last"
        elif not s.start <= transfer.posted_at < s.end:
            name, message = "posted_at", f"is not in {s.month}"
        return None if name is None else Flaw(f"{name} {message}", row.line, transfer.seq, name)

    def _explained(self, row: MovementRow, transfer: Transfer) -> Flaw | None:
        """Why this line does not fit; None where it does, and the header's `hash_before` was changed."""
        footing, expected = self.footing, self.footing.seq + 1
        following = self._following()

        def found(message: str, name: str | None = None) -> Flaw:
            return Flaw(message, row.line, transfer.seq, name)

        for values in self._candidates(transfer, following):
            mended = transfer._replace(**values)
            if mended.seq == expected and self._fits(mended):
                differ = [name for name, value in values.items() if value != getattr(transfer, name)]
                meant = " and ".join(f"{name} {_shown(values[name])}" for name in differ)
                return found(f"{' and '.join(differ)} changed: the hash fits with {meant}", differ[0])
        if transfer.seq > expected and (following is None or following.seq != expected):
            return found(f"{_missing(expected, transfer.seq - 1)} before this line", "seq")
        if transfer.seq != expected:
            return found(
                f"seq {expected} belongs here: this line was inserted, or lines were put in another order", "seq"
            )
        made = chained(footing.head, *transfer[:-1])
        if following is None:
            made_fits, own_fits = (end == self._statement.hash_after for end in (made, transfer.hash))
        else:
            made_fits, own_fits = (chained(end, *following[:-1]) == following.hash for end in (made, transfer.hash))
        if made_fits:
            return found("hash changed: it is not the one from which the chain goes on", "hash")
        if following is not None and self._fits(following):
            return found("this line was inserted: the next one is what belongs here")
        if footing.first_seq is None and not self._trusted and own_fits:
            return None
        if transfer.balance_after != footing.balance + change(transfer):
            return found(f"amount or balance_after changed: {self._sum(transfer)}", "balance_after")
        free = _free(transfer)
        several = "" if len(free) == 1 else ", or several fields"
        message = f"{' or '.join(free)} changed{several}: the hash does not follow from the fields"
        return found(message, free[0] if len(free) == 1 else None)

    def _sum(self, transfer: Transfer) -> str:
        return f"{self.footing.balance} {change(transfer):+} is not {transfer.balance_after}"

    def _candidates(self, transfer: Transfer, following: Transfer | None) -> Iterator[dict[str, Any]]:
        """What may have stood there, if one thing was changed."""
        footing, s = self.footing, self._statement
        account_id, asset = footing.owner or (s.account_id, s.asset)
        yield {"account_id": account_id}
        yield {"book": WALLET}
        yield {"seq": footing.seq + 1}
        yield {"asset": asset}
        for kind, (_, debit, credit) in ROUTES.items():
            yield {"kind": kind}
            yield {"kind": kind, "debit": debit, "credit": credit}
        for word in _WORDS:
            yield {"debit": word}
            yield {"credit": word}
        yield {"amount": abs(balance_of(transfer) - footing.balance)}
        yield {"balance_after": footing.balance + change(transfer)}
        if following is not None:
            balance = balance_of(following) - change(following)
            yield {"amount": abs(balance - footing.balance), "balance_after": balance}
        yield {"effective_at": transfer.posted_at}
        yield {"posted_at": transfer.effective_at}
        others = [*self._recent, *([following] if following else [])]
        for name in _FREE:
            yield from ({name: value} for value in {None, *(getattr(other, name) for other in others)})

    def _following(self) -> Transfer | None:
        """The movement of the next line, which is still to come; None where there is none, or no sense in it."""
        with suppress(Unreadable):
            self._ahead = next(self._rows, None)
        transfer = None if self._ahead is None else transfer_of(self._ahead)
        return transfer if isinstance(transfer, Transfer) else None


def transfer_of(row: MovementRow) -> Transfer | Flaw:
    """The movement of a line, or why it is none."""
    found = row.values
    if row.problem is None and found.keys() == _NAMES:
        try:
            return Transfer._make([column.value(found[column.name]) for column in MOVEMENT])
        except ValueError:
            pass
    seq = found.get("seq") if type(found.get("seq")) is int else None
    if missing := [name for name in Transfer._fields if name not in found]:
        return Flaw(f"{missing[0]} is missing", row.line, seq, missing[0])
    if unknown := [name for name in found if name not in _NAMES]:
        return Flaw(f"no movement has a field {unknown[0]!r}", row.line, seq, unknown[0])
    name, message = next(_misread(row))
    return Flaw(f"{name} {message}", row.line, seq, name)


def _misread(row: MovementRow) -> Iterator[tuple[str, str]]:
    if row.problem is not None:
        yield row.problem
    for column in MOVEMENT:
        try:
            column.value(row.values[column.name])
        except ValueError as error:
            yield column.name, str(error)


def balance_of(transfer: Transfer) -> int:
    assert transfer.balance_after is not None  # every movement of a statement has one
    return transfer.balance_after


def _free(transfer: Transfer) -> tuple[str, ...]:
    """The fields of a kind that may hold anything; if one of them is empty that never is, that one."""
    always, sometimes = _HELD.get(transfer.kind, _HELD["grant"])
    empty = tuple(name for name in always if getattr(transfer, name) is None)
    return empty[:1] or always + sometimes


def _missing(first: int, last: int) -> str:
    return f"seq {first} is missing" if first == last else f"seq {first} to {last} are missing"


def _shown(value: Any) -> str:
    return "null" if value is None else str(written(value)) if isinstance(value, datetime | bytes) else repr(value)
