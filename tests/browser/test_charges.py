"""Charges: filters in the address, search, and each with its explanation."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, expect
from playwright.sync_api import Page as Window

from .history import IMAGE, SCRIPT
from .place import ACCOUNT, Place
from .test_live import card
from .visitor import Visitor

Visit = Callable[..., Visitor]
CHARGES = f"/accounts/{ACCOUNT}/charges"


def rows(window: Window) -> Locator:
    return window.get_by_role("table", name="Charges").locator("tbody").get_by_role("row")


def test_a_filter_is_in_the_address_and_survives_a_reload_and_the_way_back(place: Place, visit: Visit) -> None:
    visitor = visit("account")
    window = visitor.open(CHARGES)
    window.get_by_label("Status").select_option("voided")
    expect(window).to_have_url(f"{place.url}{CHARGES}?status=voided")
    expect(rows(window)).to_have_count(1)
    window.get_by_label("Status").select_option("expired")
    expect(window).to_have_url(f"{place.url}{CHARGES}?status=expired")
    expect(rows(window)).to_contain_text(["expired"])
    window.reload()
    visitor.arrived()
    expect(window.get_by_label("Status")).to_have_value("expired")
    expect(rows(window)).to_have_count(1)
    expect(rows(window)).to_contain_text(["expired"])
    window.go_back()
    expect(window.get_by_label("Status")).to_have_value("voided")
    expect(rows(window)).to_contain_text(["voided"])
    window.get_by_role("button", name="Clear").click()
    expect(window).to_have_url(f"{place.url}{CHARGES}")
    expect(rows(window)).to_have_count(50)


@pytest.mark.parametrize("end_user", [SCRIPT, IMAGE, "ana", "nobody", "%", "' OR 1=1 --"])
def test_end_users_are_filtered_as_they_are_written(place: Place, visit: Visit, end_user: str) -> None:
    window = visit("account").open(CHARGES)
    window.get_by_label("End user").fill(end_user)
    window.get_by_role("button", name="Apply").click()
    there = place.get(f"/v1/accounts/{ACCOUNT}/charges", end_user=end_user)["data"]
    expect(rows(window)).to_have_count(len(there))
    expect(rows(window).locator(".aside", has_text=end_user)).to_have_count(len(there))
    if not there:
        expect(window.get_by_text("No charge matches these filters.")).to_be_visible()


def test_filters_go_together_and_a_link_carries_them(place: Place, visit: Visit) -> None:
    wanted = {"status": "settled", "model": "gpt-image-2", "api_key_id": "web-app", "flag": "late"}
    query = "&".join(f"{name}={value}" for name, value in wanted.items())
    window = visit("account").open(f"{CHARGES}?{query}")
    expect(window.get_by_label("Flag")).to_have_value("late")
    expect(window.get_by_label("Model")).to_have_value("gpt-image-2")
    expect(rows(window)).to_have_count(1)
    expect(rows(window)).to_contain_text(["late"])


def test_more_are_shown_when_they_are_asked_for(visit: Visit) -> None:
    window = visit("account").open(CHARGES)
    expect(window.get_by_text("The latest 50 charges, and there are more")).to_be_visible()
    window.get_by_role("button", name="Show more").click()
    expect(rows(window).nth(50)).to_be_visible()
    ids = window.get_by_role("table", name="Charges").locator("tbody a").all_inner_texts()
    assert len(ids) == len(set(ids))


def test_a_charge_is_found_by_its_request_id(place: Place, visit: Visit) -> None:
    visitor = visit("account")
    window = visitor.open(CHARGES)
    visitor.expects(404)
    visitor.expects(422)
    for nothing in ("no-such-request", "../../etc", SCRIPT):
        window.get_by_label("Find by exact request id").fill(nothing)
        window.get_by_role("button", name="Open").click()
        expect(window.get_by_text(f"No charge has the request id “{nothing}”.")).to_be_visible()
    window.get_by_label("Find by exact request id").fill("smaller-than-asked")
    window.get_by_label("Find by exact request id").press("Enter")
    expect(window).to_have_url(f"{place.url}{CHARGES}/smaller-than-asked")


def test_a_charge_says_why_it_costs_what_it_costs(place: Place, visit: Visit) -> None:
    visitor = visit("account")
    window = visitor.open(f"{CHARGES}/smaller-than-asked")
    expect(window.locator(".summary")).to_contain_text("67 credits charged")
    steps = card(window, "Why it cost this").get_by_role("listitem")
    told = place.get(f"/v1/accounts/{ACCOUNT}/charges/smaller-than-asked/explain")["steps"]
    expect(steps).to_contain_text([step["text"] for step in told])
    measured = steps.filter(has_text="1672")
    expect(measured).to_contain_text("2K")
    expect(measured.get_by_text("long_edge")).to_be_hidden()
    measured.get_by_text("Figures").click()
    expect(measured.locator("dd", has_text="1672").first).to_be_visible()

    window.get_by_role("link", name="Español").click()
    visitor.arrived()
    told = place.get(f"/v1/accounts/{ACCOUNT}/charges/smaller-than-asked/explain", lang="es")["steps"]
    expect(card(window, "Por qué ha costado esto").get_by_role("listitem")).to_contain_text([s["text"] for s in told])


def test_failed_outputs_are_not_charged_and_refunds_are_told(visit: Visit) -> None:
    window = visit("account").open(f"{CHARGES}/partly-failed")
    expect(window.locator(".summary")).to_contain_text("2 images were delivered. 1 failed: not charged.")
    outputs = card(window, "Outputs").locator("tbody").get_by_role("row")
    expect(outputs).to_have_count(3)
    expect(outputs.nth(1)).to_contain_text("not charged")
    expect(outputs.nth(1)).to_contain_text(SCRIPT)  # the reason, as it was given
    expect(outputs.nth(0)).to_contain_text("14")
    refund = card(window, "Refunds").locator("tbody").get_by_role("row")
    expect(refund).to_contain_text([re.compile("sorry.*-?5")])
    expect(refund).to_contain_text([SCRIPT])
    expect(card(window, "Labels sent with the request")).to_contain_text(IMAGE)


@pytest.mark.parametrize(
    ("request_id", "says"),
    [
        ("all-failed", "No image was delivered. 1 failed: not charged."),
        ("voided", "The hold was released and nothing was charged."),
        ("expired", "The hold ran out and nothing was charged."),
        ("in-flight", "In flight: nothing is charged yet."),
        ("late", "Settled after its hold had run out."),
        ("forced", "Settled although it was voided or long expired, because the images were delivered."),
        ("unmeasured", "An image came without its size, so the quoted tier was charged."),
        ("unpriced-size", "An image is larger than the last tier, whose price was charged."),
        ("unrequested", "More images came than were asked for; the extra ones cost nothing."),
    ],
)
def test_every_ending_is_said(visit: Visit, request_id: str, says: str) -> None:
    window = visit("account").open(f"{CHARGES}/{request_id}")
    expect(window.locator("#content > .stack").first).to_contain_text(says)


def test_a_charge_that_is_not_there(visit: Visit) -> None:
    visitor = visit("account")
    visitor.expects(404, "Problem: The account has no charge")
    visitor.page.goto(f"{CHARGES}/no-such-request")
    expect(visitor.page.get_by_role("alert")).to_contain_text("There is no such charge.")
