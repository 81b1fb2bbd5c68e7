"""The menu: every page there is, who may open it, and where it stands."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import quote

from billing.http.auth import ACCOUNT, ADMIN, FINANCE, GATEWAY, Key

EVERYBODY = frozenset((ADMIN, FINANCE, GATEWAY, ACCOUNT))
HOUSE = frozenset((ADMIN, FINANCE))
CHOOSING = frozenset((ADMIN, FINANCE, GATEWAY))


@dataclass(frozen=True, slots=True)
class Page:
    """`name` names the template, the script and the texts. `under`: the entry of the menu where it has none itself."""

    name: str
    path: str
    roles: frozenset[str] = EVERYBODY
    under: str | None = None

    def href(self, account_id: str | None) -> str:
        return self.path.replace("{account_id}", quote(account_id or "", safe=""))


_A = "/accounts/{account_id}"
ACCOUNT_PAGES = (
    Page("overview", _A),
    Page("usage", f"{_A}/usage"),
    Page("charges", f"{_A}/charges"),
    Page("charge", f"{_A}/charges/{{request_id}}", under="charges"),
    Page("grants", f"{_A}/grants"),
    Page("ledger", f"{_A}/ledger"),
    Page("statements", f"{_A}/statements"),
    Page("statement", f"{_A}/statements/{{month}}", under="statements"),
    Page("prices", f"{_A}/prices"),
    Page("topups", f"{_A}/topups"),
    Page("recharge", f"{_A}/auto-recharge"),
)
HOUSE_PAGES = (
    Page("accounts", "/accounts", CHOOSING),
    Page("totals", "/totals", HOUSE),
    Page("spend", "/spend", HOUSE),
    Page("exceptions", "/exceptions", HOUSE),
    Page("events", "/events", HOUSE),
)
BOOKS_PAGES = (
    Page("revenue", "/revenue", HOUSE),
    Page("periods", "/periods", HOUSE),
    Page("trial_balance", "/trial-balance", HOUSE),
    Page("exports", "/exports", HOUSE),
    Page("reconciliations", "/reconciliations", HOUSE),
    Page("reconciliation", "/reconciliations/{reconciliation_id}", HOUSE, under="reconciliations"),
    Page("margins", "/margins", HOUSE),
    Page("payouts", "/payouts", HOUSE),
    Page("simulation", "/price-simulation", HOUSE),
)


class Entry(NamedTuple):
    name: str
    href: str


class Menu(NamedTuple):
    """`title` names its text: `menu.{title}`."""

    title: str
    entries: list[Entry]


def menus(key: Key, account_id: str | None) -> list[Menu]:
    """What this key may open: the pages of the account that is looked at, and those across accounts."""
    found = (
        Menu("account", list(_entries(ACCOUNT_PAGES if account_id else (), key, account_id))),
        Menu("house", list(_entries(HOUSE_PAGES, key, None))),
        Menu("books", list(_entries(BOOKS_PAGES, key, None))),
    )
    return [menu for menu in found if menu.entries]


def home(key: Key) -> str:
    """Where a visit begins."""
    return ACCOUNT_PAGES[0].href(key.account_id) if key.role == ACCOUNT else HOUSE_PAGES[0].path


def _entries(pages: tuple[Page, ...], key: Key, account_id: str | None) -> Iterator[Entry]:
    for page in pages:
        if page.under is None and key.role in page.roles:
            yield Entry(page.name, page.href(account_id))
