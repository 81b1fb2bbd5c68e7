"""The pains of people who use rival systems, each by its name, and how it goes here."""

from datetime import timedelta

import pytest

from billing.core.commands import Authorize, IssueGrant, Refund, Settle, Void
from billing.core.refusals import IdReused, InsufficientCredits

from .conftest import NOON

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
INSTANT = timedelta(microseconds=1)


async def test_billed_4k_got_1672x941(story, image):
    """The request said 4K; what came back is measured and billed for what it is: a long edge of 1672 is 2K."""
    await story.opened()
    await story(IssueGrant, "g", "purchase", 200)
    held = await story(Authorize, "r", "gpt-image-2", size="3840x2160", quality="high")
    assert held.balance.held == 133
    await story(Settle, "r", (image(0, 1672, 941),))
    assert await story.account() == {
        "posted": 133,
        "held": 0,
        "available": 133,
        "debt": 0,
        "grants": {"g": "133 of 200, 67 used"},
        "charges": {"r": ["settled 67 of 133", "2K 67"]},
        "journal": ["grant 200 g → 200", "settle 67 g → 133"],
    }


@pytest.mark.parametrize(
    ("size", "tier"),
    [
        ((1280, 720), "1K 4"),
        ((1536, 1024), "1K 4"),
        ((1024, 1536), "1K 4"),
        ((1537, 16), "2K 17"),
        ((2048, 2048), "2K 17"),
        ((2049, 16), "4K 34"),
        ((2160, 3840), "4K 34"),
    ],
)
async def test_tier_edge_feels_wrong(story, image, size, tier):
    """1280×720 is no 2K image. A tier reaches to its last pixel, whichever edge is the long one."""
    await story.opened()
    await story(IssueGrant, "g", "purchase", 100)
    await story(Authorize, "r", "gpt-image-2", quality="medium", outputs=(image(0, *size),))
    assert (await story.account())["charges"]["r"][1:] == [tier]


async def test_a_request_for_1280x720_is_quoted_as_1k(story):
    await story.opened()
    await story(IssueGrant, "g", "purchase", 100)
    held = await story(Authorize, "r", "gpt-image-2", size="1280x720", quality="medium")
    assert (held.charge.quoted_tier, held.charge.quoted_credits) == ("1K", 4)


async def test_n_billed_as_n_squared_or_eight_images_charged_as_one(story, image):
    await story.opened()
    await story(IssueGrant, "g", "purchase", 1_000)
    held = await story(Authorize, "r", "gpt-image-2", n=8, size="1024x1024", quality="high")
    assert held.balance.held == 8 * 14
    await story(Settle, "r", tuple(image(i, 1024, 1024) for i in range(8)))
    assert await story.account() == {
        "posted": 1_000 - 112,
        "held": 0,
        "available": 1_000 - 112,
        "debt": 0,
        "grants": {"g": "888 of 1000, 112 used"},
        "charges": {"r": ["settled 112 of 112", *["1K 14"] * 8]},
        "journal": ["grant 1000 g → 1000", "settle 112 g → 888"],
    }


@pytest.mark.parametrize(
    ("quality", "billed", "credits"), [("low", "low", 4), ("medium", "medium", 34), ("high", "high", 133), ("auto", "high", 133)]
)  # fmt: skip
async def test_priced_by_the_wrong_quality(story, image, quality, billed, credits):
    """The quality asked for is billed, `auto` as high; the quote, the hold and the bill say the same."""
    await story.opened()
    await story(IssueGrant, "g", "purchase", 500)
    held = await story(Authorize, "r", "gpt-image-2", size="4K", quality=quality)
    assert (held.charge.quality, held.charge.billed_quality, held.balance.held) == (quality, billed, credits)
    billed = await story(Settle, "r", (image(0, 3840, 2160),))
    assert billed.charge.settled_credits == credits


async def test_concurrent_requests_overspend_the_balance(story, image):
    """What one request holds the next one does not have, until the first is settled for less."""
    await story.opened()
    await story(IssueGrant, "g", "purchase", 150)
    await story(Authorize, "first", "gpt-image-2", size="4K")
    refused = await story(Authorize, "second", "gpt-image-2", size="4K")
    assert refused.facts() == {"available": 17, "required": 133, "shortfall": 116}
    await story(Settle, "first", (image(0, 1024, 1024),))
    assert (await story(Authorize, "second", "gpt-image-2", size="4K")).balance == (136, 133, 3)
    assert await story.account() == {
        "posted": 136,
        "held": 133,
        "available": 3,
        "debt": 0,
        "grants": {"g": "136 of 150, 14 used"},
        "charges": {"first": ["settled 14 of 133", "1K 14"], "second": ["authorized, 133 held"]},
        "journal": ["grant 150 g → 150", "settle 14 g → 136"],
    }


async def test_leaked_reservations_block_paying_users(story):
    """A gateway that died leaves its hold: it is gone the instant it is due, though no job has run."""
    await story.opened()
    await story(IssueGrant, "g", "purchase", 14)
    await story.clock(MINUTE)
    await story(Authorize, "orphan", "gpt-image-2")
    await story.clock(16 * MINUTE - INSTANT)
    assert isinstance(await story(Authorize, "next", "gpt-image-2"), InsufficientCredits)
    await story.clock(16 * MINUTE)
    assert (await story(Authorize, "next", "gpt-image-2")).balance == (14, 14, 0)
    assert await story.account() == {
        "posted": 14,
        "held": 14,
        "available": 0,
        "debt": 0,
        "grants": {"g": "14 of 14"},
        "charges": {"orphan": ["expired, 14 held"], "next": ["authorized, 14 held"]},
        "journal": ["grant 14 g → 14"],
    }


async def test_a_refund_retried_is_paid_three_times(story, image):
    """Three times asked, once paid; the same id for another amount is refused."""
    await story.opened()
    await story(IssueGrant, "g", "purchase", 100)
    await story(Authorize, "r", "gpt-image-2", n=2, outputs=(image(0, 1024, 1024), image(1, 1024, 1024)))
    answers = [await story(Refund, "r", "f", "blurred", credits=14) for _ in range(3)]
    assert [answer.replayed for answer in answers] == [False, True, True]
    assert isinstance(await story(Refund, "r", "f", "blurred", credits=15), IdReused)
    assert await story.account() == {
        "posted": 86,
        "held": 0,
        "available": 86,
        "debt": 0,
        "grants": {"g": "86 of 100, 14 used"},
        "charges": {"r": ["settled 28 of 28, 14 refunded", "1K 14", "1K 14"]},
        "journal": ["grant 100 g → 100", "settle 28 g → 72", "refund 14 g → 86"],
    }


async def test_the_same_top_up_accepted_twice(story):
    await story.opened()
    for replayed in (False, True, True):
        assert (await story(IssueGrant, "topup-7", "purchase", 100)).replayed == replayed
    assert isinstance(await story(IssueGrant, "topup-7", "purchase", 1_000), IdReused)
    assert await story.account() == {
        "posted": 100,
        "held": 0,
        "available": 100,
        "debt": 0,
        "grants": {"topup-7": "100 of 100"},
        "charges": {},
        "journal": ["grant 100 topup-7 → 100"],
    }


async def test_expired_credits_still_spendable(story):
    """Not from the instant on that they expire; a refusal says what is really there."""
    await story.opened()
    await story(IssueGrant, "promo", "promotion", 100, expires_at=NOON + DAY)
    await story.clock(DAY - INSTANT)
    assert (await story(Authorize, "just-in-time", "gpt-image-2", hold_seconds=30)).balance == (100, 14, 86)
    await story.clock(DAY)
    refused = await story(Authorize, "too-late", "gpt-image-2")
    assert refused.facts() == {"available": 0, "required": 14, "shortfall": 14}
    await story.clock(DAY + MINUTE)
    await story(IssueGrant, "topup", "purchase", 5)
    assert await story.account() == {
        "posted": 5,
        "held": 0,
        "available": 5,
        "debt": 0,
        "grants": {"promo": "0 of 100, 100 expired", "topup": "5 of 5"},
        "charges": {"just-in-time": ["expired, 14 held"]},
        "journal": ["grant 100 promo → 100", "expire 86 promo → 14", "expire 14 promo → 0", "grant 5 topup → 5"],
    }


async def test_expiry_takes_paid_credits(story, image):
    """What expires is the gift and only the gift; what an open hold counts on is kept for it."""
    await story.opened()
    await story(IssueGrant, "paid", "purchase", 100)
    await story(IssueGrant, "promo", "promotion", 50, expires_at=NOON + 5 * MINUTE)
    await story(Authorize, "r", "gpt-image-2", n=2)
    await story.clock(10 * MINUTE)
    await story(Settle, "r", (image(0, 1024, 1024), image(1, 1024, 1024)))
    assert await story.account() == {
        "posted": 100,
        "held": 0,
        "available": 100,
        "debt": 0,
        "grants": {"paid": "100 of 100", "promo": "0 of 50, 28 used, 22 expired"},
        "charges": {"r": ["settled 28 of 28", "1K 14", "1K 14"]},
        "journal": ["grant 100 paid → 100", "grant 50 promo → 150", "expire 22 promo → 128", "settle 28 promo → 100"],
    }


async def test_what_a_hold_leaves_of_a_lapsed_gift_expires_with_it(story, image):
    await story.opened()
    await story(IssueGrant, "paid", "purchase", 100)
    await story(IssueGrant, "promo", "promotion", 50, expires_at=NOON + 5 * MINUTE)
    await story(Authorize, "a", "gpt-image-2", n=2)
    await story(Authorize, "b", "gpt-image-2", n=1)
    await story.clock(10 * MINUTE)
    await story(Settle, "a", (image(0, 1024, 1024),))
    await story(Void, "b")
    assert await story.account() == {
        "posted": 100,
        "held": 0,
        "available": 100,
        "debt": 0,
        "grants": {"paid": "100 of 100", "promo": "0 of 50, 14 used, 36 expired"},
        "charges": {"a": ["settled 14 of 28", "1K 14", "failed 0"], "b": ["voided, 14 held"]},
        "journal": [
            "grant 100 paid → 100",
            "grant 50 promo → 150",
            "expire 8 promo → 142",
            "settle 14 promo → 128",
            "expire 14 promo → 114",
            "expire 14 promo → 100",
        ],
    }


async def test_a_failed_job_looks_charged_because_the_balance_dips(story, failed):
    """Posted never moves for a job that failed: what is held is shown apart, and released."""
    await story.opened()
    await story(IssueGrant, "g", "purchase", 100)
    held = await story(Authorize, "r", "gpt-image-2", n=2)
    assert held.balance == (100, 28, 72)
    settled = await story(Settle, "r", (failed(0), failed(1)))
    assert settled.balance == (100, 0, 100)
    assert await story.account() == {
        "posted": 100,
        "held": 0,
        "available": 100,
        "debt": 0,
        "grants": {"g": "100 of 100"},
        "charges": {"r": ["settled 0 of 28", "failed 0", "failed 0"]},
        "journal": ["grant 100 g → 100", "settle 0 - → 100"],
    }


async def test_holds_not_counted_in_the_check_and_a_rejected_hold_committed(story):
    """A refused request leaves no trace: after a top-up the same request, by the same id, is taken."""
    await story.opened()
    await story(IssueGrant, "g", "purchase", 20)
    await story(Authorize, "a", "gpt-image-2")
    before = await story.account()
    for _ in range(3):
        assert isinstance(await story(Authorize, "b", "gpt-image-2"), InsufficientCredits)
    assert await story.account() == before
    await story(IssueGrant, "more", "purchase", 8)
    assert not (await story(Authorize, "b", "gpt-image-2")).replayed
    assert await story.account() == {
        "posted": 28,
        "held": 28,
        "available": 0,
        "debt": 0,
        "grants": {"g": "20 of 20", "more": "8 of 8"},
        "charges": {"a": ["authorized, 14 held"], "b": ["authorized, 14 held"]},
        "journal": ["grant 20 g → 20", "grant 8 more → 28"],
    }


async def test_what_comes_back_frees_what_was_kept(story, image):
    """A refund fills the grant that burns first: the open hold counts on that again, and the lapsed gift goes."""
    await story.opened()
    await story(IssueGrant, "first", "purchase", 7, priority=0)
    await story(Authorize, "done", "gpt-image-2", quality="medium", outputs=(image(0, 1024, 1024),))
    await story(IssueGrant, "promo", "promotion", 50, expires_at=NOON + 5 * MINUTE)
    await story(Authorize, "open", "gpt-image-2", n=2, quality="medium")
    await story.clock(10 * MINUTE)
    await story(Refund, "done", "f", "blurred")
    assert await story.account() == {
        "posted": 8,
        "held": 8,
        "available": 0,
        "debt": 0,
        "grants": {"first": "7 of 7", "promo": "1 of 50, 49 expired"},
        "charges": {"done": ["settled 4 of 4, 4 refunded", "1K 4"], "open": ["authorized, 8 held"]},
        "journal": [
            "grant 7 first → 7",
            "settle 4 first → 3",
            "grant 50 promo → 53",
            "expire 45 promo → 8",
            "refund 4 first → 12",
            "expire 4 promo → 8",
        ],
    }
