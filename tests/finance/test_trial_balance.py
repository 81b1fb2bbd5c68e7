"""The trial balance: every ledger account, at any instant, beside sums of the journal made here."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from billing.embedded import EmbeddedPostgres
from tests.api.service import Api, ask, image, on, problem, serving, set_clock, with_a_clock
from tests.conftest import copied

JANUARY, FEBRUARY = datetime(2026, 1, 10, 12, tzinfo=UTC), datetime(2026, 2, 10, 12, tzinfo=UTC)
PAID = {"micros": 10_000_000, "currency": "USD"}
PATH = "/v1/finance/trial-balance"


@pytest.fixture(scope="module")
def books(server: EmbeddedPostgres, template: str) -> Iterator[Api]:
    """Two accounts with purchases, charges, a refund and a grant that lapsed in January and was posted in February."""
    with copied(server, template) as dsn:
        with_a_clock(dsn)
        with serving(dsn, expiry_seconds=1_000_000) as api:
            set_clock(api, JANUARY)
            for account in ("one", "two"):
                api.post("/v1/accounts", {"account_id": account})
                api.grant(account, 1_000, amount_paid=PAID)
            api.grant("one", 200, kind="promotion", expires_at="2026-01-20T00:00:00Z")
            api.settle(api.authorize("one", "r1", n=2), image(0), image(1, 2048, 2048))
            set_clock(api, FEBRUARY)
            api.settle(api.authorize("two", "r2"), image())
            api.settle(api.authorize("one", "r3"), image())  # and the grant lapses
            path = "/v1/accounts/one/charges/r1/refunds"
            assert api.post(path, {"refund_id": "f", "credits": 5, "reason": "blurred"}).status_code == 201
            set_clock(api, FEBRUARY + timedelta(hours=1))
            yield api


def summed(api: Api, condition: str, *arguments: Any) -> dict[tuple[str, str, str], tuple[int, int]]:
    debits: Counter[tuple[str, str, str]] = Counter()
    credits: Counter[tuple[str, str, str]] = Counter()
    for book, asset, debit, credit, amount in on(
        api.dsn,
        lambda c: c.fetch(f"SELECT book, asset, debit, credit, amount FROM transfer WHERE {condition}", *arguments),
    ):
        debits[book, debit, asset] += amount
        credits[book, credit, asset] += amount
    return {key: (debits[key], credits[key]) for key in {*debits, *credits}}


def rows(answer: Any) -> dict[tuple[str, str, str], tuple[int, int]]:
    assert answer.status_code == 200, answer.text
    found = answer.json()
    for row in found["rows"]:
        assert row["balance"] == row["debits"] - row["credits"]
    for total in found["totals"]:
        mine = [row for row in found["rows"] if row["asset"] == total["asset"]]
        assert total["debits"] == total["credits"] == sum(row["debits"] for row in mine)
    assert [total["asset"] for total in found["totals"]] == sorted({row["asset"] for row in found["rows"]})
    return {(r["book"], r["ledger_account"], r["asset"]): (r["debits"], r["credits"]) for r in found["rows"]}


def test_every_ledger_account_is_the_sum_of_its_transfers(books: Api) -> None:
    everything = rows(books.get(PATH, "finance"))
    assert everything == summed(books, "true")
    assert everything["wallet", "expired", "CREDIT"] == (0, 119)  # of 200, of which the two images cost 81
    assert everything["money", "bank", "USD"] == (20_000_000, 0)
    one = rows(books.get(PATH, account_id="one"))
    assert one == summed(books, "account_id = 'one'")
    moment = datetime(2026, 1, 20, tzinfo=UTC)
    then = books.get(PATH, at=moment.isoformat().replace("+00:00", "Z"))
    assert then.json()["at"] == "2026-01-20T00:00:00Z"
    assert rows(then) == summed(books, "effective_at <= $1", moment)
    assert ("wallet", "expired", "CREDIT") in rows(then)  # due that instant, though posted in February
    before = rows(books.get(PATH, at="2026-01-19T23:59:59.999999Z"))
    assert ("wallet", "expired", "CREDIT") not in before
    known = rows(books.get(PATH, at="2026-01-31T00:00:00Z", known_at="2026-01-31T00:00:00Z"))
    assert known == before
    month = books.get(PATH, period="2026-01")
    assert rows(month) == rows(books.get(PATH, at="2026-01-31T23:59:59.999999Z"))
    assert (month.json()["at"], month.json()["period"], month.json()["known"]) == (None, "2026-01", "now")
    assert rows(books.get(PATH, at="2025-12-31T00:00:00Z")) == {}


def test_sums_beyond_64_bits(books: Api) -> None:
    large = 2**63 - 1
    copy = """INSERT INTO transfer SELECT account_id, book, seq + $1, kind, debit, $2, asset, $3, balance_after, NULL, NULL,
              NULL, NULL, effective_at, posted_at, NULL, hash FROM transfer WHERE account_id = 'two' AND book = 'money' AND seq < 100"""
    before = rows(books.get(PATH))["money", "bank", "USD"][0]
    for place in (100, 200):
        ask(books.dsn, copy, place, "deferred_revenue", large)
    try:
        assert rows(books.get(PATH))["money", "bank", "USD"][0] == before + 2 * large
    finally:
        ask(books.dsn, "DELETE FROM transfer WHERE seq >= 100")


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"at": "2026-01-01T00:00:00Z", "period": "2026-01"}, "together"),
        ({"known": "close"}, "give one"),
        ({"period": "2026-01", "known": "close", "known_at": "2026-01-01T00:00:00Z"}, "says when"),
        ({"at": "2026-02-11T00:00:00Z"}, "future"),
        ({"known_at": "2999-01-01T00:00:00Z"}, "future"),
        ({"period": "2026-03"}, "future"),
        ({"period": "2026-13"}, "period"),
        ({"period": "9999-12"}, "period"),
        ({"period": "2026-01\n"}, "period"),
        ({"at": "yesterday"}, "RFC 3339"),
        ({"known": "then", "period": "2026-01"}, "known"),
        ({"account_id": "a b"}, "account_id"),
    ],
)
def test_questions_that_make_no_sense(books: Api, query: dict[str, str], words: str) -> None:
    assert words in problem(books.get(PATH, **query), 422, "validation_error")["detail"]


def test_what_is_not_there(books: Api) -> None:
    assert problem(books.get(PATH, account_id="nobody"), 404, "account_not_found")["account_id"] == "nobody"
    closed = problem(books.get(PATH, period="2026-01", known="close"), 409, "period_not_closed")
    assert closed["period"] == "2026-01"
