"""Who may call what, and the order in which calls are refused."""

from typing import Any, ClassVar, NamedTuple

import pytest

from billing.core.prices import PUBLISHED

from .service import MODEL, Answer, Api, created, image, problem

ALL = ("admin", "gateway", "finance", "account")
READERS = ALL
CHARGING, REFUNDING, OVERSEEING, ADMIN = ("admin", "gateway"), ("admin", "finance"), ("admin", "finance"), ("admin",)


class Route(NamedTuple):
    method: str
    path: str
    roles: tuple[str, ...]
    body: Any = None
    status: int = 200

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"


PACK = {"credits": 1, "price": {"micros": 10_000, "currency": "USD"}}
TOPUP = {"pack_id": "p", "success_url": "https://a.example", "cancel_url": "https://a.example"}
NAMES = {
    "pack_id": "p",
    "topup_id": "t",
    "transaction_id": "txn_1",
    "event_id": "evt_1",
    "endpoint_id": "we_1",
    "reconciliation_id": "rec",
    "month": "9000-01",
    "period": "9000-01",
    "payout_id": "po_1",
    "report": "none",
}
RECHARGE = {"threshold": 1, "pack_id": "p", "monthly_limit": 1}
SIMULATION = {"candidate": {"models": PUBLISHED}, "start": "2026-01-01T00:00:00Z", "end": "2026-02-01T00:00:00Z"}
A = "/v1/accounts/{account_id}"
C = f"{A}/charges/{{request_id}}"
ROUTES = [
    Route("POST", "/v1/accounts", ADMIN, {"account_id": "{new}"}, 201),
    Route("GET", "/v1/accounts", READERS),
    Route("GET", A, READERS),
    Route("PATCH", A, ADMIN, {"name": "changed"}),
    Route("GET", f"{A}/changes", READERS),
    Route("GET", f"{A}/balance", READERS),
    Route("POST", f"{A}/grants", ADMIN, {"grant_id": "{new}", "kind": "plan", "credits": 1}, 201),
    Route("GET", f"{A}/grants", READERS),
    Route("POST", f"{A}/charges", CHARGING, {"request_id": "{new}", "model": MODEL}, 201),
    Route("GET", f"{A}/charges", READERS),
    Route("GET", "/v1/charges", OVERSEEING),
    Route("GET", C, READERS),
    Route("POST", f"{C}/settle", CHARGING, {"outputs": [image()]}),
    Route("POST", f"{C}/void", CHARGING, {}),
    Route("POST", f"{C}/refunds", REFUNDING, {"refund_id": "{new}", "reason": "r"}, 201),
    Route("GET", f"{C}/refunds", READERS),
    Route("GET", f"{C}/corrections", READERS),
    Route("GET", f"{C}/explain", READERS),
    Route("GET", "/v1/balances", ("admin", "gateway", "finance")),
    Route("GET", "/v1/totals", OVERSEEING),
    Route("POST", "/v1/charges/batch", CHARGING, {"operations": []}),
    Route("GET", f"{A}/transfers", READERS),
    Route("GET", f"{A}/usage", READERS, status=422),
    Route("GET", "/v1/usage", OVERSEEING, status=422),
    Route("GET", f"{A}/statements", READERS),
    Route("GET", f"{A}/statements/{{month}}", READERS, status=422),
    Route("GET", "/v1/price-books", READERS),
    Route("GET", "/v1/price-books/current", READERS),
    Route("GET", "/v1/price-books/{version}", READERS),
    Route("POST", "/v1/price-books", ADMIN, {"effective_from": "2090-01-01T00:00:00Z", "models": "{models}"}, 201),
    Route("POST", "/v1/price-books/simulate", OVERSEEING, SIMULATION),
    Route("POST", "/v1/quotes", READERS, {"model": MODEL}),
    Route("GET", "/v1/packs", READERS),
    Route("POST", "/v1/packs", ADMIN, PACK | {"pack_id": "{new}"}, 201),
    Route("GET", "/v1/packs/{pack_id}", READERS),
    Route("DELETE", "/v1/packs/{pack_id}", ADMIN),
    Route("POST", f"{A}/topups", ("admin", "gateway", "account"), TOPUP | {"topup_id": "{new}"}, 409),
    Route("GET", f"{A}/topups", READERS),
    Route("GET", f"{A}/topups/{{topup_id}}", READERS, status=404),
    Route("PUT", f"{A}/auto-recharge", ("admin", "account"), RECHARGE, 409),
    Route("GET", f"{A}/auto-recharge", READERS, status=404),
    Route("DELETE", f"{A}/auto-recharge", ("admin", "account"), status=404),
    Route("GET", "/v1/stripe/events", OVERSEEING),
    Route("GET", "/v1/stripe/events/{event_id}", OVERSEEING, status=404),
    Route("POST", "/v1/stripe/events/{event_id}/retry", ADMIN, status=404),
    Route("POST", "/v1/stripe/transactions/{transaction_id}/book", OVERSEEING, {"to": "fees", "reason": "r"}, 409),
    Route("POST", "/v1/webhook-endpoints", ADMIN, {"url": "http://127.0.0.1:9/", "events": ["dispute.closed"]}, 201),
    Route("GET", "/v1/webhook-endpoints", ADMIN),
    Route("GET", "/v1/webhook-endpoints/{endpoint_id}", ADMIN, status=404),
    Route("PATCH", "/v1/webhook-endpoints/{endpoint_id}", ADMIN, {"enabled": False}, 404),
    Route("DELETE", "/v1/webhook-endpoints/{endpoint_id}", ADMIN, status=404),
    Route("POST", "/v1/webhook-endpoints/{endpoint_id}/rotate", ADMIN, status=404),
    Route("POST", "/v1/webhook-endpoints/{endpoint_id}/replay", ADMIN, {"since": "2026-01-01T00:00:00Z"}, 404),
    Route("GET", "/v1/webhook-endpoints/{endpoint_id}/deliveries", OVERSEEING, status=404),
    Route("GET", "/v1/webhook-events", OVERSEEING),
    Route("POST", "/v1/webhook-events/{event_id}/replay", ADMIN, {}, 404),
    Route("POST", "/v1/finance/recognition", OVERSEEING),
    Route("GET", "/v1/finance/revenue", OVERSEEING, status=422),
    Route("GET", "/v1/finance/revenue/grants", OVERSEEING, status=422),
    Route("GET", "/v1/finance/trial-balance", OVERSEEING),
    Route("GET", "/v1/finance/exports", OVERSEEING),
    Route("GET", "/v1/finance/exports/{report}", OVERSEEING, status=422),
    Route("GET", "/v1/finance/exports/{report}/totals", OVERSEEING, status=422),
    Route("GET", "/v1/finance/payouts", OVERSEEING),
    Route("GET", "/v1/finance/payouts/{payout_id}", OVERSEEING, status=404),
    Route("GET", "/v1/finance/clearing", OVERSEEING),
    Route("GET", "/v1/finance/periods", OVERSEEING),
    Route("POST", "/v1/finance/periods/{period}/close", OVERSEEING, {}, 422),
    Route("POST", "/v1/finance/periods/{period}/reopen", OVERSEEING, {"reason": "r"}, 422),
    Route("GET", "/v1/finance/periods/{period}/late", OVERSEEING, status=422),
    Route("POST", "/v1/reconciliations", OVERSEEING, status=422),
    Route("GET", "/v1/reconciliations", OVERSEEING),
    Route("GET", "/v1/reconciliations/{reconciliation_id}", OVERSEEING, status=404),
    Route("GET", "/v1/reconciliations/{reconciliation_id}/lines", OVERSEEING, status=404),
    Route("GET", "/v1/reconciliations/{reconciliation_id}/report", OVERSEEING, status=404),
    Route("POST", "/v1/reconciliations/{reconciliation_id}/apply", OVERSEEING, {"reason": "r"}, 404),
    Route("POST", "/v1/reconciliations/{reconciliation_id}/approve", OVERSEEING, {"reason": "r"}, 404),
    Route("POST", "/v1/provider-reports", OVERSEEING, {}, 422),
    Route("GET", "/v1/provider-reports", OVERSEEING),
    Route("GET", "/v1/finance/margins", OVERSEEING, status=422),
    Route("GET", "/metrics", OVERSEEING),
    Route("POST", "/v1/keys", ADMIN, {"role": "gateway", "name": "n"}, 201),
    Route("GET", "/v1/keys", ADMIN),
    Route("DELETE", "/v1/keys/{key_id}", ADMIN),
]
OPEN_TO_ALL = {
    "GET /healthz",
    "GET /readyz",
    "GET /.well-known/billing-keys.json",
    "POST /v1/stripe/webhook",
}
each_route = pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
OF_AN_ACCOUNT = [route for route in ROUTES if "{account_id}" in route.path]


class Place:
    """An account with a charge, a key of its own and a key of a neighbour."""

    def __init__(self, api: Api) -> None:
        self.account_id = api.account(1_000)
        api.post("/v1/packs", PACK | {"pack_id": "p"})
        self.charge = api.authorize(self.account_id)
        self.neighbour = api.account()
        self.own_key = api.new_key("account", self.account_id)["key"]
        self.other_key = api.new_key("account", self.neighbour)["key"]


@pytest.fixture(scope="module")
def place(api: Api) -> Place:
    return Place(api)


def call(api: Api, route: Route, role: str | None, account_id: str, request_id: str = "request-1") -> Answer:
    path = route.path.format(account_id=account_id, request_id=request_id, version=1, key_id="key_0", **NAMES)
    body = route.body
    if isinstance(body, dict):
        known = {"{new}": api.new_id(), "{models}": None}
        if "{models}" in body.values():
            known["{models}"] = api.get("/v1/price-books/1").json()["models"]
        body = {name: known.get(value, value) if isinstance(value, str) else value for name, value in body.items()}
    return api.call(route.method, path, body, role)


def test_every_route_is_in_the_table(api: Api) -> None:
    paths = api.get("/openapi.json").json()["paths"]
    there = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    assert there == {route.name for route in ROUTES} | OPEN_TO_ALL


@each_route
def test_no_key(api: Api, place: Place, route: Route) -> None:
    problem(call(api, route, None, place.account_id), 401, "unauthenticated")


@each_route
def test_a_key_that_nobody_made(api: Api, place: Place, route: Route) -> None:
    problem(call(api, route, "unknown", place.account_id), 401, "unauthenticated")


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Basic dTpw", "bk_", "Bearer bk_short", "Bearer \xff\xfe", f"Bearer bk_{'x' * 5000}"],
)
def test_headers_that_are_no_key(api: Api, header: str) -> None:
    problem(api.client.get("/v1/accounts", headers={"Authorization": header.encode("latin-1")}), 401, "unauthenticated")


@pytest.mark.parametrize(
    ("route", "role"),
    [(route, role) for route in ROUTES for role in ALL if role not in route.roles],
    ids=lambda value: value.name if isinstance(value, Route) else value,
)
def test_a_role_that_may_not(api: Api, place: Place, route: Route, role: str) -> None:
    key = place.own_key if role == "account" else role
    document = problem(call(api, route, key, place.account_id), 403, "forbidden")
    assert document["role"] == role


@pytest.mark.parametrize(
    ("route", "role"),
    [(route, role) for route in ROUTES for role in route.roles],
    ids=lambda value: value.name if isinstance(value, Route) else value,
)
def test_a_role_that_may(api: Api, place: Place, route: Route, role: str) -> None:
    account_id = api.account(1_000)
    charge = api.authorize(account_id)
    if route.path.endswith("/refunds"):
        api.settle(charge, image())
    key = api.new_key("account", account_id)["key"] if role == "account" else role
    if route.path == "/v1/keys/{key_id}":
        revoked = api.call("DELETE", f"/v1/keys/{api.new_key('finance')['id']}", role=key)
        assert revoked.status_code == 200
        return
    answer = call(api, route, key, account_id, charge["request_id"])
    replay = route.path == "/v1/price-books" and answer.status_code == 200  # published by the test before
    assert answer.status_code == route.status or replay, answer.text


@pytest.mark.parametrize("route", OF_AN_ACCOUNT, ids=lambda route: route.name)
def test_an_account_that_does_not_exist(api: Api, route: Route) -> None:
    for role in route.roles:
        if role != "account":
            assert problem(call(api, route, role, "nobody"), 404, "account_not_found")["account_id"] == "nobody"


@pytest.mark.parametrize("route", [r for r in OF_AN_ACCOUNT if "account" in r.roles], ids=lambda route: route.name)
def test_someone_elses_account_is_told_from_none_by_nobody(api: Api, place: Place, route: Route) -> None:
    theirs = call(api, route, place.other_key, place.account_id, place.charge["request_id"])
    missing = call(api, route, place.other_key, "nobody", place.charge["request_id"])
    one, other = (problem(answer, 404, "account_not_found") for answer in (theirs, missing))
    assert one | {"account_id": ""} == other | {"account_id": ""}


def test_lists_across_accounts_show_an_account_key_only_its_own(api: Api, place: Place) -> None:
    seen = api.get("/v1/accounts", place.own_key).json()
    assert [account["account_id"] for account in seen["data"]] == [place.account_id]
    assert (seen["has_more"], seen["next_cursor"]) == (False, None)
    problem(api.get("/v1/charges", place.own_key), 403, "forbidden")


@pytest.mark.parametrize("role", ["gateway", "account"])
def test_the_money_book_is_for_admin_and_finance(api: Api, place: Place, role: str) -> None:
    key = place.own_key if role == "account" else role
    problem(api.get(f"/v1/accounts/{place.account_id}/transfers", key, book="money"), 403, "forbidden")
    for allowed in ("admin", "finance"):
        assert api.get(f"/v1/accounts/{place.account_id}/transfers", allowed, book="money").status_code == 200


def test_settling_another_accounts_charge(api: Api, place: Place) -> None:
    path = f"/v1/accounts/{place.neighbour}/charges/{place.charge['request_id']}"
    before = api.contents()
    problem(api.post(f"{path}/settle", {"outputs": [image()]}, "gateway"), 404, "charge_not_found")
    problem(api.post(f"{path}/void", {}, "gateway"), 404, "charge_not_found")
    problem(api.post(f"{path}/refunds", {"refund_id": "r", "reason": "r"}, "finance"), 404, "charge_not_found")
    after = api.contents()
    assert [before[table] for table in ("charge", "transfer", "output")] == [
        after[table] for table in ("charge", "transfer", "output")
    ]


@pytest.fixture(scope="module")
def poor(api: Api) -> str:
    """A suspended account with no credits left and a charge `used`."""
    account_id = api.account(14)
    api.authorize(account_id, "used")
    api.call("PATCH", f"/v1/accounts/{account_id}", {"status": "suspended"})
    return account_id


@pytest.fixture(scope="module")
def active(api: Api) -> str:
    """An account without credits."""
    return api.account()


class TestOrderOfRefusals:
    """key → role → account → body → id → suspended → model, size, quality, price → state → credits.

    Each case is wrong in everything from its own place on, and right in all before it.
    """

    BAD_BODY: ClassVar = {"request_id": "used", "model": "no-such-model", "n": 0, "price_version": 99}
    REUSED: ClassVar = {"request_id": "used", "model": "no-such-model", "size": "1x1", "price_version": 99, "n": 10}

    @pytest.mark.parametrize(
        ("role", "account", "body", "status", "code"),
        [
            (None, "nobody", BAD_BODY, 401, "unauthenticated"),
            ("unknown", "nobody", BAD_BODY, 401, "unauthenticated"),
            ("finance", "nobody", BAD_BODY, 403, "forbidden"),
            ("account", "nobody", BAD_BODY, 403, "forbidden"),
            ("gateway", "nobody", BAD_BODY, 404, "account_not_found"),
            ("gateway", "nobody", b"{", 404, "account_not_found"),
            ("gateway", "nobody", {**REUSED, "metadata": {"k": "\0"}}, 404, "account_not_found"),
            ("gateway", "poor", BAD_BODY, 422, "validation_error"),
            ("gateway", "poor", b"{", 422, "validation_error"),
            ("gateway", "poor", {**REUSED, "metadata": {"k": "\0"}}, 422, "validation_error"),
            ("gateway", "poor", REUSED, 409, "id_reused"),
            ("gateway", "poor", {**REUSED, "request_id": "new"}, 403, "account_suspended"),
            ("gateway", "active", {**REUSED, "request_id": "new"}, 422, "unknown_model"),
            (
                "gateway",
                "active",
                {**REUSED, "request_id": "new", "model": MODEL, "quality": "ultra"},
                422,
                "size_not_allowed",
            ),
            (
                "gateway",
                "active",
                {**REUSED, "request_id": "new", "model": MODEL, "size": "3856x1296", "quality": "ultra"},
                422,
                "size_not_priced",
            ),
            (
                "gateway",
                "active",
                {**REUSED, "request_id": "new", "model": MODEL, "size": "1K", "quality": "ultra"},
                422,
                "quality_not_supported",
            ),
            ("gateway", "active", {**REUSED, "request_id": "new", "model": MODEL, "size": "1K"}, 409, "price_changed"),
            ("gateway", "active", {"request_id": "new", "model": MODEL}, 402, "insufficient_credits"),
        ],
    )
    def test_authorize(
        self, api: Api, poor: str, active: str, role: str | None, account: str, body: Any, status: int, code: str
    ) -> None:
        account_id = {"poor": poor, "active": active}.get(account, account)
        key = api.new_key("account", poor)["key"] if role == "account" else role
        path = f"/v1/accounts/{account_id}/charges"
        if isinstance(body, bytes):
            answer = api.call("POST", path, role=key, content=body, headers={"Content-Type": "application/json"})
        else:
            answer = api.post(path, body, key)
        problem(answer, status, code)

    def test_a_replay_is_answered_though_the_account_is_suspended_and_empty(self, api: Api, poor: str) -> None:
        again = api.post(f"/v1/accounts/{poor}/charges", {"request_id": "used", "model": MODEL}, "gateway")
        assert (again.status_code, again.json()["status"]) == (200, "authorized")

    def test_one_step_is_refused_in_the_same_order(self, api: Api, poor: str, active: str) -> None:
        def one_step(account_id: str, **more: Any) -> Answer:
            body = {"request_id": "one", "model": MODEL, "outputs": [image()], **more}
            return api.post(f"/v1/accounts/{account_id}/charges", body, "gateway")

        problem(one_step(poor, outputs=[image(), image()]), 422, "validation_error")
        problem(one_step(poor, request_id="used"), 409, "id_reused")
        problem(one_step(poor), 403, "account_suspended")
        problem(one_step(active), 402, "insufficient_credits")

    @pytest.mark.parametrize("action", ["settle", "void", "refunds"])
    def test_later_calls(self, api: Api, action: str) -> None:
        account_id = api.account(100)
        open_charge = api.authorize(account_id)
        good: dict[str, Any] = {
            "settle": {"outputs": []},
            "void": {},
            "refunds": {"refund_id": "r", "reason": "r"},
        }[action]
        may, may_not = ("finance", "gateway") if action == "refunds" else ("gateway", "finance")

        def post(body: Any, role: str | None, account: str = account_id, request: str = "missing") -> Answer:
            return api.post(f"/v1/accounts/{account}/charges/{request}/{action}", body, role)

        bad = good | {"extra": 1}
        problem(post(bad, None, "nobody"), 401, "unauthenticated")
        problem(post(bad, may_not, "nobody"), 403, "forbidden")
        problem(post(bad, may, "nobody"), 404, "account_not_found")
        problem(post(bad, may), 422, "validation_error")
        problem(post(good, may), 404, "charge_not_found")
        if action == "refunds":
            refused = post({**good, "credits": 1_000}, may, request=open_charge["request_id"])
            assert problem(refused, 409, "charge_not_open")["charge_status"] == "authorized"

    def test_a_settled_charge_is_settled_though_the_account_is_suspended(self, api: Api) -> None:
        account_id = api.account(14)
        charge = api.authorize(account_id)
        api.call("PATCH", f"/v1/accounts/{account_id}", {"status": "suspended"})
        assert api.settle(charge, image())["settled_credits"] == 14

    def test_grants(self, api: Api) -> None:
        account_id = api.account()
        api.grant(account_id, 5, grant_id="used")
        bad = {"grant_id": "used", "kind": "gift", "credits": 0}
        other = {"grant_id": "used", "kind": "purchase", "credits": 6, "expires_at": "2001-01-01T00:00:00Z"}
        problem(api.post("/v1/accounts/nobody/grants", bad, None), 401, "unauthenticated")
        problem(api.post("/v1/accounts/nobody/grants", bad, "gateway"), 403, "forbidden")
        problem(api.post("/v1/accounts/nobody/grants", bad), 404, "account_not_found")
        problem(api.post(f"/v1/accounts/{account_id}/grants", bad), 422, "validation_error")
        problem(api.post(f"/v1/accounts/{account_id}/grants", other), 409, "id_reused")

    def test_a_body_that_is_too_large(self, api: Api, active: str) -> None:
        def huge(account_id: str, role: str | None) -> Answer:
            return api.call("POST", f"/v1/accounts/{account_id}/charges", role=role, content=b" " * (1 << 20) + b"{}")

        problem(huge("nobody", None), 401, "unauthenticated")
        problem(huge("nobody", "finance"), 403, "forbidden")
        problem(huge("nobody", "gateway"), 404, "account_not_found")
        problem(huge(active, "gateway"), 413, "payload_too_large")

    def test_queries_too(self, api: Api, place: Place) -> None:
        for path in ("charges", "transfers", "grants"):
            bad = {"cursor": "!", "limit": "many"}
            problem(api.get(f"/v1/accounts/nobody/{path}", None, **bad), 401, "unauthenticated")
            problem(api.get(f"/v1/accounts/nobody/{path}", **bad), 404, "account_not_found")
            problem(
                api.get(f"/v1/accounts/{place.account_id}/{path}", place.other_key, **bad), 404, "account_not_found"
            )
            problem(api.get(f"/v1/accounts/{place.account_id}/{path}", **bad), 422, "validation_error")

    def test_opening_an_account_that_is_there(self, api: Api, place: Place) -> None:
        taken = {"account_id": place.account_id, "credit_limit": 1}
        problem(api.post("/v1/accounts", {**taken, "extra": 1}), 422, "validation_error")
        problem(api.post("/v1/accounts", taken), 409, "id_reused")


def test_a_key_of_a_role_for_everybody_still_needs_the_account_to_exist(api: Api) -> None:
    created(api.post("/v1/keys", {"role": "finance", "name": "n"}))
    document = problem(
        api.post("/v1/keys", {"role": "account", "account_id": "nobody", "name": "n"}), 404, "account_not_found"
    )
    assert document["account_id"] == "nobody"
