"""Prices: what the published books quote, written out by hand, and how books are made, chosen and kept."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.core.prices import PUBLISHED, ModelPrices, PriceBook, PriceBooks
from billing.core.refusals import (
    Invalid,
    PriceBookNotFound,
    QualityNotSupported,
    Refusal,
    SizeNotAllowed,
    SizeNotPriced,
    UnknownModel,
)
from billing.core.sizes import CustomSizes, Size

from .examples import BOOK, DAY, T0

N = (1, 2, 3, 7, 10)

# Size, quality, billed quality, tier, and the credits of 1, 2, 3, 7 and 10 images.
GPT_IMAGE_2_QUOTES = [
    ("1K", "low", "low", "1K", (1, 2, 3, 7, 10)),
    ("2K", "low", "low", "2K", (2, 4, 6, 14, 20)),
    ("4K", "low", "low", "4K", (4, 8, 12, 28, 40)),
    ("1K", "medium", "medium", "1K", (4, 8, 12, 28, 40)),
    ("2K", "medium", "medium", "2K", (17, 34, 51, 119, 170)),
    ("4K", "medium", "medium", "4K", (34, 68, 102, 238, 340)),
    ("1K", "high", "high", "1K", (14, 28, 42, 98, 140)),
    ("2K", "high", "high", "2K", (67, 134, 201, 469, 670)),
    ("4K", "high", "high", "4K", (133, 266, 399, 931, 1330)),
    ("1K", "auto", "high", "1K", (14, 28, 42, 98, 140)),
    ("2K", "auto", "high", "2K", (67, 134, 201, 469, 670)),
    ("4K", "auto", "high", "4K", (133, 266, 399, 931, 1330)),
    ("auto", "low", "low", "1K", (1, 2, 3, 7, 10)),
    ("auto", "medium", "medium", "1K", (4, 8, 12, 28, 40)),
    ("auto", "high", "high", "1K", (14, 28, 42, 98, 140)),
    ("auto", "auto", "high", "1K", (14, 28, 42, 98, 140)),
    ("1280x720", "high", "high", "1K", (14, 28, 42, 98, 140)),
    ("2048x1152", "medium", "medium", "2K", (17, 34, 51, 119, 170)),
    ("2064x1152", "medium", "medium", "4K", (34, 68, 102, 238, 340)),
    ("3840x2160", "low", "low", "4K", (4, 8, 12, 28, 40)),
]
# The dearest tier times n, by billed quality.
GPT_IMAGE_2_AT_MOST = {
    "low": (4, 8, 12, 28, 40),
    "medium": (34, 68, 102, 238, 340),
    "high": (133, 266, 399, 931, 1330),
}
DELIVERED = [
    ((1024, 1024), "1K", (1, 4, 14)),
    ((1254, 1254), "1K", (1, 4, 14)),
    ((1280, 720), "1K", (1, 4, 14)),
    ((1086, 1448), "1K", (1, 4, 14)),
    ((1536, 1536), "1K", (1, 4, 14)),
    ((1537, 1), "2K", (2, 17, 67)),
    ((1672, 941), "2K", (2, 17, 67)),
    ((941, 1672), "2K", (2, 17, 67)),
    ((2048, 2048), "2K", (2, 17, 67)),
    ((2049, 1), "4K", (4, 34, 133)),
    ((3840, 2160), "4K", (4, 34, 133)),
]


@pytest.mark.parametrize("place", range(len(N)), ids=[f"n={n}" for n in N])
@pytest.mark.parametrize(("size", "quality", "billed", "tier", "credits"), GPT_IMAGE_2_QUOTES)
def test_gpt_image_2_costs_what_was_published(
    size: str, quality: str, billed: str, tier: str, credits: tuple[int, ...], place: int
) -> None:
    n, most = N[place], GPT_IMAGE_2_AT_MOST[billed][place]
    quoted = BOOK.quote("gpt-image-2", n, size, quality)
    assert quoted == (credits[place], credits[0], n, "gpt-image-2", billed, tier, 1, most)
    capped = BOOK.quote("gpt-image-2", n, size, quality, overage="cap")
    assert capped == quoted._replace(max_credits=credits[place])


@pytest.mark.parametrize("n", N)
@pytest.mark.parametrize("size", ["auto", "1024x1024", "1536x1024", "1024x1536"])
@pytest.mark.parametrize(
    ("quality", "billed"), [("low", "low"), ("medium", "medium"), ("high", "high"), ("auto", "high")]
)
def test_gpt_image_1_5_costs_one_credit_an_image(quality: str, billed: str, size: str, n: int) -> None:
    assert BOOK.quote("gpt-image-1.5", n, size, quality) == (n, 1, n, "gpt-image-1.5", billed, "1K", 1, n)


@pytest.mark.parametrize(("size", "tier", "credits"), DELIVERED)
def test_a_delivered_image_is_priced_by_its_long_edge(
    size: tuple[int, int], tier: str, credits: tuple[int, int, int]
) -> None:
    model = BOOK.model("gpt-image-2")
    prices = [model.price(quality, Size(*size)) for quality in ("low", "medium", "high")]
    assert [(price.tier.name, price.credits, price.priced) for price in prices] == [
        (tier, each, True) for each in credits
    ]


@pytest.mark.parametrize(("quality", "credits"), [("low", 4), ("medium", 34), ("high", 133)])
def test_past_the_last_tier_a_delivered_image_costs_the_last_tiers_price(quality: str, credits: int) -> None:
    price = BOOK.model("gpt-image-2").price(quality, Size(3841, 100))
    assert (price.tier.name, price.credits, price.priced) == ("4K", credits, False)


@given(
    st.integers(1, 5000),
    st.integers(1, 5000),
    st.integers(0, 2000),
    st.integers(0, 2000),
    st.sampled_from(["low", "medium", "high"]),
)
def test_a_larger_image_never_costs_less(width: int, height: int, wider: int, higher: int, quality: str) -> None:
    model = BOOK.model("gpt-image-2")
    less, more = Size(width, height), Size(width + wider, height + higher)
    assert model.price(quality, less).credits <= model.price(quality, more).credits


# Each line adds something else that is wrong; the first in this order is what the caller hears of.
@pytest.mark.parametrize(
    ("model", "size", "quality", "refusal"),
    [
        ("gpt-image-9", "1025x1024", "ultra", UnknownModel),
        ("", "1024x1024", "low", UnknownModel),
        ("GPT-IMAGE-2", "1024x1024", "low", UnknownModel),
        ("gpt-image-2", "1025x1024", "ultra", SizeNotAllowed),
        ("gpt-image-2", "4096x1376", "ultra", SizeNotPriced),
        ("gpt-image-2", "1024x1024", "ultra", QualityNotSupported),
        ("gpt-image-2", "1024x1024", "", QualityNotSupported),
        ("gpt-image-2", "1024x1024", "Low", QualityNotSupported),
        ("gpt-image-2", "1024x1024", "standard", QualityNotSupported),
        ("gpt-image-1.5", "2048x2048", "ultra", SizeNotAllowed),
        ("gpt-image-1.5", "auto", "hd", QualityNotSupported),
    ],
)
def test_a_quote_is_refused_by_model_then_size_then_quality(
    model: str, size: str, quality: str, refusal: type[Refusal]
) -> None:
    with pytest.raises(Refusal) as refused:
        BOOK.quote(model, 1, size, quality)
    assert type(refused.value) is refusal


def test_the_refusal_of_a_quality_names_those_there_are() -> None:
    with pytest.raises(QualityNotSupported) as refused:
        BOOK.quote("gpt-image-2", 1, "auto", "ultra")
    assert refused.value.supported == ["auto", "high", "low", "medium"]


def test_quotes_and_prices_are_remembered_but_not_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("billing.core.prices._KEPT", 3)
    book = PriceBook.of(1, BOOK.effective_from, PUBLISHED)
    model = book.model("gpt-image-2")
    for size, credits in [("1K", 1), ("2K", 2), ("4K", 4), ("auto", 1), ("1K", 1), ("2K", 2), ("4K", 4)]:
        for n in (2, 2, 1):
            assert book.quote("gpt-image-2", n, size, "low")[:3] == (n * credits, credits, n)
        assert len(book._quotes) <= 3
    for edge, credits in [(1536, 1), (1537, 2), (2049, 4), (3841, 4), (1536, 1), (1537, 2), (2049, 4)]:
        for _ in range(2):
            price = model.price("low", Size(edge, 16))
            assert (price.credits, price.priced) == (credits, edge <= 3840)
        assert len(model._measured) <= 3


# New models are data.

MAX = {
    "tiers": [{"name": "HD", "max_edge": 2000}, {"name": "UHD", "max_edge": 4000}, {"name": "8K", "max_edge": 8000}],
    "qualities": {"standard": "standard", "max": "max", "auto": "max"},
    "auto_tier": "UHD",
    "sizes": {"multiple_of": 8, "min_pixels": 64, "max_pixels": 64_000_000, "max_aspect": 4},
    "prices": {"standard": {"HD": 5, "UHD": 9, "8K": 30}, "max": {"HD": 50, "UHD": 90, "8K": 300}},
}
FLAT = {"tiers": [{"name": "any", "max_edge": 4096}], "qualities": {"auto": "only"}, "sizes": ["auto"], "prices": 6}


def test_a_new_book_brings_a_model_with_a_quality_of_its_own() -> None:
    book = PriceBook.of(2, T0, {**PUBLISHED, "gpt-image-3": MAX})
    assert book.quote("gpt-image-3", 3, "1000x1000", "max") == (
        150, 50, 3, "gpt-image-3", "max", "HD", 2, 900
    )  # fmt: skip
    assert book.quote("gpt-image-3", 2, "auto", "auto").credits == 180
    assert book.quote("gpt-image-3", 1, "8K", "standard").credits == 30
    assert book.quote("gpt-image-3", 1, "7680x4320", "standard").credits == 30
    assert book.quote("gpt-image-2", 1, "auto", "high").credits == 14
    with pytest.raises(QualityNotSupported):
        book.quote("gpt-image-2", 1, "auto", "max")
    with pytest.raises(UnknownModel):
        BOOK.quote("gpt-image-3", 1, "auto", "max")


def test_a_flat_price_is_the_most_it_can_come_to() -> None:
    book = PriceBook.of(2, T0, {"gpt-image-3": FLAT})
    assert book.quote("gpt-image-3", 4, "auto", "auto") == (24, 6, 4, "gpt-image-3", "only", "any", 2, 24)
    assert book.model("gpt-image-3").price("only", Size(4000, 10)).credits == 6
    assert book.model("gpt-image-3").price("only", Size(4097, 10)) == (book.model("gpt-image-3").tiers.last, 6, False)


def test_size_auto_is_quoted_at_the_first_tier_unless_the_book_says_otherwise() -> None:
    unsaid = {key: value for key, value in MAX.items() if key != "auto_tier"}
    assert ModelPrices("m", unsaid).read("auto", "max").tier.name == "HD"
    assert ModelPrices("m", MAX).read("auto", "max").tier.name == "UHD"


@pytest.mark.parametrize("document", [MAX, FLAT, *PUBLISHED.values()])
def test_a_model_makes_the_document_that_it_was_made_from(document: dict[str, Any]) -> None:
    model = ModelPrices("m", document)
    written = model.document()
    assert ModelPrices("m", written).document() == written
    assert written["tiers"] == document["tiers"]
    assert written["qualities"] == document["qualities"]
    assert written["auto_tier"] == document.get("auto_tier", document["tiers"][0]["name"])
    if isinstance(document["prices"], dict):
        assert written["prices"] == document["prices"]
    if isinstance(document["sizes"], dict):
        assert written["sizes"] == document["sizes"]
        assert isinstance(model.sizes, CustomSizes)
    else:
        assert written["sizes"] == sorted(document["sizes"])


def test_a_flat_price_is_written_out_for_every_quality_and_tier() -> None:
    written = PriceBook.of(1, T0, {"gpt-image-1.5": PUBLISHED["gpt-image-1.5"]}).documents
    assert written["gpt-image-1.5"]["prices"] == {
        "low": {"1K": 1, "2K": 1, "4K": 1},
        "medium": {"1K": 1, "2K": 1, "4K": 1},
        "high": {"1K": 1, "2K": 1, "4K": 1},
    }


GOOD_PRICES = MAX["prices"]
RULES = MAX["sizes"]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"surcharge": 1}, "models.m"),
        ({"tiers": None}, "models.m.tiers"),
        ({"tiers": "HD"}, "models.m.tiers"),
        ({"tiers": []}, "tiers"),
        ({"tiers": ["HD"]}, "models.m.tiers"),
        ({"tiers": [{"name": "HD"}]}, "models.m.tiers"),
        ({"tiers": [{"name": "HD", "max_edge": 1, "min_edge": 0}]}, "models.m.tiers"),
        ({"tiers": [{"name": "H D", "max_edge": 1}]}, "models.m.tiers.name"),
        ({"tiers": [{"name": "HD", "max_edge": 0}]}, "models.m.tiers.max_edge"),
        ({"tiers": [{"name": "HD", "max_edge": 2**31}]}, "models.m.tiers.max_edge"),
        ({"tiers": [{"name": "HD", "max_edge": 1.5}]}, "models.m.tiers.max_edge"),
        ({"tiers": [{"name": "HD", "max_edge": True}]}, "models.m.tiers.max_edge"),
        ({"tiers": [{"name": "A", "max_edge": 2}, {"name": "B", "max_edge": 1}]}, "tiers"),
        ({"qualities": ["max"]}, "models.m.qualities"),
        ({"qualities": {}}, "models.m.qualities"),
        ({"qualities": {"": "max"}}, "models.m.qualities"),
        ({"qualities": {"max": None}}, "models.m.qualities"),
        ({"qualities": {"max": "\x00"}}, "models.m.qualities"),
        ({"auto_tier": "16K"}, "models.m.auto_tier"),
        ({"auto_tier": None}, "models.m.auto_tier"),
        ({"sizes": 7}, "models.m.sizes"),
        ({"sizes": ["auto", "foo"]}, "models.m.sizes"),
        ({"sizes": ["auto", ""]}, "models.m.sizes"),
        ({"sizes": {key: 1 for key in RULES if key != "max_aspect"}}, "models.m.sizes"),
        ({"sizes": {**RULES, "min_edge": 1}}, "models.m.sizes"),
        ({"sizes": {**RULES, "multiple_of": 0}}, "models.m.sizes.multiple_of"),
        ({"sizes": {**RULES, "max_aspect": 2.5}}, "models.m.sizes.max_aspect"),
        ({"sizes": {**RULES, "max_pixels": 2**63}}, "models.m.sizes.max_pixels"),
        ({"prices": None}, "models.m.prices"),
        ({"prices": True}, "models.m.prices"),
        ({"prices": 1.0}, "models.m.prices"),
        ({"prices": "6"}, "models.m.prices"),
        ({"prices": -1}, "models.m.prices.max.HD"),
        ({"prices": 10**12 + 1}, "models.m.prices.max.HD"),
        ({"prices": {}}, "models.m.prices"),
        ({"prices": {"standard": GOOD_PRICES["standard"]}}, "models.m.prices"),
        ({"prices": {**GOOD_PRICES, "auto": GOOD_PRICES["max"]}}, "models.m.prices"),
        ({"prices": {**GOOD_PRICES, "max": {"HD": 1, "UHD": 2}}}, "models.m.prices"),
        ({"prices": {**GOOD_PRICES, "max": {"HD": 1, "UHD": 2, "8K": 3, "16K": 4}}}, "models.m.prices"),
        ({"prices": {**GOOD_PRICES, "max": 7}}, "models.m.prices"),
        ({"prices": {**GOOD_PRICES, "max": {"HD": 1, "UHD": 2, "8K": -3}}}, "models.m.prices.max.8K"),
        ({"prices": {**GOOD_PRICES, "max": {"HD": 1, "UHD": 0.5, "8K": 3}}}, "models.m.prices.max.UHD"),
    ],
)
def test_a_wrong_document_is_no_model(wrong: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        ModelPrices("m", {**MAX, **wrong})
    assert [error["field"] for error in refused.value.errors] == [field]


@pytest.mark.parametrize("missing", ["tiers", "qualities", "sizes", "prices"])
def test_a_document_must_be_whole(missing: str) -> None:
    with pytest.raises(Invalid):
        ModelPrices("m", {key: value for key, value in MAX.items() if key != missing})


def test_the_dearest_price_there_may_be_is_accepted() -> None:
    assert ModelPrices("m", {**FLAT, "prices": 10**12}).read("auto", "auto").credits_per_image == 10**12
    assert ModelPrices("m", {**FLAT, "prices": 0}).read("auto", "auto").credits_per_image == 0


@pytest.mark.parametrize("models", [{}, None, [], "gpt-image-2", {"": MAX}, {"m m": MAX}, {"m": None}, {7: MAX}])
def test_a_book_names_at_least_one_model_properly(models: Any) -> None:
    with pytest.raises(Invalid):
        PriceBook.of(1, T0, models)


# Which book applies.


def book(version: int, days: float) -> PriceBook:
    return PriceBook.of(version, T0 + timedelta(days=days), {"gpt-image-3": {**FLAT, "prices": version}})


@pytest.mark.parametrize(
    ("days", "version"),
    [(0, 1), (0.5, 1), (1, 2), (1.9, 2), (2, 4), (2.5, 4), (3, 5), (99, 5)],
)
def test_the_latest_book_applies_and_on_equal_instants_the_higher_version(days: float, version: int) -> None:
    books = PriceBooks([book(4, 2), book(1, 0), book(5, 3), book(3, 2), book(2, 1)])
    assert books.at(T0 + timedelta(days=days)).version == version


def test_a_book_applies_from_its_very_instant() -> None:
    books = PriceBooks([book(1, 0), book(2, 1)])
    instant = T0 + DAY
    assert books.at(instant - timedelta(microseconds=1)).version == 1
    assert books.at(instant).version == 2


def test_a_higher_version_that_applied_earlier_gives_way() -> None:
    books = PriceBooks([book(1, 0), book(2, 2), book(3, 1)])
    assert [books.at(T0 + timedelta(days=day)).version for day in (0, 1, 2, 3)] == [1, 3, 2, 2]


def test_before_the_first_book_there_is_no_price() -> None:
    with pytest.raises(PriceBookNotFound):
        PriceBooks([book(1, 0)]).at(T0 - timedelta(microseconds=1))
    with pytest.raises(PriceBookNotFound):
        PriceBooks([]).at(T0)


def test_every_version_stays_to_be_found() -> None:
    books = PriceBooks([book(2, 5), book(1, 0), book(3, 1)])
    assert [known.version for known in books] == [1, 2, 3]
    assert len(books) == 3
    assert books.version(2).version == 2
    with pytest.raises(PriceBookNotFound) as refused:
        books.version(9)
    assert refused.value.version == 9
