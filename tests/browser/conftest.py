"""A town that is served, with a past, and a browser to visit it.

Playwright's loop runs in this thread for as long as the browser is open, and nothing else can run one meanwhile: so
the browser is the package's, the town is built before it, and tests here ask the service over HTTP only.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from billing.embedded import EmbeddedPostgres
from tests.conftest import copied

from . import chromium
from .place import Place
from .visitor import Visitor


@pytest.fixture(scope="package")
def place(server: EmbeddedPostgres, template: str) -> Iterator[Place]:
    chromium.path()  # no browser, no town
    with copied(server, template) as dsn, Place(dsn) as place:
        yield place


@pytest.fixture(scope="package")
def chrome(place: Place) -> Iterator[Browser]:
    with sync_playwright() as playwright, chromium.launch(playwright) as browser:
        yield browser


@pytest.fixture
def visit(place: Place, chrome: Browser) -> Iterator[Callable[..., Visitor]]:
    """Opens a window of its own for a visitor: `visit("account")`, `visit(None)` without a key. What any page says on
    its console, asks of another origin or may not do is a failure of the test."""
    visitors: list[Visitor] = []

    def opened(role: str | None = "account", **options: Any) -> Visitor:
        visitors.append(Visitor(place, chrome, role, **options))
        return visitors[-1]

    yield opened
    for visitor in visitors:
        visitor.close()
    for visitor in visitors:
        assert visitor.troubles == []
