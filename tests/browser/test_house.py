"""Finance and admins: all accounts, totals, exceptions and the event inbox."""

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from .history import IMAGE
from .place import ACCOUNT, NAME, OTHER, Place
from .test_live import card, number
from .visitor import Visitor

Visit = Callable[..., Visitor]
each_role = pytest.mark.parametrize("role", ["finance", "admin"])


@each_role
def test_a_visit_begins_with_all_accounts(place: Place, visit: Visit, role: str) -> None:
    window = visit(role).open("/")
    expect(window).to_have_url(f"{place.url}/accounts")
    rows = window.get_by_role("table", name="Accounts").locator("tbody tr")
    acme = rows.filter(has_text=NAME)
    expect(acme).to_contain_text("active")
    expect(rows.filter(has_text=IMAGE)).to_contain_text(OTHER)
    acme.get_by_role("link", name=ACCOUNT).click()
    expect(window).to_have_url(f"{place.url}/accounts/{ACCOUNT}")
    expect(window.get_by_role("heading", level=1)).to_contain_text(NAME)


def test_accounts_that_owe(place: Place, visit: Visit) -> None:
    window = visit("finance").open("/accounts")
    window.get_by_role("combobox", name="Accounts").select_option("true")
    expect(window).to_have_url(f"{place.url}/accounts?owing=true")
    rows = window.get_by_role("table", name="Accounts").locator("tbody tr")
    debt = place.get(f"/v1/accounts/{OTHER}/balance")["debt"]
    expect(rows.filter(has_text=OTHER).locator(".owed")).to_have_text(str(debt))
    expect(rows.filter(has_text=NAME)).to_have_count(0)


def test_an_account_is_opened_by_its_id(place: Place, visit: Visit) -> None:
    visitor = visit("finance")
    visitor.expects(404)
    window = visitor.open("/accounts")
    window.get_by_label("Open an account by its id").fill("nobody")
    window.get_by_role("button", name="Open").click()
    expect(window.get_by_text("No account has the id “nobody”.")).to_be_visible()
    window.get_by_label("Open an account by its id").fill(OTHER)
    window.get_by_role("button", name="Open").click()
    expect(window).to_have_url(f"{place.url}/accounts/{OTHER}")


@each_role
def test_totals_are_those_of_the_api(place: Place, visit: Visit, role: str) -> None:
    window = visit(role).open("/totals")
    told = place.get("/v1/totals")
    for title, name in (("Posted", "posted"), ("Held", "held"), ("Owed", "debt"), ("Accounts", "accounts")):
        expect(number(window, title)).to_have_text(f"{told[name]:,}")
    window.get_by_role("link", name="Accounts that owe").click()
    expect(window).to_have_url(f"{place.url}/accounts?owing=true")


def test_exceptions_are_charges_with_flags(place: Place, visit: Visit) -> None:
    window = visit("finance").open("/exceptions?account_id=globex")
    rows = window.get_by_role("table", name="Exceptions").locator("tbody tr")
    expect(rows).to_have_count(2)
    window.get_by_label("Flag").select_option("capped")
    expect(window).to_have_url(f"{place.url}/exceptions?account_id=globex&flag=capped")
    expect(rows).to_have_count(1)
    rows.get_by_role("link", name="capped").click()
    expect(window).to_have_url(f"{place.url}/accounts/{OTHER}/charges/capped")
    expect(window.locator("#content")).to_contain_text("came back larger than quoted and cost no more than the quote")


def test_the_event_inbox(place: Place, visit: Visit) -> None:
    window = visit("finance").open("/events?type=checkout.session.completed")
    rows = window.get_by_role("table", name="Event inbox").locator("tbody tr")
    told = place.get("/v1/stripe/events", type="checkout.session.completed")["data"]
    expect(rows).to_have_count(len(told))
    expect(rows.first).to_contain_text("done")
    expect(rows.first).to_contain_text(told[0]["event_id"])
    expect(rows.last.get_by_role("link", name=ACCOUNT)).to_have_attribute("href", f"/accounts/{ACCOUNT}/topups")


def test_an_admin_deals_with_what_was_given_up(visit: Visit) -> None:
    window = visit("admin").open("/events")
    expect(card(window, "Deliveries that were given up")).to_be_visible()
    window = visit("finance").open("/events")
    expect(card(window, "Deliveries that were given up")).to_have_count(0)


def test_a_gateways_key_sees_accounts_but_not_the_houses_figures(visit: Visit) -> None:
    visitor = visit("gateway")
    visitor.open("/accounts")
    visitor.expects(404)
    for path in ("/totals", "/spend", "/exceptions", "/events"):
        answer = visitor.page.goto(path)
        assert answer is not None
        assert answer.status == 404
