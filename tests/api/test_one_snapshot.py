"""One question, one transaction: whether an account is there, which time it is and what the answer says are of one instant."""

import sys
from typing import Any

import pytest

from billing.store.engine import Engine

from .service import Api
from .test_openapi import document

MONTH = "2026-01"
QUERIES = {"start_time": "2026-01-01", "period": MONTH}
# Files that are written while they are read, page by page of what never changes; and a key that is made at first need.
OTHERWISE = {
    "/.well-known/billing-keys.json",
    "/v1/accounts/{account_id}/statements/{month}",
    "/v1/finance/exports/{report}",
    "/v1/finance/exports/{report}/totals",
    "/v1/reconciliations/{reconciliation_id}/report",
}
QUESTIONS = sorted(
    path
    for path, operations in document()["paths"].items()
    if "get" in operations and "service" not in operations["get"]["tags"] and path not in OTHERWISE
)


@pytest.fixture(scope="module")
def known(api: Api) -> dict[str, str]:
    """What stands in paths: a charge that was settled, and its account."""
    account = api.account(100)
    charge = api.authorize(account, outputs=[{"index": 0, "status": "succeeded", "width": 1024, "height": 1024}])
    return {"account_id": account, "request_id": charge["request_id"], "month": MONTH, "period": MONTH, "version": "1"}


@pytest.mark.parametrize("path", QUESTIONS)
def test_one_session_for_one_question(
    api: Api, known: dict[str, str], monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """Taken from a pool while the route answers: chores beside it have their own, and the house's key needs none."""
    parameters = document()["paths"][path]["get"].get("parameters", [])
    for one in parameters:
        if one["in"] == "path":
            path = path.replace(f"{{{one['name']}}}", known.get(one["name"], "nobody"))
    query = {one["name"]: QUERIES[one["name"]] for one in parameters if one["in"] == "query" and one["name"] in QUERIES}
    taken = 0
    take = Engine.session

    def counted(self: Engine) -> Any:
        nonlocal taken
        frame = sys._getframe()
        while frame is not None and frame.f_code.co_name != "answer_or_head":
            frame = frame.f_back  # type: ignore[assignment]
        taken += frame is not None
        return take(self)

    monkeypatch.setattr(Engine, "session", counted)
    answer = api.get(path, **query)
    assert answer.status_code in (200, 404), answer.text
    assert taken <= 1
