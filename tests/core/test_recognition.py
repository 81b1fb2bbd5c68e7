"""Recognition: what was paid for used and expired credits becomes revenue, exactly, whenever anybody looks."""

from collections import Counter
from datetime import date, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from billing.core.answers import RecogniseAnswer
from billing.core.commands import Command, IssueGrant, Recognise, Refund
from billing.core.cost_basis import Recognition, Unrecognised, movements
from billing.core.decide import decide
from billing.core.ledger import MONEY, WALLET
from billing.core.noted import Noted
from billing.core.payments import Topup
from billing.core.wallet import Wallet

from .examples import BOOKS, CENT, DAY, HOUR, ME, T0, Account, pack_of, small
from .invariants import check
from .test_any_sequence import FUNDED, Step, all_events, durations, events, outcome

SIGNS = {
    "recognise_usage": ("usage", 1),
    "reverse_usage": ("usage", -1),
    "recognise_breakage": ("breakage", 1),
    "reverse_breakage": ("breakage", -1),
}


class Books:
    """An account and what is recognised of it: the store's part, in memory."""

    def __init__(self, account: Account | None = None, at_once: int = 10_000) -> None:
        self.account = account or Account()
        self.at_once = at_once
        self.known: dict[str, Recognition] = {}
        self.seq = 0
        self.recognised_at: Any = None

    def load(self) -> Wallet:
        account = self.account
        last = account.wallet.wallet_seq
        until = min(last, self.seq + self.at_once)
        wallet = account.load(Recognise(ME))
        new = [row for row in account.journal if row.book == WALLET and self.seq < row.seq <= until]
        moved = list(movements(new, account.fill_rows, wallet.grants))
        wallet.unrecognised = Unrecognised(self.seq, until, last, self.recognised_at, moved, Noted(self.known))
        return wallet

    def keep(self, wallet: Wallet) -> None:
        self.account.keep(wallet)
        found = wallet.unrecognised
        assert found is not None
        if found.changed:
            assert wallet.changed
            self.known |= {one.grant_id: one for one in found.known.written}
            self.seq, self.recognised_at = found.seq, found.recognised_at
        else:
            assert not found.known.written
        wallet.unrecognised = None

    def step(self) -> RecogniseAnswer:
        wallet = self.load()
        answer = decide(wallet, Recognise(ME), BOOKS, self.account.now)
        self.keep(wallet)
        return answer

    def recognise(self) -> int:
        """Until nothing is missing; how many transfers that took."""
        posted = 0
        while True:
            answer = self.step()
            posted += answer.transfers
            if not answer.more:
                return posted

    # What the journal says of it.

    def by_day(self) -> Counter[tuple[str | None, date, str]]:
        sums: Counter[tuple[str | None, date, str]] = Counter()
        for row in self.account.journal:
            if row.kind in SIGNS:
                name, sign = SIGNS[row.kind]
                assert row.amount > 0
                sums[row.grant_id, row.effective_at.date(), name] += sign * row.amount
        return Counter({key: micros for key, micros in sums.items() if micros})

    def days(self, name: str = "usage") -> dict[str, int]:
        return {f"{day:%m-%d}": micros for (_, day, kind), micros in sorted(self.by_day().items()) if kind == name}

    def total(self, grant_id: str) -> tuple[int, int]:
        sums = Counter[str]()
        for (of, _, name), micros in self.by_day().items():
            sums[name] += micros if of == grant_id else 0
        return sums["usage"], sums["breakage"]


def everything_adds_up(books: Books) -> None:
    """Written anew from the domain's words: what is recognised of each grant, and what is left to be."""
    account = books.account
    grants = account.wallet.grants.values()
    returned = {
        topup.grant_id(1): topup.returned_deferred_micros for topup in account.wallet.payments.all(Topup).values()
    }
    left = 0
    for grant in grants:
        paid = grant.paid_micros or 0
        successors = sum(one.paid_micros or 0 for one in grants if one.origin_grant_id == grant.grant_id)
        used = paid * (grant.used + grant.moved) // grant.granted
        gone = paid * (grant.used + grant.moved + grant.expired) // grant.granted
        revoked = -(-paid * grant.revoked // grant.granted)
        usage, breakage = used - successors, gone - used + revoked - returned.get(grant.grant_id, 0)
        assert books.total(grant.grant_id) == (usage, breakage)
        assert usage >= 0
        assert breakage >= 0
        unspent = paid - gone - revoked
        assert unspent >= 0
        assert grant.remaining or not unspent
        left += unspent
    assert -account.money().get("deferred_revenue", 0) == left


@settings(deadline=None, max_examples=120)
@given(
    st.lists(st.tuples(durations, all_events, st.booleans()), max_size=25),
    st.sampled_from([[], FUNDED[:2], FUNDED]),
    st.sampled_from([1, 2, 10_000]),
)
def test_nothing_is_lost_whatever_happens_and_whenever_anybody_looks(
    steps: list[tuple[timedelta, Any, bool]], begun: list[Step], at_once: int
) -> None:
    books = Books(Account(credit_limit=20), at_once)
    for duration, step, look in [*((*one, False) for one in begun), *steps]:
        books.account.wait(duration)
        act(books.account, step)
        if look:
            books.step()
            check(books.account)
    books.recognise()
    check(books.account)
    everything_adds_up(books)
    assert books.recognise() == 0


@settings(deadline=None, max_examples=120)
@given(st.lists(st.tuples(durations, events, st.booleans()), max_size=25), st.sampled_from([1, 3, 10_000]))
def test_days_do_not_depend_on_when_anybody_looks(steps: list[tuple[timedelta, Any, bool]], at_once: int) -> None:
    seldom, often = Books(Account(credit_limit=20)), Books(Account(credit_limit=20), at_once)
    for duration, step, look in steps:
        for books in (seldom, often):
            books.account.wait(duration * 7)  # hours and days are told apart
            act(books.account, step)
        if look:
            often.step()
    for books in (seldom, often):
        books.recognise()
        everything_adds_up(books)
    assert often.by_day() == seldom.by_day()


def act(account: Account, step: Any) -> None:
    command = step if isinstance(step, Command) else step(account)
    if command is not None:
        account.lapse()
        outcome(account.do, command)


def paid(books: Books, grant_id: str = "g", credits: int = 3, micros: int = 100, **more: Any) -> None:
    books.account.grant(grant_id, credits, paid_micros=micros, currency="USD", **more)


def test_rounding_is_cumulative_and_by_the_day() -> None:
    books = Books()
    paid(books)
    for day in range(3):
        books.account.charge(f"r{day}", small(), quality=1)
        books.account.wait(DAY)
    assert books.recognise() == 3
    assert books.days() == {"03-01": 33, "03-02": 33, "03-03": 34}
    assert {row.effective_at for row in books.account.journal if row.kind == "recognise_usage"} == {
        T0 + n * DAY for n in range(3)
    }


def test_what_expires_is_breakage_when_it_was_due() -> None:
    books = Books()
    paid(books, expires_at=T0 + DAY)
    books.account.charge("r", small(), quality=1)
    books.account.wait(5 * DAY)  # and nobody looked in the meantime
    assert books.recognise() == 2
    assert (books.days("usage"), books.days("breakage")) == ({"03-01": 33}, {"03-02": 67})


def test_a_refund_reverses_on_its_own_day() -> None:
    books = Books()
    paid(books)
    books.account.charge("r", small(), quality=1)
    books.recognise()
    books.account.wait(DAY)
    books.account.refund("r")
    assert books.recognise() == 1
    assert books.days() == {"03-01": 33, "03-02": -33}
    assert [row.kind for row in books.account.journal if row.book == MONEY][-1] == "reverse_usage"


def test_use_and_refund_on_one_day_come_to_nothing() -> None:
    books = Books()
    paid(books)
    books.account.charge("r", small(), quality=1)
    books.account.refund("r")
    assert books.recognise() == 0
    assert books.days() == {}


def test_a_successor_takes_its_basis_along() -> None:
    books = Books()
    paid(books, expires_at=T0 + HOUR)
    books.account.charge("r", small(), quality=1)
    books.account.wait(DAY)
    books.account.refund("r")
    books.account.wait(DAY)
    books.account.charge("r2", small(), quality=1)
    books.recognise()
    assert books.total("g") == (0, 67)
    assert books.total("refund:f1:1") == (33, 0)
    assert books.days() == {"03-01": 33, "03-02": -33, "03-03": 33}
    everything_adds_up(books)


def test_debts_are_revenue_when_they_are_paid() -> None:
    books = Books(Account(credit_limit=1))
    books.account.charge("r", small(), quality=1)
    books.account.wait(DAY)
    paid(books)
    books.recognise()
    assert books.days() == {"03-02": 33}


def test_credits_that_go_from_one_bill_to_another_stay_used() -> None:
    books = Books(Account(credit_limit=1))
    paid(books, credits=1)
    books.account.charge("r", small(), quality=1)
    books.account.charge("owed", small(), quality=1)
    books.recognise()
    books.account.refund("r")
    assert books.recognise() == 0
    everything_adds_up(books)


def test_a_thawed_grant_pays_on_the_day_of_the_verdict() -> None:
    books = Books(Account(credit_limit=10))
    account = books.account
    account.buy(pack_of(10, 10 * CENT))
    account.dispute(10 * CENT)
    account.charge("owed", small())
    account.wait(DAY)
    books.recognise()
    account.wait()
    account.dispute(10 * CENT, "won")
    account.wait(DAY)
    books.recognise()
    assert books.days() == {"03-02": 10 * CENT}
    everything_adds_up(books)


def test_what_a_card_refund_leaves_of_a_credit_is_breakage_until_it_is_returned_too() -> None:
    books = Books()
    account = books.account
    account.buy(pack_of(10, 10 * CENT))
    account.card_refund(1, "re_1")
    books.recognise()
    assert books.days("breakage") == {"03-01": CENT - 1}
    account.wait(DAY)
    account.card_refund(CENT - 1, "re_2")
    account.wait(DAY)
    books.recognise()
    assert books.days("breakage") == {"03-01": CENT - 1, "03-02": 1 - CENT}
    everything_adds_up(books)
    account.dispute(9 * CENT, "lost")
    books.recognise()
    assert account.money().get("deferred_revenue", 0) == 0


def test_within_a_batch_nothing_is_seen_twice() -> None:
    """Before it and after it, in one transaction: what lapses, what is billed, what is returned."""
    books = Books(Account(credit_limit=100))
    account = books.account
    paid(books, "g1", 10, 100, expires_at=T0 + HOUR)
    account.charge("r1", small(), quality=5)
    account.wait(2 * HOUR)
    wallet = books.load()
    first = decide(wallet, Recognise(ME), BOOKS, account.now)
    again = decide(wallet, Recognise(ME), BOOKS, account.now)
    decide(wallet, Refund(ME, "r1", "f1", "x"), BOOKS, account.now)
    decide(wallet, IssueGrant(ME, "g2", "purchase", 10, paid_micros=7, currency="USD"), BOOKS, account.now)
    last = decide(wallet, Recognise(ME), BOOKS, account.now)
    assert first == RecogniseAnswer(2, {"USD": (50, 50)}, False)
    assert again == RecogniseAnswer(0, {}, False)
    assert last == RecogniseAnswer(1, {"USD": (-50, 0)}, False)
    assert wallet.unrecognised is not None
    assert wallet.unrecognised.nothing_missing == (wallet.wallet_seq, wallet.money_seq)
    books.keep(wallet)
    assert books.recognise() == 0
    everything_adds_up(books)


def test_more_than_one_transaction_may_look_at() -> None:
    books = Books(at_once=2)
    paid(books)
    for request in ("r1", "r2", "r3"):
        books.account.charge(request, small(), quality=1)
    wallet = books.load()
    assert decide(wallet, Recognise(ME), BOOKS, books.account.now) == RecogniseAnswer(1, {"USD": (33, 0)}, True)
    assert decide(wallet, Recognise(ME), BOOKS, books.account.now) == RecogniseAnswer(0, {}, True)
    assert wallet.unrecognised is not None
    assert wallet.unrecognised.nothing_missing is None
    books.keep(wallet)
    assert (books.seq, books.recognised_at) == (2, None)
    assert books.recognise() == 1
    assert books.total("g") == (100, 0)
    assert (books.seq, books.recognised_at) == (4, books.account.now)


def test_the_largest_amounts_there_are() -> None:
    books = Books()
    paid(books, credits=2**62, micros=2**63 - 1, expires_at=T0 + HOUR)
    books.account.charge("r", small(), quality=1)
    books.account.wait(DAY)
    books.recognise()
    assert books.total("g") == (1, 2**63 - 2)
