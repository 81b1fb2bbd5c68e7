"""What holds for every page: nothing runs that should not, it can be read and used by everybody, in both languages.

Pages are those of the menu, so that a new one is tested from the start.
"""

import json
import re
from collections.abc import Callable
from functools import cache

import pytest
from playwright.sync_api import Page as Window
from playwright.sync_api import expect

from billing.dashboard.language import CATALOGS
from billing.dashboard.menu import ACCOUNT_PAGES, BOOKS_PAGES, HOUSE_PAGES, DashboardPage

from .axe import findings
from .history import ago
from .place import ACCOUNT, DELIVERED, OTHER, Place
from .visitor import Visitor, texts

Visit = Callable[..., Visitor]
each_page = pytest.mark.parametrize("page", [*ACCOUNT_PAGES, *HOUSE_PAGES, *BOOKS_PAGES], ids=lambda page: page.name)


def address(page: DashboardPage) -> str:
    """With an account that has a bit of everything; of charges only the latest."""
    ids = {"account_id": ACCOUNT, "request_id": "partly-failed", "reconciliation_id": DELIVERED}
    path = page.path.format(**ids, month=f"{ago(days=5):%Y-%m}")
    return f"{path}?from={ago(days=1):%Y-%m-%d}" if page.name == "charges" else path


def role_of(page: DashboardPage) -> str:
    return "account" if page in ACCOUNT_PAGES else "finance"


@each_page
def test_it_works_under_its_policy_and_shows_names_as_they_are(visit: Visit, page: DashboardPage) -> None:
    """The visitor hears of every error, of what the policy refuses, and of requests that leave the origin."""
    window = visit(role_of(page)).open(address(page))
    expect(window.locator("html")).to_have_attribute("lang", "en")
    expect(window.locator("#content")).not_to_be_empty()
    assert window.evaluate("window.hacked") is None
    assert window.locator("#content script, #content img").count() == 0
    check_texts(window)


@each_page
def test_it_is_accessible_light_and_dark_wide_and_narrow(visit: Visit, page: DashboardPage) -> None:
    window = visit(role_of(page), color_scheme="light").open(address(page))
    assert findings(window) == []
    window.emulate_media(color_scheme="dark", reduced_motion="reduce")
    window.set_viewport_size({"width": 360, "height": 800})
    assert findings(window) == []


@each_page
def test_it_is_in_spanish_throughout_and_fits_a_small_screen(visit: Visit, page: DashboardPage) -> None:
    window = visit(role_of(page), width=320, locale="es-ES").open(address(page))
    expect(window.locator("html")).to_have_attribute("lang", "es")
    expect(window.get_by_role("heading", level=1)).to_contain_text(CATALOGS["es"][f"{page.name}.title"])
    check_texts(window)
    assert [text for text in texts(window) if is_english(text)] == []
    assert sideways(window) == []


@pytest.mark.parametrize("path", ["/sign-in", f"/accounts/{OTHER}"])
def test_pages_around_them_are_accessible_too(visit: Visit, path: str) -> None:
    visitor = visit("account", width=320, locale="es-ES", color_scheme="dark")
    visitor.expects(404)
    window = visitor.page
    window.goto(path)
    expect(window.locator("html")).to_have_attribute("lang", "es")
    check_texts(window)
    assert [text for text in texts(window) if is_english(text)] == []
    assert findings(window) == []
    assert sideways(window) == []


def test_an_account_in_which_nothing_happened_yet(place: Place, visit: Visit) -> None:
    account_id = place.new_account(0)
    visitor = visit("admin")
    visitor.expects(404)  # auto-recharge was never set up
    for page in ACCOUNT_PAGES:
        if page.name not in ("charge", "statement"):
            window = visitor.open(page.path.format(account_id=account_id))
            expect(window.locator("#content")).not_to_be_empty()
            expect(window.get_by_role("alert").filter(visible=True)).to_have_count(0)
            check_texts(window)


def test_the_language_is_chosen_and_kept(visit: Visit) -> None:
    visitor = visit("account")
    window = visitor.open(f"/accounts/{ACCOUNT}/charges?status=voided")
    window.get_by_role("link", name="Español").click()
    expect(window.locator("html")).to_have_attribute("lang", "es")
    visitor.arrived()
    expect(window).to_have_url(re.compile(r"/charges\?status=voided$"))
    window.get_by_role("link", name="Resumen").click()
    expect(window.get_by_role("heading", level=1)).to_contain_text("Resumen")


def test_the_theme_is_chosen_and_kept(visit: Visit) -> None:
    visitor = visit("account", color_scheme="light")
    window = visitor.open(f"/accounts/{ACCOUNT}")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = window.evaluate(ground)
    window.get_by_role("button", name="Light or dark").click()
    dark = window.evaluate(ground)
    assert dark != light
    visitor.open(f"/accounts/{ACCOUNT}/grants")
    assert window.evaluate(ground) == dark


def sideways(window: Window) -> list[str]:
    """What is wider than the screen, where the page can be scrolled to it."""
    found: list[str] = window.evaluate(
        """() => {
          const width = document.documentElement.clientWidth;
          const { scrollWidth } = document.scrollingElement;
          if (scrollWidth <= width) return [];
          return [`${scrollWidth} of ${width}`, ...[...document.querySelectorAll("body *")]
            .filter((node) => node.getBoundingClientRect().right > width + 1).map((node) => node.outerHTML.slice(0, 120))];
        }"""
    )
    return found


def check_texts(window: Window) -> None:
    """No name of a text stands where the text should be, and no field was left open."""
    found = list(texts(window))
    names = {name for name in CATALOGS["en"] if "." in name}
    assert [text for text in found if text in names] == []
    assert [text for text in found if re.search(r"\{\w+\}|undefined|\bNaN\b|\[object|Invalid Date", text)] == []


@cache
def english() -> re.Pattern[str]:
    """Every English text that is another in Spanish, with anything in its fields."""
    spanish = {text.lower() for text in CATALOGS["es"].values()}
    sentences = {
        re.sub(r"\\\{\w+\\\}", ".+", re.escape(text))
        for name, text in CATALOGS["en"].items()
        if text != CATALOGS["es"][name] and text.lower() not in spanish and re.search(r"[a-z]{3}", text)
    }
    return re.compile("|".join(sentences))


def is_english(text: str) -> bool:
    return english().fullmatch(text) is not None


def test_english_is_known_when_it_is_seen() -> None:
    assert is_english(CATALOGS["en"]["charges.lead"])
    assert not any(is_english(text) for text in CATALOGS["es"].values()), json.dumps(sorted(CATALOGS["es"]))
