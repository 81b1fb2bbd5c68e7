"""`billing close`, `reopen` and `periods`, on a real database: what they say, and whose name is kept."""

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from billing import commands
from tests.api.service import ADMIN_KEY

LAST_MONTH = f"{datetime.now(UTC).replace(day=1) - timedelta(days=1):%Y-%m}"
Billing = Callable[..., str]


@pytest.fixture
def billing(fresh_database: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Billing:
    """Runs a command in this process; what it prints, or the sentence with which it refuses."""
    monkeypatch.setenv("DATABASE_URL", fresh_database)
    monkeypatch.setenv("BILLING_ADMIN_KEY", ADMIN_KEY)
    monkeypatch.delenv("BILLING_KEY", raising=False)

    def run(*words: str) -> str:
        monkeypatch.setattr(sys, "argv", ["billing", *words])
        with pytest.raises(SystemExit) as ended:
            commands.main()
        said = capsys.readouterr()
        return said.err if ended.value.code else said.out

    return run


def test_who_closes_and_reopens_is_kept(billing: Billing) -> None:
    finance, gateway = (
        json.loads(billing("keys", "create", "--role", role, "--name", "n", "--json"))
        for role in ("finance", "gateway")
    )
    assert "role gateway" in billing("close", LAST_MONTH, "--key", gateway["key"])
    assert "no such key" in billing("close", LAST_MONTH, "--key", "bk_nobody")
    assert billing("close", LAST_MONTH) == f"{LAST_MONTH} is closed.\n"
    assert billing("close", LAST_MONTH, "--key", ADMIN_KEY) == f"{LAST_MONTH} was closed before.\n"
    assert "must say something" in billing("reopen", LAST_MONTH, "--reason", "")
    assert "at most 512" in billing("reopen", LAST_MONTH, "--reason", "x" * 513)
    why = ("--reason", "an [invoice] was missing")
    assert billing("reopen", LAST_MONTH, *why, "--key", finance["key"]) == f"{LAST_MONTH} is open.\n"
    assert billing("reopen", LAST_MONTH, *why, "--key", finance["key"]) == f"{LAST_MONTH} was reopened before.\n"
    shown = json.loads(billing("close", LAST_MONTH, "--key", ADMIN_KEY, "--json"))
    assert (shown["status"], shown["closed_by"], shown["reopened_by"]) == ("closed", "environment", None)
    listed: list[Any] = json.loads(billing("periods", "--json"))["data"]
    assert shown in listed
    assert LAST_MONTH in billing("periods")
