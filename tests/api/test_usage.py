"""Usage over HTTP: OpenAI's shape, exact at the moment of the call, and clear words for what cannot be answered."""

import base64
import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from tests.core.test_zones import DAYS

from .service import CLOCK_STARTS_AT, Api, created, image, path_of, set_clock

NEW_YEAR = int(CLOCK_STARTS_AT.timestamp())
HOUR, DAY = 3600, 86_400


def usage(api: Api, account_id: str, role: str = "admin", **query):
    query = {"start_time": NEW_YEAR, "end_time": NEW_YEAR + DAY, **query}
    return api.get(f"/v1/accounts/{account_id}/usage", role, **query)


def results(answer):
    assert answer.status_code == 200, answer.text
    return [result for bucket in answer.json()["data"] for result in bucket["results"]]


def test_the_shape_of_openai(clocked: Api):
    account = clocked.account(1_000)
    charge = clocked.authorize(account, n=3, size="2048x2048", quality="high", api_key_id="k", end_user="eve")
    set_clock(clocked, CLOCK_STARTS_AT + timedelta(hours=1, minutes=3))
    clocked.settle(charge, image(0, 2048, 2048), image(1, 1024, 1024), {"index": 2, "status": "failed"})
    answer = usage(clocked, account, end_time=NEW_YEAR + 2 * HOUR, bucket_width="1h", group_by="model,size_tier")
    shared = {
        "object": "usage.images.result", "account_id": None, "model": "gpt-image-2", "quality": None, "operation": None,
        "api_key_id": None, "end_user": None,
    }  # fmt: skip
    assert answer.json() == {
        "object": "page",
        "data": [
            {
                "object": "bucket",
                "start_time": NEW_YEAR,
                "end_time": NEW_YEAR + HOUR,
                "local_start": "2026-01-01T00:00:00+00:00",
                "results": [],
            },
            {
                "object": "bucket",
                "start_time": NEW_YEAR + HOUR,
                "end_time": NEW_YEAR + 2 * HOUR,
                "local_start": "2026-01-01T01:00:00+00:00",
                "results": [
                    {**shared, "size_tier": None, "requests": 0, "images": 0, "failed_images": 1, "credits": 0},
                    {**shared, "size_tier": "1K", "requests": 0, "images": 1, "failed_images": 0, "credits": 14},
                    {**shared, "size_tier": "2K", "requests": 1, "images": 1, "failed_images": 0, "credits": 67},
                ],
            },
        ],
        "has_more": False,
        "next_page": None,
        "as_of": NEW_YEAR + HOUR + 180,
    }


def test_an_empty_bucket_is_zero(clocked: Api):
    (result,) = results(usage(clocked, clocked.account()))
    assert {name: result[name] for name in ("requests", "images", "failed_images", "credits")} == {
        "requests": 0, "images": 0, "failed_images": 0, "credits": 0,
    }  # fmt: skip
    assert usage(clocked, clocked.account(), fill="none").json()["data"] == []


def test_it_is_exact_at_once_and_holds_do_not_count(api: Api):
    account = api.account(1_000)
    start = int(datetime.now(UTC).timestamp()) // 900 * 900
    charge = api.authorize(account, n=1, size="1K", quality="high")

    def spent():
        return sum(r["credits"] for r in results(api.get(f"/v1/accounts/{account}/usage", "gateway", start_time=start)))

    assert spent() == 0
    api.settle(charge, image())
    assert spent() == 14
    created(api.post(f"{path_of(charge)}/refunds", {"refund_id": "f", "credits": 4, "reason": "sorry"}))
    assert spent() == 10


def test_refunds_are_negative_at_their_own_time(clocked: Api):
    account = clocked.account(1_000)
    charge = clocked.authorize(account, size="1K", quality="high", outputs=[image()])
    set_clock(clocked, CLOCK_STARTS_AT + timedelta(days=2))
    created(clocked.post(f"{path_of(charge)}/refunds", {"refund_id": "f", "reason": "sorry"}))
    days = usage(clocked, account, end_time=NEW_YEAR + 3 * DAY).json()["data"]
    assert [(d["results"][0]["images"], d["results"][0]["credits"]) for d in days] == [(1, 14), (0, 0), (0, -14)]


def test_pages_go_on_where_they_end(clocked: Api):
    account = clocked.account(1_000)
    seen, query = [], {"end_time": NEW_YEAR + 10 * DAY, "limit": 3, "tz": "America/New_York"}
    while True:
        page = usage(clocked, account, **query).json()
        seen += [(bucket["start_time"], bucket["end_time"]) for bucket in page["data"]]
        assert page["has_more"] == (page["next_page"] is not None)
        if not page["has_more"]:
            break
        query["page"] = page["next_page"]
    assert seen[0] == (NEW_YEAR, NEW_YEAR + 5 * HOUR)
    assert seen[-1] == (NEW_YEAR + 9 * DAY + 5 * HOUR, NEW_YEAR + 10 * DAY)
    assert all(a[1] == b[0] for a, b in pairwise(seen))
    assert len(seen) == 11


def test_a_bucket_of_many_groups_goes_on_too(clocked: Api, monkeypatch):
    monkeypatch.setattr("billing.books.usage.report.GROUPS", 2)
    account = clocked.account(1_000)
    users = ["ann", "bob\tb", "=1+1", "<script>", "ñ"]
    for user in users:
        clocked.authorize(account, size="1K", quality="high", outputs=[image()], end_user=user)
    seen, query = [], {"group_by": "end_user"}
    while True:
        page = usage(clocked, account, **query).json()
        assert [bucket["start_time"] for bucket in page["data"]] == [NEW_YEAR]
        seen += [result["end_user"] for result in page["data"][0]["results"]]
        if not page["has_more"]:
            break
        query["page"] = page["next_page"]
    assert sorted(seen) == sorted(users)


def test_filters_may_be_repeated_and_mean_any_of(clocked: Api):
    account = clocked.account(1_000)
    for quality in ("low", "medium", "high"):
        clocked.authorize(account, size="1K", quality=quality, outputs=[image()])
    assert results(usage(clocked, account, quality="low"))[0]["credits"] == 1
    assert results(usage(clocked, account, quality=["low", "high"]))[0]["credits"] == 15
    assert results(usage(clocked, account, quality="none"))[0]["credits"] == 0
    assert results(usage(clocked, account, end_user="", api_key_id=""))[0]["credits"] == 19


def test_across_accounts(clocked: Api):
    one, two = clocked.account(1_000), clocked.account(1_000)
    for account in (one, two, two):
        clocked.authorize(account, size="1K", quality="high", outputs=[image()])
    query = {"start_time": NEW_YEAR, "end_time": NEW_YEAR + DAY}

    def by_account(**more):
        found = results(clocked.get("/v1/usage", "finance", **query, group_by="account_id", **more))
        return {result["account_id"]: result["credits"] for result in found}

    assert by_account() == {one: 14, two: 28}
    assert by_account(account_id=two) == {two: 28}
    assert by_account(account_id=[one, two]) == {one: 14, two: 28}
    assert by_account(account_id="nobody") == {}
    (total,) = results(clocked.get("/v1/usage", "finance", **query))
    assert (total["credits"], total["requests"]) == (42, 3)
    set_clock(clocked, CLOCK_STARTS_AT + timedelta(days=1, minutes=1))  # the day is left behind by one of them
    clocked.authorize(two, size="1K", quality="high", outputs=[image()])
    assert by_account() == {one: 14, two: 28}


def test_days_where_the_law_changed_and_what_clocks_show(clocked: Api):
    """The system's table of zones may be years old: the package's decides, from the clock to the page."""
    for name, instant, day in sorted(DAYS, key=lambda one: one[1]):
        moment = datetime.fromisoformat(instant)
        set_clock(clocked, moment)
        account = clocked.account(1_000)
        clocked.authorize(account, size="1K", quality="high", outputs=[image()])
        asked = {"start_time": "2026-11-29", "end_time": "2026-12-03", "tz": name, "fill": "none"}
        (bucket,) = clocked.get(f"/v1/accounts/{account}/usage", **asked).json()["data"]
        assert bucket["local_start"].startswith(f"{day}T00:00:00"), name
        assert datetime.fromisoformat(bucket["local_start"]).timestamp() == bucket["start_time"] <= moment.timestamp()
        assert (bucket["end_time"] - bucket["start_time"], bucket["results"][0]["credits"]) == (DAY, 14)


def test_a_day_is_asked_for_as_a_day(api: Api):
    account = api.account()
    found = usage(api, account, start_time="2026-03-29", end_time="2026-03-30", tz="Europe/Madrid").json()["data"]
    assert [(one["end_time"] - one["start_time"], one["local_start"]) for one in found] == [
        (23 * HOUR, "2026-03-29T00:00:00+01:00")
    ]
    assert usage(api, account, tz="Etc/Unknown").json()["data"][0]["local_start"] == "2026-01-01T00:00:00+00:00"


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"start_time": NEW_YEAR + DAY}, "end_time"),
        ({"start_time": NEW_YEAR + 2 * DAY}, "end_time"),
        ({"start_time": NEW_YEAR + 1}, "start_time"),
        ({"start_time": NEW_YEAR - DAY, "end_time": NEW_YEAR - 7}, "end_time"),
        ({"start_time": NEW_YEAR - 100 * 365 * DAY // 2, "end_time": NEW_YEAR + 50 * 365 * DAY}, "end_time"),
        ({"start_time": -900}, "start_time"),
        ({"start_time": 10**30}, "start_time"),
        ({"end_time": 10**18}, "end_time"),
        ({"start_time": "yesterday"}, "start_time"),
        ({"start_time": ""}, "start_time"),
        ({"start_time": "2026-02-30"}, "start_time"),
        ({"start_time": "0001-01-01"}, "start_time"),
        ({"end_time": "2150-01-01"}, "end_time"),
        ({"start_time": "2026-01-01", "tz": "localtime"}, "tz"),
        ({"tz": "Factory"}, "tz"),
        ({"tz": "Mars/Olympus"}, "tz"),
        ({"tz": "../../etc/localtime"}, "tz"),
        ({"tz": "\x00"}, "tz"),
        ({"group_by": "colour"}, "group_by"),
        ({"group_by": "account_id"}, "group_by"),
        ({"group_by": "model,,"}, "group_by"),
        ({"group_by": "credits; DROP TABLE usage_bucket"}, "group_by"),
        ({"bucket_width": "1w"}, "bucket_width"),
        ({"fill": "linear"}, "fill"),
        ({"limit": 0}, "limit"),
        ({"limit": 10_000_000}, "limit"),
        ({"model": "\x00"}, "model"),
        ({"end_user": "\x00"}, "end_user"),
        ({"page": "not-ours"}, "page"),
        ({"page": "x" * 3000}, "page"),
    ],
)
def test_what_cannot_be_answered_is_refused(api: Api, query, field):
    answer = usage(api, api.account(), **query)
    assert answer.status_code == 422, answer.text
    problem = answer.json()
    assert problem["code"] == "validation_error"
    assert field in problem["errors"][0]["field"]


def cursor(*parts) -> str:
    return base64.urlsafe_b64encode(json.dumps(list(parts)).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "page",
    [
        cursor(NEW_YEAR + 1, ""),
        cursor(NEW_YEAR - DAY, ""),
        cursor(NEW_YEAR + DAY, ""),
        cursor(2**63, ""),
        cursor(-(2**62), ""),
        cursor(NEW_YEAR),
        cursor(NEW_YEAR, None),
        cursor(NEW_YEAR, cursor("gpt-image-2", "more")),
        cursor(NEW_YEAR, cursor()),
        cursor(NEW_YEAR, cursor("%00")),
        cursor(NEW_YEAR, cursor(7)),
        cursor("a", "b"),
        cursor(NEW_YEAR, "x"),
    ],
)
def test_tampered_pages_are_refused(api: Api, page):
    answer = usage(api, api.account(), group_by="model", page=page)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["field"] == "page"


def test_start_time_is_needed(api: Api):
    answer = api.get(f"/v1/accounts/{api.account()}/usage")
    assert answer.status_code == 422
    assert "start_time" in answer.json()["errors"][0]["field"]


def test_an_account_that_is_not_there(api: Api):
    assert usage(api, "nobody").status_code == 404
    assert usage(api, "nobody", tz="Mars").status_code == 404
