"""Whatever is sent: a problem document that says what is wrong and echoes nothing, and nothing recorded."""

import asyncio
import base64
import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import asyncpg
import pytest

from .service import MODEL, Answer, Api, check_problem, contents, image, problem

JSON = {"Content-Type": "application/json"}
POISON = "poison-7f3a"  # stands in whatever must not come back
NUL, LONE, LAST_LONE = f"{POISON}\0", f"{POISON}\ud800", f"{POISON}\udfff"
HUGE = "9" * 10_000


class Place:
    def __init__(self, api: Api) -> None:
        self.api = api
        self.account_id = api.account(1_000)
        self.charge = api.authorize(self.account_id, "open")
        api.settle(api.authorize(self.account_id, "settled"), image())
        self.charges = f"/v1/accounts/{self.account_id}/charges"
        self.grants = f"/v1/accounts/{self.account_id}/grants"

    def path(self, name: str) -> str:
        return {
            "account": f"/v1/accounts/{self.account_id}",
            "accounts": "/v1/accounts",
            "charges": self.charges,
            "settle": f"{self.charges}/open/settle",
            "void": f"{self.charges}/open/void",
            "refunds": f"{self.charges}/settled/refunds",
            "grants": self.grants,
            "quotes": "/v1/quotes",
            "keys": "/v1/keys",
            "books": "/v1/price-books",
            "batch": "/v1/charges/batch",
        }[name]


@pytest.fixture(scope="module")
def place(quiet: Api) -> Place:
    return Place(quiet)


@pytest.fixture(scope="module")
def tables(place: Place) -> Iterator[Callable[[], Any]]:
    """Reads what is stored, on one session: every test asks twice."""
    with asyncio.Runner() as runner:
        connection = runner.run(asyncpg.connect(place.api.dsn))
        yield lambda: runner.run(contents(connection))
        runner.run(connection.close())


@pytest.fixture(autouse=True)
def nothing_is_recorded(tables: Callable[[], Any]) -> Iterator[None]:
    before = tables()
    yield
    assert tables() == before


def refused(answer: Answer, code: str = "validation_error", status: int = 422) -> dict[str, Any]:
    document = problem(answer, status, code)
    assert POISON not in answer.text
    assert "\\u0000" not in answer.text
    assert "\\ud8" not in answer.text
    assert len(answer.text) < 5_000
    if code == "validation_error":
        assert document["errors"]
        assert all(set(error) == {"field", "message"} for error in document["errors"])
    return document


BOOK = {"tiers": [{"name": "T", "max_edge": 1}], "qualities": {"q": "q"}, "sizes": ["auto"], "prices": 1}
GOOD: dict[str, dict[str, Any]] = {
    "accounts": {"account_id": "new"},
    "account": {},
    "charges": {"request_id": "new", "model": MODEL},
    "settle": {"outputs": [image()]},
    "void": {},
    "refunds": {"refund_id": "new", "reason": "r"},
    "grants": {"grant_id": "new", "kind": "promotion", "credits": 1},
    "quotes": {"model": MODEL},
    "keys": {"role": "finance", "name": "n"},
    "books": {"effective_from": "2090-01-01T00:00:00Z", "models": {"m": BOOK}},
    "batch": {"operations": []},
}
POSTS = [name for name in GOOD if name != "account"]


def method_of(name: str) -> str:
    return "PATCH" if name == "account" else "POST"


class TestBodies:
    @pytest.mark.parametrize("name", list(GOOD))
    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"{",
            b'{"a": }',
            b"\xff\xfe\xfa",
            b'{"account_id": "\xff"}',
            b"[" * 100_000,
            b'{"a":' * 100_000,
            b'{"n": ' + HUGE.encode() + b"}",
            b'{"n": NaN}',
            b'{"n": Infinity}',
            b"null",
            b"[]",
            b'"text"',
            b"1e999999",
            b"\0",
            b'{"' + POISON.encode() + b'": 1}',
            b'{"' + POISON.encode() + b'\\u0000": 1}',
            b'{"' + POISON.encode() + b'\\ud800": 1}',
            b'\xef\xbb\xbf{"a": 1}',
        ],
        ids=lambda content: repr(content[:24])[2:-1] if isinstance(content, bytes) else content,
    )
    def test_that_are_not_what_the_contract_says(self, place: Place, name: str, content: bytes) -> None:
        if name == "void" and content in (b"", b"null"):
            pytest.skip("void needs no body")
        answer = place.api.call(method_of(name), place.path(name), content=content, headers=JSON)
        document = problem(answer, 422, "validation_error")
        assert len(answer.text) < 5_000
        assert document["errors"]
        assert "\\u0000" not in answer.text
        assert "\\ud8" not in answer.text

    @pytest.mark.parametrize("name", list(GOOD))
    def test_unknown_fields(self, place: Place, name: str) -> None:
        body = GOOD[name] | {"surprise": 1}
        document = refused(place.api.call(method_of(name), place.path(name), body))
        if name != "batch":
            assert document["errors"][0]["field"] == "surprise"

    @pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
    def test_of_another_kind(self, place: Place, content_type: str) -> None:
        headers = {"Content-Type": content_type}
        refused(place.api.call("POST", place.charges, content=b"a=1", headers=headers))

    @pytest.mark.parametrize("chunked", [False, True], ids=["length told", "chunked"])
    @pytest.mark.parametrize("name", POSTS)
    def test_that_are_too_large(self, place: Place, name: str, chunked: bool) -> None:
        limit = (8 if name == "batch" else 1) << 20
        content: Any = b" " * limit + b"{}"
        sent = iter([content[: limit // 2], content[limit // 2 :]]) if chunked else content
        answer = place.api.call("POST", place.path(name), content=sent, headers=JSON)
        assert refused(answer, "payload_too_large", 413)["limit_bytes"] == limit

    def test_a_length_that_is_a_lie_or_no_number(self, place: Place) -> None:
        for length in ("-1", "a", "9" * 5_000, ""):
            answer = place.api.call("POST", place.charges, content=b"{", headers=JSON | {"Content-Length": length})
            assert answer.status_code in (413, 422), answer.text

    def test_just_within_the_limit(self, place: Place) -> None:
        body = json.dumps(GOOD["quotes"]).encode()
        answer = place.api.call("POST", "/v1/quotes", content=body.ljust(1 << 20), headers=JSON)
        assert answer.status_code == 200

    def test_too_many_operations(self, place: Place) -> None:
        body = {"operations": [{}] * 5_001}
        refused(place.api.post("/v1/charges/batch", body, "gateway"))


FIELDS: list[tuple[str, str, list[Any]]] = [
    ("charges", "n", [0, 11, -1, 1.5, "2", True, None, [], {}, 10**40]),
    ("charges", "hold_seconds", [29, 86_401, 0, -1, 900.5, "900", True, 2**63]),
    ("charges", "price_version", [0, -1, 2**31, 2**63, 1.5, "1", True]),
    ("charges", "operation", ["upscale", "", 1, NUL]),
    ("charges", "mode", ["later", None, True]),
    ("charges", "size", [NUL, LONE, "1024x1024\n", "１０２４x1024", "x" * 65, 1024, None, True]),
    ("charges", "quality", [NUL, LONE, "x" * 65, 1, None]),
    ("charges", "model", [NUL, LONE, "x" * 65, 1, None]),
    ("charges", "request_id", ["a b", "a\0", "x" * 65, "", LONE, "é", "a/b", "a\n", 1, None]),
    ("charges", "api_key_id", [NUL, LONE, LAST_LONE, "x" * 129, 1]),
    ("charges", "end_user", [NUL, LONE, LAST_LONE, "x" * 257, 1]),
    (
        "charges",
        "metadata",
        [
            {"k": NUL},
            {NUL: 1},
            {"k": LONE},
            {LONE: 1},
            {LAST_LONE: LAST_LONE},
            {"k": {"deep": 1}},
            {"k": [1]},
            {"k": "x" * 513},
            {"x" * 65: 1},
            {f"k{number}": number for number in range(51)},
            {"k": 2**300},
            [],
            "text",
            1,
        ],
    ),
    (
        "charges",
        "outputs",
        [
            {},
            [{}],
            [image(0), image(0)],
            [image(-1)],
            [image(2**31)],
            [{"index": True, "status": "failed"}],
            [{"index": 0, "status": "lost"}],
            [{"index": 0, "status": "succeeded", "width": 10}],
            [{"index": 0, "status": "succeeded", "height": 10}],
            [image(0, 0, 10)],
            [image(0, -1, 10)],
            [image(0, 2**31, 10)],
            [{**image(), "width": 10.5}],
            [{**image(), "width": "10"}],
            [{"index": 0, "status": "failed", "reason": NUL}],
            [{"index": 0, "status": "failed", "reason": LONE}],
            [{"index": 0, "status": "failed", "reason": "x" * 513}],
            [{**image(), "surprise": 1}],
            [image(index) for index in range(1_001)],
        ],
    ),
    ("settle", "force", [1, "true", None]),
    ("void", "reason", [NUL, LONE, "x" * 513, 1]),
    ("refunds", "reason", [NUL, LONE, "x" * 513, 1, None]),
    ("refunds", "refund_id", ["a b", "a\0", "x" * 65, ""]),
    ("refunds", "credits", [0, -1, 1.5, "1", True, 2**63]),
    ("refunds", "outputs", [[], [0, 0], [-1], [True], ["0"], [2**31], "0"]),
    ("accounts", "account_id", ["a b", "a\0", "x" * 65, "", "_house", LONE, None]),
    ("accounts", "name", [NUL, LONE, "x" * 201, 1]),
    ("accounts", "asset", ["USD", "", None]),
    ("accounts", "credit_limit", [-1, 1.5, "1", True, 2**63, None]),
    ("accounts", "overage", ["free", None]),
    ("accounts", "hold", ["none", None]),
    ("accounts", "metadata", [{"k": NUL}, {NUL: 1}, {LONE: "v"}]),
    ("account", "name", [NUL, LONE, "x" * 201]),
    ("account", "status", ["closed", None]),
    ("account", "credit_limit", [-1, 1.5, True, 2**63, None]),
    ("account", "overage", [None, "x"]),
    ("account", "metadata", [{"k": NUL}, {LONE: 1}]),
    ("account", "asset", ["CREDIT"]),
    ("grants", "grant_id", ["a b", "a\0", "x" * 65, "refund:x", "pack:1", "recharge:1"]),
    ("grants", "kind", ["gift", None]),
    ("grants", "credits", [0, -1, 1.5, "1", True, 2**63, 2**63 - 1, None, 10**400]),
    ("grants", "priority", [-1, 1_001, 1.5, True, "1"]),
    (
        "grants",
        "expires_at",
        [
            "2001-01-01T00:00:00Z",
            "2090-01-01",
            "2090-01-01T00:00:00",
            "soon",
            NUL,
            4102444800,
            "2090-13-01T00:00:00Z",
            "",
        ],
    ),
    (
        "grants",
        "amount_paid",
        [
            {"micros": 1},
            {"currency": "USD"},
            {"micros": -1, "currency": "USD"},
            {"micros": 2**63, "currency": "USD"},
            {"micros": 1.5, "currency": "USD"},
            {"micros": True, "currency": "USD"},
            {"micros": 1, "currency": "usd"},
            {"micros": 1, "currency": "US\0"},
            {"micros": 1, "currency": "USD\n"},
            1,
        ],
    ),
    ("grants", "funding", ["stripe_clearing", "cash", None]),
    ("grants", "reference", [NUL, LONE, "x" * 256]),
    ("quotes", "n", [0, 11, 1.5, "2", True]),
    ("quotes", "model", [NUL, LONE, "x" * 65]),
    ("quotes", "size", [NUL, LONE]),
    ("quotes", "quality", [NUL, LONE]),
    ("quotes", "overage", ["free"]),
    ("keys", "role", ["root", "account", NUL]),
    ("keys", "name", [NUL, LONE, "x" * 201, None]),
    ("keys", "account_id", ["open", "a b", "a\0"]),
    ("books", "effective_from", ["2001-01-01T00:00:00Z", "soon", None, NUL]),
    (
        "books",
        "models",
        [
            {},
            {"m": {}},
            {"m": 1},
            {NUL: {}},
            {LONE: {}},
            [],
            *({"m": {**BOOK, "prices": price}} for price in (-1, True, 1.5, 2**63, None, "1", {}, {"q": {}}, {"q": 1})),
            *({"m": {**BOOK, "prices": {"q": {"T": price}}}} for price in (-1, "1", 1.5, None, [], 10**12 + 1)),
            *({"m": {**BOOK, "prices": {name: {"T": -1}}}} for name in ("\0", "\ud800", "x" * 100_000)),
            *({"m": {**BOOK, "prices": {"q": {name: -1}}}} for name in ("\0", "\ud800", "x" * 100_000)),
            {"m": {**BOOK, "prices": {"q": {"T": 1, "U": 1}}}},
            *({"m": {**BOOK, "tiers": [{"name": "T", "max_edge": edge}]}} for edge in (0, -1, 1.5, True, "1", 2**63)),
            *({"m": {**BOOK, "tiers": [{"name": name, "max_edge": 1}]}} for name in (NUL, LONE, ["T"], {}, 1, None)),
            *({"m": {**BOOK, "tiers": tiers}} for tiers in ([], {}, 1, [1], [{}], None, BOOK["tiers"] * 2)),
            *({"m": {**BOOK, "qualities": given}} for given in ({}, [], 1, {NUL: "q"}, {"q": LONE}, {"q": ["q"]})),
            *({"m": {**BOOK, "sizes": sizes}} for sizes in ([NUL], [["auto"]], {}, 1, None, {"multiple_of": 0})),
            *({"m": {**BOOK, "auto_tier": tier}} for tier in ("U", ["T"], {}, 1, NUL)),
            {"m": {**BOOK, NUL: 1}},
        ],
    ),
]


@pytest.mark.parametrize(("name", "field"), [(name, field) for name, field, _ in FIELDS])
def test_fields(place: Place, name: str, field: str) -> None:
    values = next(values for one, other, values in FIELDS if (one, other) == (name, field))
    for value in values:
        content = json.dumps({**GOOD[name], field: value}).encode()
        answer = place.api.call(method_of(name), place.path(name), content=content, headers=JSON)
        code = answer.json().get("code")
        if (name, field, value) == ("keys", "role", "account") or code == "account_not_found":
            assert answer.status_code in (404, 422)
            continue
        document = refused(answer)
        assert field in document["detail"] or field == "models", (value, document)


@pytest.mark.parametrize("name", list(GOOD))
def test_every_field_that_is_missing(place: Place, name: str) -> None:
    for field in GOOD[name]:
        body = {known: value for known, value in GOOD[name].items() if known != field}
        refused(place.api.call(method_of(name), place.path(name), body))


@pytest.mark.parametrize("path", ["charges", "quotes"])
@pytest.mark.parametrize(
    ("size", "code", "rule"),
    [
        ("1024", "size_not_allowed", "format"),
        ("1024x", "size_not_allowed", "format"),
        ("1024X1024", "size_not_allowed", "format"),
        ("1024x1024x1024", "size_not_allowed", "format"),
        (" 1024x1024", "size_not_allowed", "format"),
        ("0x0", "size_not_allowed", "format"),
        ("-16x1024", "size_not_allowed", "format"),
        ("1e3x1024", "size_not_allowed", "format"),
        ("1k", "size_not_allowed", "format"),
        ("8K", "size_not_allowed", "format"),
        ("", "size_not_allowed", "format"),
        ("9" * 40 + "x16", "size_not_allowed", "format"),
        ("1025x1024", "size_not_allowed", "multiple_of"),
        ("4096x1360", "size_not_allowed", "max_aspect"),
        ("99999999999999999999x16", "size_not_allowed", "multiple_of"),
        ("99999999999999999984x16", "size_not_allowed", "max_aspect"),
        ("800x800", "size_not_allowed", "min_pixels"),
        ("3840x2176", "size_not_allowed", "max_pixels"),
        ("4096x1376", "size_not_priced", None),
    ],
)
def test_sizes(place: Place, path: str, size: str, code: str, rule: str | None) -> None:
    document = refused(place.api.post(place.path(path), GOOD[path] | {"size": size}, "gateway"), code)
    if rule:
        assert document["rule"] == rule
    else:
        assert (document["long_edge"], document["max_edge"]) == (4096, 3840)


@pytest.mark.parametrize("path", ["charges", "quotes"])
def test_models_and_qualities(place: Place, path: str) -> None:
    def post(**more: Any) -> Answer:
        return place.api.post(place.path(path), GOOD[path] | more, "gateway")

    for quality in ("ultra", "", "HIGH", "high "):
        assert "high" in refused(post(quality=quality), "quality_not_supported")["supported"]
    for model in ("gpt-image-9", "", "GPT-IMAGE-2", "__class__"):
        refused(post(model=model), "unknown_model")
    refused(post(model="gpt-image-1.5", size="2048x2048"), "size_not_allowed")


@pytest.mark.parametrize("bad", ["a b", "a\0", "x" * 65, "é", "a\n", "a;b", "\ud800", "%", "a,b"])
def test_ids_in_paths(place: Place, bad: str) -> None:
    part = quote(bad, safe="", errors="surrogatepass")
    own_key = place.api.keys.setdefault("own", None) or place.api.keys["gateway"]
    for method, path, body in [
        ("GET", f"/v1/accounts/{part}", None),
        ("PATCH", f"/v1/accounts/{part}", {"name": "n"}),
        ("GET", f"/v1/accounts/{part}/balance", None),
        ("GET", f"/v1/accounts/{part}/charges", None),
        ("POST", f"/v1/accounts/{part}/grants", GOOD["grants"]),
        ("POST", f"/v1/accounts/{part}/charges", GOOD["charges"]),
        ("GET", f"{place.charges}/{part}", None),
        ("GET", f"{place.charges}/{part}/explain", None),
        ("GET", f"{place.charges}/{part}/refunds", None),
        ("POST", f"{place.charges}/{part}/settle", GOOD["settle"]),
        ("POST", f"{place.charges}/{part}/void", {}),
        ("POST", f"{place.charges}/{part}/refunds", GOOD["refunds"]),
        ("DELETE", f"/v1/keys/{part}", None),
    ]:
        refused(place.api.call(method, path, body))
    assert own_key


@pytest.mark.parametrize("version", ["0x1", "-1", "1.5", "one", "2147483648", "9" * 5_000, "%00"])
def test_versions_in_paths(place: Place, version: str) -> None:
    refused(place.api.get(f"/v1/price-books/{version}"))


def encoded(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


NOW = "2026-01-01T00:00:00+00:00"
CURSORS = [
    "garbage",
    "!",
    "é",
    "====",
    "%00",
    "\0",
    "x" * 1_001,
    base64.urlsafe_b64encode(b"\xff\xfe").decode(),
    base64.urlsafe_b64encode(b"[" * 700).decode(),
    base64.urlsafe_b64encode(b"9" * 700).decode(),
    *map(
        encoded,
        [
            None,
            1,
            {},
            {"a": 1},
            [],
            [1, 2],
            [None],
            [True],
            [1.5],
            ["\0"],
            ["\ud800"],
            [2**63],
            [-(2**63) - 1],
            [10**300],
            ["a", "b", "c"],
            ["a", "not a time", "r"],
            ["a", "2026-01-01T00:00:00", "r"],
            ["a", "2026-01-01", "r"],
            ["a", "0001-01-01T00:00:00+23:59", "r"],
            ["a", "9999-12-31T23:59:59-23:59", "r"],
            ["a\0", NOW, "r"],
            ["a", NOW, "r\0"],
            ["a", NOW, "\ud800"],
            ["a", NOW, 1],
        ],
    ),
]
LISTS = ["/v1/accounts", "/v1/charges", "{account}/charges", "{account}/transfers", "{account}/grants"]


@pytest.mark.parametrize("path", LISTS)
def test_cursors_made_of_garbage(place: Place, path: str) -> None:
    where = path.format(account=f"/v1/accounts/{place.account_id}")
    for cursor in CURSORS:
        answer = place.api.get(where, cursor=cursor)
        if path == "/v1/accounts" and cursor in (encoded({"a": 1}), encoded(["a"])):
            continue
        assert refused(answer)["errors"][0]["field"] == "cursor", cursor


@pytest.mark.parametrize("position", [2**31, 2**63 - 1, -(2**31) - 1, 1 - 2**63])
def test_cursors_with_positions_that_no_row_can_have(place: Place, position: int) -> None:
    changes = place.api.get(f"/v1/accounts/{place.account_id}/changes", cursor=encoded([NOW, position]))
    events = place.api.get("/v1/webhook-events", cursor=encoded([NOW, place.account_id, position]))
    assert (changes.status_code, events.status_code) == (200, 200)


@pytest.mark.parametrize("path", [path for path in LISTS if path.endswith("charges")])
def test_queries_of_charges(place: Place, path: str) -> None:
    where = path.format(account=f"/v1/accounts/{place.account_id}")
    for name in ("model", "api_key_id", "end_user", "flag", *(("account_id",) if path == "/v1/charges" else ())):
        for value in (NUL, "\0", "x" * 257):
            assert name in refused(place.api.get(where, **{name: value}))["detail"]
    for status in ("open", "", "SETTLED", NUL):
        refused(place.api.get(where, status=status))


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("limit", ["0", "201", "-1", "1.5", "many", "", "9" * 5_000, "true", "\0"])
def test_limits(place: Place, path: str, limit: str) -> None:
    where = path.format(account=f"/v1/accounts/{place.account_id}")
    assert refused(place.api.get(where, limit=limit))["errors"][0]["field"] == "limit"


TIMES = ["yesterday", "2026-01-01", "2026-01-01T00:00:00", "1767225600", "", "\0", "2026-02-30T00:00:00Z", "Z" * 300]


@pytest.mark.parametrize("value", TIMES)
def test_times(place: Place, value: str) -> None:
    account = f"/v1/accounts/{place.account_id}"
    for path in (f"{account}/charges", f"{account}/transfers", "/v1/charges"):
        for name in ("start", "end"):
            assert refused(place.api.get(path, **{name: value}))["errors"][0]["field"] == name
    refused(place.api.get(f"{account}/balance", at=value))


@pytest.mark.parametrize(
    "value",
    ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"],
)
def test_times_at_the_ends_of_the_calendar(place: Place, value: str) -> None:
    """Within the calendar or not, there is an answer."""
    account = f"/v1/accounts/{place.account_id}"
    for path in (f"{account}/charges", f"{account}/transfers", "/v1/charges"):
        for name in ("start", "end"):
            assert place.api.get(path, **{name: value}).status_code in (200, 422)
    assert place.api.get(f"{account}/balance", at=value).status_code in (200, 422)


def test_query_values_that_are_not_known(place: Place) -> None:
    account = f"/v1/accounts/{place.account_id}"
    refused(place.api.get(f"{account}/transfers", book="stocks"))
    refused(place.api.get(f"{account}/transfers", kind=NUL))
    refused(place.api.get(f"{account}/transfers", kind="x" * 257))
    assert place.api.get(f"{account}/transfers", kind="no-such-kind").json()["data"] == []
    assert place.api.get(f"{account}/charges", model="no-such-model").json()["data"] == []


def test_a_balance_in_the_future(place: Place) -> None:
    answer = place.api.get(f"/v1/accounts/{place.account_id}/balance", at="2090-01-01T00:00:00Z")
    assert refused(answer)["errors"] == [{"field": "at", "message": "lies in the future"}]


def test_a_grant_and_a_limit_that_take_the_balance_past_64_bits(place: Place) -> None:
    most = 2**63 - 1
    assert refused(place.api.post(place.grants, GOOD["grants"] | {"credits": most}))["errors"][0]["field"] == "credits"
    path = f"/v1/accounts/{place.account_id}"
    refused(place.api.call("PATCH", path, {"credit_limit": most}))


def test_refunds_that_cannot_be(place: Place) -> None:
    path = f"{place.charges}/settled/refunds"
    both = {"refund_id": "r", "reason": "r", "credits": 1, "outputs": [0]}
    refused(place.api.post(path, both))
    over = place.api.post(path, {"refund_id": "r", "reason": "r", "credits": 15})
    assert refused(over, "refund_exceeds_bill", 409)["refundable"] == 14
    missing = place.api.post(path, {"refund_id": "r", "reason": "r", "outputs": [7]})
    assert missing.status_code in (409, 422)


def test_routes_and_methods_that_are_not_there(place: Place) -> None:
    for path in ("/v1", "/v1/accounts/a/b/c", "/v1/%00", "/nothing", f"/{POISON}"):
        refused(place.api.get(path), "route_not_found", 404)
    for method, path in (
        ("DELETE", "/v1/accounts"),
        ("PUT", "/v1/quotes"),
        ("GET", "/v1/quotes"),
        ("PURGE", "/healthz"),
    ):
        answer = place.api.call(method, path)
        refused(answer, "method_not_allowed", 405)
        assert answer.headers["allow"]


class TestBatches:
    """What is wrong with one operation is told in its place."""

    @pytest.mark.parametrize(
        "operation",
        [
            {},
            None,
            1,
            [],
            "authorize",
            {"op": POISON},
            {"op": None},
            {"op": ["authorize"]},
            {"op": "refund", "account_id": "a", "request_id": "r"},
            {"op": "authorize"},
            {"op": "charge", "account_id": "a", "request_id": "r", "model": MODEL},
            {"op": "authorize", "account_id": "a b", "request_id": "r", "model": MODEL},
            {"op": "authorize", "account_id": "a", "request_id": "r\0", "model": MODEL},
            {"op": "authorize", "account_id": "a", "request_id": "r", "model": NUL},
            {"op": "authorize", "account_id": "a", "request_id": "r", "model": LONE},
            {"op": "authorize", "account_id": "a", "request_id": "r", "model": MODEL, "n": 0},
            {"op": "authorize", "account_id": "a", "request_id": "r", "model": MODEL, "n": 10**300},
            {"op": "authorize", "account_id": "a", "request_id": "r", "model": MODEL, POISON + "\0": 1},
            {"op": "authorize", "account_id": "a", "request_id": "r", "model": MODEL, LONE: 1},
            {"op": "authorize", "account_id": "a", "request_id": "r", "model": MODEL, "metadata": {"k": NUL}},
            {"op": "authorize", "account_id": "a", "request_id": "r", "model": MODEL, "metadata": {LONE: "v"}},
            {"op": "settle", "account_id": "a", "request_id": "r", "outputs": [image(0), image(0)]},
            {"op": "settle", "account_id": "a", "request_id": "r", "outputs": [], "force": "yes"},
            {"op": "void", "account_id": "a", "request_id": "r", "reason": NUL},
            {"op": "void", "account_id": "a", "request_id": "r", "reason": LONE},
        ],
    )
    def test_one_bad_operation(self, place: Place, operation: Any) -> None:
        good = {"op": "authorize", "account_id": place.account_id, "request_id": "open", "model": MODEL}
        if isinstance(operation, dict) and operation.get("account_id") == "a":
            operation = {**operation, "account_id": place.account_id}  # an unknown one would be told before the body
        body = json.dumps({"operations": [good, operation, good]}).encode()
        answer = place.api.call("POST", "/v1/charges/batch", role="gateway", content=body, headers=JSON)
        assert answer.status_code == 200, answer.text
        first, bad, last = answer.json()["results"]
        assert (first["status"], last["status"]) == (200, 200)
        assert bad["status"] == 422
        check_problem(bad["body"], 422, "validation_error")
        for text in ("\\u0000", "\\ud8"):
            assert text not in answer.text
        assert POISON not in json.dumps([error["message"] for error in bad["body"]["errors"]])
