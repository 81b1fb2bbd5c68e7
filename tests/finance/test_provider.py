"""The provider's reports: what is imported, what is refused, and the margins that follow, beside figures made by hand."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from billing.books.margins.shares import rounded, shared
from billing.books.provider_reports.line_items import Catalogue, LineItem
from billing.books.provider_reports.pages import read
from billing.commands import app
from billing.core.prices import PUBLISHED, PriceBook, PriceBooks
from billing.core.refusals import Invalid
from billing.embedded import EmbeddedPostgres
from tests.api.service import ADMIN_KEY, Api, ask, image, problem, replayed, serving, set_clock, with_a_clock
from tests.conftest import copied

DAY = datetime(2026, 1, 10, tzinfo=UTC)
REPORTS, MARGINS = "/v1/provider-reports", "/v1/finance/margins"
MONTH = {"start": "2026-01-01T00:00:00Z", "end": "2026-02-01T00:00:00Z"}


def usage(
    images: Any, size: str | None = "1024x1024", model: str | None = "gpt-image-2", **more: Any
) -> dict[str, Any]:
    kind = "organization.usage.images.result"
    return {"object": kind, "images": images, "num_model_requests": 1, "size": size, "model": model, **more}


def cost(value: Any, line_item: str | None = "gpt-image-2, image output", currency: str = "usd") -> dict[str, Any]:
    amount = {"value": value, "currency": currency}
    return {"object": "organization.costs.result", "amount": amount, "line_item": line_item, "project_id": None}


def bucket(*results: Any, day: int = 0, days: int = 1) -> dict[str, Any]:
    start = int((DAY + timedelta(days=day)).timestamp())
    return {"object": "bucket", "start_time": start, "end_time": start + days * 86_400, "results": list(results)}


def page(*buckets: Any, has_more: Any = False) -> dict[str, Any]:
    return {"object": "page", "data": list(buckets), "has_more": has_more, "next_page": "page_2" if has_more else None}


def content(*pages: Any) -> bytes:
    return "\n".join(page if isinstance(page, str) else json.dumps(page) for page in pages).encode()


@pytest.fixture(scope="module")
def books(server: EmbeddedPostgres, template: str) -> Iterator[Api]:
    """A day with images of every worth: paid, given, owed, refunded, corrected to nothing and failed."""
    with copied(server, template) as dsn:
        with_a_clock(dsn)
        with serving(dsn, expiry_seconds=1_000_000) as api:
            set_clock(api, DAY + timedelta(hours=9))
            for account, credit_limit in (("one", 0), ("two", 0), ("three", 0), ("owing", 100)):
                api.post("/v1/accounts", {"account_id": account, "credit_limit": credit_limit})
            api.grant("one", 1_000, amount_paid={"micros": 10_000_000, "currency": "USD"})
            api.grant("two", 20, kind="promotion")
            api.grant("two", 100, amount_paid={"micros": 5_000_000, "currency": "EUR"})
            api.grant("three", 300, amount_paid={"micros": 1_000_000, "currency": "USD"})
            api.settle(
                api.authorize("one", "r1", n=3), image(0), image(1, 2048, 2048), {"index": 2, "status": "failed"}
            )
            api.settle(api.authorize("two", "r2", n=2), image(0), image(1))  # 20 of 28 credits were given
            for quality, edge in (("low", 1024), ("low", 2048), ("medium", 1024)):  # 1, 2 and 4 credits, a third each
                api.settle(api.authorize("three", f"{quality}-{edge}", quality=quality), image(0, edge, edge))
            api.settle(api.authorize("owing", "r4"), image())
            set_clock(api, DAY + timedelta(days=1, hours=9))
            refund = {"refund_id": "f", "outputs": [1], "reason": "blurred"}
            assert api.post("/v1/accounts/one/charges/r1/refunds", refund).status_code == 201
            api.settle(api.authorize("one", "next-day"), image())
            yield api


def bring(api: Api, *pages: Any, role: str = "finance") -> Any:
    return api.call("POST", REPORTS, role=role, content=content(*pages))


def margins(api: Api, **query: Any) -> dict[str, Any]:
    answer = api.get(MARGINS, "finance", **(query or MONTH))
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    for listed in (found["cells"], found["kinds"]):  # both sum to the total, to the micro
        for name in ("images", "failed_images", "credits", "returned_credits", "cost_micros", "margin_micros"):
            assert sum(one[name] or 0 for one in listed) == (found["total"][name] or 0), name
        revenue = {one["currency"]: one["micros"] for one in found["total"]["revenue"]}
        for currency, micros in revenue.items():
            assert sum(r["micros"] for one in listed for r in one["revenue"] if r["currency"] == currency) == micros
    shared = found["provider"]["cost_micros"] - found["provider"]["unattributed_micros"]
    assert (found["total"]["cost_micros"] or 0) == shared
    return found


def test_revenue_without_the_provider(books: Api) -> None:
    """10,000 micros a credit; 50,000 of EUR for 8; thirds of a third; nothing for what is given, owed or refunded."""
    found = margins(books)
    cells = {(c["day"], c["size_tier"], c["quality"]): c for c in found["cells"]}
    assert {
        name: (c["images"], c["failed_images"], c["credits"], c["returned_credits"]) for name, c in cells.items()
    } == {
        ("2026-01-10", "1K", "high"): (4, 1, 14 + 28 + 14, 0),
        ("2026-01-10", "2K", "high"): (1, 0, 67, 67),
        ("2026-01-10", "1K", "low"): (1, 0, 1, 0),
        ("2026-01-10", "2K", "low"): (1, 0, 2, 0),
        ("2026-01-10", "1K", "medium"): (1, 0, 4, 0),
        ("2026-01-11", "1K", "high"): (1, 0, 14, 0),
    }
    revenue = {name: {r["currency"]: r["micros"] for r in c["revenue"]} for name, c in cells.items()}
    assert revenue["2026-01-10", "1K", "high"] == {"EUR": 400_000, "USD": 140_000}
    assert revenue["2026-01-10", "2K", "high"] == {}
    # 3,333.3 and 6,666.7 and 13,333.3 make 23,333: the largest remainder gets the micro that flooring loses.
    thirds = [
        revenue["2026-01-10", tier, quality]["USD"]
        for tier, quality in (("1K", "low"), ("2K", "low"), ("1K", "medium"))
    ]
    assert thirds == [3_333, 6_667, 13_333]
    assert (found["unpaid_credits"], found["free_credits"]) == (14, 20)
    assert (found["total"]["cost_micros"], found["total"]["margin_micros"], found["losing"]) == (None, None, [])
    assert found["total"]["uncosted_images"] == 9
    assert margins(books, **MONTH, model="gpt-image-1.5")["cells"] == []
    assert margins(books, period="2026-01")["cells"] == found["cells"]


def test_a_report_its_margins_and_the_same_again(books: Api) -> None:
    """Images differ in one tier; a cost is shared by images where the bill names no tier; one cell loses."""
    first = page(bucket(usage(6), usage(3, "2048x2048"), usage(1, None, "dall-e-3")), has_more=True)
    second = page(bucket(usage(1, model="gpt-image-2-2026-04-21"), day=1))
    costs = page(
        bucket(
            cost(0.08, "gpt-image-2, text input"),  # by images over all 8 of the day
            cost("1.25", "gpt-image-2 2048x2048 high"),
            cost(0.5, "gpt-5-mini, output"),
            cost(0.25, "dall-e-3, 1024x1024"),
        )
    )
    answer = bring(books, first, second, costs)
    assert answer.status_code == 201, answer.text
    report = answer.json()
    assert (report["images"], report["cost_micros"], report["pages"], report["replaced"]) == (11, 2_080_000, 3, 0)
    assert (report["starts_at"], report["ends_at"]) == ("2026-01-10T00:00:00Z", "2026-01-12T00:00:00Z")
    found = margins(books)
    cells = {(c["day"], c["size_tier"], c["quality"]): c for c in found["cells"]}
    assert {name: (c["cost_micros"], c["margin_micros"], c["shared_cost"]) for name, c in cells.items()} == {
        ("2026-01-10", "1K", "high"): (40_000, 100_000, True),
        ("2026-01-10", "2K", "high"): (1_260_000, -1_260_000, True),
        ("2026-01-10", "1K", "low"): (10_000, 3_333 - 10_000, True),
        ("2026-01-10", "2K", "low"): (10_000, 6_667 - 10_000, True),
        ("2026-01-10", "1K", "medium"): (10_000, 3_333, True),
        ("2026-01-11", "1K", "high"): (None, None, False),
    }
    assert [(c["size_tier"], c["quality"]) for c in found["losing"]] == [("2K", "high"), ("1K", "low"), ("2K", "low")]
    assert (found["kinds"][0]["size_tier"], found["kinds"][0]["quality"]) == ("2K", "high")
    assert [tuple(d.values()) for d in found["differences"]] == [
        ("2026-01-10", "dall-e-3", None, 1, 0, 0),
        ("2026-01-10", "gpt-image-2", "2K", 3, 2, 0),
    ]
    assert [(u["line_item"], u["cost_micros"], u["reason"]) for u in found["unattributed"]] == [
        ("dall-e-3, 1024x1024", 250_000, "unknown_model"),
        ("gpt-5-mini, output", 500_000, "unknown_model"),
    ]
    before = books.contents()
    set_clock(books, DAY + timedelta(days=2))
    assert replayed(bring(books, first, second, costs, role="admin")) == report
    assert books.contents() == before
    again = bring(books, second, first, costs, role="admin").json()  # in another order: other bytes, the same lines
    assert (again["replaced"], again["images"]) == (8, 11)
    assert margins(books) == found | {"as_of": "2026-01-12T00:00:00Z"}
    set_clock(books, DAY + timedelta(days=3))
    # What a report no longer says is gone; a bucket without results says that there was nothing.
    assert bring(books, page(bucket(usage(8, None)), bucket(day=1))).status_code == 201
    assert [tuple(d.values()) for d in margins(books)["differences"]] == [("2026-01-11", "gpt-image-2", "1K", 0, 1, 0)]
    listed = books.get(REPORTS, "finance", limit=2).json()
    finance, admin = (one["imported_by"] for one in listed["data"])
    assert finance != admin
    rest = books.get(REPORTS, "finance", cursor=listed["next_cursor"]).json()
    assert [one["report_id"] for one in rest["data"]] == [report["report_id"]]
    assert len(report["files"][0]["sha256"]) == 64


def test_nothing_half_applied(books: Api) -> None:
    """A bucket of hours that reaches out of one that is known would count twice; nothing of the import stays."""
    assert bring(books, page(bucket(usage(1), day=5))).status_code == 201
    hours = bucket(usage(2), day=5) | {"end_time": bucket(day=5)["start_time"] + 3_600}
    before = books.contents()
    refused = problem(bring(books, page(bucket(usage(7), day=6)), page(hours)), 422, "validation_error")
    assert "overlaps the bucket from 2026-01-15T00:00Z to 2026-01-16T00:00Z" in refused["detail"]
    assert books.contents() == before
    assert ask(books.dsn, "SELECT count(*) FROM provider_usage WHERE images = 7") == 0
    problem(
        books.call("POST", f"{REPORTS}?provider=acme", role="finance", content=content(page())), 422, "validation_error"
    )
    problem(bring(books, page()), 422, "validation_error")
    problem(bring(books, "{" * 100_000), 422, "validation_error")
    problem(books.call("POST", REPORTS, role="finance", content=b" " * (9 << 20)), 413, "payload_too_large")
    for query in (
        {},
        {"start": MONTH["start"]},
        MONTH | {"end": "2026-05-01T00:00:00Z"},
        MONTH | {"start": "2026-01-01T01:00:00Z"},
    ):
        problem(books.get(MARGINS, "finance", **query), 422, "validation_error")


def test_costs_grouped_by_whatever_there_is_are_as_many_lines(books: Api) -> None:
    """By user, source or what is not known yet: two lines of a bucket are two, and all of them sum to what was taken."""
    by_user = [cost(0.06) | {"user_id": "user-a"}, cost(0.04) | {"user_id": "user-b"}]
    by_source = [cost(0.06) | {"api_source": "agents_api"}, cost(0.04) | {"api_source": "unlabeled"}]
    by_all = [
        cost(0.06) | {"batch": True, "tier": None},
        cost(0.04) | {"batch": False, "tier": "flex", "quantity": 1.5},
    ]
    by_model = [usage(1.0) | {"tier": "flex"}, usage(2)]
    for number, results in enumerate((by_user, by_source, by_all)):
        report = bring(books, page(bucket(*results, day=12))).json()
        assert (report["cost_lines"], report["cost_micros"], report["replaced"]) == (2, 100_000, 2 * bool(number))
    assert (
        margins(books, start="2026-01-22T00:00:00Z", end="2026-01-23T00:00:00Z")["provider"]["cost_micros"] == 100_000
    )
    assert ask(books.dsn, "SELECT others FROM provider_cost WHERE amount_micros = 60000") == '{"batch": true}'
    assert bring(books, page(bucket(*by_model, day=12))).json()["images"] == 3


HUGE = "9" * 5_000
REFUSED = {
    "nothing": ("", "body: is empty", None),
    "something else": ('{"object": "list"}', 'must be an object with "object": "page"', None),
    "a number": ("7", 'must be an object with "object": "page"', None),
    "no has_more": ('{"object": "page", "data": []}', "has_more: must be true or false", None),
    "another kind of usage": (
        page(bucket({"object": "organization.usage.completions.result"})),
        "data[0].results[0]: must be an object of the kind organization.usage.images.result or",
        None,
    ),
    "two kinds in a page": (page(bucket(usage(1), cost(1))), "data[0].results[1]: is of another kind", None),
    "no results at all": (page(bucket()), "has no results", None),
    "a missing page": (page(bucket(usage(1)), has_more=True), "has_more: says that there is more, but no page from 2026-01-11T00:00Z", None),
    "a page between is missing": (
        page(bucket(usage(1)), has_more=True),
        "line 1: has_more: says that there is more, but no page from 2026-01-11T00:00Z on",
        page(bucket(usage(1), day=2)),
    ),
    "overlapping buckets": (page(bucket(usage(1)), {**bucket(usage(1)), "start_time": bucket()["start_time"] + 60}), "data[1]: overlaps the bucket at data[0]", None),
    "the same line twice": (page(bucket(usage(1), usage(2))), "data[0].results[1]: says again what data[0].results[0] says", None),
    "the same line twice, by user": (
        page(bucket(cost(1) | {"user_id": "a", "quantity": 1}, cost(1) | {"user_id": "a", "quantity": 2})), "results[1]: says again", None,
    ),
    "by line item and by user": (
        page(bucket(cost(1))),
        "line 2: tells 2026-01-10 apart by user_id, and line 1 by line_item: both would count",
        page(bucket(cost(1, None) | {"user_id": "a"})),
    ),
    "what no line is told apart by": (page(bucket(cost(1) | {"batch": {}})), "results[0].batch: is of no known shape", None),
    "more names than an index holds": (
        page(bucket(cost(1) | {f"name-{number}": "é" * 250 for number in range(5)})), "results[0]: is told apart by more than 2000 bytes", None,
    ),
    "longer than a day": (page(bucket(usage(1), days=7)), "data[0]: is longer than its day in UTC", None),
    "ends before it starts": (page(bucket(usage(1), days=-1)), "data[0].end_time: must be after start_time", None),
    "negative images": (page(bucket(usage(-1))), "data[0].results[0].images: must be an integer from 0", None),
    "half an image": (page(bucket(usage(0.5))), "images: must be an integer", None),
    "true images": (page(bucket(usage(True))), "images: must be an integer", None),
    "NUL in a name": (page(bucket(usage(1, model="a\0b"))), "model: must be null or printable text", None),
    "negative costs": (page(bucket(cost(-0.01))), "amount.value: is negative", None),
    "another currency": (page(bucket(cost(1, currency="eur"))), "amount.currency: must be USD", None),
    "a cost that is none": (page(bucket(cost("1,5"))), "amount.value: must be a decimal number of dollars", None),
    "a huge cost": (page(bucket(cost("1e999999999"))), "amount.value: must be at most 1000000000 dollars", None),
    "a cost that only Python reads": (page(bucket(cost("1_0"))), "amount.value: must be a decimal number of dollars", None),
    "an exponent of many digits": (f'{{"object": 1e{"9" * 30}}}', "holds a number that cannot be one", None),
    "a name twice": ('{"object": "page", "data": [], "data": []}', "says data twice in one object", None),
    "a huge integer": (f'{{"object": "page", "data": {HUGE}}}', "holds a number that cannot be one", None),
    "not a number": ('{"object": NaN}', "holds a number that cannot be one", None),
    "a truncated last line": (page(bucket(usage(1))), "line 2: is not JSON", '{"object": "pa'),
    "another encoding": ('{"object": "é"}', "line 1: is not UTF-8", None),
}  # fmt: skip


@pytest.mark.parametrize(("given", "said", "after"), REFUSED.values(), ids=REFUSED)
def test_refused(given: Any, said: str, after: Any) -> None:
    body = content(*(part for part in (given, after) if part is not None))
    if "UTF-8" in said:
        body = given.encode("latin-1")
    with pytest.raises(Invalid) as refused:
        read("openai", [("", body)])
    assert said in refused.value.detail
    with pytest.raises(Invalid) as named:
        read("openai", [("costs.json", body)])
    assert named.value.detail.startswith("costs.json: ")


def test_money_is_never_a_float() -> None:
    """Half to even, from the digits that stand there; text and numbers alike."""
    digits = [b"0.1", b'"0.1"', b"0.0000005", b"0.0000015", b"1e-7", b"12345678.123456500000000000000000000001", b"0"]
    pages = b"\n".join(
        content(page(bucket(cost("VALUE"), day=day))).replace(b'"VALUE"', value) for day, value in enumerate(digits)
    )
    assert [line.amount_micros for line in read("openai", [("", pages)]).costs] == [
        100_000, 100_000, 0, 2, 0, 12_345_678_123_457, 0,
    ]  # fmt: skip
    assert shared(10, [1, 1, 1]) == [4, 3, 3]
    assert shared(7, [0, 5, 2]) == [0, 5, 2]
    assert rounded([Decimal(1) / 3] * 3) == [1, 0, 0]
    assert rounded([]) == []


@pytest.mark.parametrize(
    ("line_item", "item"),
    [
        ("gpt-image-2, image output", LineItem("gpt-image-2")),
        ("GPT Image 2 - high - 1024x1024", LineItem("gpt-image-2", "1K", "high")),
        ("gpt-image-2-2026-04-21 image output 3840x2160", LineItem("gpt-image-2", "4K")),
        ("gpt-image-1.5-2025-12-16, auto", LineItem("gpt-image-1.5", None, "high")),
        ("gpt-image-1.5 low or medium", LineItem("gpt-image-1.5")),
        ("gpt-image-2-mini, image output", LineItem()),
        ("gpt-image-25", LineItem()),
        ("chatgpt-image-2", LineItem()),
        ("", LineItem()),
    ],
)
def test_line_items(line_item: str, item: LineItem) -> None:
    catalogue = Catalogue(PriceBooks([PriceBook.of(1, DAY, PUBLISHED)]))
    assert catalogue.item(line_item) == item
    assert catalogue.tier("gpt-image-2", "1536x1024") == "1K"
    assert catalogue.tier("gpt-image-2", "auto") is None
    assert catalogue.model("gpt-image-1.5-2025-12-16") == "gpt-image-1.5"


def test_corrections_and_debts_that_are_paid(books: Api) -> None:
    """An image counts as it was really delivered; what was owed is worth what the grant that pays it was bought for."""
    set_clock(books, DAY + timedelta(days=4, hours=9))
    books.post("/v1/accounts", {"account_id": "measured"})
    books.grant("measured", 200, amount_paid={"micros": 2_000_000, "currency": "USD"})
    books.settle(books.authorize("measured", "r5", n=2), image(0), image(1))
    manifest = (
        b"account_id,request_id,index,status,width,height\nmeasured,r5,0,succeeded,2048,2048\nmeasured,r5,1,failed,,\n"
    )
    path = "/v1/reconciliations"
    headers = {"Content-Type": "text/csv"}
    done = books.call("POST", f"{path}?reconciliation_id=m", role="finance", content=manifest, headers=headers)
    assert done.status_code == 201, done.text
    assert books.post(f"{path}/m/apply", {"reason": "measured"}, "finance").json()["state"] == "applied"
    before = margins(books)
    cells = {(c["size_tier"], c["quality"]): c for c in before["cells"] if c["day"] == "2026-01-14"}
    assert {name: (c["images"], c["failed_images"], c["credits"]) for name, c in cells.items()} == {
        ("1K", "high"): (0, 1, 0),
        ("2K", "high"): (1, 0, 67),
    }
    assert cells["2K", "high"]["revenue"] == [{"currency": "USD", "micros": 670_000}]
    books.grant("owing", 50, amount_paid={"micros": 5_000_000, "currency": "USD"})
    after = margins(books)
    assert (before["unpaid_credits"], after["unpaid_credits"]) == (14, 0)
    was, now = (next(r["micros"] for r in m["total"]["revenue"] if r["currency"] == "USD") for m in (before, after))
    assert now - was == 14 * 100_000
    # And revenue as it is recognised, grant by grant, is the same.
    assert books.post("/v1/finance/recognition", {}).status_code == 200
    recognised = books.get("/v1/finance/revenue", "finance", period="2026-01").json()["currencies"]
    revenue = {one["currency"]: one["micros"] for one in after["total"]["revenue"]}
    assert {one["currency"]: one["revenue_usage_micros"] for one in recognised} == revenue


def test_on_the_command_line(books: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several files are one import; a bad one is named with its line, and nothing of the others is taken."""
    monkeypatch.setenv("DATABASE_URL", books.dsn)
    monkeypatch.setenv("BILLING_ADMIN_KEY", ADMIN_KEY)
    for shelf in ("margins", "provider_reports"):
        monkeypatch.setattr(f"billing.books.{shelf}.command.console", Console(width=200))

    def told(*words: str) -> Any:
        return CliRunner().invoke(app, list(words), catch_exceptions=True)

    used, paid = tmp_path / "usage.json", tmp_path / "costs.jsonl"
    used.write_bytes(content(page(bucket(usage(4), day=8))))
    paid.write_bytes(content(page(bucket(cost("0.10"), day=8)), '{"object": "page"'))
    before = books.contents()
    refused = told("provider", "import", str(used), str(paid)).exception
    assert str(refused).startswith(f"{paid}: line 2: is not JSON")
    assert books.contents() == before
    paid.write_bytes(content(page(bucket(cost("0.10"), day=8))))
    assert "4 images" in told("provider", "import", str(used), str(paid), "--key", ADMIN_KEY).output
    assert "imported before" in told("provider", "import", str(used), str(paid)).output
    assert "environment" in {one["imported_by"] for one in books.get(REPORTS).json()["data"]}
    days = ("--from", "2026-01-01", "--to", "2026-02-01")
    said = told("margins", *days).output
    assert "2026-01-18: the provider says 4 images of gpt-image-2 1K, we billed 0" in said
    assert "0.100000 USD for “gpt-image-2, image output” is unattributed: no such image was billed." in said
    said = told("margins", *days, "--json").output
    shown = json.loads(said[said.index("{") :])  # what is logged before says that the clock was set
    assert shown["total"] == margins(books)["total"]
