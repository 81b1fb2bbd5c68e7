"""A small world for the core's tests: one account, its clock, and prices that are easy to add up.

`Account` plays the store's part in memory. Each command meets a freshly loaded wallet on which everything due
has lapsed, as the store does it, and what was decided is kept for the next one.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any

from billing.core.announcements import Announcement
from billing.core.answers import (
    ChargeAnswer,
    CorrectionAnswer,
    GrantAnswer,
    RechargeAnswer,
    RefundAnswer,
    TopupAnswer,
)
from billing.core.charges import Charge, Reported
from billing.core.commands import (
    A,
    AmendAccount,
    Authorize,
    Command,
    Correct,
    IssueGrant,
    Lapse,
    OpenAccount,
    Refund,
    Settle,
    Void,
)
from billing.core.decide import decide
from billing.core.funding_commands import (
    EndAutoRecharge,
    FailTopup,
    OpenTopup,
    PayTopup,
    Recharge,
    ReportCardRefund,
    ReportDispute,
    SetAutoRecharge,
)
from billing.core.grants import Debt, EarlyHolds, Fill, Grant
from billing.core.ledger import Transfer
from billing.core.needs import KINDS
from billing.core.noted import Noted
from billing.core.packs import Pack
from billing.core.payments import AutoRecharge, CardRefund, Dispute, Topup
from billing.core.prices import PUBLISHED, PriceBook, PriceBooks
from billing.core.wallet import RefundRow, Wallet
from tests.disputes import reported, withdrawn

T0 = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
HOLD = timedelta(seconds=900)
ME = "acc-1"
FIGURES = ("posted", "held", "frozen", "debt")
CENT = 10_000  # in micros
DOLLAR = 100 * CENT

# Quality `10` costs 10 credits an image up to 1,000 px and twice that up to 2,000 px.
PLAIN = {
    "tiers": [{"name": "S", "max_edge": 1000}, {"name": "L", "max_edge": 2000}],
    "qualities": {"1": "1", "5": "5", "10": "10", "20": "20"},
    "sizes": {"multiple_of": 1, "min_pixels": 1, "max_pixels": 10_000_000, "max_aspect": 100},
    "prices": {
        "1": {"S": 1, "L": 2},
        "5": {"S": 5, "L": 10},
        "10": {"S": 10, "L": 20},
        "20": {"S": 20, "L": 40},
    },
}
BOOK = PriceBook.of(1, T0 - DAY, {**PUBLISHED, "plain": PLAIN})
BOOKS = PriceBooks([BOOK])


def small(index: int = 0) -> Reported:
    return Reported(index, "succeeded", 1000, 1000, None)


def large(index: int = 0) -> Reported:
    return Reported(index, "succeeded", 1001, 1000, None)


def unmeasured(index: int = 0) -> Reported:
    return Reported(index, "succeeded", None, None, None)


def failed(index: int = 0, reason: str | None = "timeout") -> Reported:
    return Reported(index, "failed", None, None, reason)


def measured(width: int, height: int, index: int = 0) -> Reported:
    return Reported(index, "succeeded", width, height, None)


def grant_of(grant_id: str, credits: int, **changes: Any) -> Grant:
    """An untouched purchase, as the store would load it."""
    grant = Grant(
        account_id=ME,
        grant_id=grant_id,
        kind="purchase",
        granted=credits,
        remaining=credits,
        used=0,
        expired=0,
        revoked=0,
        moved=0,
        priority=50,
        expires_at=None,
        frozen=False,
        open=credits > 0,
        paid_micros=None,
        currency=None,
        funding="bank",
        reference=None,
        origin_grant_id=None,
        seq=1,
        created_at=T0,
    )
    return grant._replace(**changes)


def pack_of(credits: int = 100, price_micros: int = 10 * DOLLAR, bonus_credits: int = 0, **more: Any) -> Pack:
    """For sale in dollars, by default 100 credits for $10.00."""
    return Pack.of("pack", "A pack", credits, price_micros, "USD", bonus_credits=bonus_credits, **more)


def answer_of(kind: type[Command[Any]]) -> Any:
    """The type of a command's answer, as it is declared."""
    (base,) = kind.__orig_bases__  # type: ignore[attr-defined]
    return base.__args__[0]


def state(wallet: Wallet) -> dict[str, Any]:
    """Everything a wallet holds, copied, so that two moments can be compared."""
    kept = {
        field.name: copy.deepcopy(getattr(wallet, field.name))
        for field in fields(wallet)
        if not isinstance(getattr(wallet, field.name), Noted)
        and field.name not in ("early_holds", "_burn_order", "_payments")
    }
    noted = {field.name: getattr(wallet, field.name) for field in fields(wallet)}
    for kind, rows in wallet.payments.rows.items():
        if rows:  # who looked and found nothing has changed nothing
            noted[kind.__name__] = rows
    kept |= {
        name: (dict(rows), list(rows.added), dict(rows.before))
        for name, rows in noted.items()
        if isinstance(rows, Noted)
    }
    kept["early_holds"] = None if wallet.early_holds is None else list(wallet.early_holds)
    return kept


class Account:
    """One account between batches: its rows, its journal and the clock its commands are decided at."""

    def __init__(self, now: datetime = T0, books: PriceBooks = BOOKS, **opening: Any) -> None:
        self.now = now
        self.books = books
        self.wallet = Wallet(ME)
        self.journal: list[Transfer] = []
        self.debts: dict[int, Debt] = {}
        self.fill_rows: list[Fill] = []
        self.announced: list[Announcement] = []
        self.course: dict[str, int] = {}  # how far each dispute has come at the processor
        self.do(OpenAccount(ME, **opening))

    @property
    def fills(self) -> dict[tuple[int, str], int]:
        """What each grant paid of each debt."""
        paid: dict[tuple[int, str], int] = {}
        for fill in self.fill_rows:
            paid[fill.seq, fill.grant_id] = paid.get((fill.seq, fill.grant_id), 0) + fill.credits
        return paid

    # What the store does.

    def load(self, *commands: Command) -> Wallet:
        """The wallet as gather hands it to decide: the rows as they are, and what is due lapsed.

        Where a payment's refund or dispute is among the commands, grants that have expired may come back to life.
        """
        thawing = any(isinstance(command, ReportCardRefund | ReportDispute) for command in commands)
        old = self.wallet
        wallet = Wallet(
            ME,
            old.settings,
            old.opening_digest,
            old.posted,
            old.held,
            old.frozen,
            old.debt,
            old.wallet_seq,
            old.wallet_head,
            old.money_seq,
            old.money_head,
            due_at=old.due_at,
            recharge_below=old.recharge_below,
            tells_settled=old.tells_settled,
        )
        for rows in old.payments.rows.values():
            for row in rows.values():
                wallet.payments.load(row)
        wallet.charges = Noted(old.charges)
        wallet.outputs = Noted(old.outputs)
        wallet.draws = {request_id: list(draws) for request_id, draws in old.draws.items()}
        wallet.returned = {request_id: list(returns) for request_id, returns in old.returned.items()}
        wallet.refunds = Noted(old.refunds)
        wallet.corrections = Noted(old.corrections)
        wallet.delivered = {request_id: list(found) for request_id, found in old.delivered.items()}
        wallet.grants = Noted(old.grants)
        wallet.debts = Noted({seq: debt for seq, debt in sorted(self.debts.items()) if debt.outstanding})
        for fill in sorted(self.fill_rows, key=lambda fill: fill.paid_by_seq):
            wallet.paid.setdefault(fill.seq, []).append((fill.grant_id, fill.credits))
        open_charges = [charge for charge in wallet.charges.values() if charge.status == "authorized"]
        due = [charge for charge in open_charges if charge.expires_at <= self.now]
        expiries = [
            grant.expires_at
            for grant in wallet.grants.values()
            if grant.open and grant.expires_at and grant.lapsed_at(self.now)
        ]
        if wallet.due_at is None or wallet.due_at > self.now:
            assert not due
            assert not expiries, "due_at must be a lower bound of what falls due"
            if not thawing:
                return wallet
        if thawing:
            expiries += [
                grant.expires_at
                for grant in wallet.grants.values()
                if (grant.frozen or grant.clawed) and grant.expires_at and grant.expires_at <= self.now
            ]
        wallet.next_hold_at = min(
            (charge.expires_at for charge in open_charges if charge.expires_at > self.now), default=None
        )
        if expiries:
            early = [
                (charge.authorized_at, charge.held_credits)
                for charge in open_charges
                if charge.authorized_at < max(expiries)
            ]
            wallet.early_holds = EarlyHolds(expiries, early)
        wallet.lapse(due, self.now)
        return wallet

    def keep(self, wallet: Wallet) -> None:
        """Keeps what was decided, each row once: only what the wallet says has changed would be written."""
        for name in ("charges", "outputs", "grants", "refunds", "corrections"):
            rows, stored = getattr(wallet, name), getattr(self.wallet, name)
            assert {key for key in rows if rows[key] != stored.get(key)} <= {*rows.added, *rows.before}, (
                "what is changed is noted"
            )
            assert not rows.added.keys() & stored.keys()
            assert all(stored[key] == was for key, was in rows.before.items())
        assert not wallet.debts.added.keys() & self.debts.keys()
        assert all(self.debts[seq] == was for seq, was in wallet.debts.before.items())
        self.wallet = wallet
        self.journal += wallet.effects.transfers
        self.announced += wallet.effects.announcements
        self.debts |= {debt.seq: debt for debt in wallet.debts.written}
        self.fill_rows += wallet.effects.fills
        names = [(fill.seq, fill.paid_by_seq) for fill in self.fill_rows]
        assert len(names) == len(set(names)), "a transfer pays a debt once: that is the row's key"
        recharge = self.auto_recharge
        if wallet.effects.recharge_due and recharge and recharge.status == "active" and recharge.due_at is None:
            wallet.payments.load(recharge._replace(due_at=self.now))

    def do(self, command: Command[A]) -> A:
        """Carries `command` out by itself. What lapsed before it stays lapsed also when it is refused."""
        wallet = self.load(command)
        before = {name: getattr(wallet, name) for name in FIGURES}
        try:
            answer = decide(wallet, command, self.books, self.now)
        finally:
            self.keep(wallet)
        assert isinstance(answer, answer_of(type(command))), "a command is typed by its answer"
        touched = {name for name in FIGURES if getattr(wallet, name) != before[name]}
        assert touched <= KINDS[type(command)].touches, "what a command may touch is declared"
        return answer

    def wait(self, duration: timedelta = timedelta(seconds=1)) -> None:
        self.now += duration

    # The same in short, in prices of the model `plain`.

    def grant(self, grant_id: str, credits: int, kind: str = "purchase", **more: Any) -> GrantAnswer:
        return self.do(IssueGrant(ME, grant_id, kind, credits, **more))

    def authorize(self, request_id: str, quality: int = 10, n: int = 1, **more: Any) -> ChargeAnswer:
        return self.do(Authorize(ME, request_id, "plain", n=n, quality=str(quality), **more))

    def charge(self, request_id: str, *outputs: Reported, quality: int = 10, n: int = 1) -> ChargeAnswer:
        return self.authorize(request_id, quality, n, outputs=outputs or (small(),))

    def spend(self, credits: int) -> None:
        """Bills of `credits` in all."""
        while credits:
            part = next(price for price in (20, 10, 5, 1) if price <= credits)
            self.charge(f"spent-{len(self.wallet.charges)}", small(), quality=part)
            credits -= part

    def settle(self, request_id: str, *outputs: Reported, force: bool = False) -> ChargeAnswer:
        return self.do(Settle(ME, request_id, outputs, force))

    def void(self, request_id: str, reason: str | None = None) -> ChargeAnswer:
        return self.do(Void(ME, request_id, reason))

    def refund(self, request_id: str, refund_id: str = "f1", **what: Any) -> RefundAnswer:
        return self.do(Refund(ME, request_id, refund_id, "dissatisfied", **what))

    def correct(self, request_id: str, *outputs: Reported, correction_id: str = "c1") -> CorrectionAnswer:
        return self.do(Correct(ME, correction_id, request_id, outputs, "reconciled", "finance"))

    def amend(self, **settings: Any) -> None:
        self.do(AmendAccount(ME, **settings))

    def lapse(self) -> None:
        self.do(Lapse(ME))

    # Money.

    def order(self, pack: Pack | None = None, topup_id: str = "t1") -> TopupAnswer:
        pack = pack or pack_of()
        return self._topup(OpenTopup(ME, topup_id, pack.pack_id, pack, "https://shop/paid", "https://shop/left"))

    def pay(self, topup_id: str = "t1", amount_micros: int | None = None, payment_id: str | None = None) -> TopupAnswer:
        amount = self.topup(topup_id).price_micros if amount_micros is None else amount_micros
        return self._topup(PayTopup(ME, topup_id, payment_id or f"pi_{topup_id}", amount, "USD"))

    def buy(self, pack: Pack | None = None, topup_id: str = "t1") -> Grant:
        """A top-up ordered and paid; its grant."""
        self.order(pack, topup_id)
        self.pay(topup_id)
        return self.of_grant(self.topup(topup_id).grant_id(1))

    def fail(self, topup_id: str = "t1", reason: str = "card_declined", *, final: bool = False) -> TopupAnswer:
        return self._topup(FailTopup(ME, topup_id, "failed", reason, final))

    def card_refund(
        self, amount_micros: int, refund_id: str = "re_1", status: Any = "succeeded", topup_id: str = "t1"
    ) -> TopupAnswer:
        return self._topup(ReportCardRefund(ME, topup_id, refund_id, amount_micros, "USD", status))

    def dispute(
        self,
        amount_micros: int,
        status: str = "open",
        dispute_id: str = "dp_1",
        topup_id: str = "t1",
        moved: Sequence[int] | None = None,
        fee: int = 0,
    ) -> TopupAnswer:
        """`moved`: its balance transactions so far; unless given, all of it is withdrawn, and comes back when it is won."""
        movements = None if moved is None else withdrawn(dispute_id, *moved, fee=fee)
        seen = self.wallet.payments.get(Dispute, dispute_id)
        return self._topup(
            reported(
                ME, topup_id, dispute_id, amount_micros, status, movements=movements, reason="fraudulent", seen=seen
            )
        )

    def recharge_at(
        self, threshold: int, monthly_limit: int = 1_000, pack: Pack | None = None, card: str | None = "pm_1"
    ) -> RechargeAnswer:
        pack = pack or pack_of()
        return self.do(SetAutoRecharge(ME, threshold, pack.pack_id, pack, monthly_limit, card))

    def recharge_off(self, reason: str | None = None) -> RechargeAnswer:
        return self.do(EndAutoRecharge(ME, reason))

    def look(self, pack: Pack | None = None, saved_method: str | None = None) -> RechargeAnswer:
        """Whoever recharges looks at the account."""
        return self.do(Recharge(ME, pack or pack_of(), saved_method))

    def _topup(self, command: Command[TopupAnswer]) -> TopupAnswer:
        return self.do(command)

    # What a dispute does to a grant, for grants that came by another way.

    def freeze(self, grant_id: str) -> None:
        wallet = self.load()
        grant = wallet.grants[grant_id]
        assert not grant.frozen
        wallet.grants[grant_id] = grant._replace(frozen=True)
        wallet.frozen += grant.remaining
        self.keep(wallet)

    # Reading.

    @property
    def remaining(self) -> dict[str, int]:
        return {grant_id: grant.remaining for grant_id, grant in self.wallet.grants.items()}

    def of_charge(self, request_id: str) -> Charge:
        return self.wallet.charges[request_id].as_of(self.now)

    def of_grant(self, grant_id: str) -> Grant:
        return self.wallet.grants[grant_id]

    def returns(self, refund_id: str) -> RefundRow:
        return self.wallet.refunds[refund_id]

    def topup(self, topup_id: str = "t1") -> Topup:
        return self.wallet.payments.all(Topup)[topup_id]

    def card_refund_row(self, refund_id: str = "re_1") -> CardRefund:
        return self.wallet.payments.all(CardRefund)[refund_id]

    def dispute_row(self, dispute_id: str = "dp_1") -> Dispute:
        return self.wallet.payments.all(Dispute)[dispute_id]

    @property
    def auto_recharge(self) -> AutoRecharge | None:
        return self.wallet.payments.get(AutoRecharge, "")

    def money(self, currency: str = "USD") -> dict[str, int]:
        """Each account of the money book that is not at zero: debits less credits, in micros."""
        sums: dict[str, int] = {}
        for row in self.journal:
            if row.book == "money" and row.asset == currency:
                sums[row.debit] = sums.get(row.debit, 0) + row.amount
                sums[row.credit] = sums.get(row.credit, 0) - row.amount
        return {name: amount for name, amount in sums.items() if amount}

    def told(self, *kinds: str) -> list[str]:
        """The types of what was announced, in order; only `kinds` where any are named."""
        return [one.type for one in self.announced if one.type in kinds or not kinds]

    def posted(self, kind: str) -> list[tuple[str | None, int]]:
        """Grant and amount of the transfers of one kind, in the journal's order."""
        return [(transfer.grant_id, transfer.amount) for transfer in self.journal if transfer.kind == kind]
