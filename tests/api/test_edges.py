"""Edges: limits of what is stored, bodies that end early, grants past their expiry, long ids."""

import asyncio
import base64
import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from billing.books.verify import verify

from .service import MODEL, Api, check_problem, created, image, path_of, problem, set_clock

START = datetime.fromisoformat("2030-01-01T00:00:00+00:00")


def cursor(*key: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(list(key)).encode()).decode().rstrip("=")


def test_a_position_that_no_change_has(api: Api) -> None:
    account_id = api.account()
    answer = api.get(f"/v1/accounts/{account_id}/changes", cursor=cursor("2026-01-01T00:00:00+00:00", 2**40))
    assert answer.status_code == 200
    assert answer.json()["has_more"] is False


@pytest.mark.parametrize(
    ("path", "query"),
    [("/v1/charges/batch", b""), ("/v1/reconciliations", b"reconciliation_id=early"), ("/v1/provider-reports", b"")],
)
def test_a_body_that_ends_early(api: Api, path: str, query: bytes) -> None:
    app: Any = api.client.app
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query,
        "root_path": "",
        "headers": [
            (b"authorization", f"Bearer {api.keys['admin']}".encode()),
            (b"content-length", b"50"),
            (b"content-type", b"text/csv"),
        ],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    api.client.portal.call(app, scope, receive, send)  # type: ignore[union-attr]
    assert sent[0]["status"] == 422


def test_what_was_spent_on_the_largest_credit_can_be_refunded_and_made_good(api: Api) -> None:
    account_id = api.account(credit_limit=2**63 - 1)
    charge = api.settle(api.authorize(account_id), image())
    assert charge["balance"]["posted"] == -14
    created(api.post(f"{path_of(charge)}/refunds", {"refund_id": "f1", "reason": "x", "credits": 4}))
    api.grant(account_id, 10)
    assert api.balance(account_id)["available"] == 2**63 - 1
    problem(
        api.post(f"/v1/accounts/{account_id}/grants", {"grant_id": "more", "kind": "plan", "credits": 1}),
        422,
        "validation_error",
    )


def test_a_bad_operation_on_an_unknown_account_is_told_as_a_request_of_its_own_would_be(api: Api) -> None:
    account_id = api.account(10)
    unknown, known = api.batch(
        {"op": "authorize", "account_id": "nobody-has-this", "request_id": "x", "model": MODEL, "n": 99},
        {"op": "authorize", "account_id": account_id, "request_id": "x", "model": MODEL, "n": 99},
    )
    check_problem(unknown["body"], 404, "account_not_found")
    check_problem(known["body"], 422, "validation_error")
    assert [error["field"] for error in known["body"]["errors"]] == ["n"]


def test_a_trailing_slash_is_another_path(api: Api) -> None:
    problem(api.call("GET", "/v1/accounts/", role=None), 404, "route_not_found")


def test_a_grant_past_its_expiry_is_shown_as_what_it_is(clocked: Api) -> None:
    account_id = clocked.account()
    set_clock(clocked, START)
    expires = {"expires_at": (START + timedelta(hours=1)).isoformat()}
    for grant_id in ("kept", "gone"):
        body = {"grant_id": grant_id, "kind": "plan", "credits": 20, **expires}
        created(clocked.post(f"/v1/accounts/{account_id}/grants", body))
    spent = clocked.settle(clocked.authorize(account_id), image())
    clocked.authorize(account_id, hold_seconds=86_400)
    set_clock(clocked, START + timedelta(hours=1))
    grants = clocked.get(f"/v1/accounts/{account_id}/grants").json()["data"]
    assert [(g["status"], g["remaining"], g["used"], g["expired"]) for g in grants] == [
        ("lapsed", 6, 14, 0),
        ("lapsed", 8, 0, 12),
    ]
    # A successor of an expired grant is named by its refund, whose id may be as long as ids may be.
    refund = {"refund_id": "r" * 64, "reason": "x"}
    (returned,) = created(clocked.post(f"{path_of(spent)}/refunds", refund))["returns"]
    assert returned["returned_to"] == f"refund:{'r' * 64}:1"
    report = asyncio.run(verify(clocked.dsn, account_id))
    assert report.ok, report
