"""The client on its own: built, installed where nothing of the server is, typed, and charging."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from billing import client

from .served import Served

SOURCE = Path(client.__file__).parent
UV = shutil.which("uv") or str(Path(__file__).parents[2] / ".uv/bin/uv")
"""Where the Makefile has it from."""

CHARGES = """
import asyncio, base64, importlib.util, struct, sys, zlib
import billing
from billing.client import BillingClient, SyncBillingClient, measure

for name in ("fastapi", "pydantic", "sqlalchemy", "sqlmodel", "asyncpg", "structlog", "PIL", "billing.core", "billing.http"):
    assert importlib.util.find_spec(name) is None, name
assert billing.__file__ is None, "a namespace: the server's __init__ did not come along"

url, key, account = sys.argv[1:]
header = b"IHDR" + struct.pack(">LLBBBBB", 1024, 1024, 8, 2, 0, 0, 0)
image = b"\\x89PNG\\r\\n\\x1a\\n" + struct.pack(">L", 13) + header + struct.pack(">L", zlib.crc32(header))
assert str(measure(image)) == "1024x1024"

with SyncBillingClient(url, key) as books:
    with books.charging(account, "sync", model="gpt-image-2") as charge:
        charge.deliver(image)
    assert charge.bill["settled_credits"] == 14

async def charged():
    async with BillingClient(url, key) as books:
        async with books.charging(account, "async", model="gpt-image-2") as charge:
            charge.deliver({"data": [{"b64_json": base64.b64encode(image).decode()}]})
        return charge.bill["settled_credits"]

assert asyncio.run(charged()) == 14
"""

TYPED = """
from collections.abc import AsyncIterator, Iterator
from typing import assert_type

from billing.client import BillingClient, Charging, Outcome, SyncBillingClient
from billing.client.documents import Charge, Quote, Transfer


async def asynchronous(books: BillingClient) -> None:
    assert_type(await books.quote(model="gpt-image-2"), Quote)
    assert_type(books.transfers("acme"), AsyncIterator[Transfer])
    async with books.charging("acme", "r1", model="gpt-image-2", n=2) as charge:
        assert_type(charge, Charging)
        charge.deliver(b"")
    assert_type(charge.bill, Charge)
    assert_type(charge.outcome, Outcome)


def blocking(books: SyncBillingClient) -> None:
    assert_type(books.settle("acme", "r1", []), Charge)
    assert_type(books.transfers("acme"), Iterator[Transfer])
    with books.resume("acme", "r1") as charge:
        assert_type(charge, Charging)
    books.quote(modell="gpt-image-2")  # type: ignore[call-arg]
    books.quote(model=7)  # type: ignore[arg-type]
    books.charging("acme", "r1")  # type: ignore[call-arg]
    with books.charging("acme", "r1", model="gpt-image-2", mode="later"):  # type: ignore[arg-type]
        pass
"""


def run(*command: str | Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("wheel")
    run(UV, "build", "--quiet", "--wheel", "--out-dir", directory, SOURCE)
    (built,) = directory.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter that has the client, and what it depends on, and nothing else."""
    environment = tmp_path_factory.mktemp("environment")
    run(UV, "venv", "--quiet", "--python", sys.executable, "--clear", environment)
    python = environment / "bin" / "python"
    run(UV, "pip", "install", "--quiet", "--python", python, wheel)
    return python


def test_the_wheel_holds_the_client_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        (metadata,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
        said = archive.read(metadata).decode()
    assert names == {f"billing/client/{path.name}" for path in [*SOURCE.glob("*.py"), SOURCE / "py.typed"]}
    needed = [line.removeprefix("Requires-Dist: ") for line in said.splitlines() if line.startswith("Requires-Dist: ")]
    assert sorted(one.partition("<")[0].partition(">")[0] for one in needed) == ["httpx"]


def test_it_charges_without_anything_of_the_server(python: Path, service: Served, tmp_path: Path) -> None:
    account = service.account(28)
    script = tmp_path / "charges.py"
    script.write_text(CHARGES)
    run(python, "-I", "-W", "error", script, service.url, service.key, account)
    assert service.balance(account) == (0, 0)


def test_type_checkers_see_what_each_client_returns(python: Path, tmp_path: Path) -> None:
    script = tmp_path / "typed.py"
    script.write_text(TYPED)
    options = ("--strict", "--no-incremental", "--config-file", "/dev/null", "--python-executable", python)
    run(sys.executable, "-I", "-m", "mypy", *options, script)
