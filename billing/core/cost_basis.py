"""Cost basis: what has become revenue of what was paid for a grant, and by which movement of its credits.

After u of N credits that cost `paid` were used, x expired, m moved to successors and r revoked:

    usage    = ⌊paid·(u+m)/N⌋ − S                          S: the successors' cost basis, all together
    breakage = ⌊paid·(u+m+x)/N⌋ − ⌊paid·(u+m)/N⌋ + W       W = ⌈paid·r/N⌉ − D

D micros were returned out of deferred revenue. Whole credits are revoked for them, so their basis may come to a little
more: that little nobody can claim. When no credit is left, usage + breakage + S + D = paid, to the micro.

Each movement counts with the difference that it makes, in the order of the journal, so that the sums of a grant and a
day do not depend on when or how often anybody looks.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from billing.core.grants import Fill, Grant
from billing.core.ledger import WALLET, Transfer
from billing.core.noted import Noted


class Movement(NamedTuple):
    """Credits of a grant that were used, expired or moved, up to the transfer `seq`, which was due at `effective_at`.

    Signed: what is given back was used the less. `succeeded_micros` is the cost basis of the successors they moved to.
    """

    account_id: str
    grant_id: str
    seq: int
    effective_at: datetime
    used: int
    expired: int
    moved: int
    succeeded_micros: int


class Recognition(NamedTuple):
    """What was recognised of a grant, in micros of its currency, and where its credits were then."""

    account_id: str
    grant_id: str
    used: int
    expired: int
    moved: int
    revoked: int
    returned_micros: int
    usage_micros: int
    breakage_micros: int

    @classmethod
    def none_of(cls, grant: Grant) -> "Recognition":
        return cls(grant.account_id, grant.grant_id, 0, 0, 0, 0, 0, 0, 0)

    def after(self, grant: Grant, movement: Movement) -> "Recognition":
        """What it comes to with `movement`."""
        moved = self._replace(
            used=self.used + movement.used,
            expired=self.expired + movement.expired,
            moved=self.moved + movement.moved,
        )
        return moved._replace(
            usage_micros=self.usage_micros + moved._usage(grant) - self._usage(grant) - movement.succeeded_micros,
            breakage_micros=self.breakage_micros + moved._breakage(grant) - self._breakage(grant),
        )

    def settled(self, grant: Grant, returned_micros: int) -> "Recognition":
        """What it comes to where the grant stands now, of which `returned_micros` left deferred revenue."""
        succeeded_micros = self._usage(grant) - self.usage_micros
        now = self._replace(
            used=grant.used,
            expired=grant.expired,
            moved=grant.moved,
            revoked=grant.revoked,
            returned_micros=returned_micros,
        )
        return now._replace(
            usage_micros=now._usage(grant) - succeeded_micros,
            breakage_micros=now._breakage(grant) + grant.revoked_micros - returned_micros,
        )

    def _usage(self, grant: Grant) -> int:
        return _basis(grant, self.used + self.moved)

    def _breakage(self, grant: Grant) -> int:
        return _basis(grant, self.used + self.moved + self.expired) - self._usage(grant)


@dataclass(slots=True)
class Unrecognised:
    """What an account has that was not recognised yet, as the store found it under the account's lock.

    `movements` are those of the wallet transfers beyond `seq` as far as `until`; consecutive ones of a grant and day come
    as one. `last_seq` is the last that there is, `recognised_at` when nothing was missing. `known` is by grant.
    """

    seq: int
    until: int
    last_seq: int
    recognised_at: datetime | None
    movements: Sequence[Movement] = ()
    known: Noted[str, Recognition] = field(default_factory=Noted)

    # What the batch has decided.
    changed: bool = False
    nothing_missing: tuple[int, int] | None = None  # both books' last seqs then

    @property
    def whole(self) -> bool:
        """Whether the store has looked at everything, and not only at as much as one transaction may take."""
        return self.until == self.last_seq


def movements(transfers: Iterable[Transfer], fills: Iterable[Fill], grants: Mapping[str, Grant]) -> Iterator[Movement]:
    """What `transfers` of the wallet moved, and `fills` whose debt was made, or paid, by one of them.

    A grant that pays when it thaws is brought by no transfer: that shows only in where its credits are. So do credits
    that a refund returns into debts: they stay used.
    """
    wallet = {transfer.seq: transfer for transfer in transfers if transfer.book == WALLET}
    paid: dict[int, list[Fill]] = {}
    for fill in fills:
        paid.setdefault(max(fill.seq, fill.paid_by_seq), []).append(fill)
    for transfer in wallet.values():
        if movement := _movement(transfer, grants):
            yield movement
        for fill in paid.get(transfer.seq, ()):
            if transfer.grant_id is not None if fill.paid_by_seq == transfer.seq else transfer.kind == "revoke":
                yield _made(transfer, fill.grant_id, used=fill.credits)


def _movement(transfer: Transfer, grants: Mapping[str, Grant]) -> Movement | None:
    grant_id, amount = transfer.grant_id, transfer.amount
    if grant_id is None:
        return None
    match transfer.kind:
        case "settle" | "supplement":
            return _made(transfer, grant_id, used=amount)
        case "expire":
            return _made(transfer, grant_id, expired=amount)
        case "refund" | "reduction":
            grant = grants[grant_id]
            if grant.seq == transfer.seq and grant.origin_grant_id is not None:  # it made a successor
                basis = grant.paid_micros or 0
                return _made(transfer, grant.origin_grant_id, used=-amount, moved=amount, succeeded_micros=basis)
            return _made(transfer, grant_id, used=-amount)
        case _:
            return None


def _made(
    transfer: Transfer, grant_id: str, used: int = 0, expired: int = 0, moved: int = 0, succeeded_micros: int = 0
) -> Movement:
    return Movement(
        transfer.account_id, grant_id, transfer.seq, transfer.effective_at, used, expired, moved, succeeded_micros
    )


def _basis(grant: Grant, credits: int) -> int:
    """The cost basis of `credits` of the grant, rounded down."""
    return (grant.paid_micros or 0) * credits // grant.granted
