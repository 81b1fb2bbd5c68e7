"""A browser without a screen: it keeps cookies, says where a request comes from, and follows nothing by itself."""

from collections.abc import Iterator
from html.parser import HTMLParser
from http.cookies import Morsel, SimpleCookie
from typing import Any
from urllib.parse import urlencode

from tests.api.service import Answer, Api

HOST = "testserver"
HERE = {"Sec-Fetch-Site": "same-origin", "Origin": f"http://{HOST}"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
PAGE = {"X-Billing-Dashboard": "1"}


class Browser:
    """One visitor. `cookies` is what the browser has kept, `set` what the last answer set."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.cookies: dict[str, str] = {}
        self.set: dict[str, Morsel[str]] = {}

    def call(self, method: str, path: str, headers: dict[str, str] | None = None, **more: Any) -> Answer:
        kept = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())} if self.cookies else {}
        answer = self.api.client.request(
            method, path, headers={**kept, **(headers or {})}, follow_redirects=False, **more
        )
        self.api.client.cookies.clear()
        jar: SimpleCookie = SimpleCookie()
        for header in answer.headers.get_list("set-cookie"):
            jar.load(header)
        self.set = dict(jar)
        for name, morsel in jar.items():
            if morsel["max-age"] == "0":
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = morsel.value
        return answer

    def get(self, path: str, headers: dict[str, str] | None = None, **query: Any) -> Answer:
        return self.call("GET", path, headers, params=query or None)

    def form(self, path: str, headers: dict[str, str] = HERE, **fields: str) -> Answer:
        return self.call("POST", path, FORM | headers, content=urlencode(fields))

    def sign_in(self, secret: str, **more: str) -> "Browser":
        answer = self.form("/sign-in", key=secret, **more)
        assert answer.status_code == 303, answer.text
        return self


class Document(HTMLParser):
    """A page as a browser reads it: its tags with their attributes, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.inline: list[str] = []
        self._within = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))
        self._within = tag

    def handle_endtag(self, tag: str) -> None:
        self._within = ""

    def handle_data(self, data: str) -> None:
        if self._within in ("script", "style"):
            self.inline.append(data)
        else:
            self.text += data

    def all(self, tag: str) -> Iterator[dict[str, str | None]]:
        return (attributes for name, attributes in self.tags if name == tag)

    def one(self, tag: str) -> dict[str, str | None]:
        (found,) = self.all(tag)
        return found
