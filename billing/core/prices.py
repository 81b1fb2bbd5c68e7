"""Price books: immutable, numbered versions of prices. Models, tiers, qualities and size rules are data.

A model's entry in a book is this document (credits are whole credits per image):

    {"tiers":     [{"name": "1K", "max_edge": 1536}, …],      ascending, pixels of the long edge
     "qualities": {"low": "low", "auto": "high", …},          as asked → as billed
     "auto_tier": "1K",                                       how size `auto` is quoted
     "sizes":     {"multiple_of": 16, "min_pixels": …, "max_pixels": …, "max_aspect": 3}
                  or ["auto", "1024x1024", …],                these and no others
     "prices":    {"low": {"1K": 1, "2K": 2}, …} or 1}        by billed quality and tier, or one for all
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from billing.core.amounts import amount
from billing.core.refusals import (
    Invalid,
    PriceBookNotFound,
    QualityNotSupported,
    SizeNotAllowed,
    SizeNotPriced,
    UnknownModel,
)
from billing.core.sizes import MAX_EDGE, CustomSizes, Size, Tier, Tiers
from billing.core.text import identifier

EFFECTIVE_AHEAD_SECONDS = 60  # so that every process knows a book before it applies
MAX_PRICE = 10**12  # credits per image: the dearest bill of all stays far inside 64 bits
_KEPT = 4096  # most requests are alike, and so are most images


class Quote(NamedTuple):
    """What a request costs under one price book. Credits throughout; `max_credits` is the most it can come to."""

    credits: int
    credits_per_image: int
    n: int
    model: str
    billed_quality: str
    size_tier: str
    price_version: int
    max_credits: int


class PriceReading(NamedTuple):
    """How one size and quality are read by a model's prices; credits per image."""

    billed_quality: str
    tier: Tier
    credits_per_image: int
    dearest: int


class Price(NamedTuple):
    """The price of one delivered image, in credits; `priced` is False past the last tier."""

    tier: Tier
    credits: int
    priced: bool


class ModelPrices:
    """One model's prices, tiers and size rules. Constructed from its document; raises Invalid."""

    def __init__(self, name: str, document: Any) -> None:
        where = f"models.{identifier(name, 'models')}"
        known = {"tiers", "qualities", "auto_tier", "sizes", "prices"}
        if not isinstance(document, Mapping) or (set(document) - known) or not known - {"auto_tier"} <= set(document):
            raise Invalid.of(where, f"needs tiers, qualities, sizes and prices, and may have only {sorted(known)}")
        self.name = name
        self.tiers = Tiers(tuple(_tier(tier, where) for tier in _list(document["tiers"], f"{where}.tiers")))
        self.qualities = {
            identifier(asked, f"{where}.qualities"): identifier(billed, f"{where}.qualities")
            for asked, billed in _mapping(document["qualities"], f"{where}.qualities").items()
        }
        if not self.qualities:
            raise Invalid.of(f"{where}.qualities", "must name at least one quality")
        auto = self.tiers.named(document.get("auto_tier", self.tiers.names[0]))
        if auto is None:
            raise Invalid.of(f"{where}.auto_tier", "must be one of the tiers")
        self.auto_tier = auto
        self.sizes = _sizes(document["sizes"], self.tiers, f"{where}.sizes")
        self.prices = self._matrix(document["prices"], f"{where}.prices")
        self._measured: dict[tuple[str, Size], Price] = {}

    def read(self, size: str, quality: str) -> PriceReading:
        """How a request's size and quality are billed.

        Raises SizeNotAllowed, SizeNotPriced or QualityNotSupported, in that order.
        """
        tier = self._requested_tier(size)
        billed = self.qualities.get(quality)
        if billed is None:
            raise QualityNotSupported(sorted(self.qualities))
        row = self.prices[billed]
        return PriceReading(billed, tier, row[tier.name], max(row.values()))

    def price(self, billed_quality: str, size: Size) -> Price:
        """The price of an image measured at `size`: past the last tier, the last tier's price, unpriced."""
        price = self._measured.get((billed_quality, size))
        if price is None:
            tier = self.tiers.of_edge(size.long_edge)
            priced = tier is not None
            tier = tier or self.tiers.last
            price = Price(tier, self.prices[billed_quality][tier.name], priced)
            if len(self._measured) >= _KEPT:
                self._measured.clear()
            self._measured[billed_quality, size] = price
        return price

    def document(self) -> dict[str, Any]:
        """The entry that this was constructed from, with its defaults filled in."""
        sizes: Any = (
            sorted(self.sizes)
            if isinstance(self.sizes, frozenset)
            else {
                "multiple_of": self.sizes.multiple_of,
                "min_pixels": self.sizes.min_pixels,
                "max_pixels": self.sizes.max_pixels,
                "max_aspect": self.sizes.max_aspect,
            }
        )
        return {
            "tiers": [{"name": tier.name, "max_edge": tier.max_edge} for tier in self.tiers.all],
            "qualities": dict(self.qualities),
            "auto_tier": self.auto_tier.name,
            "sizes": sizes,
            "prices": {quality: dict(row) for quality, row in self.prices.items()},
        }

    def _requested_tier(self, size: str) -> Tier:
        if isinstance(self.sizes, frozenset) and size not in self.sizes:
            raise SizeNotAllowed("listed")
        if size == "auto":
            return self.auto_tier
        named = self.tiers.named(size)
        if named is not None:
            return named
        measured = Size.parse(size)
        if isinstance(self.sizes, CustomSizes):
            self.sizes.check(measured)
        tier = self.tiers.of_edge(measured.long_edge)
        if tier is None:
            raise SizeNotPriced(measured.long_edge, self.tiers.last.max_edge)
        return tier

    def _matrix(self, prices: Any, where: str) -> dict[str, dict[str, int]]:
        billed = sorted(set(self.qualities.values()))
        if type(prices) is int:
            prices = {quality: dict.fromkeys(self.tiers.names, prices) for quality in billed}
        matrix = {
            quality: {
                tier: amount(price, f"{where}.{quality}.{tier}", maximum=MAX_PRICE)
                for tier, price in _mapping(row, where).items()
            }
            for quality, row in _mapping(prices, where).items()
        }
        if set(matrix) != set(billed) or any(set(row) != set(self.tiers.names) for row in matrix.values()):
            raise Invalid.of(where, "must have a price for every billed quality in every tier, and no others")
        return matrix


@dataclass(frozen=True, slots=True)
class PriceBook:
    """One version of all prices, in force from `effective_from` until a later book applies."""

    version: int
    effective_from: datetime
    models: Mapping[str, ModelPrices]
    _quotes: dict[tuple[str, int, str, str, str], Quote] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, version: int, effective_from: datetime, models: Any) -> "PriceBook":
        """A book from its documents by model name. Raises Invalid."""
        if not isinstance(models, Mapping) or not models:
            raise Invalid.of("models", "must name at least one model")
        return cls(version, effective_from, {name: ModelPrices(name, entry) for name, entry in models.items()})

    def model(self, name: str) -> ModelPrices:
        """Raises UnknownModel."""
        try:
            return self.models[name]
        except KeyError:
            raise UnknownModel(name) from None

    def quote(self, model: str, n: int, size: str, quality: str, overage: str = "bill") -> Quote:
        """The price of a request. Raises UnknownModel, SizeNotAllowed, SizeNotPriced, QualityNotSupported."""
        asked = model, n, size, quality, overage
        quote = self._quotes.get(asked)
        if quote is None:
            reading = self.model(model).read(size, quality)
            each = reading.credits_per_image
            quote = Quote(
                credits=each * n,
                credits_per_image=each,
                n=n,
                model=model,
                billed_quality=reading.billed_quality,
                size_tier=reading.tier.name,
                price_version=self.version,
                max_credits=(each if overage == "cap" else reading.dearest) * n,
            )
            if len(self._quotes) >= _KEPT:
                self._quotes.clear()
            self._quotes[asked] = quote
        return quote

    @property
    def documents(self) -> dict[str, Any]:
        return {name: prices.document() for name, prices in self.models.items()}


class PriceBooks:
    """All published versions, as one process knows them."""

    def __init__(self, books: Iterable[PriceBook]) -> None:
        self._by_version = {book.version: book for book in books}
        self._in_order = sorted(
            self._by_version.values(), key=lambda book: (book.effective_from, book.version), reverse=True
        )

    def at(self, now: datetime) -> PriceBook:
        """The book in force: the latest `effective_from` ≤ `now`, on equal instants the higher version.

        Raises PriceBookNotFound before the first one applies.
        """
        for book in self._in_order:
            if book.effective_from <= now:
                return book
        raise PriceBookNotFound(0)

    def version(self, version: int) -> PriceBook:
        """Raises PriceBookNotFound."""
        try:
            return self._by_version[version]
        except KeyError:
            raise PriceBookNotFound(version) from None

    def __iter__(self) -> Iterator[PriceBook]:
        return iter(sorted(self._by_version.values(), key=lambda book: book.version))

    def __len__(self) -> int:
        return len(self._by_version)


def _list(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list | tuple):
        raise Invalid.of(where, "must be a list")
    return list(value)


def _mapping(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise Invalid.of(where, "must be an object")
    return value


def _tier(value: Any, where: str) -> Tier:
    entry = _mapping(value, f"{where}.tiers")
    if set(entry) != {"name", "max_edge"}:
        raise Invalid.of(f"{where}.tiers", "each needs a name and a max_edge")
    name = identifier(entry["name"], f"{where}.tiers.name")
    return Tier(name, amount(entry["max_edge"], f"{where}.tiers.max_edge", minimum=1, maximum=MAX_EDGE))


def _listed(size: Any, tiers: Tiers, where: str) -> str:
    """A listed size: `auto`, a tier's name or WIDTHxHEIGHT. Raises Invalid."""
    name = identifier(size, where)
    if name != "auto" and tiers.named(name) is None:
        try:
            Size.parse(name)
        except SizeNotAllowed:
            raise Invalid.of(where, "must be auto, tiers or WIDTHxHEIGHT") from None
    return name


def _sizes(value: Any, tiers: Tiers, where: str) -> CustomSizes | frozenset[str]:
    if isinstance(value, list | tuple):
        return frozenset(_listed(size, tiers, where) for size in value)
    rules = _mapping(value, where)
    names = ("multiple_of", "min_pixels", "max_pixels", "max_aspect")
    if set(rules) != set(names):
        raise Invalid.of(where, f"must be a list of sizes or have exactly {', '.join(names)}")
    return CustomSizes(*(amount(rules[name], f"{where}.{name}", minimum=1) for name in names))


_TIERS = [
    {"name": "1K", "max_edge": 1536},
    {"name": "2K", "max_edge": 2048},
    {"name": "4K", "max_edge": 3840},
]
_QUALITIES = {"low": "low", "medium": "medium", "high": "high", "auto": "high"}

# The published books, as of version 1. Everything after it is published through the API.
PUBLISHED: Mapping[str, Any] = {
    "gpt-image-2": {
        "tiers": _TIERS,
        "qualities": _QUALITIES,
        "auto_tier": "1K",
        "sizes": {"multiple_of": 16, "min_pixels": 655_360, "max_pixels": 8_294_400, "max_aspect": 3},
        "prices": {
            "low": {"1K": 1, "2K": 2, "4K": 4},
            "medium": {"1K": 4, "2K": 17, "4K": 34},
            "high": {"1K": 14, "2K": 67, "4K": 133},
        },
    },
    "gpt-image-1.5": {
        "tiers": _TIERS,
        "qualities": _QUALITIES,
        "auto_tier": "1K",
        "sizes": ["auto", "1024x1024", "1536x1024", "1024x1536"],
        "prices": 1,
    },
}
