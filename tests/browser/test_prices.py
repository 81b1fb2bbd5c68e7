"""The price calculator: the matrix, a quote and what it can come to at most, and refusals beside their field."""

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from .place import ACCOUNT, OTHER, Place
from .test_live import card, number
from .visitor import Visitor

Visit = Callable[..., Visitor]
PRICES = f"/accounts/{ACCOUNT}/prices"


def test_the_matrix_is_the_price_book(visit: Visit) -> None:
    window = visit("account").open(PRICES)
    rows = card(window, "gpt-image-2").locator("tbody tr")
    cells = [[cell.split("\n")[0] for cell in row.locator("td").all_inner_texts()] for row in rows.all()]
    assert cells == [["low", "1", "2", "4"], ["medium", "4", "17", "34"], ["high", "14", "67", "133"]]


@pytest.mark.parametrize(
    ("query", "quoted", "at_most"),
    [
        ("", "14 credits", "133 credits"),
        ("?size=4K&quality=high&n=3", "399 credits", "399 credits"),
        ("?size=1K&quality=low&n=10", "10 credits", "40 credits"),
        ("?size=1K&quality=low&n=10&overage=cap", "10 credits", "10 credits"),
        ("?size=custom&width=1552&height=1024&quality=medium", "17 credits", "34 credits"),
        ("?model=gpt-image-1.5&size=1536x1024&n=2", "2 credits", "2 credits"),
    ],
)
def test_a_quote_and_the_most_it_can_come_to(visit: Visit, query: str, quoted: str, at_most: str) -> None:
    window = visit("account").open(f"{PRICES}{query}")
    expect(number(window, "Quoted")).to_have_text(quoted)
    expect(number(window, "At most")).to_have_text(at_most)


def test_a_request_is_put_together(place: Place, visit: Visit) -> None:
    window = visit("account").open(PRICES)
    window.get_by_label("Size", exact=True).select_option("2K")
    window.get_by_label("Quality").select_option("medium")
    window.get_by_label("Images").fill("4")
    window.get_by_role("button", name="Calculate").click()
    expect(number(window, "Quoted")).to_have_text("68 credits")
    expect(number(window, "At most")).to_have_text("136 credits")
    expect(window).to_have_url(f"{place.url}{PRICES}?size=2K&quality=medium&n=4")
    expect(window.get_by_text("There is enough available for it.")).to_be_visible()


@pytest.mark.parametrize(
    ("query", "field", "says"),
    [
        ("?size=custom&width=1000&height=1024", "Size", "Width and height must be multiples of 16."),
        ("?size=custom&width=3840&height=1024", "Size", "The long edge may be at most 3 times the short one."),
        ("?size=custom&width=256&height=256", "Size", "That is too small: at least 655,360 pixels in all."),
        ("?size=custom&width=4096&height=4096", "Size", "That is too large: at most 8,294,400 pixels in all."),
        ("?size=custom&width=3856&height=2048", "Size", "The long edge is 3856 px, and prices end at 3840 px."),
        ("?n=11", "Images", "Between 1 and 10 images."),
    ],
)
def test_what_has_no_price_is_said_beside_its_field(visit: Visit, query: str, field: str, says: str) -> None:
    visitor = visit("account")
    visitor.expects(422)
    window = visitor.open(f"{PRICES}{query}")
    control = window.get_by_label(field, exact=True)
    expect(control).to_have_attribute("aria-invalid", "true")
    expect(control).to_have_accessible_description(says)
    expect(window.get_by_role("alert")).to_have_text([says])
    expect(number(window, "Quoted")).to_have_count(0)

    window.get_by_label("Size", exact=True).select_option("")
    window.get_by_label("Images").fill("2")
    window.get_by_role("button", name="Calculate").click()
    expect(number(window, "Quoted")).to_have_text("28 credits")
    expect(window.locator("[aria-invalid=true]")).to_have_count(0)


def test_what_is_not_there_to_spend_is_said(visit: Visit) -> None:
    window = visit("other").open(f"/accounts/{OTHER}/prices?quality=low")
    expect(window.get_by_text("credits are missing: the request would be refused.")).to_be_visible()
