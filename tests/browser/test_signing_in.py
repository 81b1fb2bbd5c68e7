"""Signing in and out."""

from collections.abc import Callable

from playwright.sync_api import expect

from .place import ACCOUNT, COOKIE, OTHER, Place
from .visitor import Visitor

Visit = Callable[..., Visitor]


def test_a_key_opens_its_account_and_signing_out_closes_it(place: Place, visit: Visit) -> None:
    visitor = visit(None)
    page = visitor.page
    page.goto(f"/accounts/{ACCOUNT}/charges?status=settled")
    expect(page).to_have_title("Sign in · Billing")
    visitor.expects(401)
    page.get_by_label("API key").fill("bk_nobody_has_this")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_have_text("That key is not valid here.")
    assert COOKIE not in visitor.cookies()
    page.get_by_label("API key").fill(place.keys["account"])
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(f"{place.url}/accounts/{ACCOUNT}/charges?status=settled")
    visitor.arrived()
    cookie = visitor.cookies()[COOKIE]
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    assert COOKIE not in page.evaluate("document.cookie")
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(f"{place.url}/sign-in")
    assert COOKIE not in visitor.cookies()
    page.goto(f"/accounts/{ACCOUNT}")
    expect(page.get_by_label("API key")).to_be_visible()


def test_a_session_that_has_ended_leads_to_the_sign_in_page_and_back(place: Place, visit: Visit) -> None:
    visitor = visit(None)
    page = visitor.page
    page.goto("/sign-in")
    page.get_by_label("API key").fill(place.keys["account"])
    page.get_by_label("API key").press("Enter")
    expect(page).to_have_url(f"{place.url}/accounts/{ACCOUNT}")
    visitor.arrived()
    visitor.expects(401)
    headers = {"Cookie": f"{COOKIE}={visitor.cookies()[COOKIE]['value']}", "Origin": place.url}
    place.town.client.post("/sign-out", headers=headers | {"Sec-Fetch-Site": "same-origin"})
    expect(page.get_by_label("API key")).to_be_visible()  # the page asks by itself, and finds that it may no longer
    page.get_by_label("API key").fill(place.keys["account"])
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(f"{place.url}/accounts/{ACCOUNT}")


def test_another_accounts_pages_are_refused(visit: Visit) -> None:
    visitor = visit("account")
    visitor.expects(404)
    for path in ("", "/usage", "/charges", "/charges/capped", "/ledger", "/statements", "/topups", "/auto-recharge"):
        answer = visitor.page.goto(f"/accounts/{OTHER}{path}")
        assert answer is not None
        assert answer.status == 404
        expect(visitor.page.get_by_role("heading", level=1)).to_have_text("No such account")
    for path in ("/accounts", "/totals", "/exceptions", "/events"):
        answer = visitor.page.goto(path)
        assert answer is not None
        assert answer.status == 404
        expect(visitor.page.get_by_role("heading", level=1)).to_have_text("No such page")
