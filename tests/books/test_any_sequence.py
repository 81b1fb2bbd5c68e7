"""Random walks through everything that moves credits and money, under a clock of their own, verified step by step.

Amounts are small, so that shares round, grants run dry and debts stay; time runs in hours, so that grants lapse and holds
fall due between any two of them.
"""

import asyncio
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from billing.books.verify import verify
from billing.core.charges import Reported
from billing.core.commands import (
    HOUSE,
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
from billing.core.funding_commands import BookTransaction, OpenTopup, PayTopup, ReportCardRefund, ReportDispute
from billing.core.packs import Pack
from billing.core.prices import PriceBooks
from billing.core.refusals import Refusal
from billing.posting import Posting
from tests.disputes import known, reported, withdrawn

START = datetime(2026, 1, 1, tzinfo=UTC)
A_CLOCK_TO_SET = (
    "CREATE SCHEMA clock",
    f"CREATE TABLE clock.reading AS SELECT '{START.isoformat()}'::timestamptz AS at",
    "CREATE FUNCTION clock.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS 'SELECT at FROM clock.reading'",
    "GRANT USAGE ON SCHEMA clock TO billing_service",
    "GRANT SELECT ON clock.reading TO billing_service",
    "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = clock, pg_catalog, public', current_database()); END $$",
    "UPDATE price_book SET effective_from = '2020-01-01'",
)
PAUSES = (timedelta(0), timedelta(microseconds=1), timedelta(seconds=10), timedelta(minutes=20), timedelta(hours=7))
STEPS = 60


class Walk:
    """What happens next, and what Stripe says of it."""

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(seed)
        self._number = 0
        self._charges: list[str] = []
        self._topups: list[tuple[str, Pack]] = []
        self._refunds: list[ReportCardRefund] = []
        self._disputes: list[ReportDispute] = []
        self.now = START

    def batch(self) -> list[Command]:
        """One or more things that happen at once."""
        self.now += self._dice.choice(PAUSES)
        commands: list[Command] = []
        while not commands or self._dice.random() < 0.35:
            self._number += 1
            happening = self._dice.choices(self._HAPPENINGS, self._WEIGHTS)[0]
            commands += happening(self)
        return commands

    def _buy(self) -> list[Command]:
        one, name = self._dice.choice, f"t{self._number}"
        pack = Pack.of(
            f"p{self._number}",
            "Credits",
            one([1, 2, 3, 7, 10, 20, 50]),
            one([1, 2, 3, 7, 10, 100]) * 10_000,
            one(["USD", "USD", "EUR"]),
            bonus_credits=one([0, 0, 1, 3, 10]),
            bonus=one(["own_grant", "dilutes"]),
            expires_in_days=one([None, 1, 2]),
        )
        self._topups.append((name, pack))
        order = OpenTopup("acme", name, pack.pack_id, pack, "https://shop/paid", "https://shop/left")
        paid = PayTopup("acme", name, f"pi-{name}", pack.price_micros, pack.currency)
        return [order, paid] if self._dice.random() < 0.9 else [order]

    def _charge(self) -> list[Command]:
        outputs = self._delivered() if self._dice.random() < 0.6 else None
        self._charges.append(f"c{self._number}")
        quality, hold = self._dice.choice(["low", "medium", "high"]), self._dice.choice([30, 900, 86_400])
        n = self._dice.randint(1, 3)
        terms: dict[str, Any] = {"n": n, "size": "1K", "quality": quality, "hold_seconds": hold, "outputs": outputs}
        return [Authorize("acme", self._charges[-1], "gpt-image-2", **terms)]

    def _end_charge(self) -> list[Command]:
        request = self._dice.choice(self._charges or ["none"])
        if self._dice.random() < 0.2:
            return [Void("acme", request)]
        return [Settle("acme", request, self._delivered(), force=self._dice.random() < 0.3)]

    def _refund(self) -> list[Command]:
        request, credits = self._dice.choice(self._charges or ["none"]), self._dice.choice([None, None, 1, 2, 5])
        return [Refund("acme", request, f"r{self._number}", "wrong picture", credits=credits)]

    def _correct(self) -> list[Command]:
        request = self._dice.choice(self._charges[-12:] or ["none"])
        # The first image, which every settled charge has, and now and then others that it may not have.
        found = [
            one._replace(status=self._dice.choice(["succeeded", "succeeded", "failed"]))
            for one in self._delivered()[: self._dice.choice([1, 1, 3])]
        ]
        return [Correct("acme", f"k{self._number}", request, tuple(found), "reconciled", "finance")]

    def _give(self) -> list[Command]:
        kind, credits = self._dice.choice(["promotion", "purchase"]), self._dice.choice([1, 5, 30])
        paid: dict[str, Any] = {"paid_micros": 777, "currency": "USD"} if kind == "purchase" else {}
        expires_at = self._dice.choice([None, self.now + timedelta(days=1)])
        return [IssueGrant("acme", f"g{self._number}", kind, credits, expires_at=expires_at, **paid)]

    def _card_refund(self) -> list[Command]:
        if not self._topups:
            return []
        topup, amount, currency = self._returned()
        self._refunds.append(ReportCardRefund("acme", topup, f"re{self._number}", amount, currency, "succeeded"))
        return [self._refunds[-1]]

    def _card_refund_fails(self) -> list[Command]:
        if not self._refunds:
            return []
        known = self._dice.choice(self._refunds[-8:])
        return [
            ReportCardRefund(
                "acme", known.topup_id, known.card_refund_id, known.amount_micros, known.currency, "failed"
            )
        ]

    def _dispute(self) -> list[Command]:
        if not self._topups:
            return []
        topup, amount, currency = self._returned()
        status = self._dice.choice(["open"] * 6 + ["won", "lost"])
        self._disputes.append(reported("acme", topup, f"du{self._number}", amount, status, currency=currency))
        return [self._disputes[-1]]

    def _close_dispute(self) -> list[Command]:
        if not self._disputes:
            return []
        before = self._dice.choice(self._disputes[-8:])
        status = self._dice.choice(["won", "won", "lost", "lost", "prevented", "appeal_under_review"])
        moved = [movement.amount_micros for movement in before.movements]
        if sum(moved) and status == "won":
            moved.append(-sum(moved) if self._dice.random() < 0.8 else 1)  # all of it, or a little
        elif not sum(moved) and status != "won" and self._dice.random() < 0.7:
            moved.append(-before.amount_micros)
        again = reported(
            "acme",
            before.topup_id,
            before.dispute_id,
            before.amount_micros,
            status,
            currency=before.currency,
            movements=withdrawn(before.dispute_id, *moved),
        )
        self._disputes[self._disputes.index(before)] = again
        return [again]

    def _lapse(self) -> list[Command]:
        return [Lapse("acme")]

    def _recognise(self) -> list[Command]:
        return [Recognise("acme")]

    def _returned(self) -> tuple[str, int, str]:
        topup, pack = self._dice.choice(self._topups[-6:])
        price = pack.price_micros
        amount = self._dice.choice([price, price // 2, price // 3, price // 7, 1, self._dice.randint(1, price)])
        return topup, amount, pack.currency

    def _delivered(self) -> tuple[Reported, ...]:
        sizes = [self._dice.choice([(1024, 1024), (1024, 1024), (3840, 2160)]) for _ in range(self._dice.randint(1, 3))]
        return tuple(Reported(index, "succeeded", *size, None) for index, size in enumerate(sizes))

    _HAPPENINGS: tuple[Callable[["Walk"], list[Command]], ...] = (
        _buy, _charge, _end_charge, _refund, _correct, _give, _card_refund, _card_refund_fails, _dispute, _close_dispute, _lapse,
        _recognise,
    )  # fmt: skip
    _WEIGHTS = (5, 10, 4, 5, 6, 2, 8, 4, 4, 4, 1, 6)


@pytest.mark.parametrize("seed", range(3))
def test_the_books_hold_after_every_step(fresh_database: str, books: PriceBooks, seed: int) -> None:
    asyncio.run(_walk(fresh_database, books, Walk(seed)))


async def _walk(dsn: str, books: PriceBooks, walk: Walk) -> None:
    owner = await asyncpg.connect(dsn)
    try:
        for statement in A_CLOCK_TO_SET:
            await owner.execute(statement)
        done: list[str] = []
        async with Posting(dsn, lambda: books) as posting:
            await posting.post(OpenAccount("acme", credit_limit=20))
            for step in range(STEPS):
                done += await take_step(owner, posting, walk, step)
                if step % 20 == 19:
                    await _pay_out(owner, posting, f"po-{step}")
                report = await verify(dsn)
                wrong = [checked.finding for checked in report.invariants if checked.finding]
                assert not wrong, "\n".join([*map(str, wrong), *done])
    finally:
        await owner.close()


async def take_step(owner: asyncpg.Connection, posting: Posting, walk: Walk, step: int) -> list[str]:
    """Has the next batch happen, and tells what that was."""
    commands = walk.batch()
    for command in commands:
        if isinstance(command, ReportDispute):
            command.seen = await known(owner, "acme", command.dispute_id)
    await owner.execute("UPDATE clock.reading SET at = $1", walk.now)
    done = []
    for command, result in zip(commands, await posting.post_many(commands), strict=True):
        assert not isinstance(result, Exception) or isinstance(result, Refusal), (command, result)
        done.append(f"{step} {walk.now} {command} {result if isinstance(result, Refusal) else ''}")
    return done


async def _pay_out(owner: asyncpg.Connection, posting: Posting, payout: str) -> None:
    """Stripe tells of every payment and refund that it has not told of yet, with a fee, and pays the rest out."""
    for event, kinds in (
        ("payment", ["purchase_stripe_clearing"]),
        ("refund", ["card_refund_deferred", "card_refund"]),
        ("refund_failed", ["card_refund_deferred_failed", "card_refund_failed"]),
    ):
        for carried, currency, amount in await owner.fetch(
            """SELECT external_id, asset, sum(CASE debit WHEN 'stripe_clearing' THEN amount ELSE -amount END)::bigint
               FROM transfer t WHERE kind = ANY($1) AND NOT EXISTS (
                   SELECT FROM stripe_transaction s WHERE s.booked_as = t.external_id AND s.event = $2)
               GROUP BY external_id, asset""",
            kinds,
            event,
        ):
            await posting.post(BookTransaction("acme", f"txn-{event}-{carried}", event, carried, amount, 30, currency))
    for currency, net in await owner.fetch(
        """SELECT currency, sum(amount_micros - fee_micros)::bigint FROM stripe_transaction s
           WHERE NOT EXISTS (SELECT FROM payout_item i WHERE i.transaction_id = s.transaction_id) GROUP BY currency"""
    ):
        name = f"{payout}-{currency}"
        await posting.post(BookTransaction(HOUSE, f"txn-{name}", "payout", name, -net, 0, currency))
        await owner.execute(
            """INSERT INTO payout_item SELECT $1, transaction_id, event, amount_micros, fee_micros, currency
               FROM stripe_transaction s WHERE currency = $2 AND NOT EXISTS (
                   SELECT FROM payout_item i WHERE i.transaction_id = s.transaction_id)""",
            name,
            currency,
        )
