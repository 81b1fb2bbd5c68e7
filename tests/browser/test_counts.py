"""What the usage page makes of counts by itself: the largest and the rest, files, and days of any zone."""

import csv
import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Locator, expect
from playwright.sync_api import Page as Window

from billing.core.periods import buckets, zone
from billing.dashboard.assets import BASE

from .place import ACCOUNT, Place
from .visitor import Visitor

Visit = Callable[..., Visitor]
IMAGE = {"status": "succeeded", "width": 1024, "height": 1024}
ZONES = ("Europe/Madrid", "America/Havana", "Africa/Cairo", "Asia/Kathmandu", "Australia/Lord_Howe", "America/Santiago")


def sheet(window: Window, name: str) -> Locator:
    return window.get_by_role("table", name=name, exact=True)


def numbers(row: Locator) -> list[int]:
    return [int(text.replace(",", "")) for text in row.get_by_role("cell").all_inner_texts()[1:]]


def test_many_end_users_are_the_ten_largest_and_the_rest(place: Place, visit: Visit) -> None:
    account_id = place.new_account()
    for number in range(13):
        n = 2 if number < 10 else 1
        place.authorize(account_id, f"r{number}", end_user=f"user-{number:02}", quality="low", n=n)
        place.settle(account_id, f"r{number}", *({"index": index, **IMAGE} for index in range(n)))
    window = visit("finance").open(f"/accounts/{account_id}/usage?group=end_user")
    rows = sheet(window, "Totals by end user").locator("tbody tr")
    expect(rows).to_have_count(11)
    expect(rows.last).to_contain_text("all others")
    assert numbers(rows.last) == [3, 0, 3, 3]
    assert numbers(sheet(window, "Totals by end user").locator("tfoot tr")) == [13, 0, 23, 23]


def test_where_there_are_too_many_to_fetch_only_the_largest_are(place: Place, visit: Visit) -> None:
    """The module that puts counts together, told to take one page of groups for as much as it can carry."""
    window = visit("account").open(f"/accounts/{ACCOUNT}/grants")
    start = int((datetime.now(UTC) - timedelta(days=20)).replace(hour=0, minute=0, second=0, microsecond=0).timestamp())
    query = {"start_time": start, "bucket_width": "1d", "tz": "UTC", "limit": 2}  # so that pages are many
    path = f"/v1/accounts/{ACCOUNT}/usage"
    found = window.evaluate(
        """async ([base, path, query]) => {
          const { counted } = await import(`${base}/counts.js`);
          const { periods, series, counts, total, cut } = await counted(path, query, "api_key_id");
          const plain = (value) => JSON.parse(JSON.stringify(value, (_, one) => (typeof one === "bigint" ? Number(one) : one)));
          return plain({ periods, series, counts, total, cut });
        }""",
        [BASE, path, query],
    )
    told = place.get(path, **query | {"limit": 100})["data"]
    assert [one["start"] for one in found["periods"]] == [bucket["start_time"] for bucket in told]
    assert [one["credits"] for one in found["counts"]] == [bucket["results"][0]["credits"] for bucket in told]
    assert found["series"][-1]["rest"] is True
    assert found["cut"] is False
    for number, counts in enumerate(found["counts"]):
        for name, value in counts.items():
            assert sum(series["counts"][number][name] for series in found["series"]) == value
    for series in found["series"][:-1]:
        own = place.get(path, **query | {"limit": 100, "api_key_id": series["value"]})["data"]
        assert series["total"]["credits"] == sum(bucket["results"][0]["credits"] for bucket in own)


def test_the_file_has_what_the_table_has_and_runs_nothing_in_a_spreadsheet(place: Place, visit: Visit) -> None:
    account_id = place.new_account()
    for number, end_user in enumerate(("=1+1", "@cmd", 'a "b", c')):
        place.authorize(account_id, f"r{number}", end_user=end_user)
        place.settle(account_id, f"r{number}", {"index": 0, **IMAGE})
    window = visit("finance").open(f"/accounts/{account_id}/usage?group=end_user")
    card = window.locator(".card", has=sheet(window, "Totals by end user"))
    with window.expect_download() as download:
        card.get_by_role("button", name="Download as CSV").click()
    text = download.value.path().read_bytes().decode("utf-8-sig")
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert rows[0] == ["End user", "Requests", "Failed, not charged", "Images", "Credits"]
    each = ["1", "0", "1", "14"]
    assert sorted(rows[1:4]) == [["'=1+1", *each], ["'@cmd", *each], ['a "b", c', *each]]
    assert rows[4:] == [["Total", "3", "0", "3", "42"]]


def test_the_chart_is_read_with_the_arrow_keys(visit: Visit) -> None:
    window = visit("account").open(f"/accounts/{ACCOUNT}/usage")
    window.get_by_role("group", name="Chart: Credits by model").focus()
    told = []
    for key in ("Home", "ArrowRight", "End"):
        window.keyboard.press(key)
        told.append(window.locator(".readout").inner_text().split(" · ")[0])
    window.get_by_text("The same as a table").click()
    titles = sheet(window, "Credits by model").locator("tbody tr td:first-child").all_inner_texts()
    assert told == [titles[0], titles[1], titles[-1]]


@pytest.mark.parametrize("name", ZONES)
def test_days_begin_where_the_service_has_them_begin(visit: Visit, name: str) -> None:
    """Days of two years, all those on which clocks change among them; some change at midnight."""
    window = visit("account").open(f"/accounts/{ACCOUNT}/grants")
    first = datetime(2025, 1, 1, tzinfo=UTC)
    periods = list(buckets(first, first + timedelta(days=740), "1d", zone(name)))
    spans = {since.astimezone(zone(name)).date().isoformat(): (since, until) for since, until in periods[1:-1]}
    changes = {day for day, (since, until) in spans.items() if until - since != timedelta(days=1)}
    days = sorted({*changes, *list(spans)[::14]})
    found = window.evaluate(
        """async ([base, zone, days]) => {
          const { span } = await import(`${base}/ranges.js`);
          return days.map((day) => span({ range: "custom", from: day, to: day }, zone, 4102444800));
        }""",
        [BASE, name, days],
    )
    assert [(one["start"], one["end"]) for one in found] == [
        tuple(int(moment.timestamp()) for moment in spans[day]) for day in days
    ]
