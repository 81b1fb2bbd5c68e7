"""Signing in and out: a session is as good as its key, and no other site can use it."""

import asyncio
import shutil
from collections.abc import Iterator
from datetime import timedelta

import pytest

from billing.embedded import EmbeddedPostgres
from billing.store.keys import digest, new_secret
from billing.store.schema import migrate
from tests.api.service import ADMIN_KEY, CLOCK_STARTS_AT, Api, ask, on, problem, serving, set_clock, until
from tests.leftovers import new_directory

from .browser import HERE, HOST, PAGE, Browser

ELSEWHERE = [
    {},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "none"},
    {"Sec-Fetch-Site": "cross-site", "Origin": f"http://{HOST}"},
    {"Sec-Fetch-Site": "same-origin", "Origin": "https://evil.example"},
    {"Origin": "https://evil.example"},
    {"Origin": f"http://{HOST}.evil.example"},
    {"Origin": f"http://{HOST}:8443"},
    {"Origin": "null"},
    {"Origin": "http://["},
]
each_elsewhere = pytest.mark.parametrize("headers", ELSEWHERE, ids=str)


def sessions(api: Api, secret: str) -> int:
    return ask(api.dsn, "SELECT count(*) FROM session WHERE key_hash = $1", digest(secret))


@pytest.fixture
def secret(api: Api) -> str:
    """The key of a new account."""
    return api.new_key("account", api.account(10))["key"]


def test_a_key_opens_a_session(api: Api, browser: Browser, secret: str) -> None:
    answer = browser.form("/sign-in", key=f" {secret}\n", next="/accounts/a/charges?status=settled")
    assert (answer.status_code, answer.headers["location"]) == (303, "/accounts/a/charges?status=settled")
    cookie = browser.set["billing_session"]
    assert cookie["httponly"] is True
    assert (cookie["samesite"], cookie["path"], cookie["max-age"]) == ("strict", "/", "43200")
    assert not cookie["secure"]
    assert not cookie["domain"]
    assert len(cookie.value) == 43  # 256 bits
    assert browser.get("/v1/accounts").status_code == 200


def test_only_digests_are_stored(api: Api, browser: Browser, secret: str) -> None:
    browser.sign_in(secret)
    rows = on(api.dsn, lambda c: c.fetch("SELECT * FROM session WHERE key_hash = $1", digest(secret)))
    assert len(rows) == 1
    assert rows[0]["expires_at"] - rows[0]["created_at"] == timedelta(hours=12)
    token = browser.cookies["billing_session"]
    assert len(rows[0]["digest"]) == 32
    assert token.encode() not in rows[0]["digest"]
    assert rows[0]["digest"] == digest(token)


@pytest.mark.parametrize(
    "headers", [{"Origin": f"https://{HOST}"}, {"Sec-Fetch-Site": "same-origin", "Origin": f"https://{HOST}"}]
)
def test_by_https_the_cookie_is_secure(browser: Browser, secret: str, headers: dict[str, str]) -> None:
    assert browser.form("/sign-in", headers, key=secret).status_code == 303
    assert browser.set["billing_session"]["secure"] is True


def test_the_environments_key_signs_in(api: Api, browser: Browser) -> None:
    browser.sign_in(ADMIN_KEY)
    assert browser.get("/v1/keys").status_code == 200
    # Also where the database has a key of this secret: who holds one is not two, and cannot approve what he asked for.
    twin = "INSERT INTO api_key (key_id, hash, role, name, created_at) VALUES ('twin', $1, 'finance', '', now())"
    on(api.dsn, lambda c: c.execute(twin, digest(ADMIN_KEY)))
    assert browser.get("/v1/keys").status_code == 200
    on(api.dsn, lambda c: c.execute("DELETE FROM api_key WHERE key_id = 'twin'"))


@pytest.mark.parametrize("wrong", ["", "bk_short", "x" * 4000, "\x00", "ключ", "unknown"])
def test_a_wrong_key(browser: Browser, wrong: str) -> None:
    answer = browser.form("/sign-in", key=new_secret() if wrong == "unknown" else wrong)
    assert answer.status_code == 401
    assert "That key is not valid here." in answer.text
    assert "billing_session" not in browser.cookies
    if wrong:
        assert wrong not in answer.text


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"key", b"&" * 100, b"key=a" * 10_000])
def test_forms_that_are_none(browser: Browser, body: bytes) -> None:
    assert browser.call("POST", "/sign-in", HERE, content=body).status_code == 401


def test_a_revoked_key_ends_its_sessions(api: Api, browser: Browser) -> None:
    created = api.new_key("finance")
    browser.sign_in(created["key"])
    assert browser.get("/v1/accounts").status_code == 200
    api.call("DELETE", f"/v1/keys/{created['id']}")
    problem(browser.get("/v1/accounts"), 401, "unauthenticated")  # at once: a session asks each time
    assert browser.get("/accounts").headers["location"] == "/sign-in?next=%2Faccounts"


def test_a_revoked_key_opens_none(api: Api, browser: Browser) -> None:
    created = api.new_key("finance")
    api.call("DELETE", f"/v1/keys/{created['id']}")
    assert browser.form("/sign-in", key=created["key"]).status_code == 401


def test_a_session_ends_after_twelve_hours(clocked: Api) -> None:
    browser = Browser(clocked).sign_in(ADMIN_KEY)
    set_clock(clocked, CLOCK_STARTS_AT + timedelta(hours=12, seconds=-1))
    assert browser.get("/v1/accounts").status_code == 200
    set_clock(clocked, CLOCK_STARTS_AT + timedelta(hours=12))
    problem(browser.get("/v1/accounts"), 401, "unauthenticated")
    assert browser.get("/accounts").status_code == 303


def test_signing_out(api: Api, browser: Browser, secret: str) -> None:
    browser.sign_in(secret)
    token = browser.cookies["billing_session"]
    answer = browser.form("/sign-out")
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
    assert browser.set["billing_session"].value == ""
    assert "billing_session" not in browser.cookies
    assert sessions(api, secret) == 0
    browser.cookies["billing_session"] = token
    problem(browser.get("/v1/accounts"), 401, "unauthenticated")


def test_signing_out_ends_this_session_only(api: Api, browser: Browser, secret: str) -> None:
    other = Browser(api).sign_in(secret)
    browser.sign_in(secret).form("/sign-out")
    assert other.get("/v1/accounts").status_code == 200


def test_signing_in_again_replaces_the_session(api: Api, browser: Browser, secret: str) -> None:
    browser.sign_in(secret)
    first = browser.cookies["billing_session"]
    browser.sign_in(secret)
    assert browser.cookies["billing_session"] != first
    assert sessions(api, secret) == 1


def test_signing_out_without_a_session(browser: Browser) -> None:
    assert browser.form("/sign-out").status_code == 303


@each_elsewhere
def test_other_sites_cannot_sign_in_or_out(api: Api, browser: Browser, secret: str, headers: dict[str, str]) -> None:
    answer = browser.form("/sign-in", headers, key=secret)
    assert answer.status_code == 403
    assert "the form came from another site" in answer.text
    assert "billing_session" not in browser.cookies
    browser.sign_in(secret)
    assert browser.form("/sign-out", headers).status_code == 403
    assert browser.get("/v1/accounts").status_code == 200


@each_elsewhere
def test_other_sites_cannot_call(api: Api, browser: Browser, headers: dict[str, str]) -> None:
    browser.sign_in(ADMIN_KEY)
    account_id = api.new_id("account")
    for more in ({}, PAGE):
        document = problem(
            browser.call("POST", "/v1/accounts", headers | more, json={"account_id": account_id}), 403, "cross_site"
        )
        assert "page of the dashboard" in document["detail"]
    assert api.get(f"/v1/accounts/{account_id}").status_code == 404


def test_a_call_without_the_pages_header_is_refused(api: Api, browser: Browser) -> None:
    browser.sign_in(ADMIN_KEY)
    path = f"/v1/accounts/{api.account()}"
    for method, body in (("PATCH", {"name": "n"}), ("DELETE", None), ("PUT", None), ("POST", {})):
        target = path if method == "PATCH" else f"{path}/auto-recharge" if method != "POST" else f"{path}/grants"
        problem(browser.call(method, target, HERE, json=body), 403, "cross_site")


@pytest.mark.parametrize("headers", [HERE, {"Origin": f"http://{HOST}"}, {"Sec-Fetch-Site": "same-origin"}], ids=str)
def test_a_page_of_ours_may_call(api: Api, browser: Browser, headers: dict[str, str]) -> None:
    browser.sign_in(ADMIN_KEY)
    answer = browser.call("POST", "/v1/accounts", headers | PAGE, json={"account_id": api.new_id("account")})
    assert answer.status_code == 201


def test_with_a_header_no_page_is_asked_for_and_no_cookie_helps(api: Api, browser: Browser, secret: str) -> None:
    browser.sign_in(ADMIN_KEY)
    key = {"Authorization": f"Bearer {ADMIN_KEY}"}
    assert browser.call("POST", "/v1/accounts", key, json={"account_id": api.new_id("account")}).status_code == 201
    problem(
        browser.call(
            "POST", "/v1/keys", {"Authorization": f"Bearer {secret}"} | HERE | PAGE, json={"role": "admin", "name": "n"}
        ),
        403,
        "forbidden",
    )
    for wrong in ("Bearer bk_wrong", "Basic dTpw", ""):
        problem(browser.get("/v1/accounts", {"Authorization": wrong}), 401, "unauthenticated")


def test_a_session_has_its_keys_role_and_account(api: Api, browser: Browser) -> None:
    own, other = api.account(10), api.account(10)
    browser.sign_in(api.new_key("account", own)["key"])
    assert browser.get(f"/v1/accounts/{own}/balance").json()["available"] == 10
    problem(browser.get(f"/v1/accounts/{other}/balance"), 404, "account_not_found")
    problem(browser.get("/v1/keys"), 403, "forbidden")
    problem(browser.call("POST", f"/v1/accounts/{own}/grants", HERE | PAGE, json={}), 403, "forbidden")


@pytest.mark.parametrize("token", ["", "x", "x" * 43, "%" * 43, "x" * 5000])
def test_cookies_that_are_no_session(browser: Browser, token: str) -> None:
    cookie = {"Cookie": f"billing_session={token}"}
    problem(browser.get("/v1/accounts", cookie), 401, "unauthenticated")
    assert browser.get("/accounts", cookie).status_code == 303


@pytest.mark.parametrize(
    "where",
    [
        "//evil.example",
        "https://evil.example",
        "/\\evil.example",
        "evil",
        "javascript:alert(1)",
        "/a\r\nSet-Cookie: a=b",
        "",
    ],
)
def test_signing_in_leads_to_pages_of_ours_only(browser: Browser, secret: str, where: str) -> None:
    answer = browser.form("/sign-in", key=secret, next=where)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


@pytest.fixture
def own_server() -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL that the test may stop."""
    directory = new_directory()
    server = EmbeddedPostgres(directory / "data")
    server.start()
    yield server
    server.stop()
    shutil.rmtree(directory)


def test_a_database_that_is_gone_and_comes_back(own_server: EmbeddedPostgres) -> None:
    asyncio.run(migrate(own_server.dsn()))
    with serving(own_server.dsn()) as api:
        browser = Browser(api).sign_in(ADMIN_KEY)
        own_server.stop()
        answer = browser.get("/accounts", {"Accept-Language": "es"})
        assert answer.status_code == 503
        assert "No se puede acceder a la base de datos" in answer.text
        problem(browser.get("/v1/accounts"), 503, "database_unavailable")
        assert browser.form("/sign-in", key=ADMIN_KEY).status_code == 503
        assert browser.form("/sign-out").status_code == 503
        assert "billing_session" in browser.cookies
        assert browser.get("/sign-in").status_code == 200
        own_server.start()
        until(lambda: browser.get("/v1/accounts").status_code == 200, "signed in as before")
