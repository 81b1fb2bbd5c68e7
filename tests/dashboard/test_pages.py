"""Pages: who may open which, in both languages, under strict headers, and with nothing in them that runs."""

from collections.abc import Callable

import pytest

from billing.dashboard.assets import BASE, FILES
from billing.dashboard.menu import ACCOUNT_PAGES, BOOKS_PAGES, HOUSE_PAGES, DashboardPage
from tests.api.service import Answer, Api

from .browser import Browser, Document

Visitor = Callable[[str, str], Browser]
ROLES = ("admin", "finance", "gateway", "account")
PAGES = (*ACCOUNT_PAGES, *HOUSE_PAGES, *BOOKS_PAGES)
each_role = pytest.mark.parametrize("role", ROLES)
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
each_language = pytest.mark.parametrize("language", ["en", "es"])
POLICY = {
    "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' data:", "connect-src 'self'",
    "font-src 'self'", "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'",
}  # fmt: skip


@pytest.fixture(scope="session")
def account_id(api: Api) -> str:
    return api.account(100, name="<script>alert(1)</script>")


@pytest.fixture(scope="session")
def signed_in(api: Api, account_id: str) -> Callable[[str], Browser]:
    """A browser of each role; that of role `account` is the account's own."""
    found: dict[str, Browser] = {}
    for role in ROLES:
        found[role] = Browser(api).sign_in(api.new_key(role, account_id if role == "account" else None)["key"])
    return found.__getitem__


def path_of(page: DashboardPage, account_id: str, request_id: str = "request-1") -> str:
    return page.path.format(account_id=account_id, request_id=request_id, month="2026-01", reconciliation_id="r")


def check_headers(answer: Answer) -> None:
    headers = answer.headers
    assert set(headers["content-security-policy"].split("; ")) == POLICY
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["x-frame-options"] == "DENY"
    assert headers["cross-origin-resource-policy"] == "same-origin"


def check_page(answer: Answer, language: str = "en") -> Document:
    """A page that a strict policy lets work: its own files only, nothing inline, and every reference leads somewhere."""
    check_headers(answer)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    document = Document(answer.text)
    assert document.one("html")["lang"] == language
    assert not "".join(document.inline).strip()
    for tag, attributes in document.tags:
        assert not [name for name in attributes if name.startswith("on") or name == "style"], tag
        for name in ("src", "href", "data-texts"):
            address = attributes.get(name)
            if address is not None and address.startswith("/assets/"):
                assert address.removeprefix(f"{BASE}/") in FILES, address
            elif address is not None and name != "href":
                pytest.fail(f"{address} is no file of ours")
    names = [attributes["id"] for _, attributes in document.tags if "id" in attributes]
    assert len(names) == len(set(names))
    for label in document.all("label"):
        assert label["for"] in names
    assert {"header", "main"} <= {tag for tag, _ in document.tags}
    assert ("a", {"class": "skip", "href": "#main"}) in document.tags
    return document


@each_language
@each_role
@each_page
def test_every_page_for_every_role(
    signed_in: Callable[[str], Browser], account_id: str, page: DashboardPage, role: str, language: str
) -> None:
    answer = signed_in(role).get(path_of(page, account_id), {"Accept-Language": language})
    document = check_page(answer, language)
    if role not in page.roles:
        assert answer.status_code == 404
        return
    assert answer.status_code == 200
    body = document.one("body")
    assert body["data-role"] == role
    assert document.one("h1") == {}
    assert body.get("data-account") == (account_id if "{account_id}" in page.path else None)
    assert any(attributes.get("src", "").endswith(f"/pages/{page.name}.js") for attributes in document.all("script"))
    current = [
        attributes
        for attributes in document.all("a")
        if attributes.get("aria-current") in ("page", "true") and "data-language" not in attributes
    ]
    assert len(current) == 1


@each_role
def test_the_menu_has_what_the_role_may_open(signed_in: Callable[[str], Browser], account_id: str, role: str) -> None:
    browser = signed_in(role)
    document = Document(browser.get(f"/accounts/{account_id}").text)
    there = {attributes["href"] for attributes in document.all("a") if "data-language" not in attributes}
    for page in PAGES:
        if page.under is None:
            assert (path_of(page, account_id) in there) == (role in page.roles), page.name
    for address in there:
        if address and address.startswith("/"):
            assert browser.get(address).status_code in (200, 303), address


@each_page
def test_without_a_session_visitors_sign_in_and_come_back(browser: Browser, page: DashboardPage) -> None:
    answer = browser.get(f"{path_of(page, 'a')}?status=settled")
    assert answer.status_code == 303
    document = check_page(browser.get(answer.headers["location"]))
    assert [field["value"] for field in document.all("input") if field["name"] == "next"] == [
        f"{path_of(page, 'a')}?status=settled"
    ]


@each_role
def test_a_visit_begins_at_home(signed_in: Callable[[str], Browser], account_id: str, role: str) -> None:
    answer = signed_in(role).get("/")
    assert answer.status_code == 303
    assert answer.headers["location"] == (f"/accounts/{account_id}" if role == "account" else "/accounts")


@each_language
@pytest.mark.parametrize("page", ACCOUNT_PAGES, ids=lambda page: page.name)
def test_another_accounts_pages_are_refused(
    api: Api, signed_in: Callable[[str], Browser], page: DashboardPage, language: str
) -> None:
    other = api.account()
    answer = signed_in("account").get(path_of(page, other), {"Accept-Language": language})
    assert answer.status_code == 404
    document = check_page(answer, language)
    assert {"en": "No such account", "es": "No existe esa cuenta"}[language] in document.text
    nobody = signed_in("account").get(path_of(page, "nobody"), {"Accept-Language": language})
    assert nobody.text.replace("nobody", other) == answer.text.replace(
        f"{other}", other
    )  # whether it exists is not told


@pytest.mark.parametrize(
    "path",
    [
        "/accounts/a/b/c/d",
        "/accounts/a%20b",
        "/accounts/<script>",
        "/accounts/a/charges/%00",
        "/accounts/" + "a" * 65,
        "/accounts//charges",
    ],
)
@pytest.mark.parametrize("role", ["admin", "account"])
def test_addresses_where_nothing_is(signed_in: Callable[[str], Browser], role: str, path: str) -> None:
    answer = signed_in(role).get(path)
    assert answer.status_code == 404
    assert "<script>" not in check_page(answer).text


def test_from_a_link_of_another_site_the_page_leads_itself_back(
    signed_in: Callable[[str], Browser], api: Api, account_id: str
) -> None:
    path = f"/accounts/{account_id}/topups"
    answer = Browser(api).get(path, {"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 200
    document = check_page(answer)
    assert {"http-equiv": "refresh", "content": "0"} in list(document.all("meta"))
    assert "data-account" not in document.one("body")
    assert Browser(api).get(path, {"Sec-Fetch-Site": "same-origin"}).status_code == 303
    assert signed_in("account").get(path, {"Sec-Fetch-Site": "cross-site"}).status_code == 200


HOSTILE = "\"><script>alert('1')</script><img src=x onerror=alert(1)>"


def test_what_strangers_send_is_text(browser: Browser, signed_in: Callable[[str], Browser], account_id: str) -> None:
    cookies = {"Cookie": 'billing_language="><script>; billing_theme="><script>'}
    for answer in (
        browser.get("/sign-in", cookies, next=f"/{HOSTILE}", lang=HOSTILE),
        browser.get("/sign-in", {"Accept-Language": HOSTILE}),
        signed_in("account").get(f"/accounts/{account_id}", q=HOSTILE, lang=HOSTILE),
        signed_in("account").get(f"/accounts/{account_id}:{'x' * 40}"),
    ):
        document = check_page(answer)
        assert {attributes.get("type") for attributes in document.all("script")} == {"module"}
        assert "onerror" not in {name for _, attributes in document.tags for name in attributes}
        assert "data-theme" not in document.one("html")


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"), ("es", "es"), ("es-MX,en;q=0.8", "es"), ("en-GB,es", "en"), ("fr,es;q=0.5,en;q=0.4", "es"), ("de", "en"),
        ("es;q=0,en", "en"), ("*", "en"), ("es;q=x", "en"), ("," * 5000, "en"), ("en;q=nan,es;q=0.1", "es"), ("es;q=5", "en"),
    ],
)  # fmt: skip
def test_the_browsers_language(browser: Browser, header: str, language: str) -> None:
    check_page(browser.get("/sign-in", {"Accept-Language": header}), language)


def test_a_chosen_language_is_kept(browser: Browser) -> None:
    document = check_page(browser.get("/sign-in", next="/accounts/a?x=1"))
    spanish = next(link["href"] for link in document.all("a") if link.get("hreflang") == "es")
    assert spanish
    again = check_page(browser.get(spanish), "es")
    assert [field["value"] for field in again.all("input") if field["name"] == "next"] == ["/accounts/a?x=1"]
    assert browser.set["billing_language"].value == "es"
    check_page(browser.get("/sign-in"), "es")
    check_page(browser.get("/sign-in", lang="en"), "en")
    check_page(browser.get("/sign-in"), "en")
    check_page(browser.get("/sign-in", lang="fr"), "en")


def test_a_chosen_theme_is_there_from_the_first_paint(browser: Browser) -> None:
    assert "data-theme" not in check_page(browser.get("/sign-in")).one("html")
    browser.cookies["billing_theme"] = "dark"
    assert check_page(browser.get("/sign-in")).one("html")["data-theme"] == "dark"


def test_pages_are_no_part_of_the_apis_description(api: Api) -> None:
    paths = api.get("/openapi.json").json()["paths"]
    assert not [path for path in paths if path.startswith(("/accounts", "/assets", "/sign-"))]


def test_the_apis_description_is_a_page_of_ours(browser: Browser) -> None:
    answer = browser.get("/docs")
    check_headers(answer)
    document = Document(answer.text)
    sources = [script["src"] for script in document.all("script")] + [link["href"] for link in document.all("link")]
    assert len(sources) == 4
    assert all(source and source.startswith("/assets/") for source in sources)
    assert document.inline == []
    for path in ("/redoc", "/docs/oauth2-redirect"):
        assert browser.get(path).status_code == 404


def test_the_document_is_made_once_and_told_by_its_tag(browser: Browser) -> None:
    first = browser.get("/openapi.json")
    again = browser.get("/openapi.json", {"If-None-Match": first.headers["etag"]})
    assert (first.status_code, again.status_code, again.content) == (200, 304, b"")
    assert browser.get("/openapi.json", {"If-None-Match": '"other"'}).content == first.content


def test_pages_are_counted_by_route(signed_in: Callable[[str], Browser], api: Api, account_id: str) -> None:
    signed_in("account").get(f"/accounts/{account_id}/grants")
    metrics = api.get("/metrics").text
    assert 'route="/accounts/{account_id}/grants"' in metrics
    assert f'"/accounts/{account_id}/grants"' not in metrics
