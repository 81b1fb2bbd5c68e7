"""Simulations over HTTP and on the command line: what they say, and that they write nothing."""

import json
import os
import subprocess
import sys
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from billing.core.prices import PUBLISHED
from billing.embedded import EmbeddedPostgres
from tests.api.service import Api, image, problem, serving
from tests.conftest import copied

PATH = "/v1/price-books/simulate"


def body(**more: Any) -> dict[str, Any]:
    now = datetime.now(UTC)
    return {
        "candidate": {"models": deepcopy(dict(PUBLISHED))},
        "start": (now - timedelta(days=1)).isoformat(),
        "end": (now + timedelta(days=1)).isoformat(),
        **more,
    }


@pytest.fixture(scope="module")
def api(server: EmbeddedPostgres, template: str) -> Any:
    with copied(server, template) as dsn, serving(dsn) as api:
        for account in ("small", "large"):
            api.post("/v1/accounts", {"account_id": account, "credit_limit": 10_000})
        api.settle(api.authorize("small", "r1", quality="low", n=3), image(0), image(1), image(2))
        api.settle(api.authorize("large", "r1", size="2K"), image(0, 2048, 2048))
        api.settle(api.authorize("large", "r2", size="2K", n=2), image(0, 1024, 1024), image(1, 2048, 2048))
        refund = {"refund_id": "f", "reason": "r", "credits": 10}
        assert api.post("/v1/accounts/large/charges/r1/refunds", refund).status_code == 201
        yield api


def test_winners_and_losers(api: Api) -> None:
    asked = body()
    asked["candidate"]["models"]["gpt-image-2"]["prices"]["high"]["2K"] = 50
    asked["candidate"]["models"]["gpt-image-2"]["prices"]["low"]["1K"] = 2
    before = api.contents()
    answer = api.post(PATH, asked, "finance")
    assert answer.status_code == 200, answer.text
    assert api.contents() == before
    found = answer.json()
    assert found["total"] == {"images": 6, "credits_now": 151, "credits_then": 120, "difference": -31}
    change = {"images": 3, "credits_now": 148, "credits_then": 114, "difference": -34}
    assert found["winners"] == [{**change, "account_id": "large"}]  # what was refunded stays out on both sides
    assert [(one["account_id"], one["difference"]) for one in found["losers"]] == [("small", 3)]
    assert (found["customers"], found["winners_count"], found["losers_count"]) == (2, 1, 1)
    cells = [(one["quality"], one["size_tier"], one["images"], one["difference"]) for one in found["cells"]]
    assert cells == [("high", "2K", 2, -34), ("low", "1K", 3, 3), ("high", "1K", 1, 0)]
    assert (found["unpriced"], found["unpriced_images"], found["unpriced_credits"]) == ([], 0, 0)


def test_what_the_candidate_has_no_price_for(api: Api) -> None:
    asked = body()
    del asked["candidate"]["models"]["gpt-image-2"]
    found = api.post(PATH, asked).json()
    assert (found["total"]["images"], found["unpriced_images"], found["unpriced_credits"]) == (0, 6, 151)
    assert [(one["code"], one["size"], one["credits_now"]) for one in found["unpriced"]] == [
        ("unknown_model", "2K", 148),
        ("unknown_model", "auto", 3),
    ]


@pytest.mark.parametrize(
    "more",
    [
        {"candidate": {"models": {}}},
        {"candidate": {"models": {"m": 1}}},
        {"candidate": {"models": {"m": {**PUBLISHED["gpt-image-2"], "prices": 1.5}}}},
        {"candidate": {}},
        {"candidate": {"models": dict(PUBLISHED), "name": "x"}},
        {"start": "2026-01-01"},
        {"start": "2026-02-01T00:00:00Z", "end": "2026-02-01T00:00:00Z"},
        {"limit": 0},
        {"limit": 201},
        {"extra": 1},
    ],
)
def test_bad_input(api: Api, more: dict[str, Any]) -> None:
    problem(api.post(PATH, body(**more)), 422, "validation_error")


def test_on_the_command_line(api: Api, tmp_path: Path) -> None:
    file = tmp_path / "candidate.json"
    file.write_text(json.dumps({"effective_from": "2030-01-01T00:00:00Z", "models": dict(PUBLISHED)}))

    def told(*words: str) -> subprocess.CompletedProcess[str]:
        here = {name: text for name, text in os.environ.items() if not name.startswith("BILLING_")}
        command = [sys.executable, "-m", "billing", "price-book", "simulate", str(file), "--from", "2026-01-01", *words]
        return subprocess.run(
            command, env=here | {"DATABASE_URL": api.dsn}, capture_output=True, text=True, check=False
        )

    found = json.loads(told("--to", "2999-01-01", "--json").stdout)
    assert found["total"] == {"images": 6, "credits_now": 151, "credits_then": 151, "difference": 0}
    refused = told("--to", "tomorrow")
    assert (refused.returncode, "--to must be an RFC 3339 time" in refused.stderr) == (1, True)
