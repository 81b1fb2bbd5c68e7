"""`billing explain`: for people, for programs, and for what is not there."""

import asyncio
from typing import Any

import pytest

from billing.core.charges import Reported
from billing.core.commands import Authorize, IssueGrant, OpenAccount
from billing.core.prices import PriceBooks
from billing.posting import Posting

from . import test_commands
from .test_commands import Billing, refused, shown

run_billing, command = test_commands.run_billing, test_commands.command  # fixtures
REASON = "not [red]allowed[/] \x1b[31m{here}"


@pytest.fixture
def charged(fresh_database: str, books: PriceBooks) -> None:
    """Account `acme` with the charge `req-1`: an image in 2K and one that failed."""

    async def charge() -> None:
        async with Posting(fresh_database, lambda: books, lanes=1) as posting:
            await posting.post(OpenAccount("acme"))
            await posting.post(IssueGrant("acme", "pack", "purchase", 1_000))
            outputs = (Reported(0, "succeeded", 1672, 941, None), Reported(1, "failed", None, None, REASON))
            await posting.post(Authorize("acme", "req-1", "gpt-image-2", n=2, size="4K", outputs=outputs))

    asyncio.run(charge())


def words(text: str) -> str:
    """The terminal breaks lines where it likes."""
    return " ".join(text.split())


@pytest.mark.usefixtures("charged")
def test_for_people(command: Billing) -> None:
    ended = command("explain", "acme", "req-1")
    assert ended.returncode == 0, ended.stderr
    said = words(ended.stdout)
    assert said.startswith("acme / req-1 settled 1 Request Asked for 2 images from gpt-image-2")
    assert "Output 0 measures 1672×941: its long edge is 1672 px." in said
    assert "“not [red]allowed[/] \\x1b[31m{here}”" in said
    assert "\x1b[31m" not in ended.stdout
    assert "Posted balance: 1,000 → 933 credits." in said


@pytest.mark.usefixtures("charged")
def test_in_spanish(command: Billing) -> None:
    ended = command("explain", "acme", "req-1", "--lang", "es")
    assert ended.returncode == 0, ended.stderr
    said = words(ended.stdout)
    assert said.startswith("acme / req-1 liquidado 1 Solicitud Solicitud de 2 imágenes con el modelo gpt-image-2")
    assert "Saldo contable: 1000 → 933 créditos." in said


@pytest.mark.usefixtures("charged")
def test_for_programs(command: Billing) -> None:
    documents: dict[str, Any] = {
        lang: shown(command("explain", "acme", "req-1", "--json", "--lang", lang)) for lang in ("en", "es")
    }
    english, spanish = documents["en"], documents["es"]
    assert set(english) == {"account_id", "request_id", "status", "steps"}
    assert [step["facts"] for step in english["steps"]] == [step["facts"] for step in spanish["steps"]]
    assert english["steps"][0]["text"] != spanish["steps"][0]["text"]
    (failed,) = [step["facts"] for step in english["steps"] if step["facts"].get("status") == "failed"]
    assert failed["reason"] == REASON


@pytest.mark.usefixtures("charged")
def test_what_is_not_there(command: Billing) -> None:
    assert "no account nobody" in refused(command("explain", "nobody", "req-1"))
    assert "acme has no charge req-9" in refused(command("explain", "acme", "req-9"))
    assert "--lang must be en or es" in refused(command("explain", "acme", "req-1", "--lang", "fr"))
    for odd in ("a b", "", "x" * 65, "[red]", "\udcff"):
        refused(command("explain", odd, "req-1"))
        refused(command("explain", "acme", odd))
