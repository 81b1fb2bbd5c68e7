"""What a customer keeps: the ledger with its running balance, statements, and their form on paper."""

import json
from collections.abc import Callable

from playwright.sync_api import expect

from .history import ago
from .place import ACCOUNT, NAME, Place
from .test_live import card, number
from .visitor import Visitor

Visit = Callable[..., Visitor]


def test_the_ledgers_balance_runs(place: Place, visit: Visit) -> None:
    """Newest first: each balance is the one below it and the change of its own row."""
    window = visit("account").open(f"/accounts/{ACCOUNT}/ledger")
    rows = window.get_by_role("table", name="Ledger").locator("tbody tr")
    expect(rows).to_have_count(50)
    cells = rows.evaluate_all("rows => rows.map((row) => [...row.cells].map((cell) => cell.innerText))")
    changes, balances = ([int(row[at].replace(",", "")) for row in cells] for at in (-2, -1))
    assert [int(row[1]) for row in cells] == list(range(int(cells[0][1]), int(cells[0][1]) - 50, -1))
    for change, balance, before in zip(changes, balances, balances[1:], strict=False):
        assert balance == before + change
    assert balances[0] == place.get(f"/v1/accounts/{ACCOUNT}/balance")["posted"]


def test_the_ledger_is_filtered_by_kind(place: Place, visit: Visit) -> None:
    window = visit("account").open(f"/accounts/{ACCOUNT}/ledger")
    window.get_by_label("Kind").select_option("refund")
    expect(window).to_have_url(f"{place.url}/accounts/{ACCOUNT}/ledger?kind=refund")
    rows = window.get_by_role("table", name="Ledger").locator("tbody tr")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("+5")
    rows.get_by_role("link", name="partly-failed").click()
    expect(window).to_have_url(f"{place.url}/accounts/{ACCOUNT}/charges/partly-failed")


def test_statements_are_listed_and_downloaded(place: Place, visit: Visit) -> None:
    window = visit("account").open(f"/accounts/{ACCOUNT}/statements")
    month = f"{ago():%Y-%m}"
    row = window.get_by_role("table", name="Statements").locator("tbody tr").first
    expect(row).to_contain_text("in progress")
    with window.expect_download() as download:
        row.get_by_role("link", name="JSON").click()
    kept = json.loads(download.value.path().read_text())
    balance = place.get(f"/v1/accounts/{ACCOUNT}/balance")["posted"]
    assert (kept["account_id"], kept["month"], kept["closing_balance"]) == (ACCOUNT, month, balance)


def test_a_statement_on_paper(place: Place, visit: Visit) -> None:
    """No menus or buttons, black on white whatever the screen has, and all the figures."""
    visitor = visit("account", color_scheme="dark")
    window = visitor.open(f"/accounts/{ACCOUNT}/statements/{ago():%Y-%m}")
    balance = place.get(f"/v1/accounts/{ACCOUNT}/balance")["posted"]
    expect(number(window, "Closing balance")).to_have_text(f"{balance:,}")
    button = window.get_by_role("button", name="Print")
    window.evaluate("window.print = () => { window.printed = true; }")
    button.click()
    assert window.evaluate("window.printed")

    window.emulate_media(media="print")
    for gone in (window.get_by_role("navigation", name="Pages"), window.get_by_role("banner"), button):
        expect(gone).to_be_hidden()
    expect(window.get_by_role("heading", level=1)).to_contain_text("Statement of")
    expect(number(window, "Closing balance")).to_be_visible()
    expect(window.get_by_text(NAME)).to_be_visible()
    expect(card(window, "Movements").locator("tbody tr").last).to_be_visible()
    assert window.evaluate("getComputedStyle(document.querySelector('h1')).color") == "rgb(24, 32, 48)"
    assert window.pdf(format="A4").startswith(b"%PDF")


def test_of_a_large_statement_the_first_movements_are_shown(place: Place, visit: Visit) -> None:
    account_id = place.new_account(100_000)
    charge = {"op": "charge", "account_id": account_id, "model": "gpt-image-2", "quality": "low"}
    outputs = [{"index": 0, "status": "succeeded", "width": 1024, "height": 1024}]
    operations = [{**charge, "request_id": f"r{number}", "outputs": outputs} for number in range(2_050)]
    place.call("POST", "/v1/charges/batch", {"operations": operations}, status=200)
    window = visit("finance").open(f"/accounts/{account_id}/statements/{ago():%Y-%m}")
    expect(window.get_by_role("table", name="Movements").locator("tbody tr")).to_have_count(2_000)
    expect(window.get_by_text("The first 2,000 of 2,051 movements are shown.")).to_be_visible()


def test_a_month_that_has_no_statement(visit: Visit) -> None:
    visitor = visit("account")
    for month, status in (("2020-01", 404), ("2099-01", 422), ("2026-13", 422)):
        visitor.expects(status, "Problem: ")
        visitor.page.goto(f"/accounts/{ACCOUNT}/statements/{month}")
        expect(visitor.page.get_by_role("alert")).to_be_visible()
