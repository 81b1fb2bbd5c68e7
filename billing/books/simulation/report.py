"""Price changes before they happen: what was delivered, priced again under a candidate book. Nothing is written.

Memory is that of what is shown: customers pass by one at a time, those that change most are kept.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from billing.books.simulation.settled import Alike, Settled
from billing.core.charges import Charge, Output, Reported, bill
from billing.core.document import DOCUMENT
from billing.core.prices import PriceBook, PriceBooks
from billing.core.refusals import Invalid, QualityNotSupported, Refusal, SizeNotAllowed, SizeNotPriced, UnknownModel
from billing.core.simulation import one_image, rebilled, requoted
from billing.store.clock import time_in
from billing.store.engine import Engine
from billing.store.price_books import books_within
from billing.store.snapshot import snapshot

UNPRICED_SHOWN: Final = 200
_CANNOT_BE_PRICED: Final = (UnknownModel, SizeNotAllowed, SizeNotPriced, QualityNotSupported)
_Kind = tuple[str, str, str]  # model, quality, size tier


@dataclass(frozen=True, slots=True)
class Repriced:
    """Images, and their credits as they are billed, corrections included and refunds not, and under the candidate."""

    __pydantic_config__ = DOCUMENT
    images: int
    """that were delivered; 0 or more"""
    credits_now: int
    """whole credits, as they are billed; 0 or more"""
    credits_then: int
    """whole credits, under the candidate; 0 or more"""
    difference: int
    """then less now; below 0: cheaper"""


@dataclass(frozen=True, slots=True, kw_only=True)
class RepricedCustomer(Repriced):
    """What it comes to for one account."""

    account_id: str
    """whose images they are"""


@dataclass(frozen=True, slots=True, kw_only=True)
class RepricedKind(Repriced):
    """What it comes to for images of one model, quality and size tier, as they are billed now."""

    model: str
    """by its name in the price book"""
    quality: str
    """as it is billed"""
    size_tier: str
    """by the book that it is billed by"""


@dataclass(frozen=True, slots=True)
class Unpriced:
    """Images of requests that the candidate would refuse."""

    __pydantic_config__ = DOCUMENT
    code: str
    """the refusal's: why there is no price"""
    model: str
    """that was asked for"""
    size: str
    """that was asked for"""
    quality: str
    """that was asked for"""
    images: int
    """that were delivered; 0 or more"""
    credits_now: int
    """whole credits, as they are billed; 0 or more"""


@dataclass(frozen=True, slots=True)
class Simulation:
    """What was delivered in [start, end), by the time it was settled, under another book. Nothing was written."""

    __pydantic_config__ = DOCUMENT
    start: datetime
    """of what was settled from then on"""
    end: datetime
    """and before this"""
    as_of: datetime
    """when this was read, in one snapshot"""
    total: Repriced
    """without what the candidate has no price for"""
    unpriced_images: int
    """of requests that the candidate would refuse; 0 or more"""
    unpriced_credits: int
    """what these cost now, in whole credits"""
    customers: int
    """to whom anything was delivered; 0 or more"""
    winners_count: int
    """customers who would pay less"""
    losers_count: int
    """customers who would pay more"""
    winners: list[RepricedCustomer]
    """the largest differences first"""
    losers: list[RepricedCustomer]
    """the largest differences first"""
    cells: list[RepricedKind]
    """by model, quality and size tier; the largest differences first"""
    unpriced: list[Unpriced]
    """the dearest first, at most 200"""


async def simulate(
    engine: Engine, models: dict[str, object], start: datetime, end: datetime, *, limit: int = 50
) -> Simulation:
    """Prices again what was settled from `start` to before `end`; at most `limit` customers either way.

    Requests are read by the candidate as they were asked, outputs are billed as they were delivered, with corrections
    and the account's overage; refunds stay out on both sides. Raises Invalid.
    """
    candidate = PriceBook.of(0, start, models)
    if start >= end:
        raise Invalid.of("end", "must be later than start")
    counting = _Counting(candidate, limit)
    edges = {name: [tier.max_edge for tier in model.tiers.all] for name, model in candidate.models.items()}
    async with snapshot(engine) as connection:
        as_of = await time_in(connection, engine)
        settled = Settled(connection, start, end)
        books = await books_within(connection)
        async for charge, outputs in settled.corrected():
            counting.take_corrected(charge, outputs, books)
        async for alike in settled.alike(edges):
            counting.take(alike)
    return counting.done(start, end, as_of)


@dataclass(slots=True)
class _Sums:
    images: int = 0
    now: int = 0
    then: int = 0

    def add(self, images: int, now: int, then: int) -> None:
        self.images += images
        self.now += now
        self.then += then

    def shown(self) -> Mapping[str, int]:
        difference = self.then - self.now
        return {"images": self.images, "credits_now": self.now, "credits_then": self.then, "difference": difference}


class _Counting:
    def __init__(self, candidate: PriceBook, limit: int) -> None:
        self._candidate = candidate
        self._prices: dict[tuple[str, str, str, str, int | None, bool], int | Refusal] = {}
        self._total, self._refused = _Sums(), _Sums()
        self._kinds: dict[_Kind, _Sums] = {}
        self._unpriced: dict[tuple[str, str, str, str], _Sums] = {}
        self._corrected: dict[str, _Sums] = {}  # of customers whose bills were corrected, until their turn comes
        self._turn: tuple[str, _Sums] | None = None
        self._customers = 0
        self._winners, self._losers = _Most(limit), _Most(limit)

    def take(self, alike: Alike) -> None:
        """One more kind of output; a customer's come together."""
        if self._turn is None or self._turn[0] != alike.account_id:
            self._turn_to(alike.account_id)
        assert self._turn is not None
        price = self._price(alike)
        if isinstance(price, Refusal):
            self._refuse(price, alike.model, alike.size, alike.quality, alike.images, alike.credits)
        else:
            kind = (alike.model, alike.billed_quality, alike.size_tier)
            self._add(self._turn[1], kind, alike.images, alike.credits, price * alike.images)

    def take_corrected(self, charge: Charge, outputs: list[Output], books: PriceBooks) -> None:
        customer = self._corrected.setdefault(charge.account_id, _Sums())
        try:
            costs: list[int] | Refusal = rebilled(charge, outputs, books, self._candidate)
        except _CANNOT_BE_PRICED as refusal:
            costs = refusal
        for place, output in enumerate(outputs):
            now, images = output.credits + output.corrected_credits, int(output.status == "succeeded")
            if not (now or images):
                continue
            if isinstance(costs, Refusal):
                self._refuse(costs, charge.model, charge.size, charge.quality, images, now)
            else:
                kind = (charge.model, charge.billed_quality, output.size_tier or charge.quoted_tier)
                self._add(customer, kind, images, now, costs[place])

    def done(self, start: datetime, end: datetime, as_of: datetime) -> Simulation:
        self._turn_to(None)
        for account_id, customer in self._corrected.items():
            self._keep(account_id, customer)
        cells = [
            RepricedKind(model=model, quality=quality, size_tier=size_tier, **sums.shown())
            for (model, quality, size_tier), sums in self._kinds.items()
        ]
        unpriced = [
            Unpriced(code=code, model=model, size=size, quality=quality, images=sums.images, credits_now=sums.now)
            for (code, model, size, quality), sums in sorted(
                self._unpriced.items(), key=lambda one: (-one[1].now, one[0])
            )
        ]
        return Simulation(
            start=start,
            end=end,
            as_of=as_of,
            total=Repriced(**self._total.shown()),
            unpriced_images=self._refused.images,
            unpriced_credits=self._refused.now,
            customers=self._customers,
            winners_count=self._winners.count,
            losers_count=self._losers.count,
            winners=self._winners.kept(),
            losers=self._losers.kept(),
            cells=sorted(cells, key=lambda one: (-abs(one.difference), one.model, one.quality, one.size_tier)),
            unpriced=unpriced[:UNPRICED_SHOWN],
        )

    def _price(self, alike: Alike) -> int | Refusal:
        key = (alike.model, alike.size, alike.quality, alike.overage, alike.edge, alike.unrequested)
        known = self._prices.get(key)
        if known is None:
            try:
                charge = requoted(one_image(*key[:4]), self._candidate)
                charge = charge._replace(n=0) if alike.unrequested else charge  # it came beside what was asked for
                output = Reported(0, "succeeded", alike.edge, alike.edge, None)
                known = bill(charge, self._candidate.model(alike.model), [output])[0].credits
            except _CANNOT_BE_PRICED as refusal:
                known = refusal
            self._prices[key] = known
        return known

    def _add(self, customer: _Sums, kind: _Kind, images: int, now: int, then: int) -> None:
        for sums in (customer, self._total, self._kinds.setdefault(kind, _Sums())):
            sums.add(images, now, then)

    def _refuse(self, why: Refusal, model: str, size: str, quality: str, images: int, credits: int) -> None:
        self._refused.add(images, credits, 0)
        self._unpriced.setdefault((why.code, model, size, quality), _Sums()).add(images, credits, 0)

    def _turn_to(self, account_id: str | None) -> None:
        if self._turn is not None:
            self._keep(*self._turn)
        self._turn = None if account_id is None else (account_id, self._corrected.pop(account_id, _Sums()))

    def _keep(self, account_id: str, sums: _Sums) -> None:
        self._customers += 1
        if sums.then != sums.now:
            customer = RepricedCustomer(account_id=account_id, **sums.shown())
            (self._winners if customer.difference < 0 else self._losers).add(customer)


class _Most:
    """The customers that change most, of all that pass by."""

    def __init__(self, limit: int) -> None:
        self.count = 0
        self._limit = limit
        self._kept: list[RepricedCustomer] = []

    def add(self, customer: RepricedCustomer) -> None:
        self.count += 1
        self._kept.append(customer)
        if len(self._kept) >= 2 * self._limit + 1_000:
            self._kept = self.kept()

    def kept(self) -> list[RepricedCustomer]:
        return sorted(self._kept, key=lambda one: (-abs(one.difference), one.account_id))[: self._limit]
