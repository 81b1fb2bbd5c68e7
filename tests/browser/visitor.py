"""A visitor: a window of the browser, what is looked for in it, and all that goes wrong in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect

from billing.dashboard.language import CATALOGS

if TYPE_CHECKING:
    from .place import Place

WIDE = {"width": 1280, "height": 900}
ZONE = "Europe/Madrid"
# Told to the page itself: a policy that refuses something says so here, also where the console is silent.
VIOLATIONS = """document.addEventListener("securitypolicyviolation",
    ({ violatedDirective, blockedURI }) => console.error(`policy: ${violatedDirective} ${blockedURI}`));"""


class Visitor:
    """`page` is Playwright's. `troubles`: what consoles said, errors nobody caught, and requests to other origins
    but `may_visit`, where nobody listens."""

    def __init__(
        self,
        place: Place,
        browser: Browser,
        role: str | None,
        *,
        width: int = 1280,
        may_visit: str | None = None,
        **options: Any,
    ) -> None:
        self.place = place
        self._elsewhere = may_visit
        self.troubles: list[str] = []
        self._expected: list[str] = []
        settings = {"locale": "en-US", "timezone_id": ZONE, "viewport": WIDE | {"width": width}, **options}
        self._context = browser.new_context(base_url=place.url, **settings)
        self._context.set_default_timeout(15_000)
        self._context.add_init_script(VIOLATIONS)
        self._context.on("console", self._console)
        self._context.on("weberror", lambda problem: self.troubles.append(f"error: {problem.error}"))
        self._context.on("request", self._request)
        if role is not None:
            self.take_session(role)
        self.page: Page = self._context.new_page()

    def take_session(self, role: str) -> None:
        cookie = {"name": "billing_session", "value": self.place.sessions[role], "url": self.place.url}
        self._context.add_cookies([{**cookie, "httpOnly": True, "sameSite": "Strict"}])  # type: ignore[typeddict-item, list-item]

    def expects(self, status: int, *warnings: str) -> None:
        """From here on an answer of `status` is no trouble, nor what the page says of it: the console has both."""
        self._expected += [f"the server responded with a status of {status}", *warnings]

    def open(self, path: str) -> Page:
        """The page at `path`, once all of it is there."""
        self.page.goto(path)
        self.arrived()
        return self.page

    def arrived(self) -> None:
        busy = self.page.locator("[aria-busy=true]")
        expect(busy).to_have_count(0)
        for catalog in CATALOGS.values():
            expect(self.page.locator(".state", has_text=re.compile(f"^{catalog['state.loading']}$"))).to_have_count(0)

    def cookies(self) -> dict[str, Any]:
        return {cookie["name"]: cookie for cookie in self._context.cookies()}

    def close(self) -> None:
        self._context.close()

    def _console(self, message: ConsoleMessage) -> None:
        if message.type not in ("error", "warning") or any(known in message.text for known in self._expected):
            return
        where = message.location["url"]
        if not self._is_elsewhere(where):
            self.troubles.append(f"{where}: {message.text}")

    def _request(self, request: Request) -> None:
        address = urlsplit(request.url)
        if address.netloc != self.place.host and address.scheme != "data" and not self._is_elsewhere(request.url):
            self.troubles.append(f"a request to {request.url}")

    def _is_elsewhere(self, address: str) -> bool:
        return self._elsewhere is not None and address.startswith(f"{self._elsewhere}/")


def texts(page: Page) -> Iterator[str]:
    """Each piece of text that is there, for eyes or for screen readers, but for ids and words of the API (`code`),
    and sentences of it that say in which language they are."""
    found: list[str] = page.evaluate(
        """() => {
          const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
          const found = [document.title];
          while (walker.nextNode()) {
            if (!walker.currentNode.parentElement.closest("code, main [lang]")) found.push(walker.currentNode.textContent);
          }
          for (const name of ["title", "aria-label", "placeholder", "alt"])
            for (const node of document.querySelectorAll(`[${name}]`)) found.push(node.getAttribute(name));
          return found;
        }"""
    )
    return (text.strip() for text in found if text.strip())
