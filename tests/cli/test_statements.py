"""`billing verify-statement`: sentences for people, a document for programs, an exit status for scripts; no database."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from billing.books.statements.document.csv_form import as_csv
from billing.books.statements.document.json_form import as_json
from billing.books.statements.document.statement import MovementTotal, Statement, month_after, start_of
from billing.books.statements.signing import SigningKey, encoded
from billing.core.ledger import GENESIS, Transfer, chained

from . import test_commands
from .test_commands import Billing, Ended

run_billing = test_commands.run_billing  # a fixture
KEY = SigningKey(bytes(range(32)))
JWK = {"kty": "OKP", "crv": "Ed25519", "x": encoded(KEY.public_key), "kid": KEY.key_id}


class Issued:
    """A month with grants of one credit each, one a day, after the month before."""

    def __init__(self, month: str, days: int, before: "Issued | None" = None) -> None:
        opening, seq, head = (0, 0, GENESIS) if before is None else before.end
        start = start_of(month)
        self.transfers: list[Transfer] = []
        for day in range(1, days + 1):
            at = start + timedelta(days=day)
            fields = (
                "acme", "wallet", seq + day, "grant", "issued", "wallet", "CREDIT", 1, opening + day, None, f"g{day}", None,
                None, at, at, None,
            )  # fmt: skip
            head = chained(head, *fields)
            self.transfers.append(Transfer(*fields, head))
        self.end = opening + days, seq + days, head
        totals = (MovementTotal("grant", days, days),) if days else ()
        self.statement = Statement(
            "acme", month, start, start_of(month_after(month)), True, datetime(2026, 12, 1, tzinfo=UTC), "CREDIT", opening,
            opening + days, seq + 1, seq + days, days, before.end[2] if before else GENESIS, head, totals, (),
        )  # fmt: skip
        self.signature = KEY.sign(self.statement)

    async def movements(self) -> Any:
        yield self.transfers

    def file(self, form: str = "json") -> bytes:
        async def pieces() -> bytes:
            issued: Any = self
            written = as_json(issued) if form == "json" else as_csv(issued)
            return "".join([piece async for piece in written]).encode()

        return asyncio.run(pieces())


JANUARY = Issued("2026-01", 3)
FEBRUARY = Issued("2026-02", 2, JANUARY)
MARCH = Issued("2026-03", 0, FEBRUARY)


@pytest.fixture
def verify(run_billing: Billing, tmp_path: Path) -> Callable[..., Ended]:
    """Runs it where no database could be made."""
    return lambda *words: run_billing("verify-statement", *map(str, words), BILLING_DATA_DIR="/proc/none")


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def written(content: bytes | str, name: str) -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return written


@pytest.fixture
def keys(write: Any) -> Path:
    path: Path = write(json.dumps({"keys": [JWK]}), "keys.json")
    return path


def said(ended: Ended, status: int) -> str:
    """What it says on stdout, or on stderr when it fails; never a traceback."""
    assert ended.returncode == status, (ended.returncode, ended.stdout, ended.stderr)
    text = ended.stderr if status else ended.stdout
    assert "Traceback" not in ended.stderr
    return text.strip()


@pytest.mark.parametrize("form", ["json", "csv"])
def test_as_issued(verify: Any, write: Any, keys: Path, form: str) -> None:
    path = write(JANUARY.file(form), "january")
    assert said(verify(path), 0) == (
        f"{path}: is as it was issued: acme, 2026-01: from 0 to 3 CREDIT by 3 movements. "
        f"Signed with the key in the file, {KEY.key_id}; whose key that is, --keys tells."
    )
    assert said(verify(path, "--keys", keys), 0).endswith("by 3 movements. Signed with a key of the service.")
    (one,) = json.loads(verify(path, "--keys", keys, "--json").stdout)["files"]
    assert one == {
        "file": str(path),
        "ok": True,
        "account_id": "acme",
        "month": "2026-01",
        "complete": True,
        "movements": 3,
        "opening_balance": 0,
        "closing_balance": 3,
        "kid": KEY.key_id,
        "origin": "known",
        "findings": [],
    }


def test_a_month_so_far(verify: Any, write: Any) -> None:
    running = Issued("2026-02", 2, JANUARY)
    running.statement = replace(running.statement, complete=False)
    running.signature = KEY.sign(running.statement)
    assert "acme, 2026-02, the month so far, at 2026-12-01 00:00 UTC: from 3 to 5" in said(
        verify(write(running.file(), "february")), 0
    )


def test_changed(verify: Any, write: Any) -> None:
    path = write(JANUARY.file().replace(b'"grant_id":"g2"', b'"grant_id":null'), "january")
    line = JANUARY.file()[: JANUARY.file().index(b'"grant_id":"g2"')].count(b"\n") + 1
    assert said(verify(path), 1) == (
        f"billing: {path}: line {line}: seq 2: grant_id changed: the hash does not follow from the fields"
    )
    ended = verify(path, "--json")
    document = json.loads(ended.stdout)
    assert (ended.returncode, document["ok"]) == (1, False)
    (found,) = document["files"][0]["findings"]
    assert (found["line"], found["seq"], found["field"]) == (line, 2, "grant_id")


def test_one_of_several(verify: Any, write: Any) -> None:
    """The others are told about all the same."""
    good, bad = write(JANUARY.file(), "good"), write(FEBRUARY.file().replace(b"g1", b"g9"), "bad")
    ended = verify(bad, good)
    assert ended.returncode == 1
    assert f"{good}: is as it was issued" in ended.stdout
    assert f"{bad}: line" in ended.stderr
    assert "connect" not in ended.stdout + ended.stderr


def test_keys_of_somebody_else(verify: Any, write: Any) -> None:
    path = write(JANUARY.file("csv"), "january")
    foreign = {**JWK, "x": encoded(SigningKey(b"\x01" * 32).public_key)}  # under the name of ours
    others = write(json.dumps({"keys": [foreign]}), "others.json")
    assert f"signed with the key {KEY.key_id}, which is none of those given" in said(verify(path, "--keys", others), 1)


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "null", "{}", '{"keys": {}}', '{"keys": []}', '{"keys": [1]}', '{"keys": [{"crv": "Ed25519"}]}',
     '{"keys": [{"crv": "Ed25519", "x": 5}]}', '{"keys": [{"crv": "Ed25519", "x": "%"}]}', "\xff", "[" * 100_000,
     " " * 2_000_000],
    ids=lambda content: repr(content[:40]),
)  # fmt: skip
def test_files_that_hold_no_keys(verify: Any, write: Any, content: str) -> None:
    path, spoilt = write(JANUARY.file(), "january"), write(content.encode("latin-1"), "keys.json")
    sentence = said(verify(path, "--keys", spoilt), 2)
    assert sentence.startswith(f"billing: {spoilt} ")
    document = json.loads(verify(path, "--keys", spoilt, "--json").stdout)
    assert (document["ok"], document["problem"]) == (False, sentence.removeprefix("billing: "))


def test_keys_that_are_not_there(verify: Any, write: Any, tmp_path: Path) -> None:
    path = write(JANUARY.file(), "january")
    for place in (tmp_path / "missing", tmp_path, "http://127.0.0.1:1/keys", "http://[", "https://127.0.0.1:1/"):
        assert str(place) in said(verify(path, "--keys", place), 2)


@pytest.fixture
def published() -> Iterator[Callable[..., str]]:
    """`published(body, status)`: the URL at which a server of the test's answers with it."""
    answers: list[tuple[int, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = answers[-1]
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    def publish(body: bytes, status: int = 200) -> str:
        answers.append((status, body))
        return f"http://127.0.0.1:{server.server_port}/.well-known/billing-keys.json"

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield publish
        server.shutdown()
        thread.join()


def test_keys_at_an_address(verify: Any, write: Any, published: Callable[..., str]) -> None:
    path = write(JANUARY.file(), "january")
    url = published(json.dumps({"keys": [{"kty": "RSA", "n": "…"}, JWK]}).encode())
    assert "Signed with a key of the service." in said(verify(path, "--keys", url), 0)
    assert "cannot be fetched: Not Found" in said(verify(path, "--keys", published(b"{}", 404)), 2)
    assert "holds no JWK set" in said(verify(path, "--keys", published(b"<html>")), 2)
    assert "is too large" in said(verify(path, "--keys", published(b" " * 2_000_000)), 2)


def test_months_connect(verify: Any, write: Any) -> None:
    """In whatever order and form they are given."""
    paths = [write(MARCH.file("csv"), "3"), write(JANUARY.file(), "1"), write(FEBRUARY.file("csv"), "2")]
    lines = said(verify(*paths), 0).splitlines()
    assert lines[3:] == ["acme: 2026-01 and 2026-02 connect.", "acme: 2026-02 and 2026-03 connect."]
    assert json.loads(verify(*paths, "--json").stdout)["connections"] == [
        {"account_id": "acme", "from": "2026-01", "to": "2026-02", "problem": None},
        {"account_id": "acme", "from": "2026-02", "to": "2026-03", "problem": None},
    ]


def test_months_that_do_not(verify: Any, write: Any) -> None:
    january, february = write(Issued("2026-01", 4).file(), "1"), write(FEBRUARY.file(), "2")
    sentence = (
        "acme: 2026-01 and 2026-02 do not connect: the closing balance of 2026-01 is 4, but 2026-02 begins after 3"
    )
    assert sentence in said(verify(january, february), 1)
    document = json.loads(verify(january, february, "--json").stdout)
    assert (document["ok"], len(document["connections"])) == (False, 1)
    sentence = "acme: 2026-01 and 2026-03 do not connect: the statement of 2026-02 is not among them"
    assert sentence in said(verify(write(JANUARY.file(), "1"), write(MARCH.file(), "3")), 1)


def test_the_same_month_twice(verify: Any, write: Any) -> None:
    lines = said(verify(write(JANUARY.file(), "1"), write(JANUARY.file("csv"), "1.csv")), 0).splitlines()
    assert lines[2:] == ["acme: the statements of 2026-01 agree."]


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"\x00\x01", b"PK\x03\x04", "{".encode("utf-16"), b'{"a":' * 50_000, JANUARY.file()[:30]]
)
def test_files_that_are_no_statements(verify: Any, write: Any, content: bytes) -> None:
    path = write(content, "[red]\x1b[31m")  # a name that looks like markup
    assert "is no statement: " in said(verify(path), 2)
    (one,) = json.loads(verify(path, "--json").stdout)["files"]
    assert one["ok"] is False
    assert "is no statement: " in one["problem"]


def test_files_that_are_not_there(verify: Any, write: Any, tmp_path: Path) -> None:
    good = write(JANUARY.file(), "january")
    ended = verify(tmp_path / "missing", tmp_path, good)
    assert ended.returncode == 2
    assert f"{tmp_path / 'missing'}: No such file or directory" in ended.stderr
    assert f"{tmp_path}: Is a directory" in ended.stderr
    assert "is as it was issued" in ended.stdout


def test_a_statement_that_is_cut(verify: Any, write: Any) -> None:
    """It was one: that is another thing than a file that never was."""
    assert "the file ends in the middle of the statement" in said(verify(write(JANUARY.file()[:-100], "cut")), 1)


def test_a_stranger_paints_no_terminal(verify: Any, write: Any) -> None:
    content = JANUARY.file().replace(b'"grant_id":"g2"', b'"grant_id":"[/red]\\u001b[2J"')
    assert "\x1b" not in said(verify(write(content, "january")), 1)
    content = JANUARY.file().replace(b'"month": ', b'"[/red]\\u001b[2J": 1, "month": ')
    assert "\x1b" not in said(verify(write(content, "january")), 1)
    one = replace(JANUARY.statement, account_id="[/red]")
    other = replace(FEBRUARY.statement, account_id="[/red]")
    paths = []
    for name, issued, statement in (("1", JANUARY, one), ("2", FEBRUARY, other)):
        signature = KEY.sign(statement)
        text = issued.file().decode().replace('"account_id": "acme"', '"account_id": "[/red]"')
        paths.append(write(text.replace(issued.signature.value, signature.value), name))
    assert "account_id is not [/red]" in said(verify(*paths), 1)


def test_its_words(verify: Any) -> None:
    assert verify().returncode == 2
    assert "Usage" in verify("--help").stdout
