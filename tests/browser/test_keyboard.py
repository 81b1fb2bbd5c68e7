"""Everything without a mouse: signing in, past the menus, to a charge; and one always sees where one is."""

from collections.abc import Callable, Iterator

from playwright.sync_api import Page as Window
from playwright.sync_api import expect

from .place import ACCOUNT, Place
from .visitor import Visitor

Visit = Callable[..., Visitor]
FOCUSED = """() => {
  const node = document.activeElement;
  const { outlineStyle, outlineWidth } = getComputedStyle(node);
  const { width, height, bottom } = node.getBoundingClientRect();
  return {
    name: node.tagName === "BODY" ? null : node.textContent.trim() || node.getAttribute("aria-label") || node.name,
    href: node.getAttribute("href"),
    outlined: outlineStyle !== "none" && parseFloat(outlineWidth) >= 2,
    seen: width > 0 && height > 0 && bottom > 0,
  };
}"""


def tabs(window: Window, most: int = 60) -> Iterator[dict[str, object]]:
    """Each stop of the Tab key, which must be seen to be one."""
    for _ in range(most):
        window.keyboard.press("Tab")
        stop = window.evaluate(FOCUSED)
        if stop["name"] is None:
            return
        assert stop["outlined"], f"nobody sees that {stop['name']!r} has the keyboard"
        assert stop["seen"], f"{stop['name']!r} has the keyboard and is not there"
        yield stop


def test_from_signing_in_to_a_charge_without_a_mouse(place: Place, visit: Visit) -> None:
    visitor = visit(None)
    window = visitor.page
    window.goto("/")
    expect(window.get_by_label("API key")).to_be_focused()
    window.keyboard.type(place.keys["account"])
    window.keyboard.press("Enter")
    expect(window).to_have_url(f"{place.url}/accounts/{ACCOUNT}")
    visitor.arrived()

    stops = tabs(window)
    assert next(stops)["href"] == "#main"
    window.keyboard.press("Enter")
    expect(window.locator("#main")).to_be_focused()
    charge = next(stop for stop in stops if "/charges/" in str(stop["href"]))
    window.keyboard.press("Enter")
    expect(window).to_have_url(f"{place.url}{charge['href']}")


def test_filters_without_a_mouse(place: Place, visit: Visit) -> None:
    window = visit("account").open(f"/accounts/{ACCOUNT}/charges")
    window.get_by_label("Find by exact request id").focus()
    for _ in tabs(window):
        if window.evaluate("document.activeElement.name") == "status":
            break
    window.keyboard.type("voided")
    window.keyboard.press("Enter")
    expect(window).to_have_url(f"{place.url}/accounts/{ACCOUNT}/charges?status=voided")
    expect(window.get_by_role("table", name="Charges").locator("tbody").get_by_role("row")).to_have_count(1)


def test_every_stop_of_a_page_is_seen(visit: Visit) -> None:
    window = visit("account").open(f"/accounts/{ACCOUNT}/charges/partly-failed")
    addresses = [stop["href"] for stop in tabs(window, 200)]
    assert addresses[0] == "#main"
    assert f"/accounts/{ACCOUNT}/charges" in addresses[1:]
