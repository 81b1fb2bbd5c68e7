"""Customers come and go while the gateway runs; nobody starts one that cannot work."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from ops.reference_gateway.settings import Settings

from .city import City, GatewayProgram


def test_a_key_that_is_taken_out_stops_at_once(gateway: GatewayProgram, city: City) -> None:
    stays, goes = city.customer(), city.customer()
    for customer in (stays, goes):
        assert gateway.get(customer, "/v1/async/images/task_1").status_code == 404
    city.dismiss(goes)
    assert gateway.get(goes, "/v1/async/images/task_1").status_code == 401
    assert gateway.get(stays, "/v1/async/images/task_1").status_code == 404


def test_a_file_that_cannot_be_read_changes_nothing(gateway: GatewayProgram, city: City) -> None:
    customer = city.customer()
    assert gateway.get(customer, "/v1/async/images/task_1").status_code == 404
    city.scribble()
    assert gateway.get(customer, "/v1/async/images/task_1").status_code == 404
    assert "ERROR gateway customers: " in gateway.log()
    assert gateway.get(city.customer(), "/v1/async/images/task_1").status_code == 404  # and it is a file again


NEEDED = {
    "GATEWAY_BILLING_URL": "http://127.0.0.1:9",
    "GATEWAY_BILLING_KEY": "bk_secret",
    "GATEWAY_CUSTOMERS": "customers.json",
    "GATEWAY_PROVIDER_URL": "http://127.0.0.1:9",
    "GATEWAY_PROVIDER_KEY": "sk_secret",
}


def test_settings() -> None:
    settings = Settings.read({**NEEDED, "GATEWAY_PORT": "81", "GATEWAY_ALLOW_PRIVATE_CALLBACKS": "True", "PATH": "x"})
    assert (settings.port, settings.allow_private_callbacks, settings.hold_seconds) == (81, True, 900)
    assert settings.customers == Path("customers.json")
    assert "secret" not in repr(settings)


WRONG = {
    "GATEWAY_BILLING_KEY": "",
    "GATEWAY_PORT": "eighty",
    "GATEWAY_PROVIDER_SECONDS": "900",
    "GATEWAY_TASK_HOLD_SECONDS": "600",
    "GATEWAY_ALLOW_PRIVATE_CALLBACKS": "perhaps",
}


@pytest.mark.parametrize(("name", "text"), WRONG.items(), ids=WRONG.keys())
def test_settings_that_cannot_be(name: str, text: str) -> None:
    with pytest.raises(ValueError, match="GATEWAY_"):
        Settings.read({**NEEDED, name: text})


def test_what_is_missing_is_said() -> None:
    command = [sys.executable, "-m", "ops.reference_gateway"]
    ended = subprocess.run(
        command, check=False, env={"GATEWAY_PROVIDER_URL": "http://127.0.0.1:9"}, capture_output=True, text=True
    )
    assert ended.returncode == 1
    assert "set GATEWAY_BILLING_URL" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_two_gateways_never_share_a_port() -> None:
    """Each would know half of what was asked, and a repeat would find the other one."""
    with socket.socket() as first:
        first.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)  # as the server does
        first.bind(("127.0.0.1", 0))
        first.listen()
        ended = subprocess.run(
            [sys.executable, "-m", "ops.reference_gateway"],
            check=False,
            env={**NEEDED, "GATEWAY_PORT": str(first.getsockname()[1])},
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "GATEWAY_PORT" in ended.stderr
    assert "Traceback" not in ended.stderr
