"""Numbers that keep up: a charge is seen to begin, to be held and to be settled, and the page is never loaded again."""

from collections.abc import Callable

from playwright.sync_api import Locator, expect
from playwright.sync_api import Page as Window

from .place import Place
from .visitor import Visitor

Visit = Callable[..., Visitor]
IMAGE = {"index": 0, "status": "succeeded", "width": 1024, "height": 1024}


def number(window: Window, title: str) -> Locator:
    """A figure of the overview, by its title."""
    figure = window.locator(".figure").filter(has=window.get_by_role("heading", name=title, exact=True))
    return figure.locator(".number")


def card(window: Window, title: str) -> Locator:
    return window.locator(".card").filter(has=window.get_by_role("heading", name=title, exact=True))


def test_a_charge_goes_from_held_to_settled(place: Place, visit: Visit) -> None:
    account_id = place.new_account(1_000)
    window = visit("admin").open(f"/accounts/{account_id}")
    window.evaluate("window.stillHere = true")
    expect(number(window, "Available")).to_have_text("1,000")
    expect(number(window, "Held")).to_have_text("0")
    expect(card(window, "In flight")).to_contain_text("No request is in flight.")

    place.authorize(account_id, "portrait", n=2)
    expect(number(window, "Held")).to_have_text("28")
    expect(number(window, "Available")).to_have_text("972")
    expect(number(window, "Posted")).to_have_text("1,000")
    flying = card(window, "In flight").get_by_role("row").filter(has_text="portrait")
    expect(flying).to_contain_text("28")
    latest = card(window, "Latest charges").get_by_role("row").filter(has_text="portrait")
    expect(latest).to_contain_text("authorized")

    place.settle(account_id, "portrait", IMAGE, {"index": 1, "status": "failed", "reason": "moderation"})
    expect(number(window, "Held")).to_have_text("0")
    expect(number(window, "Available")).to_have_text("986")
    expect(number(window, "Posted")).to_have_text("986")
    expect(card(window, "In flight")).to_contain_text("No request is in flight.")
    expect(latest).to_contain_text("settled")
    expect(latest).to_contain_text("1 failed, not charged")
    assert window.evaluate("window.stillHere") is True


def test_a_charges_own_page_keeps_up_too(place: Place, visit: Visit) -> None:
    account_id = place.new_account(1_000)
    place.authorize(account_id, "portrait")
    window = visit("admin").open(f"/accounts/{account_id}/charges/portrait")
    window.evaluate("window.stillHere = true")
    expect(window.locator(".summary")).to_contain_text("In flight: nothing is charged yet.")
    expect(window.locator(".summary")).to_contain_text("14 credits held")
    place.settle(account_id, "portrait", IMAGE)
    expect(window.locator(".summary")).to_contain_text("1 image was delivered.")
    expect(window.locator(".summary")).to_contain_text("14 credits charged")
    expect(card(window, "Outputs")).to_contain_text("1024 × 1024")
    expect(card(window, "Why it cost this").locator("li").last).to_contain_text("986")
    assert window.evaluate("window.stillHere") is True


def test_what_is_owed_and_who_is_suspended_is_said(place: Place, visit: Visit) -> None:
    account_id = place.new_account(1)
    place.authorize(account_id, "poster", quality="low")
    place.settle(account_id, "poster", {"index": 0, "status": "succeeded", "width": 3840, "height": 2160})
    place.call("PATCH", f"/v1/accounts/{account_id}", {"status": "suspended"}, status=200)
    window = visit("admin").open(f"/accounts/{account_id}")
    expect(window.locator(".notice")).to_contain_text(["This account is suspended", "3 credits are owed."])
    expect(number(window, "Available")).to_have_text("-3")
