"""A small world of books in which everything that the ledger knows has happened, and ways to spoil it.

`acme` has seen every event of a wallet, `beta` two ordinary charges, `idle` nothing at all. `payer` has bought credits
and got money back in every way, `owing` has spent what it took back; `earning` is what revenue comes from, and goes back
to; `mended` was billed for other images than it got; `_house` has fees and payouts.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg

from billing.books.periods.closing import close_month
from billing.core.charges import Reported
from billing.core.commands import (
    HOUSE,
    AmendAccount,
    Authorize,
    Command,
    Correct,
    IssueGrant,
    Lapse,
    OpenAccount,
    Recognise,
    Refund,
    Settle,
    Void,
)
from billing.core.funding_commands import (
    BookTransaction,
    FailTopup,
    OpenTopup,
    PayTopup,
    Recharge,
    ReportCardRefund,
    SetAutoRecharge,
)
from billing.core.months import Month
from billing.core.packs import Pack
from billing.core.prices import PriceBooks
from billing.posting import Posting
from billing.store.engine import work_engine
from billing.store.price_books import publish_first
from tests.disputes import known, reported, withdrawn

SMALL, LARGE, HUGE = (1024, 1024), (2048, 2048), (3840, 2160)  # 1K, 2K, 4K: 14, 67 and 133 credits at high


def delivered(*sizes: tuple[int, int] | None) -> tuple[Reported, ...]:
    """Outputs in order: one of each size, and a failed one for None."""
    return tuple(
        Reported(index, "failed", None, None, "moderation")
        if size is None
        else Reported(index, "succeeded", *size, None)
        for index, size in enumerate(sizes)
    )


def asked(account: str, request: str, **terms: Any) -> Authorize:
    return Authorize(account, request, "gpt-image-2", **{"size": "1K", "quality": "high", **terms})


async def fill(dsn: str, books: PriceBooks) -> None:
    """Lets everything happen in the database at `dsn`."""
    await publish_first(dsn)
    owner = await asyncpg.connect(dsn)
    try:
        async with Posting(dsn, lambda: books) as posting:
            await _acme(posting, owner)
            await _beta(posting)
            await _payer(posting, owner)
            await _owing(posting)
            await _earning(posting, owner)
            await _clearing(posting, owner)
            await _mended(posting, owner)
            await posting.post(OpenAccount("idle"))
        await _close_last_month(dsn)
    finally:
        await owner.close()


async def _close_last_month(dsn: str) -> None:
    """In which there was nothing yet."""
    work = work_engine(dsn)
    last = datetime.now(UTC).replace(day=1) - timedelta(days=1)
    assert await close_month(work, Month.containing(last), "ops")
    await work.dispose()


async def _acme(posting: Posting, owner: asyncpg.Connection) -> None:
    async def post(*commands: Command) -> None:
        for result in await posting.post_many(commands):
            assert not isinstance(result, Exception), result

    now = await owner.fetchval("SELECT clock_timestamp()")
    await post(
        OpenAccount("acme"),
        IssueGrant("acme", "promo", "promotion", 20, expires_at=now + timedelta(days=1)),
        IssueGrant("acme", "paid", "purchase", 100, paid_micros=9_990_000, currency="USD", reference="wire 1"),
        asked("acme", "one-step", n=2, quality="medium", outputs=delivered(SMALL, None)),
        asked("acme", "larger"),
        Settle("acme", "larger", delivered(LARGE)),
        asked("acme", "voided"),
        Void("acme", "voided", "the caller gave up"),
        asked("acme", "twice-at-once"),
    )
    await post(Void("acme", "twice-at-once"), asked("acme", "forced"), Void("acme", "forced", "too slow"))
    await post(Settle("acme", "forced", delivered((800, 816)), force=True))
    await post(asked("acme", "expired"), asked("acme", "late", quality="low"))
    await end_hold(owner, "acme", "expired")
    await end_hold(owner, "acme", "late")
    await post(Settle("acme", "late", delivered(SMALL)))
    await post(Void("acme", "expired"), Refund("acme", "one-step", "r-part", "blurred", credits=2))
    await post(asked("acme", "expired-too"))
    await end_hold(owner, "acme", "expired-too")
    await post(Lapse("acme"))
    # Two images of 4K cost more than everything there is: the rest is owed. A refund pays some of it, a refund of
    # the same bill forgives some, and a new grant pays what is left.
    await post(asked("acme", "indebting", n=2), Settle("acme", "indebting", delivered(HUGE, HUGE)))
    await post(Refund("acme", "larger", "r-into-debt", "wrong picture"))
    await post(Refund("acme", "indebting", "r-forgiving", "wrong size", credits=30))
    await post(IssueGrant("acme", "plan", "plan", 400, expires_at=now + timedelta(days=30)))
    await post(Refund("acme", "indebting", "r-outputs", "wrong picture", outputs=(0,)))
    # A grant lapses while a hold from before is open: what that would draw is kept for it, the rest expires.
    await post(
        IssueGrant("acme", "short", "promotion", 50, expires_at=now + timedelta(hours=1)), asked("acme", "keeping")
    )
    await end_grant(owner, "acme", "short", after="keeping")
    await post(Lapse("acme"))
    await post(Settle("acme", "keeping", delivered(SMALL)))
    await post(Refund("acme", "keeping", "r-succeeding", "late"))
    await post(AmendAccount("acme", credit_limit=75, overage="cap", hold="max", actor="ops"))
    await post(asked("acme", "capped", n=2), asked("acme", "all-failed"))
    await post(Settle("acme", "capped", delivered(HUGE, SMALL, SMALL)), Settle("acme", "all-failed", ()))
    await post(asked("acme", "due"), asked("acme", "open", n=3), AmendAccount("acme", status="suspended", actor="ops"))
    await end_hold(owner, "acme", "due")


async def _beta(posting: Posting) -> None:
    commands: Sequence[Command] = [
        OpenAccount("beta", credit_limit=100),
        asked("beta", "first", outputs=delivered(SMALL)),
        asked("beta", "second"),
    ]
    for command in commands:
        await posting.post(command)


WIDE = Pack.of("wide", "Wide", 1_000, 10_000_000, "USD", bonus_credits=100)
THIN = Pack.of("thin", "Thin", 100, 9_000_000, "EUR", bonus_credits=50, bonus="dilutes", expires_in_days=365)
SMALL_PACK = Pack.of("small", "Small", 14, 140_000, "USD")


async def buy(posting: Posting, account: str, topup: str, pack: Pack) -> None:
    await posting.post(OpenTopup(account, topup, pack.pack_id, pack, "https://shop/paid", "https://shop/left"))
    await posting.post(PayTopup(account, topup, f"pi-{topup}", pack.price_micros, pack.currency))


async def _payer(posting: Posting, owner: asyncpg.Connection) -> None:
    async def back(topup: str, card_refund: str, micros: int, currency: str = "USD", *, failed: bool = False) -> None:
        status: Any = "failed" if failed else "succeeded"
        await posting.post(ReportCardRefund("payer", topup, card_refund, micros, currency, status))

    async def dispute(
        topup: str, dispute_id: str, micros: int, *statuses: str, currency: str = "USD", fee: int = 0
    ) -> None:
        for status in statuses:
            seen = await known(owner, "payer", dispute_id)
            moved = (-micros, micros) if status == "won" else (-micros,)
            movements = withdrawn(dispute_id, *moved, fee=fee, fee_back=fee)
            more: dict[str, Any] = {"currency": currency, "movements": movements, "seen": seen}
            await posting.post(reported("payer", topup, dispute_id, micros, status, **more))

    await posting.post(OpenAccount("payer"))
    # The bonus is spent first; a refund of half the money finds none of it, and takes its share from what was bought.
    await buy(posting, "payer", "own", WIDE)
    await posting.post(asked("payer", "spends-bonus", n=2, outputs=delivered(HUGE, HUGE)))
    await back("own", "re-half", 5_000_000)
    # What expires first is spent first: a refund in full takes the rest, and what was spent from another grant.
    await buy(posting, "payer", "diluted", THIN)
    await posting.post(asked("payer", "spends-diluted", outputs=delivered(LARGE)))
    await back("diluted", "re-full", 9_000_000, "EUR")
    # A refund that fails after all: what was unspent returns to its grant, what was spent comes back as a new one.
    await back("own", "re-failed", 1_000_000)
    await back("own", "re-failed", 1_000_000, failed=True)
    # Won, lost in part, still open, and lost before we heard of it.
    await buy(posting, "payer", "complained", WIDE)
    await dispute("complained", "du-won", 10_000_000, "open", "won", fee=15_000_000)
    await dispute("complained", "du-lost", 8_000_000, "open", "lost")
    await buy(posting, "payer", "frozen", WIDE)
    await dispute("frozen", "du-open", 10_000_000, "open")
    await dispute("own", "du-at-once", 1_000, "lost")
    # Credits that expired are gone already when their money is returned.
    await buy(posting, "payer", "lapsed", THIN)
    await posting.post(asked("payer", "spends-lapsed", outputs=delivered(LARGE)))
    await end_grant(owner, "payer", "pack:lapsed:1", after="spends-lapsed")
    await posting.post(Lapse("payer"))
    await back("lapsed", "re-lapsed", 6_000_000, "EUR")
    await back("lapsed", "re-bounced", 1_000_000, "EUR")
    await back("lapsed", "re-bounced", 1_000_000, "EUR", failed=True)
    await dispute("lapsed", "du-lapsed", 1_000_000, "lost", currency="EUR")
    # Lost, won after all, and lost again, of more than was paid.
    await buy(posting, "payer", "appealed", SMALL_PACK)
    await dispute("appealed", "du-appealed", 150_000, "lost", "appeal_under_review")
    # As it was booked before money was what counted: all of it at once, whatever Stripe moved. It is made good.
    await buy(posting, "payer", "earlier", WIDE)
    for dispute_id, status, moved in (("du-never", "prevented", []), ("du-less", "won", [-1_000_000, 400_000])):
        await dispute("earlier", dispute_id, 1_000_000, "won" if moved else "open")
        await owner.execute("DELETE FROM stripe_transaction WHERE booked_as = $1", dispute_id)
        seen = await known(owner, "payer", dispute_id)
        movements = withdrawn(dispute_id, *moved)
        await posting.post(reported("payer", "earlier", dispute_id, 1_000_000, status, movements=movements, seen=seen))
    await posting.post(SetAutoRecharge("payer", 10_000, "small", SMALL_PACK, 100, "pm_1"))
    await posting.post(Recharge("payer", SMALL_PACK))
    await posting.post(PayTopup("payer", "recharge:1", "pi-recharge", 140_000, "USD"))
    await posting.post(OpenTopup("payer", "left", "wide", WIDE, "https://shop/paid", "https://shop/left"))
    await posting.post(FailTopup("payer", "left", "expired", "the checkout expired"))


async def _owing(posting: Posting) -> None:
    """Spends what it bought and takes its money back: that is owed, to no charge. A refund and a grant pay some of it."""
    await posting.post(OpenAccount("owing"))
    await buy(posting, "owing", "spent", SMALL_PACK)
    await posting.post(asked("owing", "spends-all", outputs=delivered(SMALL)))
    await posting.post(ReportCardRefund("owing", "spent", "re-spent", 140_000, "USD", "succeeded"))
    await posting.post(Refund("owing", "spends-all", "r-pays", "blurred", credits=4))
    await posting.post(IssueGrant("owing", "sorry", "promotion", 5))


async def _earning(posting: Posting, owner: asyncpg.Connection) -> None:
    """Uses and lets expire what it bought, and takes some of that back, with a look at the revenue after each."""
    await posting.post(OpenAccount("earning"))
    await buy(posting, "earning", "dear", THIN)
    await posting.post(asked("earning", "earns", outputs=delivered(SMALL)))
    # A single micro goes back, for which a whole credit is taken: the rest of its price nobody can claim ...
    await posting.post(ReportCardRefund("earning", "dear", "re-micro", 1, "EUR", "succeeded"))
    await posting.post(Recognise("earning"))
    # ... until another micro goes back.
    await posting.post(ReportCardRefund("earning", "dear", "re-next", 1, "EUR", "succeeded"))
    await posting.post(Refund("earning", "earns", "r-earned", "blurred", credits=4))
    await posting.post(Recognise("earning"))
    await end_grant(owner, "earning", "pack:dear:1", after="earns")
    await posting.post(Refund("earning", "earns", "r-expired", "blurred", credits=5))  # to a successor, with its price
    await posting.post(asked("earning", "earns-again", quality="medium", outputs=delivered(SMALL)))
    await posting.post(Recognise("earning"))


async def _mended(posting: Posting, owner: asyncpg.Connection) -> None:
    """Was billed for other images than it got, and is billed for those: more, less, and both at once."""

    async def correct(name: str, request: str, *outputs: Reported) -> None:
        await posting.post(Correct("mended", name, request, outputs, "reconciled", "finance"))

    await posting.post(OpenAccount("mended"))
    await posting.post(IssueGrant("mended", "short", "promotion", 14))
    await posting.post(asked("mended", "grew", outputs=delivered(SMALL)))
    await posting.post(IssueGrant("mended", "long", "purchase", 40, paid_micros=4_000_000, currency="USD"))
    await posting.post(asked("mended", "slow", quality="low"))
    await correct("k-up", "grew", *delivered(LARGE))  # 40 of 53 more credits are there, and 13 owed
    await end_grant(owner, "mended", "short", after="grew")
    await posting.post(Settle("mended", "slow", delivered(SMALL)))
    await correct("k-down", "grew", *delivered(None))  # forgiven, paid for what else is owed, given back, succeeded
    await posting.post(asked("mended", "mixed", n=3, quality="medium", outputs=delivered(SMALL, LARGE, None)))
    await posting.post(Refund("mended", "mixed", "r-mixed", "blurred", outputs=(1,)))
    await correct("k-even", "mixed", *delivered(None, None, SMALL))
    await posting.post(Refund("mended", "mixed", "r-corrected", "blurred", outputs=(2,)))


async def _clearing(posting: Posting, owner: asyncpg.Connection) -> None:
    """What Stripe keeps of it, and what it pays out."""
    for account, transaction, event, carried, micros, fee, currency in (
        ("payer", "txn-own", "payment", "pi-own", 10_000_000, 320_000, "USD"),
        ("payer", "txn-diluted", "payment", "pi-diluted", 9_000_000, 250_000, "EUR"),
        ("payer", "txn-half", "refund", "re-half", -5_000_000, 0, "USD"),
        ("payer", "txn-full", "refund", "re-full", -9_000_000, 0, "EUR"),
        ("payer", "txn-gone", "refund", "re-failed", -1_000_000, 0, "USD"),
        ("payer", "txn-back", "refund_failed", "re-failed", 1_000_000, 0, "USD"),
        ("payer", "txn-complained", "payment", "pi-complained", 10_000_000, 320_000, "USD"),
        (HOUSE, "txn-radar", "fee", "txn-radar", 0, 60_000, "USD"),
        (HOUSE, "txn-payout", "payout", "po-1", -4_620_000, 0, "USD"),
        (HOUSE, "txn-below", "payout", "po-0", 100_000, 0, "USD"),
        (HOUSE, "txn-bounced", "payout", "po-2", -8_500_000, 0, "EUR"),
        (HOUSE, "txn-returned", "payout_failed", "po-2", 8_500_000, 0, "EUR"),
        (HOUSE, "txn-held", "reserve", "txn-held", -700_000, 0, "EUR"),
        (HOUSE, "txn-released", "reserve", "txn-released", 300_000, 0, "EUR"),
        (HOUSE, "txn-funded", "bank", "txn-funded", 2_000_000, 0, "EUR"),
        (HOUSE, "txn-unfunded", "bank", "txn-unfunded", -500_000, 0, "EUR"),
        (HOUSE, "txn-foreign", "other", "txn-foreign", 900_000, 30_000, "EUR"),
    ):
        await posting.post(BookTransaction(account, transaction, event, carried, micros, fee, currency))
    explained = BookTransaction(
        HOUSE, "txn-issuing", "other", "txn-issuing", -600_000, 0, "EUR", "somebody", "a card of the other shop"
    )
    await posting.post(explained)
    await owner.executemany(
        "INSERT INTO payout_item VALUES ('po-1', $1, $2, $3, $4, 'USD')",
        [
            ("txn-payout", "payout", -4_620_000, 0),
            ("txn-own", "charge", 10_000_000, 320_000),
            ("txn-half", "refund", -5_000_000, 0),
            ("txn-radar", "stripe_fee", -60_000, 0),
        ],
    )


async def end_hold(owner: asyncpg.Connection, account: str, request: str) -> None:
    """Makes an open hold due, without waiting for it."""
    for table in ("charge", "hold"):
        await owner.execute(
            f"UPDATE {table} SET expires_at = authorized_at + interval '1 microsecond' "
            "WHERE account_id = $1 AND request_id = $2",
            account,
            request,
        )
    await _look_again(owner, account)


async def end_grant(owner: asyncpg.Connection, account: str, grant: str, *, after: str) -> None:
    """Makes a grant lapse just after the charge `after` was authorized."""
    await owner.execute(
        """UPDATE "grant" g SET expires_at = c.authorized_at + interval '1 microsecond' FROM charge c
           WHERE g.account_id = $1 AND g.grant_id = $2 AND c.account_id = $1 AND c.request_id = $3""",
        account,
        grant,
        after,
    )
    await _look_again(owner, account)


async def _look_again(owner: asyncpg.Connection, account: str) -> None:
    await owner.execute("UPDATE account SET due_at = created_at WHERE account_id = $1", account)
