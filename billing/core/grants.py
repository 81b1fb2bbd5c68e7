"""Grants: credits given to an account, the order they are burnt in, and what is kept of one that lapsed.

Every granted credit is in exactly one place: `remaining + used + expired + revoked + moved = granted`.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple

from billing.core.noted import changing

Kind = Literal["purchase", "promotion", "plan", "adjustment"]
GrantStatus = Literal["open", "frozen", "lapsed", "expired", "revoked", "spent"]
KINDS: tuple[Kind, ...] = ("purchase", "promotion", "plan", "adjustment")
DEFAULT_PRIORITY: dict[str, int] = {"promotion": 10, "plan": 20, "adjustment": 30, "purchase": 50}
REFUND_GRANT_LIFETIME = timedelta(days=30)

_NEVER = datetime.max.replace(tzinfo=UTC)


class Grant(NamedTuple):
    """One grant's balance: a change makes a new one. Credits are whole; `paid_micros` is its cost basis in micros of `currency`.

    `used` is net of refunds; `moved` went to a new grant because this one had ended when they were refunded.
    `seq` is the wallet transfer that made it: the oldest has the lowest. `open` marks grants with something left.
    `clawed` credits were taken back because their money was: `revoked` of them unspent, the others had been used.
    """

    account_id: str
    grant_id: str
    kind: str
    granted: int
    remaining: int
    used: int
    expired: int
    revoked: int
    moved: int
    priority: int
    expires_at: datetime | None
    frozen: bool
    open: bool
    paid_micros: int | None
    currency: str | None
    funding: str | None
    reference: str | None
    origin_grant_id: str | None
    seq: int
    created_at: datetime
    clawed: int = 0

    @classmethod
    def issued(
        cls,
        account_id: str,
        grant_id: str,
        kind: str,
        credits: int,
        *,
        priority: int,
        expires_at: datetime | None,
        seq: int,
        now: datetime,
        paid_micros: int | None = None,
        currency: str | None = None,
        funding: str | None = None,
        reference: str | None = None,
        origin_grant_id: str | None = None,
    ) -> "Grant":
        """A new one, with all of its credits left."""
        return cls(
            account_id=account_id,
            grant_id=grant_id,
            kind=kind,
            granted=credits,
            remaining=credits,
            used=0,
            expired=0,
            revoked=0,
            moved=0,
            priority=priority,
            expires_at=expires_at,
            frozen=False,
            open=True,
            paid_micros=paid_micros,
            currency=currency,
            funding=funding,
            reference=reference,
            origin_grant_id=origin_grant_id,
            seq=seq,
            created_at=now,
        )

    @property
    def burn_key(self) -> tuple[int, datetime, int]:
        """Burn order: priority ascending, then earliest expiry, then oldest."""
        return (self.priority, self.expires_at or _NEVER, self.seq)

    def lapsed_at(self, now: datetime) -> bool:
        """Past its expiry. A frozen grant's expiry waits for the verdict."""
        return self.expires_at is not None and self.expires_at <= now and not self.frozen

    def status(self, now: datetime | None = None) -> GrantStatus:
        """What it is by now. `lapsed`: past its expiry, and what is left is kept for holds that were open then."""
        if self.withdrawn:
            return "revoked"
        if not self.open:
            return "expired" if self.expired else "spent"
        if self.frozen:
            return "frozen"
        return "lapsed" if now is not None and self.lapsed_at(now) else "open"

    def use(self, credits: int) -> "Grant":
        left = self.remaining - credits
        return _used(self, left, self.used + credits, left > 0)

    def give_back(self, credits: int) -> "Grant":
        return self.use(-credits)

    def expire(self, credits: int) -> "Grant":
        left = self.remaining - credits
        return self._replace(remaining=left, expired=self.expired + credits, open=left > 0)

    def revoke(self, credits: int) -> "Grant":
        """Takes credits back that are unspent."""
        left = self.remaining - credits
        return self._replace(
            remaining=left, revoked=self.revoked + credits, clawed=self.clawed + credits, open=left > 0
        )

    def restore(self, credits: int) -> "Grant":
        """Gives back what was revoked; that it is not clawed back any more, `claw` has said."""
        left = self.remaining + credits
        return self._replace(remaining=left, revoked=self.revoked - credits, open=left > 0)

    def claw(self, credits: int) -> "Grant":
        """Takes credits back that had been used: below 0, gives back."""
        return self._replace(clawed=self.clawed + credits)

    def move_out(self, credits: int) -> "Grant":
        """Takes `credits` of what was used out of this grant.

        What recognition of it falls by is the revenue that reverses, so that nothing is lost to rounding whatever else
        happens.
        """
        return self._replace(used=self.used - credits, moved=self.moved + credits)

    @property
    def withdrawn(self) -> bool:
        """All its money went back: every credit was clawed back, or had expired."""
        return self.clawed > 0 and self.clawed + self.expired >= self.granted

    @property
    def recognised_micros(self) -> int:
        """Usage and breakage recognised after u used, x expired and m moved of N: ⌊paid·(u+x+m)/N⌋ − ⌊paid·m/N⌋.

        Where nothing was moved that is ⌊paid·(u+x)/N⌋. The moved credits' share is their successors' cost basis,
        and the two always make the whole.
        """
        paid = self.paid_micros or 0
        moved_micros = paid * self.moved // self.granted
        return paid * (self.used + self.expired + self.moved) // self.granted - moved_micros

    @property
    def revoked_micros(self) -> int:
        """The cost basis of what was revoked, rounded up: recognition never comes to it."""
        return -(-(self.paid_micros or 0) * self.revoked // self.granted)


_used = changing(Grant, "remaining", "used", "open")


class Draw(NamedTuple):
    """Credits drawn by a bill: from a grant, or as debt (no grant). `seq` is the transfer that drew them."""

    grant_id: str | None
    credits: int
    seq: int


class Debt(NamedTuple):
    """What one settlement, or a clawback (no request), drew beyond all grants; `outstanding` is still unpaid."""

    account_id: str
    seq: int
    request_id: str | None
    credits: int
    outstanding: int


class Fill(NamedTuple):
    """A payment of a debt: `credits` of a grant, brought by the wallet transfer `paid_by_seq`."""

    account_id: str
    seq: int
    paid_by_seq: int
    grant_id: str
    credits: int


def take(grants: Iterable[Grant], credits: int, now: datetime, held_since: datetime | None) -> list[tuple[Grant, int]]:
    """What `credits` would draw from `grants` (in burn order), and from which; it may come to less.

    Frozen grants are skipped. A lapsed grant is open only to a hold from before its expiry (`held_since`).
    """
    drawn = []
    for grant in grants:
        if credits == 0:
            break
        if grant.remaining and not grant.frozen and (not grant.lapsed_at(now) or _held_before(grant, held_since)):
            part = min(credits, grant.remaining)
            drawn.append((grant, part))
            credits -= part
    return drawn


def kept(grants: Sequence[Grant], holds: Iterable[tuple[datetime, int]], at: datetime) -> list[tuple[Grant, int]]:
    """Of each grant lapsed by `at`: what the open holds would draw from it in burn order.

    `grants` in burn order, `holds` as (authorized_at, credits). Anything beyond that has expired. Oldest
    holds draw first; holds between the same expiries are alike, so they may come summed.
    """
    free = {grant.grant_id: grant.remaining for grant in grants}
    for held_since, credits in sorted(holds):
        need = credits
        for grant in grants:
            if need == 0:
                break
            if not grant.frozen and (not grant.lapsed_at(at) or _held_before(grant, held_since)):
                part = min(need, free[grant.grant_id])
                free[grant.grant_id] -= part
                need -= part
    return [(grant, grant.remaining - free[grant.grant_id]) for grant in grants if grant.lapsed_at(at)]


class EarlyHolds:
    """Open holds that were authorized before some grant lapsed, summed between the expiries they lie between.

    An account may have ten thousand of them; what is kept depends on one sum for each lapsed grant.
    """

    def __init__(self, expiries: Iterable[datetime], holds: Iterable[tuple[datetime, int]]) -> None:
        self._expiries = sorted(set(expiries))
        self._sums = [0] * len(self._expiries)
        self._first = [_NEVER] * len(self._expiries)
        for authorized_at, credits in holds:
            self._add(authorized_at, credits)

    def end(self, authorized_at: datetime, credits: int) -> None:
        """A hold has ended."""
        self._add(authorized_at, -credits)

    def __iter__(self) -> Iterator[tuple[datetime, int]]:
        return ((first, credits) for first, credits in zip(self._first, self._sums, strict=True) if credits)

    def _add(self, authorized_at: datetime, credits: int) -> None:
        place = bisect_right(self._expiries, authorized_at)
        if place < len(self._sums):  # later holds can draw on no lapsed grant
            self._sums[place] += credits
            self._first[place] = min(self._first[place], authorized_at)


def _held_before(grant: Grant, held_since: datetime | None) -> bool:
    return held_since is not None and grant.expires_at is not None and held_since < grant.expires_at
