"""Money comes in, and sometimes goes back, told in full: each test ends with the whole account, credits and money.

What the processor reports is told here as the inbox tells it: how things stand, any number of times, in any order.
"""

import asyncio
from datetime import timedelta

import pytest

from billing.core.commands import AmendAccount, Authorize, IssueGrant, Refund, Settle
from billing.core.funding_commands import (
    BookTransaction,
    FailTopup,
    OpenTopup,
    PayTopup,
    Recharge,
    RecordCheckout,
    ReportCardRefund,
    SetAutoRecharge,
)
from billing.core.packs import Pack
from billing.core.refusals import IdReused, InsufficientCredits, TopupNotPaid
from billing.posting import Posting

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
DOLLAR = 1_000_000
TEN = Pack.of("ten", "Ten dollars", 100, 10 * DOLLAR, "USD")
GIFT = Pack.of("gift", "Ten dollars and a gift", 100, 10 * DOLLAR, "USD", bonus_credits=20, expires_in_days=30)


async def ordered(story, topup_id="t", pack=TEN):
    return await story(OpenTopup, topup_id, pack.pack_id, pack, "https://shop/paid", "https://shop/left")


async def paid(story, topup_id="t", payment_id=None, micros=10 * DOLLAR):
    return await story(PayTopup, topup_id, payment_id or f"pi-{topup_id}", micros, "USD")


async def bought(story, topup_id="t", pack=TEN):
    await ordered(story, topup_id, pack)
    await paid(story, topup_id)


async def spent(story, image, request_id, n):
    """Images at 14 credits each."""
    await story(Authorize, request_id, "gpt-image-2", n=n, outputs=tuple(image(i, 1024, 1024) for i in range(n)))


async def test_a_pack_with_a_gift_from_the_order_to_the_last_credit(story, image):
    """Nothing before the money. The gift burns first and costs nothing; both last thirty days from the payment."""
    await story.opened()
    await ordered(story, pack=GIFT)
    await story(RecordCheckout, "t", "cs-1", "https://pay/1")
    assert isinstance(await story(Authorize, "early", "gpt-image-2"), InsufficientCredits)
    await story.clock(HOUR)
    await paid(story)
    await story(BookTransaction, "txn-1", "payment", "pi-t", 10 * DOLLAR, 590_000, "USD")
    await spent(story, image, "fox", 3)
    await story.clock(HOUR + 30 * DAY)
    await spent(story, image, "late", 1)
    assert await story.account() == {
        "posted": 0,
        "held": 0,
        "available": 0,
        "debt": 0,
        "grants": {"pack:t:1": "0 of 100, 22 used, 78 expired", "pack:t:2": "0 of 20, 20 used"},
        "charges": {"fox": ["settled 42 of 42", "1K 14", "1K 14", "1K 14"]},
        "journal": [
            "grant 100 pack:t:1 → 100",
            "grant 20 pack:t:2 → 120",
            "settle 20 pack:t:2 → 100",
            "settle 22 pack:t:1 → 78",
            "expire 78 pack:t:1 → 0",
        ],
    }
    assert await story.money() == {
        "topups": {"t": "paid $10.00"},
        "balances": {"deferred_revenue": "-$10.00", "processor_fees": "$0.59", "stripe_clearing": "$9.41"},
        "journal": ["purchase_stripe_clearing $10.00 pi-t", "fee $0.59 txn-1"],
        "told": ["topup.paid", "balance.depleted"],
    }


async def test_duplicate_webhook_grants_twice(story):
    """Not here, whether the second comes later or at the same time."""
    await story.opened()
    await ordered(story)
    await asyncio.gather(*(paid(story) for _ in range(8)))
    await story.clock(DAY)
    assert (await paid(story)).replayed
    assert await story.account() == {
        "posted": 100,
        "held": 0,
        "available": 100,
        "debt": 0,
        "grants": {"pack:t:1": "100 of 100"},
        "charges": {},
        "journal": ["grant 100 pack:t:1 → 100"],
    }
    assert await story.money() == {
        "topups": {"t": "paid $10.00"},
        "balances": {"deferred_revenue": "-$10.00", "stripe_clearing": "$10.00"},
        "journal": ["purchase_stripe_clearing $10.00 pi-t"],
        "told": ["topup.paid"],
    }


async def test_never_granted_after_a_failed_first_try(story):
    """The first report said that no money came; then it came. Nothing was marked as seen in between."""
    await story.opened()
    await ordered(story)
    await story(FailTopup, "t", "failed", "card_declined")
    assert (await story.money())["topups"] == {"t": "failed $10.00"}
    await paid(story)
    assert (await story(FailTopup, "t", "expired", "session_expired")).topup.status == "paid"
    assert (await story.account())["grants"] == {"pack:t:1": "100 of 100"}
    assert await story.money() == {
        "topups": {"t": "paid $10.00"},
        "balances": {"deferred_revenue": "-$10.00", "stripe_clearing": "$10.00"},
        "journal": ["purchase_stripe_clearing $10.00 pi-t"],
        "told": ["topup.failed", "topup.paid"],
    }


async def test_the_same_top_up_accepted_twice(story):
    """Ordered twice under one name, it is one order; paid twice, it brings credits once, and somebody has to look."""
    await story.opened()
    first, second = await asyncio.gather(ordered(story), ordered(story))
    assert first.topup == second.topup
    assert isinstance(await ordered(story, pack=GIFT), IdReused)
    await asyncio.gather(paid(story, payment_id="pi-1"), paid(story, payment_id="pi-2"))
    assert await story.account() == {
        "posted": 100,
        "held": 0,
        "available": 100,
        "debt": 0,
        "grants": {"pack:t:1": "100 of 100"},
        "charges": {},
        "journal": ["grant 100 pack:t:1 → 100"],
    }
    assert await story.money() == {
        "topups": {"t": "paid $10.00, paid again, by pi-2: return that payment"},
        "balances": {"deferred_revenue": "-$10.00", "stripe_clearing": "$10.00"},
        "journal": ["purchase_stripe_clearing $10.00 pi-1"],
        "told": ["topup.paid"],
    }


@pytest.mark.parametrize(("micros", "said"), [(9_990_000, "9.990000"), (10_000_001, "10.000001")])
async def test_paid_another_amount_than_was_asked(story, micros, said):
    await story.opened()
    await ordered(story)
    answer = await paid(story, micros=micros)
    assert answer.problem == f"payment pi-t is of {said} USD, not of 10.000000 USD"
    assert (await story.account())["grants"] == {}
    assert await story.money() == {
        "topups": {"t": f"pending $10.00, {answer.problem}"},
        "balances": {},
        "journal": [],
        "told": [],
    }


async def test_half_of_the_money_goes_back_to_the_card(story, image):
    """100 credits and a gift of 20 for $10.00. $5.00 back takes 50 and 10, from what is unspent as far as that goes."""
    await story.opened()
    await bought(story, pack=GIFT)
    await spent(story, image, "fox", 5)  # 70: the gift, and 50 bought ones
    await story(ReportCardRefund, "t", "re-1", 5 * DOLLAR, "USD", "succeeded")
    assert await story.account() == {
        "posted": -10,
        "held": 0,
        "available": -10,
        "debt": 10,
        "grants": {"pack:t:1": "0 of 100, 50 used, 50 revoked", "pack:t:2": "0 of 20, 20 used"},
        "charges": {"fox": ["settled 70 of 70", *["1K 14"] * 5]},
        "journal": [
            "grant 100 pack:t:1 → 100",
            "grant 20 pack:t:2 → 120",
            "settle 20 pack:t:2 → 100",
            "settle 50 pack:t:1 → 50",
            "revoke 50 pack:t:1 → 0",
            "revoke 10 - → -10",
        ],
    }
    assert await story.money() == {
        "topups": {"t": "paid $10.00, $5.00 returned"},
        "balances": {"deferred_revenue": "-$5.00", "stripe_clearing": "$5.00"},
        "journal": ["purchase_stripe_clearing $10.00 pi-t", "card_refund_deferred $5.00 re-1"],
        "told": ["topup.paid", "balance.depleted"],
    }


async def test_all_the_money_goes_back_though_most_of_it_was_used(story, image):
    """70 used: their $7.00 is revenue no more, and the 70 are owed: a gift pays 30 of them at once."""
    await story.opened()
    await bought(story)
    await spent(story, image, "fox", 5)
    await story(IssueGrant, "gift", "plan", 30)
    await story(ReportCardRefund, "t", "re-1", 10 * DOLLAR, "USD", "succeeded")
    assert isinstance(await story(Authorize, "next", "gpt-image-2", quality="low"), InsufficientCredits)
    await bought(story, "t2")
    assert await story.account() == {
        "posted": 60,
        "held": 0,
        "available": 60,
        "debt": 0,
        "grants": {
            "pack:t:1": "0 of 100, 70 used, 30 revoked",
            "gift": "0 of 30, 30 used",
            "pack:t2:1": "60 of 100, 40 used",
        },
        "charges": {"fox": ["settled 70 of 70", *["1K 14"] * 5]},
        "journal": [
            "grant 100 pack:t:1 → 100",
            "settle 70 pack:t:1 → 30",
            "grant 30 gift → 60",
            "revoke 30 pack:t:1 → 30",
            "revoke 70 - → -40",
            "grant 100 pack:t2:1 → 60",
        ],
    }
    assert await story.money() == {
        "topups": {"t": "refunded $10.00, $10.00 returned", "t2": "paid $10.00"},
        "balances": {"deferred_revenue": "-$17.00", "refunds": "$7.00", "stripe_clearing": "$10.00"},
        "journal": [
            "purchase_stripe_clearing $10.00 pi-t",
            "card_refund_deferred $3.00 re-1",
            "card_refund $7.00 re-1",
            "purchase_stripe_clearing $10.00 pi-t2",
        ],
        "told": ["topup.paid", "balance.depleted", "topup.paid"],
    }


async def test_the_card_does_not_take_the_money_back(story, image):
    """A refund that failed after all: unspent credits are in their grant again, those that were owed are a new one."""
    await story.opened()
    await bought(story)
    await spent(story, image, "fox", 5)
    await story(IssueGrant, "gift", "plan", 30)
    for _ in range(2):
        await story(ReportCardRefund, "t", "re-1", 10 * DOLLAR, "USD", "succeeded")
    for _ in range(2):
        await story(ReportCardRefund, "t", "re-1", 10 * DOLLAR, "USD", "failed")
    await story(ReportCardRefund, "t", "re-1", 10 * DOLLAR, "USD", "succeeded")  # an older report, told late
    assert await story.account() == {
        "posted": 60,
        "held": 0,
        "available": 60,
        "debt": 0,
        "grants": {
            "pack:t:1": "30 of 100, 70 used",
            "gift": "0 of 30, 30 used",
            "pack:t:2": "30 of 70, 40 used",
        },
        "charges": {"fox": ["settled 70 of 70", *["1K 14"] * 5]},
        "journal": [
            "grant 100 pack:t:1 → 100",
            "settle 70 pack:t:1 → 30",
            "grant 30 gift → 60",
            "revoke 30 pack:t:1 → 30",
            "revoke 70 - → -40",
            "restore 70 pack:t:2 → 30",
            "restore 30 pack:t:1 → 60",
        ],
    }
    assert await story.money() == {
        "topups": {"t": "paid $10.00"},
        "balances": {"deferred_revenue": "-$10.00", "stripe_clearing": "$10.00"},
        "journal": [
            "purchase_stripe_clearing $10.00 pi-t",
            "card_refund_deferred $3.00 re-1",
            "card_refund $7.00 re-1",
            "card_refund_deferred_failed $3.00 re-1",
            "card_refund_failed $7.00 re-1",
        ],
        "told": ["topup.paid", "balance.depleted"],
    }


async def test_refunds_that_fail_one_after_the_other_give_back_everything(story, image):
    """Two refunds of half each, of credits that are all used; the store finds every grant that they bring back."""
    await story.opened()
    await bought(story, pack=GIFT)
    await spent(story, image, "fox", 8)  # 112: the gift and 92 bought ones
    for refund in ("re-1", "re-2", "re-3"):
        await story(ReportCardRefund, "t", refund, 3 * DOLLAR, "USD", "succeeded")
    assert (await story.account())["posted"] == 8 - 90 - 18
    for refund in ("re-2", "re-1", "re-3"):
        await story(ReportCardRefund, "t", refund, 3 * DOLLAR, "USD", "failed")
    account = await story.account()
    assert (account["posted"], account["available"], account["debt"]) == (8, 8, 0)
    assert (await story.money())["balances"] == {"deferred_revenue": "-$10.00", "stripe_clearing": "$10.00"}


async def test_chargeback_leaves_credits_spendable_then_over_clawed_after_a_won_dispute(story, image):
    """Neither: frozen from the moment it is opened; thawed exactly when it is won, and never taken after that."""
    await story.opened()
    await bought(story)
    await spent(story, image, "fox", 1)
    await story.dispute("dp-1", 10 * DOLLAR, "open")
    refused = await story(Authorize, "next", "gpt-image-2", quality="low")
    assert refused.facts() == {"available": 0, "required": 1, "shortfall": 1}
    assert (await story.account())["grants"] == {"pack:t:1": "86 of 100, 14 used, frozen"}
    assert (await story.money())["balances"] == {"deferred_revenue": "-$10.00", "disputed": "$10.00"}

    await story.clock(40 * DAY)
    for _ in range(3):
        await story.dispute("dp-1", 10 * DOLLAR, "won")
    await spent(story, image, "again", 1)
    assert await story.account() == {
        "posted": 72,
        "held": 0,
        "available": 72,
        "debt": 0,
        "grants": {"pack:t:1": "72 of 100, 28 used"},
        "charges": {"fox": ["settled 14 of 14", "1K 14"], "again": ["settled 14 of 14", "1K 14"]},
        "journal": ["grant 100 pack:t:1 → 100", "settle 14 pack:t:1 → 86", "settle 14 pack:t:1 → 72"],
    }
    assert await story.money() == {
        "topups": {"t": "paid $10.00"},
        "balances": {"deferred_revenue": "-$10.00", "stripe_clearing": "$10.00"},
        "journal": [
            "purchase_stripe_clearing $10.00 pi-t",
            "dispute_opened $10.00 dp-1",
            "dispute_won $10.00 dp-1",
        ],
        "told": ["topup.paid", "dispute.opened", "balance.depleted", "dispute.closed"],
    }


async def test_a_lost_dispute_takes_the_credits_and_books_the_loss(story, image):
    """42 of 100 were used: $5.80 had not been earned yet, $4.20 is a loss, and 42 credits are owed."""
    await story.opened()
    await bought(story)
    await spent(story, image, "fox", 3)
    await story.dispute("dp-1", 10 * DOLLAR, "open", fee=15 * DOLLAR)
    await story.dispute("dp-1", 10 * DOLLAR, "lost", fee=15 * DOLLAR)
    assert await story.account() == {
        "posted": -42,
        "held": 0,
        "available": -42,
        "debt": 42,
        "grants": {"pack:t:1": "0 of 100, 42 used, 58 revoked"},
        "charges": {"fox": ["settled 42 of 42", *["1K 14"] * 3]},
        "journal": [
            "grant 100 pack:t:1 → 100",
            "settle 42 pack:t:1 → 58",
            "revoke 58 pack:t:1 → 0",
            "revoke 42 - → -42",
        ],
    }
    assert await story.money() == {
        "topups": {"t": "disputed $10.00, $10.00 returned"},
        "balances": {
            "deferred_revenue": "-$4.20",
            "dispute_losses": "$4.20",
            "processor_fees": "$15.00",
            "stripe_clearing": "-$15.00",
        },
        "journal": [
            "purchase_stripe_clearing $10.00 pi-t",
            "dispute_opened $10.00 dp-1",
            "fee $15.00 txn_dp-1_0",
            "dispute_lost_deferred $5.80 dp-1",
            "dispute_lost $4.20 dp-1",
        ],
        "told": ["topup.paid", "dispute.opened", "balance.depleted", "dispute.closed"],
    }


async def test_a_hold_is_open_while_the_payment_is_disputed(story, image):
    """What was delivered is billed, as debt while the credits are frozen; when they thaw they pay it first."""
    await story.opened()
    await bought(story)
    await story(Authorize, "fox", "gpt-image-2", n=2)
    await story.dispute("dp-1", 10 * DOLLAR, "open")
    await story(Settle, "fox", (image(0, 1024, 1024), image(1, 1024, 1024)))
    frozen = await story.account()
    assert (frozen["posted"], frozen["available"], frozen["debt"]) == (72, -28, 28)
    await story.dispute("dp-1", 10 * DOLLAR, "won")
    await story(Refund, "fox", "sorry", "blurred", credits=8)
    assert await story.account() == {
        "posted": 80,
        "held": 0,
        "available": 80,
        "debt": 0,
        "grants": {"pack:t:1": "80 of 100, 20 used"},
        "charges": {"fox": ["settled 28 of 28, 8 refunded, overdrawn", "1K 14", "1K 14"]},
        "journal": ["grant 100 pack:t:1 → 100", "settle 28 - → 72", "refund 8 pack:t:1 → 80"],
    }


async def test_frozen_credits_expire_with_the_verdict(story):
    """The hold from before the expiry keeps its 14; everything else is gone the moment the dispute is won."""
    await story.opened()
    await bought(story, pack=GIFT)
    await story.clock(30 * DAY - HOUR)
    await story(Authorize, "fox", "gpt-image-2", hold_seconds=86_400)
    await story.dispute("dp-1", 10 * DOLLAR, "open")
    await story.clock(30 * DAY + HOUR)
    assert (await story.account())["grants"] == {"pack:t:1": "100 of 100, frozen", "pack:t:2": "20 of 20, frozen"}
    await story.dispute("dp-1", 10 * DOLLAR, "won")
    assert await story.account() == {
        "posted": 14,
        "held": 14,
        "available": 0,
        "debt": 0,
        "grants": {"pack:t:1": "0 of 100, 100 expired", "pack:t:2": "14 of 20, 6 expired"},
        "charges": {"fox": ["authorized, 14 held"]},
        "journal": [
            "grant 100 pack:t:1 → 100",
            "grant 20 pack:t:2 → 120",
            "expire 6 pack:t:2 → 114",
            "expire 100 pack:t:1 → 14",
        ],
    }


async def test_credits_of_a_refund_that_failed_after_their_expiry_cannot_be_spent(story):
    """Nor can a command of the same batch."""
    await story.opened()
    await bought(story, pack=GIFT)
    await story(ReportCardRefund, "t", "re-1", 10 * DOLLAR, "USD", "succeeded")
    await story.clock(30 * DAY + MINUTE)
    _, refused = await asyncio.gather(
        story(ReportCardRefund, "t", "re-1", 10 * DOLLAR, "USD", "failed"),
        story(Authorize, "next", "gpt-image-2", quality="low"),
    )
    assert isinstance(refused, InsufficientCredits)
    account = await story.account()
    assert account["grants"] == {"pack:t:1": "0 of 100, 100 expired", "pack:t:2": "0 of 20, 20 expired"}
    assert (account["posted"], account["available"]) == (0, 0)


async def test_reports_come_in_the_wrong_order(story):
    """A refund and a dispute that was won, told before the payment that they are about: they wait, and then count."""
    await story.opened()
    await ordered(story)
    early = [
        lambda: story(ReportCardRefund, "t", "re-1", 4 * DOLLAR, "USD", "succeeded"),
        lambda: story.dispute("dp-1", 6 * DOLLAR, "won"),
    ]
    for report in early:
        assert isinstance(await report(), TopupNotPaid)
    await paid(story)
    for report in reversed(early):
        await report()
    assert await story.account() == {
        "posted": 60,
        "held": 0,
        "available": 60,
        "debt": 0,
        "grants": {"pack:t:1": "60 of 100, 40 revoked"},
        "charges": {},
        "journal": ["grant 100 pack:t:1 → 100", "revoke 40 pack:t:1 → 60"],
    }
    assert await story.money() == {
        "topups": {"t": "paid $10.00, $4.00 returned"},
        "balances": {"deferred_revenue": "-$6.00", "stripe_clearing": "$6.00"},
        "journal": [
            "purchase_stripe_clearing $10.00 pi-t",
            "dispute_opened $6.00 dp-1",
            "dispute_won $6.00 dp-1",
            "card_refund_deferred $4.00 re-1",
        ],
        "told": ["topup.paid", "dispute.opened", "dispute.closed"],
    }


async def test_low_balances_are_told_once(story, image):
    await story.opened()
    await story(AmendAccount, low_balance=(80, 40))
    await bought(story)
    for number in range(5):
        await spent(story, image, f"r{number}", 1)
    assert (await story.account())["posted"] == 30
    assert (await story.money())["told"] == ["topup.paid", "balance.low", "balance.low"]


async def test_declines_cool_down_and_then_end_it(story):
    """One hour, four hours, and after the third decline nobody tries again: three attempts, not 486."""
    await story.opened()
    await story(SetAutoRecharge, 50, "ten", TEN, 1_000, "pm_1")
    moment = timedelta(0)
    for attempt, cool_down in ((1, HOUR), (2, 4 * HOUR), (3, DAY)):
        opened = await story(Recharge, TEN)
        assert opened.topup.topup_id == f"recharge:{attempt}"
        failed = await story(FailTopup, opened.topup.topup_id, "failed", "card_declined")
        assert failed.topup.status == "failed"
        due_at = (await story(Recharge, TEN, None, opened.recharge._replace(attempts=0))).recharge.due_at
        moment += cool_down
        await story.clock(moment)
        assert (due_at is None) == (attempt == 3)
    assert (await story(Recharge, TEN)).topup is None
    assert await story.money() == {
        "topups": {f"recharge:{attempt}": "failed $10.00" for attempt in (1, 2, 3)},
        "balances": {},
        "journal": [],
        "told": ["topup.failed", "topup.failed", "auto_recharge.stopped", "topup.failed"],
    }


async def test_auto_top_up_storms(clocked, books, story, image):
    """A hundred charges cross the threshold at once, through two services with several lanes each, and everybody looks
    whether a recharge is due: one payment is opened, and its credits come once."""
    await story.opened()
    await story(IssueGrant, "g", "purchase", 1_400)
    await story(SetAutoRecharge, 1_400, "ten", TEN, 1_000, "pm_1")

    async with Posting(clocked, lambda: books, lanes=4) as one, Posting(clocked, lambda: books, lanes=3) as other:
        account = story.account_id
        work = []
        for number in range(100):
            service = (one, other)[number % 2]
            work.append(service.post(Authorize(account, f"r{number}", "gpt-image-2", outputs=(image(0, 1024, 1024),))))
            work.append(service.post(Recharge(account, TEN)))
        answers = await asyncio.gather(*work)
        opened = {answer.topup.topup_id for answer in answers[1::2] if answer.topup is not None}
        assert opened == {"recharge:1"}
        assert sum(not answer.replayed and answer.topup is not None for answer in answers[1::2]) == 1
        await asyncio.gather(*(service.post(PayTopup(account, "recharge:1", "pi-1", 10 * DOLLAR, "USD")) for service in (one, other) * 5))  # fmt: skip
    assert (await story.account())["grants"] == {"g": "0 of 1400, 1400 used", "recharge:1:1": "100 of 100"}
    assert await story.money() == {
        "topups": {"recharge:1": "paid $10.00"},
        "balances": {"deferred_revenue": "-$10.00", "stripe_clearing": "$10.00"},
        "journal": ["purchase_stripe_clearing $10.00 pi-1"],
        "told": ["balance.depleted", "topup.paid"],
    }
