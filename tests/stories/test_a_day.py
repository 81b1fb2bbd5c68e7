"""What a customer lives through, told in full: each test ends with the whole account."""

from datetime import timedelta

from billing.core.commands import AmendAccount, Authorize, IssueGrant, Refund, Settle, Void
from billing.core.refusals import AccountSuspended, ChargeNotOpen, InsufficientCredits

from .conftest import NOON

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


async def test_four_images_of_which_one_failed_and_one_came_smaller(story, image, failed):
    """Asked for four 2K images; the bill follows what was delivered, and the rest of the hold comes back."""
    await story.opened()
    await story(IssueGrant, "topup", "purchase", 500, paid_micros=5_000_000, currency="USD")
    held = await story(Authorize, "fox", "gpt-image-2", n=4, size="2048x2048", quality="high")
    assert (held.charge.status, held.balance) == ("authorized", (500, 268, 232))

    outputs = (image(0, 2048, 2048), image(1, 2048, 1152), failed(2), image(3, 1254, 1254))
    billed = await story(Settle, "fox", outputs)
    assert (billed.charge.settled_credits, billed.balance) == (67 + 67 + 0 + 14, (352, 0, 352))
    assert await story.account() == {
        "posted": 352,
        "held": 0,
        "available": 352,
        "debt": 0,
        "grants": {"topup": "352 of 500, 148 used"},
        "charges": {"fox": ["settled 148 of 268", "2K 67", "2K 67", "failed 0", "1K 14"]},
        "journal": ["grant 500 topup → 500", "settle 148 topup → 352"],
    }


async def test_gifts_burn_before_what_was_paid_for(story, image):
    """Promotion, then plan, then purchase, whatever the order in which they came; one bill may draw on several."""
    await story.opened()
    await story(IssueGrant, "paid", "purchase", 100)
    await story(IssueGrant, "monthly", "plan", 10, expires_at=NOON + 30 * DAY)
    await story(IssueGrant, "welcome", "promotion", 20, expires_at=NOON + 60 * DAY)
    await story(Authorize, "r", "gpt-image-2", n=3, size="1K", outputs=tuple(image(i, 1024, 1024) for i in range(3)))
    assert await story.account() == {
        "posted": 88,
        "held": 0,
        "available": 88,
        "debt": 0,
        "grants": {"paid": "88 of 100, 12 used", "monthly": "0 of 10, 10 used", "welcome": "0 of 20, 20 used"},
        "charges": {"r": ["settled 42 of 42", "1K 14", "1K 14", "1K 14"]},
        "journal": [
            "grant 100 paid → 100",
            "grant 10 monthly → 110",
            "grant 20 welcome → 130",
            "settle 20 welcome → 110",
            "settle 10 monthly → 100",
            "settle 12 paid → 88",
        ],
    }


async def test_a_bill_beyond_what_is_there_is_debt_and_the_next_top_up_pays_it(story, image):
    """Asked for 1K, got 4K: delivered is billed. New holds wait until it is made good."""
    await story.opened()
    await story(IssueGrant, "first", "purchase", 20)
    await story(Authorize, "big", "gpt-image-2", size="auto", quality="high")
    billed = await story(Settle, "big", (image(0, 3840, 2160),))
    assert (billed.charge.flags, billed.balance) == (("overdrawn",), (-113, 0, -113))
    refused = await story(Authorize, "next", "gpt-image-2", quality="low")
    assert isinstance(refused, InsufficientCredits)
    assert refused.facts() == {"available": -113, "required": 1, "shortfall": 114}

    await story(IssueGrant, "second", "purchase", 100)
    await story(IssueGrant, "third", "purchase", 100)
    assert await story.account() == {
        "posted": 87,
        "held": 0,
        "available": 87,
        "debt": 0,
        "grants": {"first": "0 of 20, 20 used", "second": "0 of 100, 100 used", "third": "87 of 100, 13 used"},
        "charges": {"big": ["settled 133 of 14, overdrawn", "4K 133"]},
        "journal": [
            "grant 20 first → 20",
            "settle 20 first → 0",
            "settle 113 - → -113",
            "grant 100 second → -13",
            "grant 100 third → 87",
        ],
    }


async def test_who_asked_for_a_cap_never_pays_more_than_the_quote(story, image):
    await story.opened(overage="cap")
    await story(IssueGrant, "g", "purchase", 100)
    await story(Authorize, "r", "gpt-image-2", n=2, size="auto", quality="medium")
    await story(Settle, "r", (image(0, 3840, 2160), image(1, 4000, 4000)))
    assert await story.account() == {
        "posted": 92,
        "held": 0,
        "available": 92,
        "debt": 0,
        "grants": {"g": "92 of 100, 8 used"},
        "charges": {"r": ["settled 8 of 8, capped, unpriced_size", "4K 4 capped", "4K 4 capped unpriced_size"]},
        "journal": ["grant 100 g → 100", "settle 8 g → 92"],
    }


async def test_who_holds_the_most_is_never_overdrawn(story, image):
    """`hold: max` reserves the dearest tier: whatever comes back is covered."""
    await story.opened(hold="max")
    await story(IssueGrant, "g", "purchase", 140)
    held = await story(Authorize, "r", "gpt-image-2", size="auto", quality="high")
    assert held.balance == (140, 133, 7)
    assert isinstance(await story(Authorize, "s", "gpt-image-2", quality="low", n=2), InsufficientCredits)
    await story(Settle, "r", (image(0, 3840, 2160),))
    assert await story.account() == {
        "posted": 7,
        "held": 0,
        "available": 7,
        "debt": 0,
        "grants": {"g": "7 of 140, 133 used"},
        "charges": {"r": ["settled 133 of 14", "4K 133"]},
        "journal": ["grant 140 g → 140", "settle 133 g → 7"],
    }


async def test_a_refund_for_credits_that_have_expired_since_makes_new_ones(story, image):
    """Thirty days, worth the revenue that the refund reverses: 14 of 20 credits of a purchase of $1.99."""
    await story.opened()
    await story(IssueGrant, "pack", "purchase", 20, expires_at=NOON + DAY, paid_micros=1_990_000, currency="USD")
    await story(Authorize, "r", "gpt-image-2", outputs=(image(0, 1024, 1024),))
    await story.clock(DAY)
    refund = await story(Refund, "r", "sorry-1", "blurred")
    assert refund.refund.returns == (("pack", 14, "refund:sorry-1:1"),)
    await story.clock(31 * DAY - timedelta(microseconds=1))
    assert await story.account() == {
        "posted": 14,
        "held": 0,
        "available": 14,
        "debt": 0,
        "grants": {"pack": "0 of 20, 6 expired, 14 moved", "refund:sorry-1:1": "14 of 14"},
        "charges": {"r": ["settled 14 of 14, 14 refunded", "1K 14"]},
        "journal": [
            "grant 20 pack → 20",
            "settle 14 pack → 6",
            "expire 6 pack → 0",
            "refund 14 refund:sorry-1:1 → 14",
        ],
    }
    await story.clock(31 * DAY)
    assert isinstance(await story(Authorize, "s", "gpt-image-2", quality="low"), InsufficientCredits)
    assert (await story.account())["grants"]["refund:sorry-1:1"] == "0 of 14, 14 expired"


async def test_refunds_go_first_to_debt_then_back_along_the_draws(story, image):
    await story.opened()
    await story(IssueGrant, "promo", "promotion", 10)
    await story(IssueGrant, "paid", "purchase", 20)
    await story(
        Authorize, "a", "gpt-image-2", n=2, outputs=(image(0, 1024, 1024), image(1, 1024, 1024))
    )  # 28: 10 promo, 18 paid
    await story(AmendAccount, credit_limit=10)
    await story(
        Authorize, "b", "gpt-image-2", n=3, quality="medium", outputs=tuple(image(i, 1024, 1024) for i in range(3))
    )
    before = await story.account()
    assert (before["posted"], before["debt"]) == (-10, 10)  # 12: 2 paid, 10 debt

    await story(Refund, "a", "f", "sorry", credits=25)
    assert await story.account() == {
        "posted": 15,
        "held": 0,
        "available": 25,
        "debt": 0,
        "grants": {"promo": "7 of 10, 3 used", "paid": "8 of 20, 12 used"},
        "charges": {
            "a": ["settled 28 of 28, 25 refunded", "1K 14", "1K 14"],
            "b": ["settled 12 of 12", "1K 4", "1K 4", "1K 4"],
        },
        "journal": [
            "grant 10 promo → 10",
            "grant 20 paid → 30",
            "settle 10 promo → 20",
            "settle 18 paid → 2",
            "settle 2 paid → 0",
            "settle 10 - → -10",
            "refund 10 - → 0",
            "refund 8 paid → 8",
            "refund 7 promo → 15",
        ],
    }


async def test_a_suspended_account_settles_what_is_open_and_starts_nothing(story, image):
    await story.opened()
    await story(IssueGrant, "g", "purchase", 100)
    await story(Authorize, "open", "gpt-image-2")
    await story(AmendAccount, status="suspended", actor="risk")
    assert isinstance(await story(Authorize, "new", "gpt-image-2"), AccountSuspended)
    assert (await story(Authorize, "open", "gpt-image-2")).replayed  # ids come before suspension
    await story(Settle, "open", (image(0, 1024, 1024),))
    assert await story.account() == {
        "posted": 86,
        "held": 0,
        "available": 86,
        "debt": 0,
        "grants": {"g": "86 of 100, 14 used"},
        "charges": {"open": ["settled 14 of 14", "1K 14"]},
        "journal": ["grant 100 g → 100", "settle 14 g → 86"],
    }


async def test_late_too_late_and_forced(story, image):
    """A hold that ran out is settled for a day, flagged; after that only by force. What was delivered is billed."""
    await story.opened()
    await story(IssueGrant, "g", "purchase", 100)
    for request_id in ("late", "voided", "too-late"):
        await story.clock(MINUTE * (request_id == "too-late"))
        await story(Authorize, request_id, "gpt-image-2", quality="medium")
    await story(Void, "voided", reason="timeout")
    images = (image(0, 1024, 1024),)
    assert isinstance(await story(Settle, "voided", images), ChargeNotOpen)
    await story.clock(15 * MINUTE + DAY)
    await story(Settle, "late", images)
    await story.clock(16 * MINUTE + DAY)
    refused = await story(Settle, "too-late", images)
    assert (type(refused), refused.charge_status) == (ChargeNotOpen, "expired")
    await story(Settle, "too-late", images, force=True)
    await story(Settle, "voided", images, force=True)
    assert await story.account() == {
        "posted": 88,
        "held": 0,
        "available": 88,
        "debt": 0,
        "grants": {"g": "88 of 100, 12 used"},
        "charges": {
            "late": ["settled 4 of 4, late", "1K 4"],
            "too-late": ["settled 4 of 4, forced", "1K 4"],
            "voided": ["settled 4 of 4, forced", "1K 4"],
        },
        "journal": ["grant 100 g → 100", "settle 4 g → 96", "settle 4 g → 92", "settle 4 g → 88"],
    }


async def test_more_images_than_asked_for_are_a_present(story, image):
    await story.opened()
    await story(IssueGrant, "g", "purchase", 100)
    await story(Authorize, "r", "gpt-image-2", n=1, outputs=(image(0, 1024, 1024), image(1, 3840, 2160)))
    assert (await story.account())["charges"] == {"r": ["settled 14 of 14, unrequested", "1K 14", "4K 0 unrequested"]}


async def test_an_image_that_nobody_measured_costs_what_was_quoted(story, image):
    await story.opened()
    await story(IssueGrant, "g", "purchase", 100)
    await story(Authorize, "r", "gpt-image-2", size="2K", quality="medium", outputs=(image(0),))
    assert (await story.account())["charges"] == {"r": ["settled 17 of 17, unmeasured", "2K 17 unmeasured"]}
