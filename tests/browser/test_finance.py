"""The books: a month is closed and reopened, a manifest is applied with a second key, a report is imported, prices are tried."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Page as Window
from playwright.sync_api import expect

from billing.dashboard.menu import BOOKS_PAGES

from .history import ago
from .place import ACCOUNT, DELIVERED, SCRIPT, Place, provider_pages
from .test_live import card, number
from .visitor import Visitor

Visit = Callable[..., Visitor]


def rows(window: Window, name: str):  # type: ignore[no-untyped-def]
    return window.get_by_role("table", name=name, exact=True).locator("tbody tr")


def test_a_gateways_key_sees_nothing_of_the_books(visit: Visit) -> None:
    visitor = visit("gateway")
    visitor.expects(404)
    window = visitor.page
    for page in BOOKS_PAGES:
        answer = window.goto(page.path.format(reconciliation_id=DELIVERED))
        assert answer is not None
        assert answer.status == 404, page.name
    expect(window.get_by_text("The books")).to_have_count(0)


def test_revenue_adds_up_and_recognition_runs(place: Place, visit: Visit) -> None:
    """In the month of yesterday, in which something was used: on the first of a month it is not the one that runs."""
    visitor, month = visit("finance"), f"{ago(days=1):%Y-%m}"
    window = visitor.open(f"/revenue?period={month}")
    window.get_by_role("button", name="Recognise now").click()
    expect(window.get_by_text("Everything that happened is recognised.")).to_be_visible()
    expect(window.get_by_text("It adds up, to the micro.")).to_be_visible()
    (told,) = place.get("/v1/finance/revenue", period=month)["currencies"]
    lines = rows(window, "Deferred revenue in USD")
    expect(lines).to_have_count(6)
    closing = window.get_by_role("table", name="Deferred revenue in USD").locator("tfoot td").last
    expect(closing).to_have_text(f"${told['roll_forward']['closing'] / 1_000_000:,.2f}")
    expect(rows(window, "By account and grant").filter(has_text=ACCOUNT).first).to_be_visible()


def test_a_month_is_closed_and_reopened(place: Place, visit: Visit) -> None:
    """The last one that is over; the past of the place lies in it or before it."""
    visitor = visit("admin")
    window = visitor.open("/periods")
    last = place.get("/v1/finance/periods")["data"][-1]["period"]
    if last == f"{ago():%Y-%m}":  # all that happened lies in this month, which cannot be closed
        expect(card(window, "Next to close")).to_contain_text("is not over yet")
        return
    card(window, "Next to close").get_by_role("button").click()
    expect(window.get_by_text("is closed.")).to_be_visible()
    expect(rows(window, "Periods").last).to_contain_text("closed")
    visitor.open(f"/trial-balance?period={last}")
    expect(window.get_by_text("The month was closed on")).to_be_visible()
    if place.get("/v1/finance/trial-balance", period=last)["rows"]:
        expect(window.get_by_text("Nothing came late").first).to_be_visible()
        expect(window.get_by_role("columnheader", name="Balance, known at close").first).to_be_visible()
    visitor.open(f"/revenue?period={last}&known=close")
    expect(window.get_by_text("Only what was posted by")).to_be_visible()
    visitor.open("/periods")
    window.get_by_label("Reason").fill(f"a late bill {SCRIPT}")
    card(window, "Reopen").get_by_role("button").click()
    expect(window.get_by_text("is open again.")).to_be_visible()
    expect(rows(window, "Periods").last).to_contain_text(f"a late bill {SCRIPT}")


def test_the_trial_balance_balances(place: Place, visit: Visit) -> None:
    window = visit("finance").open("/trial-balance")
    told = {total["asset"]: total for total in place.get("/v1/finance/trial-balance")["totals"]}
    foot = window.get_by_role("table", name="Wallets, in credits").locator("tfoot td")
    expect(foot.nth(1)).to_have_text(f"{told['CREDIT']['debits']:,}")
    expect(foot.nth(2)).to_have_text(f"{told['CREDIT']['credits']:,}")
    expect(foot.nth(3)).to_have_text("0")


def test_a_manifest_is_compared_applied_and_approved_with_a_second_key(
    place: Place, visit: Visit, tmp_path: Path
) -> None:
    """What is wrong in it is said line by line; what is right is posted only when another key approves it."""
    account = place.new_account(100_000)
    outputs = [{"index": index, "status": "succeeded", "width": 1024, "height": 1024} for index in range(10)]
    for request in range(10):
        place.authorize(account, f"r{request}", n=10)
        place.settle(account, f"r{request}", *outputs)
    head = "account_id,request_id,index,status,width,height\n"
    bad, good = tmp_path / "bad.csv", tmp_path / "good.csv"
    bad.write_text(f"{head}{account},r0,0,succeeded,-5,1024\n")
    good.write_text(
        head + "".join(f"{account},r{r},{i},succeeded,3840,2160\n" for r in range(10) for i in range(10))
    )  # 4K: 133 credits each, of which 14 were charged
    asking, approving = visit("finance"), visit("admin")
    asking.expects(422)
    window = asking.open("/reconciliations")
    window.get_by_label("Manifest").set_input_files(bad)
    window.get_by_label("Name").fill("second-key")
    window.get_by_role("button", name="Compare").click()
    expect(window.get_by_role("alert")).to_contain_text("line 2")
    window.get_by_label("Manifest").set_input_files(good)
    window.get_by_role("button", name="Compare").click()
    expect(window).to_have_url(f"{place.url}/reconciliations/second-key")
    expect(number(window, "To be posted")).to_have_text(f"+{100 * (133 - 14):,}")
    expect(rows(window, "By kind")).to_contain_text(["Charged in another size tier"])
    window.get_by_label("Reason").fill("measured by the CDN")
    window.get_by_role("button", name="Apply").first.click()
    expect(window.get_by_text("another key has to approve it").first).to_be_visible()
    asking.expects(403)
    window.get_by_label("Reason").fill("I do it myself")
    window.get_by_role("button", name="Approve and post").click()
    expect(window.get_by_role("alert")).to_contain_text("Another key")
    assert place.get(f"/v1/accounts/{account}/balance")["posted"] == 100_000 - 100 * 14
    other = approving.open("/reconciliations/second-key")
    other.get_by_label("Reason").fill("looked at twenty of them")
    other.get_by_role("button", name="Approve and post").click()
    expect(other.get_by_text("Applied: every correction was posted once.")).to_be_visible()
    expect(rows(other, "Line by line").first).to_contain_text("posted")
    expect(rows(other, "Line by line").first).to_contain_text("119 credits too few were charged.")
    spanish = approving.open("/reconciliations/second-key?lang=es")
    expect(rows(spanish, "Línea a línea").first).to_contain_text("Cobrado de menos: 119 créditos.")
    assert place.get(f"/v1/accounts/{account}/balance")["posted"] == 100_000 - 100 * 133


def test_a_providers_report_is_imported(place: Place, visit: Visit, tmp_path: Path) -> None:
    """What loses money is named; an import that is refused changes nothing."""
    visitor = visit("finance")
    visitor.expects(422)
    month = ago(days=1)
    window = visitor.open(f"/margins?period={month:%Y-%m}")
    expect(card(window, "Images that were counted otherwise")).to_contain_text("99")
    expect(card(window, "Costs that belong to no image of ours")).to_contain_text(f"gpt-5 {SCRIPT}")
    report = tmp_path / "report.json"
    pages = provider_pages()
    report.write_text(json.dumps([pages[0] | {"has_more": True}]))
    window.get_by_label("Usage and costs of the provider").set_input_files(report)
    window.get_by_role("button", name="Import").click()
    expect(window.get_by_role("alert")).to_contain_text("[0].has_more")
    pages[0]["data"][0]["results"][0]["images"] = 123
    report.write_text(json.dumps(pages))
    window.get_by_label("Usage and costs of the provider").set_input_files(report)
    window.get_by_role("button", name="Import").click()
    expect(window.get_by_text("Imported: 123 images")).to_be_visible()
    expect(card(window, "Images that were counted otherwise")).to_contain_text("123")
    expect(number(window, "Cost")).to_have_text("$1.50")


def test_prices_are_tried(place: Place, visit: Visit) -> None:
    """Twice the price for everybody, and one model without any."""
    window = visit("admin").open("/price-simulation")
    models = place.get("/v1/price-books/current")["models"]
    del models["gpt-image-1.5"]
    for row in models["gpt-image-2"]["prices"].values():
        for tier in row:
            row[tier] *= 2
    field = window.get_by_label("Price book, as JSON")
    field.fill("{")
    window.get_by_role("button", name="Simulate").click()
    expect(window.get_by_text("This is not a JSON object.")).to_be_visible()
    field.fill(json.dumps({"models": models}))
    window.get_by_label("Settled from, UTC").fill(f"{ago(days=25):%Y-%m-%d}")
    window.get_by_label("To, inclusive").fill(f"{ago() + timedelta(days=1):%Y-%m-%d}")
    window.get_by_role("button", name="Simulate").click()
    expect(rows(window, "Who would pay more").filter(has_text=ACCOUNT)).to_contain_text("%")
    expect(card(window, "Who would pay less")).to_contain_text("Nobody")
    expect(card(window, "Without a price")).to_contain_text("unknown model")
    now, then = (number(window, name).inner_text().replace(",", "") for name in ("Credits now", "Credits then"))
    assert int(then) == 2 * int(now) or pytest.fail(f"{now} {then}")


def test_exports_are_files_that_tie_out(place: Place, visit: Visit) -> None:
    """Each link leads to its file; other programs' files need the names of their accounts."""
    visitor = visit("finance")
    visitor.expects(422)
    window = visitor.open(f"/exports?account_id={ACCOUNT}")
    journal = card(window, "Journal")
    journal.get_by_role("button", name="Control totals").click()
    told = place.get("/v1/finance/exports/journal/totals", account_id=ACCOUNT)
    expect(journal.locator(".facts")).to_contain_text(f"{told['rows']:,}")
    expect(rows(window, "Control totals")).to_have_count(len(told["ledger"]))
    with window.expect_download() as saving:
        journal.get_by_role("link", name="CSV").click()
    assert len(saving.value.path().read_text().splitlines()) == told["rows"] + 1
    other = card(window, "QuickBooks Online and Xero")
    with window.expect_download() as saving:
        other.get_by_role("button", name="QuickBooks Online").click()
    assert saving.value.suggested_filename == "journal-all-quickbooks.csv"
    other.get_by_label("What your accounts are called in Xero").fill('{"bank": "1000"}')
    other.get_by_role("button", name="Xero").click()
    expect(other.get_by_role("alert")).to_contain_text("which tax rate")


def test_payouts_say_what_is_on_its_way(place: Place, visit: Visit) -> None:
    window = visit("finance").open("/payouts")
    (told,) = place.get("/v1/finance/clearing")["currencies"]
    assert told["balance_micros"]
    foot = window.get_by_role("table", name="What Stripe keeps, in USD").locator("tfoot td").last
    expect(foot).to_have_text(f"${told['balance_micros'] / 1_000_000:,.2f}")
    expect(window.get_by_text("and the rest is accounted for")).to_be_visible()
