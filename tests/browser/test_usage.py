"""Usage and spend: the chart, the tables behind it and the API say the same; what is shown is in the address."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from io import BytesIO

import pytest
from PIL import Image
from playwright.sync_api import Locator, expect
from playwright.sync_api import Page as Window

from billing.core.zones import zone

from .history import IMAGE as IMAGE_TAG
from .history import SCRIPT
from .place import ACCOUNT, OTHER, Place
from .test_live import card, number
from .visitor import ZONE, Visitor

Visit = Callable[..., Visitor]
USAGE = f"/accounts/{ACCOUNT}/usage"
MONTH_AGO = 30


def totals(window: Window, title: str) -> dict[str, list[str]]:
    """The table of totals: for each name what its cells say."""
    found = card(window, title).locator("tbody tr, tfoot tr")
    cells = [row.locator("td, th").all_inner_texts() for row in found.all()]
    return {first: rest for first, *rest in cells}


def asked_of_the_api(place: Place, path: str, group: str, start: str, **query: str) -> dict[str, list[str]]:
    """The same of the API, by days from the one that the page asked for."""
    buckets = place.get(path, start_time=start, bucket_width="1d", tz=ZONE, group_by=group, limit=200, **query)["data"]
    names = ("requests", "failed_images", "images", "credits")
    sums: dict[str, list[int]] = {}
    for result in (result for bucket in buckets for result in bucket["results"]):
        for key in (result[group] or "failed, no tier", "Total"):
            known = sums.setdefault(key, [0, 0, 0, 0])
            sums[key] = [a + result[name] for a, name in zip(known, names, strict=True)]
    return {key: [f"{value:,}" for value in values] for key, values in sums.items()}


def start_of(window: Window, path: str) -> Callable[[], str]:
    """From which day the page asks for `path`, as soon as it has."""
    asked: list[str] = []
    window.on("request", lambda request: asked.append(request.url) if f"{path}?" in request.url else None)
    return lambda: re.findall(r"start_time=([-\d]+)", asked[-1])[0]


@pytest.mark.parametrize(
    ("group", "title"),
    [
        ("model", "Totals by model"),
        ("size_tier", "Totals by size tier"),
        ("quality", "Totals by quality"),
        ("api_key_id", "Totals by API key"),
        ("end_user", "Totals by end user"),
    ],
)
def test_tables_say_what_the_api_says(place: Place, visit: Visit, group: str, title: str) -> None:
    visitor = visit("account")
    start = start_of(visitor.page, "/usage")
    window = visitor.open(f"{USAGE}?group={group}")
    told = asked_of_the_api(place, f"/v1/accounts/{ACCOUNT}/usage", group, start())
    shown = totals(window, title)
    assert shown == told
    assert len(shown) > 2
    requests, failed, images, credits = told["Total"]
    expect(number(window, "Requests")).to_have_text(requests)
    expect(number(window, "Failed, not charged")).to_have_text(failed)
    expect(number(window, "Images")).to_have_text(images)
    expect(number(window, "Credits")).to_have_text(credits)


def behind(window: Window) -> Locator:
    return window.locator("details.behind")


def test_the_chart_and_the_table_behind_it_agree(visit: Visit) -> None:
    window = visit("account").open(f"{USAGE}?group=quality")
    expect(window.locator(".chart canvas")).to_be_visible()
    expect(behind(window).get_by_role("table")).to_be_hidden()
    behind(window).get_by_text("The same as a table").click()
    rows = behind(window).locator("tbody tr")
    expect(rows).to_have_count(MONTH_AGO)
    window.get_by_role("group", name=re.compile("^Chart")).focus()
    for at in range(MONTH_AGO):  # the keyboard goes along the bars
        window.keyboard.press("ArrowRight")
        period, *_, total = rows.nth(at).locator("td, th").all_inner_texts()
        expect(window.locator(".readout")).to_contain_text(period)
        expect(window.locator(".readout")).to_contain_text(f"Credits: {total}")
    sums = [int(text.replace(",", "")) for text in rows.locator("td:last-child").all_inner_texts()]
    expect(number(window, "Credits")).to_have_text(f"{sum(sums):,}")
    assert sum(sums) > 0


def test_the_chart_is_drawn_in_the_colours_of_the_theme(visit: Visit) -> None:
    window = visit("account", color_scheme="light").open(f"{USAGE}?group=none")
    assert most_frequent(window)[:2] == ["#ffffff", "#3452c9"]
    window.emulate_media(color_scheme="dark")
    window.evaluate("() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))")
    assert most_frequent(window)[:2] == ["#171c26", "#8ea6ff"]


def most_frequent(window: Window) -> list[str]:
    """The colours of the chart, that of most pixels first."""
    picture = Image.open(BytesIO(window.locator(".chart canvas").screenshot())).convert("RGB")
    counted = sorted(picture.getcolors(picture.width * picture.height), reverse=True)
    return [f"#{red:02x}{green:02x}{blue:02x}" for _, (red, green, blue) in counted]


def test_grouping_and_filters_are_in_the_address(place: Place, visit: Visit) -> None:
    visitor = visit("account")
    window = visitor.open(USAGE)
    window.get_by_label("Group by").select_option("quality")
    expect(window).to_have_url(f"{place.url}{USAGE}?group=quality")
    expect(window.get_by_role("heading", name="Totals by quality")).to_be_visible()
    window.get_by_text("Filters", exact=True).click()
    window.get_by_label("Model", exact=True).fill("gpt-image-1.5")
    window.get_by_label("Model", exact=True).press("Enter")
    expect(window).to_have_url(re.compile(r"model=gpt-image-1\.5"))
    visitor.arrived()
    wanted = number(window, "Credits").inner_text()
    window.reload()
    visitor.arrived()
    expect(number(window, "Credits")).to_have_text(wanted)
    expect(window.get_by_label("Model", exact=True)).to_have_value("gpt-image-1.5")
    expect(window.get_by_label("Group by")).to_have_value("quality")
    window.go_back()
    expect(window).to_have_url(f"{place.url}{USAGE}?group=quality")
    expect(number(window, "Credits")).not_to_have_text(wanted)


@pytest.mark.parametrize("end_user", [SCRIPT, IMAGE_TAG])
def test_hostile_end_users_are_names_like_others(place: Place, visit: Visit, end_user: str) -> None:
    visitor = visit("account")
    start = start_of(visitor.page, "/usage")
    window = visitor.open(f"{USAGE}?group=end_user")
    window.get_by_text("Filters", exact=True).click()
    window.get_by_role("textbox", name="End user").fill(end_user)
    window.get_by_role("textbox", name="End user").press("Enter")
    rows = card(window, "Totals by end user").locator("tbody tr")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text(end_user)
    path = f"/v1/accounts/{ACCOUNT}/usage"
    told = asked_of_the_api(place, path, "end_user", start(), end_user=end_user)
    expect(number(window, "Credits")).to_have_text(told["Total"][3])
    assert window.evaluate("window.hacked") is None


A_BROWSER_BEFORE_THE_LAW_CHANGED = """
  const Real = Intl.DateTimeFormat;
  Intl.DateTimeFormat = new Proxy(Real, { construct: (made, [language, wanted = {}]) =>
    new made(language, wanted.timeZone === "America/Vancouver" ? { ...wanted, timeZone: "Etc/GMT+8" } : wanted) });
"""
A_BROWSER_THAT_IS_NOWHERE = """
  const said = Intl.DateTimeFormat.prototype.resolvedOptions;
  Intl.DateTimeFormat.prototype.resolvedOptions = function () { return { ...said.call(this), timeZone: "Etc/Unknown" }; };
"""


def test_days_are_the_services_also_where_the_browser_knows_an_older_law(place: Place, visit: Visit) -> None:
    account_id = place.new_account()
    place.authorize(account_id, "r")
    place.settle(account_id, "r", {"index": 0, "status": "succeeded", "width": 1024, "height": 1024})
    today = datetime.now(zone("America/Vancouver")).date()
    days = [today - timedelta(days=1), today, today + timedelta(days=1)]
    visitor = visit("finance")
    visitor.page.add_init_script(A_BROWSER_BEFORE_THE_LAW_CHANGED)
    asked = f"range=custom&from={days[0]}&to={days[-1]}&width=1d&group=none&tz=America/Vancouver"
    window = visitor.open(f"/accounts/{account_id}/usage?{asked}")
    behind(window).get_by_text("The same as a table").click()
    rows = behind(window).locator("tbody tr")
    expect(rows).to_have_count(3)
    shown = [row.locator("td, th").first.inner_text() for row in rows.all()]
    assert shown == [f"{day:%a, %b} {day.day}, {day.year}" for day in days]


def test_a_browser_that_does_not_know_where_it_is_has_utc(visit: Visit) -> None:
    visitor = visit("account")
    visitor.page.add_init_script(A_BROWSER_THAT_IS_NOWHERE)
    window = visitor.open(USAGE)
    expect(window.get_by_role("table", name="Totals by model")).to_be_visible()
    expect(window.locator("#zone")).to_have_text("UTC")


def test_wrong_ranges_and_zones_are_said(visit: Visit) -> None:
    visitor = visit("account")
    window = visitor.open(USAGE)
    visitor.expects(422)  # which zones there are says the service
    window.get_by_label("Time zone").fill("Mars/Olympus")
    window.get_by_label("Time zone").press("Enter")
    expect(window.get_by_role("alert")).to_contain_text("There is no time zone “Mars/Olympus”.")
    visitor.arrived()
    window.goto(f"{USAGE}?range=custom&from=2026-03-02&to=2026-03-01")
    expect(window.get_by_role("alert")).to_have_text("The range ends before it begins.")


def test_a_table_can_be_kept(visit: Visit) -> None:
    window = visit("account").open(f"{USAGE}?group=model")
    with window.expect_download() as download:
        card(window, "Totals by model").get_by_role("button", name="Download as CSV").click()
    saved = download.value.path().read_text("utf-8-sig").splitlines()
    assert saved[0].startswith("Model,")
    assert {line.split(",")[0] for line in saved[1:]} == {"gpt-image-2", "gpt-image-1.5", "Total"}


def test_spend_of_all_accounts(place: Place, visit: Visit) -> None:
    visitor = visit("finance")
    start = start_of(visitor.page, "/v1/usage")
    window = visitor.open("/spend")
    shown = totals(window, "Totals by account")
    told = asked_of_the_api(place, "/v1/usage", "account_id", start())
    for account_id in (ACCOUNT, OTHER):
        assert shown[account_id] == told[account_id]
    card(window, "Totals by account").get_by_role("link", name=OTHER).click()
    expect(window).to_have_url(f"{place.url}/accounts/{OTHER}/usage")
