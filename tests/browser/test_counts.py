"""What the usage page makes of counts by itself: the largest and the rest, files, and ranges of days."""

import csv
import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from playwright.sync_api import Locator, expect
from playwright.sync_api import Page as Window

from billing.dashboard.assets import BASE

from .place import ACCOUNT, Place
from .visitor import Visitor

Visit = Callable[..., Visitor]
IMAGE = {"status": "succeeded", "width": 1024, "height": 1024}


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


def test_ranges_are_days_and_their_names_are_what_clocks_show(visit: Visit) -> None:
    """When a day begins says the service: a page asks for days, and calls periods by what the answer says."""
    window = visit("account").open(f"/accounts/{ACCOUNT}/grants")
    late = int(datetime(2026, 12, 1, 2, 30, tzinfo=UTC).timestamp())
    found = window.evaluate(
        """async ([base, now]) => {
          const { namer, span } = await import(`${base}/ranges.js`);
          const of = (zone, values) => span(values, zone, now);
          return [
            of("America/New_York", { range: "7d" }), of("Asia/Tokyo", { range: "12mo" }), of("Mars/Olympus", { range: "month" }),
            of("UTC", { range: "custom", from: "2026-02-27", to: "2026-02-28" }), of("UTC", { range: "custom", from: "2026-02-28", to: "2026-02-27" }),
            namer("en", "1d").long("2026-12-01T00:00:00-07:00"), namer("en", "1h").long("2026-10-25T02:00:00+01:00"),
          ];
        }""",
        [BASE, late],
    )
    assert found == [
        {"start": "2026-11-24", "end": None},
        {"start": "2026-01-01", "end": None},
        {"start": "2026-12-01", "end": None},
        {"start": "2026-02-27", "end": "2026-03-01"},
        None,
        "Tue, Dec 1, 2026",
        "Oct 25, 2026, 02:00",
    ]
