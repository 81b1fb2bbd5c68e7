"""Sizes and tiers: every edge of every tier, every rule of a requested size, and what is no size at all."""

import pytest

from billing.core.prices import PUBLISHED, ModelPrices
from billing.core.refusals import Invalid, SizeNotAllowed, SizeNotPriced
from billing.core.sizes import CustomSizes, Size, Tier, Tiers

GPT_IMAGE_2 = ModelPrices("gpt-image-2", PUBLISHED["gpt-image-2"])
GPT_IMAGE_1_5 = ModelPrices("gpt-image-1.5", PUBLISHED["gpt-image-1.5"])

ACCEPTED = [
    ("auto", "1K"),
    ("1K", "1K"),
    ("2K", "2K"),
    ("4K", "4K"),
    ("1024x1024", "1K"),
    ("1280x720", "1K"),
    ("720x1280", "1K"),
    ("1536x1024", "1K"),
    ("1024x1536", "1K"),
    ("1552x1024", "2K"),  # the next step of 16 after 1536
    ("1024x1552", "2K"),
    ("2048x1152", "2K"),
    ("1152x2048", "2K"),
    ("2064x1152", "4K"),
    ("1152x2064", "4K"),
    ("1024x640", "1K"),  # 655,360 pixels exactly
    ("640x1024", "1K"),
    ("1536x512", "1K"),  # 3:1 exactly
    ("512x1536", "1K"),
    ("3840x2160", "4K"),  # 8,294,400 pixels exactly
    ("2160x3840", "4K"),
    ("2880x2880", "4K"),  # the same number of pixels as a square
]

REFUSED = [
    ("1025x1024", "multiple_of"),
    ("1024x1025", "multiple_of"),
    ("1672x941", "multiple_of"),
    ("8x1024", "multiple_of"),
    ("99999999999999999999x16", "multiple_of"),
    ("99999999999999999984x16", "max_aspect"),
    ("1552x512", "max_aspect"),
    ("512x1552", "max_aspect"),
    ("16x64", "max_aspect"),
    ("16x16", "min_pixels"),
    ("800x800", "min_pixels"),
    ("1024x624", "min_pixels"),
    ("3840x2176", "max_pixels"),
    ("2896x2880", "max_pixels"),
    ("99999999999999999984x99999999999999999984", "max_pixels"),
    # Several rules broken: the first of multiple_of, max_aspect, min_pixels, max_pixels is named.
    ("15x1", "multiple_of"),
    ("32x16384", "max_aspect"),
    ("4801x16", "multiple_of"),
    ("16000x4000", "max_aspect"),
    # No size at all.
    ("", "format"),
    ("1024", "format"),
    ("1024x", "format"),
    ("x1024", "format"),
    ("x", "format"),
    ("0x0", "format"),
    ("0x1024", "format"),
    ("-16x1024", "format"),
    ("+16x1024", "format"),
    ("1024x-16", "format"),
    ("01024x1024", "format"),
    ("1024X1024", "format"),
    ("1024×1024", "format"),
    ("1024*1024", "format"),
    ("1024x1024x1024", "format"),
    (" 1024x1024", "format"),
    ("1024x1024 ", "format"),
    ("1024x1024\n", "format"),
    ("1024 x 1024", "format"),
    ("1024.0x1024", "format"),
    ("1e3x1024", "format"),
    ("0x400x0x400", "format"),
    ("9" * 5000 + "x16", "format"),  # more digits than Python reads
    ("１０２４x１０２４", "format"),  # digits to Unicode, not to us
    ("1k", "format"),
    ("3K", "format"),
    ("AUTO", "format"),
    ("\x00", "format"),
    ("\ud800", "format"),
]


@pytest.mark.parametrize(("asked", "tier"), ACCEPTED)
def test_a_requested_size_is_read_as_a_tier(asked: str, tier: str) -> None:
    assert GPT_IMAGE_2.read(asked, "low").tier.name == tier


@pytest.mark.parametrize(("asked", "rule"), REFUSED)
def test_a_requested_size_that_breaks_a_rule_is_refused_by_that_rule(asked: str, rule: str) -> None:
    with pytest.raises(SizeNotAllowed) as refused:
        GPT_IMAGE_2.read(asked, "low")
    assert refused.value.rule == rule


@pytest.mark.parametrize(
    ("asked", "long_edge"), [("4096x1376", 4096), ("1376x4096", 4096), ("3856x1296", 3856), ("4800x1600", 4800)]
)
def test_a_size_within_the_rules_but_past_the_last_tier_has_no_price(asked: str, long_edge: int) -> None:
    with pytest.raises(SizeNotPriced) as refused:
        GPT_IMAGE_2.read(asked, "low")
    assert (refused.value.long_edge, refused.value.max_edge) == (long_edge, 3840)


@pytest.mark.parametrize("asked", ["auto", "1024x1024", "1536x1024", "1024x1536"])
def test_a_listed_size_is_accepted(asked: str) -> None:
    assert GPT_IMAGE_1_5.read(asked, "low").tier.name == "1K"


@pytest.mark.parametrize("asked", ["1K", "2K", "4K", "1024x1040", "1280x720", "2048x2048", "1024", "", "0x0"])
def test_a_size_that_is_not_on_the_list_is_refused(asked: str) -> None:
    with pytest.raises(SizeNotAllowed) as refused:
        GPT_IMAGE_1_5.read(asked, "low")
    assert refused.value.rule == "listed"


@pytest.mark.parametrize(
    ("long_edge", "tier"),
    [
        (1, "1K"),
        (1280, "1K"),
        (1535, "1K"),
        (1536, "1K"),
        (1537, "2K"),
        (1672, "2K"),
        (2047, "2K"),
        (2048, "2K"),
        (2049, "4K"),
        (3839, "4K"),
        (3840, "4K"),
        (3841, None),
        (2**31 - 1, None),
    ],
)
def test_each_tier_ends_at_its_own_edge(long_edge: int, tier: str | None) -> None:
    found = GPT_IMAGE_2.tiers.of_edge(long_edge)
    assert (found and found.name) == tier


def test_only_the_names_of_tiers_name_one() -> None:
    assert GPT_IMAGE_2.tiers.named("2K") == Tier("2K", 2048)
    assert GPT_IMAGE_2.tiers.named("2k") is None


def test_a_size_knows_its_long_edge_and_its_pixels() -> None:
    assert Size.parse("1672x941") == (1672, 941)
    assert Size(941, 1672).long_edge == 1672
    assert Size(1672, 941).pixels == 1_573_352


@pytest.mark.parametrize(
    "tiers",
    [
        (),
        (Tier("1K", 1536), Tier("2K", 1536)),
        (Tier("2K", 2048), Tier("1K", 1536)),
        (Tier("1K", 1536), Tier("1K", 2048)),
    ],
)
def test_tiers_ascend_and_have_names_of_their_own(tiers: tuple[Tier, ...]) -> None:
    with pytest.raises(Invalid):
        Tiers(tiers)


def test_rules_of_a_custom_size_are_data() -> None:
    rules = CustomSizes(multiple_of=10, min_pixels=200, max_pixels=400, max_aspect=2)
    for size in (Size(10, 20), Size(20, 10), Size(20, 20)):
        rules.check(size)
    for size, rule in (
        (Size(15, 20), "multiple_of"),
        (Size(10, 30), "max_aspect"),
        (Size(10, 10), "min_pixels"),
        (Size(20, 30), "max_pixels"),
    ):
        with pytest.raises(SizeNotAllowed) as refused:
            rules.check(size)
        assert refused.value.rule == rule
