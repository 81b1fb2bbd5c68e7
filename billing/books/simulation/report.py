"""Price changes before they happen: what was delivered, priced again under a candidate book. Nothing is written.

Memory is that of what is shown: customers pass by one at a time, those that change most are kept.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from billing.books.simulation.sql import Alike, settled_between
from billing.core.charges import Charge, Output, Reported, bill
from billing.core.prices import PriceBook, PriceBooks
from billing.core.refusals import Invalid, QualityNotSupported, Refusal, SizeNotAllowed, SizeNotPriced, UnknownModel
from billing.core.simulation import one_image, rebilled, requoted
from billing.store.engine import Engine
from billing.store.price_books import price_books

CANNOT_BE_PRICED = (UnknownModel, SizeNotAllowed, SizeNotPriced, QualityNotSupported)
CellKey = tuple[str, str, str]
UnpricedKey = tuple[str, str, str, str]


@dataclass(slots=True)
class Change:
    """Images, and their credits as they are billed and under the candidate."""

    images: int = 0
    credits_now: int = 0
    credits_then: int = 0

    @property
    def difference(self) -> int:
        return self.credits_then - self.credits_now

    def add(self, images: int, now: int, then: int) -> None:
        self.images += images
        self.credits_now += now
        self.credits_then += then


@dataclass(slots=True)
class Customer(Change):
    account_id: str = ""


@dataclass(slots=True)
class Cell(Change):
    """Images of one model, quality and size tier, as they are billed now."""

    model: str = ""
    quality: str = ""
    size_tier: str = ""


class Unpriced(NamedTuple):
    """Images of requests that the candidate would refuse, why, and what they cost now."""

    code: str
    model: str
    size: str
    quality: str
    images: int
    credits_now: int


@dataclass(slots=True)
class Simulation:
    """Winners would pay less, losers more: those that change most first. `total` is without what has no price."""

    start: datetime
    end: datetime
    as_of: datetime
    total: Change = field(default_factory=Change)
    unpriced_images: int = 0
    unpriced_credits: int = 0
    customers: int = 0
    winners_count: int = 0
    losers_count: int = 0
    winners: list[Customer] = field(default_factory=list)
    losers: list[Customer] = field(default_factory=list)
    cells: list[Cell] = field(default_factory=list)
    unpriced: list[Unpriced] = field(default_factory=list)


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
    books = await price_books(engine)
    async with settled_between(engine, start, end) as settled:
        counting = _Counting(Simulation(start, end, settled.as_of), candidate, limit)
        async for charge, outputs in settled.corrected():
            counting.take_corrected(charge, outputs, books)
        edges = {name: [tier.max_edge for tier in model.tiers.all] for name, model in candidate.models.items()}
        async for alike in settled.alike(edges):
            counting.take(alike)
    return counting.done()


class _Counting:
    def __init__(self, found: Simulation, candidate: PriceBook, limit: int) -> None:
        self._found = found
        self._candidate = candidate
        self._limit = limit
        self._prices: dict[tuple[str, str, str, str, int | None, bool], int | Refusal] = {}
        self._corrected: dict[str, Customer] = {}  # those whose bills were corrected, until their turn comes
        self._customer: Customer | None = None
        self._cells: dict[CellKey, Cell] = {}
        self._unpriced: dict[UnpricedKey, list[int]] = {}

    def take(self, alike: Alike) -> None:
        """One more kind of output; a customer's come together."""
        if self._customer is None or self._customer.account_id != alike.account_id:
            self._turn_to(alike.account_id)
        assert self._customer is not None
        price = self._price(alike)
        if isinstance(price, Refusal):
            self._refuse(price, alike.model, alike.size, alike.quality, alike.images, alike.credits)
            return
        self._add(
            self._customer,
            (alike.model, alike.billed_quality, alike.size_tier),
            alike.images,
            alike.credits,
            price * alike.images,
        )

    def take_corrected(self, charge: Charge, outputs: list[Output], books: PriceBooks) -> None:
        customer = self._corrected.setdefault(charge.account_id, Customer(account_id=charge.account_id))
        try:
            costs: list[int] | None = rebilled(charge, outputs, books, self._candidate)
        except CANNOT_BE_PRICED as refusal:
            costs = None
            why = refusal
        for place, output in enumerate(outputs):
            now, images = output.credits + output.corrected_credits, int(output.status == "succeeded")
            if not (now or images):
                continue
            if costs is None:
                self._refuse(why, charge.model, charge.size, charge.quality, images, now)
            else:
                tier = output.size_tier or charge.quoted_tier
                self._add(customer, (charge.model, charge.billed_quality, tier), images, now, costs[place])

    def done(self) -> Simulation:
        self._turn_to(None)
        for customer in self._corrected.values():
            self._keep(customer)
        found = self._found
        found.winners, found.losers = self._most(found.winners), self._most(found.losers)
        found.cells = sorted(
            self._cells.values(), key=lambda one: (-abs(one.difference), one.model, one.quality, one.size_tier)
        )
        unpriced = [Unpriced(*key, *counted) for key, counted in self._unpriced.items()]
        found.unpriced = sorted(unpriced, key=lambda one: (-one.credits_now, one[:4]))
        return found

    def _price(self, alike: Alike) -> int | Refusal:
        key = (alike.model, alike.size, alike.quality, alike.overage, alike.edge, alike.unrequested)
        known = self._prices.get(key)
        if known is None:
            try:
                charge = requoted(one_image(*key[:4]), self._candidate)
                charge = charge._replace(n=0) if alike.unrequested else charge  # it came beside what was asked for
                output = Reported(0, "succeeded", alike.edge, alike.edge, None)
                known = bill(charge, self._candidate.model(alike.model), [output])[0].credits
            except CANNOT_BE_PRICED as refusal:
                known = refusal
            self._prices[key] = known
        return known

    def _add(self, customer: Customer, cell: CellKey, images: int, now: int, then: int) -> None:
        customer.add(images, now, then)
        self._found.total.add(images, now, then)
        known = self._cells.get(cell)
        if known is None:
            known = self._cells[cell] = Cell(model=cell[0], quality=cell[1], size_tier=cell[2])
        known.add(images, now, then)

    def _refuse(self, why: Refusal, model: str, size: str, quality: str, images: int, credits: int) -> None:
        self._found.unpriced_images += images
        self._found.unpriced_credits += credits
        counted = self._unpriced.setdefault((why.code, model, size, quality), [0, 0])
        counted[0] += images
        counted[1] += credits

    def _turn_to(self, account_id: str | None) -> None:
        if self._customer is not None:
            self._keep(self._customer)
        if account_id is not None:
            self._customer = self._corrected.pop(account_id, None) or Customer(account_id=account_id)

    def _keep(self, customer: Customer) -> None:
        found = self._found
        found.customers += 1
        if customer.difference < 0:
            found.winners_count += 1
            found.winners = self._add_to(found.winners, customer)
        elif customer.difference > 0:
            found.losers_count += 1
            found.losers = self._add_to(found.losers, customer)

    def _add_to(self, kept: list[Customer], customer: Customer) -> list[Customer]:
        kept.append(customer)
        return kept if len(kept) < 2 * self._limit + 1_000 else self._most(kept)

    def _most(self, customers: Iterable[Customer]) -> list[Customer]:
        return sorted(customers, key=lambda one: (-abs(one.difference), one.account_id))[: self._limit]
