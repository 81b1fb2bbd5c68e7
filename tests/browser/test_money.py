"""Buying: packs and the checkout, auto-recharge; who may buy and who may only look."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from .history import SCRIPT
from .place import ACCOUNT, Place
from .test_live import card
from .visitor import Visitor

Visit = Callable[..., Visitor]


def test_packs_and_what_became_of_orders(visit: Visit) -> None:
    window = visit("account").open(f"/accounts/{ACCOUNT}/topups")
    expect(window.get_by_role("heading", name=f"Studio {SCRIPT}")).to_be_visible()
    expect(window.get_by_role("button", name="Buy for $10.00")).to_be_enabled()
    expect(window.get_by_role("button", name="Buy for $45.00")).to_be_enabled()
    rows = card(window, "Past top-ups").locator("tbody tr")
    expect(rows.filter(has=window.get_by_text("paid", exact=True))).to_contain_text(["$10.00"])
    expect(rows.filter(has_text="waiting for payment")).to_have_count(2)


def test_credits_are_bought_and_come_with_the_money(place: Place, visit: Visit) -> None:
    account_id = place.new_account(0)
    visitor = visit("admin", may_visit=place.checkout)
    window = visitor.open(f"/accounts/{account_id}/topups")
    window.get_by_role("button", name="Buy for $10.00").click()
    expect(window).to_have_url(re.compile(f"^{re.escape(place.checkout)}/"))
    window.get_by_role("button", name="Pay with 4242").click()
    expect(window.get_by_text("Paid: 1,050 credits were added.")).to_be_visible()
    expect(window).to_have_url(re.compile("/topups$"))
    expect(card(window, "Past top-ups").locator("tbody tr")).to_contain_text(["$10.00"])
    assert place.get(f"/v1/accounts/{account_id}/balance")["available"] == 1_050


def test_who_leaves_the_checkout_may_go_on_later(place: Place, visit: Visit) -> None:
    account_id = place.new_account(0)
    visitor = visit("admin", may_visit=place.checkout)
    window = visitor.open(f"/accounts/{account_id}/topups")
    window.get_by_role("button", name="Buy for $45.00").click()
    window.get_by_role("button", name="Cancel").click()
    expect(window.get_by_role("heading", level=1)).to_have_text("Top-up")
    rows = card(window, "Past top-ups").locator("tbody tr")
    expect(rows).to_contain_text(["waiting for payment"])
    rows.get_by_role("link", name="Go on to the payment").click()
    expect(window).to_have_url(re.compile(f"^{re.escape(place.checkout)}/"))
    assert place.get(f"/v1/accounts/{account_id}/balance")["available"] == 0


def test_auto_recharge_is_set_up_and_turned_off(place: Place, visit: Visit) -> None:
    account_id = place.new_account()
    visitor = visit("admin")
    visitor.expects(404)
    window = visitor.open(f"/accounts/{account_id}/auto-recharge")
    expect(window.get_by_text("was never turned on")).to_be_visible()
    window.get_by_label("When fewer are available than").fill("10")
    window.get_by_role("combobox", name="Pack").select_option("thousand")
    limit = window.get_by_label("At most in a month")
    limit.fill("500")
    expect(window.get_by_text("at most 500 credits in a month, which is 0 purchases")).to_be_visible()
    visitor.expects(422)
    window.get_by_role("button", name="Turn on auto-recharge").click()
    expect(limit).to_have_attribute("aria-invalid", "true")
    expect(limit).to_have_accessible_description(re.compile("At least one pack: 1,000 credits"))

    limit.fill("3000")
    expect(window.get_by_text("which is 3 purchases")).to_be_visible()
    window.get_by_role("button", name="Turn on auto-recharge").click()
    expect(window.get_by_role("status")).to_have_text("Saved. Auto-recharge is on.")
    path = f"/v1/accounts/{account_id}/auto-recharge"
    terms = place.get(path)
    wanted = ("active", 10, "thousand", 3_000)
    assert tuple(terms[name] for name in ("status", "threshold", "pack_id", "monthly_limit")) == wanted

    window.get_by_role("button", name="Turn off").click()
    window.get_by_role("button", name="Keep it on").click()
    expect(window.get_by_role("dialog")).to_be_hidden()
    assert place.get(path)["status"] == "active"
    window.get_by_role("button", name="Turn off").click()
    window.get_by_role("dialog").get_by_role("button", name="Turn off").click()
    expect(window.get_by_role("status")).to_have_text("Auto-recharge is off.")
    assert place.get(path)["status"] == "off"


@pytest.mark.parametrize("role", ["finance", "gateway"])
def test_nothing_is_offered_that_the_role_may_not_do(visit: Visit, role: str) -> None:
    visitor = visit(role)
    window = visitor.open(f"/accounts/{ACCOUNT}/auto-recharge")
    expect(card(window, "How it stands")).to_contain_text("5,000 credits")
    expect(window.locator("#content").get_by_role("button")).to_have_count(0)
    visitor.open(f"/accounts/{ACCOUNT}/topups")
    expect(window.get_by_role("heading", name="Starter")).to_be_visible()
    offers = window.get_by_role("button", name=re.compile("^Buy for"))
    assert (offers.count() > 0) == (role == "gateway")
