"""The fake as a process: both ways to start it, and how it ends."""

import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from tests.fake_stripe.receiver import Receiver

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("way", [["-m", "tests.fake_stripe"], [str(ROOT / "tests" / "fake_stripe")]])
def test_it_listens_says_so_and_ends_when_told(way: list[str], tmp_path: Path, receiver: Receiver) -> None:
    ready = tmp_path / "ready"
    options = ["--key", "sk_test_mine", "--webhook-url", receiver.url, "--webhook-secret", "whsec_x"]
    process = subprocess.Popen(
        [sys.executable, *way, *options, "--ready-file", str(ready)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        url = told(process, ready)
        made = httpx.post(f"{url}/v1/customers", headers={"Authorization": "Bearer sk_test_mine"}, trust_env=False)
        assert made.status_code == 200
        deadline = time.monotonic() + 20
        while not receiver.types and time.monotonic() < deadline:
            time.sleep(0.01)
    finally:
        process.terminate()
        said, _ = process.communicate(timeout=20)

    assert said == f"fake Stripe listens at {url}\n"
    assert receiver.types == ["customer.created"]
    assert process.returncode == 0


def told(process: subprocess.Popen[str], ready: Path) -> str:
    deadline = time.monotonic() + 30
    while not ready.exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return ready.read_text()


def test_a_url_without_a_secret_is_refused() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "tests.fake_stripe", "--webhook-url", "http://x"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 2
    assert "go in pairs" in ran.stderr
