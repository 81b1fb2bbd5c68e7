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
class DashboardPage:
    """`name` names the template, the script and the texts. `under`: the entry of the menu where it has none itself."""

    name: str
    path: str
    roles: frozenset[str] = EVERYBODY
    under: str | None = None

    def href(self, account_id: str | None) -> str:
        return self.path.replace("{account_id}", quote(account_id or "", safe=""))


_A = "/accounts/{account_id}"
ACCOUNT_PAGES = (
    DashboardPage("overview", _A),
    DashboardPage("usage", f"{_A}/usage"),
    DashboardPage("charges", f"{_A}/charges"),
    DashboardPage("charge", f"{_A}/charges/{{request_id}}", under="charges"),
    DashboardPage("grants", f"{_A}/grants"),
    DashboardPage("ledger", f"{_A}/ledger"),
    DashboardPage("statements", f"{_A}/statements"),
    DashboardPage("statement", f"{_A}/statements/{{month}}", under="statements"),
    DashboardPage("prices", f"{_A}/prices"),
    DashboardPage("topups", f"{_A}/topups"),
    DashboardPage("recharge", f"{_A}/auto-recharge"),
)
HOUSE_PAGES = (
    DashboardPage("accounts", "/accounts", CHOOSING),
    DashboardPage("totals", "/totals", HOUSE),
    DashboardPage("spend", "/spend", HOUSE),
    DashboardPage("exceptions", "/exceptions", HOUSE),
    DashboardPage("events", "/events", HOUSE),
)
BOOKS_PAGES = (
    DashboardPage("revenue", "/revenue", HOUSE),
    DashboardPage("periods", "/periods", HOUSE),
    DashboardPage("trial_balance", "/trial-balance", HOUSE),
    DashboardPage("exports", "/exports", HOUSE),
    DashboardPage("reconciliations", "/reconciliations", HOUSE),
    DashboardPage("reconciliation", "/reconciliations/{reconciliation_id}", HOUSE, under="reconciliations"),
    DashboardPage("margins", "/margins", HOUSE),
    DashboardPage("payouts", "/payouts", HOUSE),
    DashboardPage("simulation", "/price-simulation", HOUSE),
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


def _entries(pages: tuple[DashboardPage, ...], key: Key, account_id: str | None) -> Iterator[Entry]:
    for page in pages:
        if page.under is None and key.role in page.roles:
            yield Entry(page.name, page.href(account_id))
