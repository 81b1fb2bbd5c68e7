"""What the environment decides, and what it says when it cannot be used."""

import re
from pathlib import Path

import pytest

import billing
from billing.settings import Settings, SettingsError


@pytest.mark.parametrize(("text", "meant"), [("true", True), ("false", False), ("", False)])
def test_private_addresses_are_allowed_in_so_many_words(text: str, meant: bool) -> None:
    assert Settings.read({"BILLING_WEBHOOK_ALLOW_PRIVATE": text}).webhook_allow_private is meant
    assert Settings.read({}).webhook_allow_private is False


@pytest.mark.parametrize("text", ["1", "yes", "True", " true"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="BILLING_WEBHOOK_ALLOW_PRIVATE must be true or false"):
        Settings.read({"BILLING_WEBHOOK_ALLOW_PRIVATE": text})


def test_revenue_is_recognised_daily_or_not_by_itself() -> None:
    assert Settings.read({}).recognition == "daily"
    assert Settings.read({"BILLING_RECOGNITION": "off"}).recognition == "off"
    with pytest.raises(SettingsError, match="BILLING_RECOGNITION must be daily or off"):
        Settings.read({"BILLING_RECOGNITION": "hourly"})


@pytest.mark.parametrize("port", ["8080", "65536", "0", "metrics"])
def test_the_metrics_port_is_another_one(port: str) -> None:
    assert Settings.read({"BILLING_METRICS_PORT": "9100"}).metrics_port == 9100
    assert Settings.read({}).metrics_port == 0
    with pytest.raises(SettingsError, match="BILLING_METRICS_PORT must be"):
        Settings.read({"BILLING_METRICS_PORT": port})


def test_nothing_writes_the_environment() -> None:
    """Settings are read once and handed over: who writes them for another process to read has told everybody."""
    writes = re.compile(r"environ\[[^]]+\] *=|environ\.(update|setdefault|pop|clear)\(|putenv\(")
    files = Path(billing.__file__).parent.rglob("*.py")
    assert [file.name for file in files if writes.search(file.read_text())] == []
