"""The command line on a real database: what programs read, and refusals of one sentence."""

import asyncio
import itertools
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import pytest
from typer.main import get_command

import billing
import billing.__main__
from billing import commands
from billing.cli import session
from billing.embedded import EmbeddedPostgres
from tests.conftest import copied, execute
from tests.gateway.city import free_port

CODE = Path(billing.__file__).parents[1]
BOUND_SECONDS = 90.0


class Ended(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


Billing = Callable[..., Ended]


@pytest.fixture
def run_billing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Billing:
    """Runs `billing` in this process, where it starts faster; `test_as_a_process` does it for real."""

    def run(*words: str, **environment: str) -> Ended:
        with monkeypatch.context() as patch:
            for name in [name for name in os.environ if name.startswith(("BILLING_", "DATABASE_URL"))]:
                patch.delenv(name)
            for name, text in environment.items():
                patch.setenv(name, text)
            patch.setattr(sys, "argv", ["billing", *words])
            patch.setattr(session.console, "width", 200)
            capsys.readouterr()
            try:
                commands.main()
                status: Any = 0
            except SystemExit as end:
                status = end.code or 0
        return Ended(status, *capsys.readouterr())

    return run


@pytest.fixture
def command(run_billing: Billing, fresh_database: str) -> Billing:
    """Runs `billing` on a migrated database of the test's own."""
    return lambda *words, **more: run_billing(*words, **{"DATABASE_URL": fresh_database, **more})


def shown(ended: Ended) -> Any:
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def listed_by(ended: Ended) -> list[Any]:
    document = shown(ended)
    assert set(document) == {"data"}
    return list(document["data"])


def refused(ended: Ended) -> str:
    """The one sentence on stderr."""
    assert ended.returncode == 1, (ended.returncode, ended.stdout, ended.stderr)
    assert ended.stdout == ""
    (line,) = ended.stderr.strip().splitlines()
    assert line.startswith("billing: ")
    assert "Traceback" not in line
    return line


async def fetch(dsn: str, query: str) -> list[Any]:
    connection = await asyncpg.connect(dsn)
    try:
        return [tuple(row) for row in await connection.fetch(query)]
    finally:
        await connection.close()


def test_keys(command: Billing, fresh_database: str) -> None:
    assert listed_by(command("keys", "list", "--json")) == []
    made = shown(command("keys", "create", "--role", "gateway", "--name", "eu [gateway] 1", "--json"))
    assert set(made) == {"id", "role", "account_id", "name", "created_at", "revoked_at", "key"}
    assert (made["role"], made["account_id"], made["name"]) == ("gateway", None, "eu [gateway] 1")
    assert made["key"].startswith("bk_")
    rows = asyncio.run(fetch(fresh_database, "SELECT key_id, hash, to_jsonb(k)::text FROM api_key k"))
    assert [(row[0], row[1]) for row in rows] == [(made["id"], sha256(made["key"].encode()).digest())]
    assert made["key"] not in rows[0][2]

    (listed,) = listed_by(command("keys", "list", "--json"))
    assert set(listed) == set(made) - {"key"}
    assert listed["revoked_at"] is None
    assert made["key"] not in json.dumps(listed)
    for_people = command("keys", "list")
    assert for_people.returncode == 0
    assert made["id"] in for_people.stdout

    ended = command("keys", "revoke", made["id"])
    assert (ended.returncode, made["id"] in ended.stdout) == (0, True)
    (listed,) = listed_by(command("keys", "list", "--json"))
    assert listed["revoked_at"] is not None
    assert command("keys", "revoke", made["id"]).returncode == 0


def test_keys_that_cannot_be(command: Billing) -> None:
    for words in (
        ("keys", "create", "--role", "root", "--name", "n"),
        ("keys", "create", "--role", "account", "--name", "n"),
        ("keys", "create", "--role", "account", "--name", "n", "--account", "nobody"),
        ("keys", "create", "--role", "gateway", "--name", "n", "--account", "nobody"),
        ("keys", "create", "--role", "gateway", "--name", "x" * 201),
        ("keys", "revoke", "key_0000"),
    ):
        refused(command(*words))
    assert listed_by(command("keys", "list", "--json")) == []


def test_price_books(command: Billing, tmp_path: Path) -> None:
    (first,) = listed_by(command("price-book", "show", "--json"))
    assert set(first) == {"version", "effective_from", "models"}
    assert first["models"]["gpt-image-2"]["prices"]["high"] == {"1K": 14, "2K": 67, "4K": 133}
    file = tmp_path / "book.json"
    ahead = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    file.write_text(json.dumps({"effective_from": ahead, "models": first["models"]}))
    for expected in ("Price book 2 is published.", "Price book 2 was published before."):
        ended = command("price-book", "publish", str(file))
        assert (ended.returncode, ended.stdout.strip()) == (0, expected)
    assert [book["version"] for book in listed_by(command("price-book", "show", "--json"))] == [1, 2]
    second = shown(command("price-book", "show", "2", "--json"))
    assert second["models"] == first["models"]
    for_people = command("price-book", "show", "1")
    assert for_people.returncode == 0
    assert "133" in for_people.stdout


ADMIN = "the-key-of-the-house-itself"


def test_who_published_is_kept(command: Billing, fresh_database: str, tmp_path: Path) -> None:
    """Whoever asks is known by the ring of keys that HTTP has: the environment's admin key, and every other."""
    (first,) = listed_by(command("price-book", "show", "--json"))
    finance, admin = (shown(command("keys", "create", "--role", role, "--name", "n", "--json")) for role in ("finance", "admin"))  # fmt: skip
    book, pack = tmp_path / "book.json", tmp_path / "pack.json"

    days = itertools.count(1)

    def publish(**who: str) -> Ended:
        start = datetime.now(UTC) + timedelta(days=next(days))
        book.write_text(json.dumps({"effective_from": start.isoformat(), "models": first["models"]}))
        return command("price-book", "publish", str(book), BILLING_ADMIN_KEY=ADMIN, **who)

    assert "role finance" in refused(publish(BILLING_KEY=finance["key"]))
    assert "no such key" in refused(publish(BILLING_KEY="bk_nobody"))
    for who in ({}, {"BILLING_KEY": ADMIN}, {"BILLING_KEY": admin["key"]}):
        assert publish(**who).returncode == 0
    pack.write_text(
        json.dumps({"pack_id": "p", "name": "P", "credits": 1, "price": {"micros": 10_000, "currency": "USD"}})
    )
    assert command("packs", "publish", str(pack), "--key", ADMIN, BILLING_ADMIN_KEY=ADMIN).returncode == 0

    async def kept() -> list[str]:
        connection = await asyncpg.connect(fresh_database)
        try:
            rows = await connection.fetch(
                "(SELECT published_by FROM price_book WHERE version > 1 ORDER BY version) UNION ALL SELECT published_by FROM pack"
            )
            return [row[0] for row in rows]
        finally:
            await connection.close()

    assert asyncio.run(kept()) == ["command line", "environment", admin["id"], "environment"]


def test_price_books_that_cannot_be(command: Billing, tmp_path: Path) -> None:
    refused(command("price-book", "show", "9"))
    file = tmp_path / "book.json"
    for text in ("{", "[]", "{}", '{"effective_from": "2001-01-01T00:00:00Z", "models": {}}'):
        file.write_text(text)
        refused(command("price-book", "publish", str(file)))
    past = {
        "effective_from": "2001-01-01T00:00:00Z",
        "models": listed_by(command("price-book", "show", "--json"))[0]["models"],
    }
    for when in ("2001-01-01T00:00:00Z", "soon", 5):
        file.write_text(json.dumps({**past, "effective_from": when}))
        refused(command("price-book", "publish", str(file)))
    assert len(listed_by(command("price-book", "show", "--json"))) == 1


def test_a_file_that_is_not_there(command: Billing, tmp_path: Path) -> None:
    missing = tmp_path / "missing.json"
    sentence = refused(command("price-book", "publish", str(missing)))
    assert str(missing) in sentence
    assert "database" not in sentence


@pytest.mark.parametrize(
    "environment",
    [
        {"BILLING_PORT": "http"},
        {"BILLING_PORT": "0"},
        {"BILLING_HOST": "localhost"},
        {"BILLING_HOST": "192.0.2.1"},
        {"BILLING_WORKERS": "-1"},
        {"BILLING_LANES": "1.5"},
        {"BILLING_LOG_FORMAT": "xml"},
        {"BILLING_ADMIN_KEY": "short"},
    ],
    ids=lambda environment: next(iter(environment)),
)
def test_settings_that_cannot_be(run_billing: Billing, environment: dict[str, str]) -> None:
    sentence = refused(run_billing("serve", DATABASE_URL="postgresql://127.0.0.1:1/none", **environment))
    assert next(iter(environment)) in sentence


def test_two_services_never_share_a_port(run_billing: Billing) -> None:
    """The second one was let in, and callers reached one database now and the other then."""
    with socket.socket() as first:
        first.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)  # as the server does
        first.bind(("127.0.0.1", 0))
        first.listen()
        port = str(first.getsockname()[1])
        sentence = refused(run_billing("serve", DATABASE_URL="postgresql://127.0.0.1:1/none", BILLING_PORT=port))
    assert f"port {port}: Address already in use" in sentence


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://billing@127.0.0.1:1/billing",
        "postgresql://billing@nowhere.invalid/billing",
        "postgresql:///billing?host=/nowhere",
        "mysql://127.0.0.1/billing",
        "nonsense",
        "postgresql://billing@127.0.0.1:99999/billing",
    ],
)
@pytest.mark.parametrize("words", [("serve",), ("keys", "list")], ids=" ".join)
def test_a_database_that_cannot_be_reached(run_billing: Billing, words: tuple[str, ...], url: str) -> None:
    refused(run_billing(*words, DATABASE_URL=url))


def test_a_database_that_does_not_exist(run_billing: Billing, fresh_database: str) -> None:
    url = re.sub(r"(@[^/]*/)[^?]*", r"\1no-such-database", fresh_database)
    assert "no-such-database" in refused(run_billing("keys", "list", DATABASE_URL=url))


OWN_DATABASE = {"serve", "migrate", "restore", "demo", "bench"}  # they make what they work on
NO_DATABASE = {"verify-statement"}
WORDS = {
    "dump": ("out.dump",),
    "explain": ("acme", "req"),
    "verify": (),
    "export": ("journal", "--format", "csv", "-o", "out.csv"),
    "reconcile compare": ("manifest.csv",),
    "reconcile apply": ("rec", "--reason", "r", "--key", "k"),
    "reconcile approve": ("rec", "--reason", "r", "--key", "k"),
    "reconcile show": ("rec",),
    "recognise": (),
    "revenue": (),
    "close": ("2026-01",),
    "reopen": ("2026-01", "--reason", "why"),
    "periods": (),
    "payouts": (),
    "margins": ("--from", "2026-01-01", "--to", "2026-02-01"),
    "trial-balance": (),
    "keys create": ("--role", "admin", "--name", "n"),
    "keys list": (),
    "keys revoke": ("key_0",),
    "price-book show": (),
    "price-book publish": ("book.json",),
    "price-book simulate": ("book.json", "--from", "2026-01-01", "--to", "2026-02-01"),
    "packs show": (),
    "packs publish": ("pack.json",),
    "packs withdraw": ("p",),
    "stripe sync": (),
    "stripe events": (),
    "stripe retry": ("evt_1",),
    "stripe book": ("txn_1", "--to", "fees", "--reason", "r", "--key", "k"),
    "provider import": ("page.json",),
    "clock show": (),
    "clock accept": ("--reason", "why"),
}
COST = {"object": "organization.costs.result", "amount": {"value": 1, "currency": "usd"}, "line_item": "images"}
DAY = {"object": "bucket", "start_time": 1767225600, "end_time": 1767312000, "results": [COST]}
FILES = {
    "book.json": {"effective_from": "2090-01-01T00:00:00Z", "models": {}},
    "pack.json": {"pack_id": "p", "credits": 1, "price": {"micros": 10_000, "currency": "USD"}},
    "manifest.csv": [],
    "page.json": {"object": "page", "data": [DAY], "has_more": False, "next_page": None},
}


def all_commands(group: Any, before: tuple[str, ...] = ()) -> Iterator[str]:
    for name, command in group.commands.items():
        yield from (
            all_commands(command, (*before, name)) if hasattr(command, "commands") else (" ".join((*before, name)),)
        )


@pytest.fixture(scope="module")
def moved(server: EmbeddedPostgres, template: str) -> Iterator[str]:
    """A database whose schema is at whichever revision a test says."""
    with copied(server, template) as dsn:
        yield dsn


def test_every_command_says_whose_database_it_works_on() -> None:
    assert {*WORDS, *OWN_DATABASE, *NO_DATABASE} == set(all_commands(get_command(commands.app)))


@pytest.mark.parametrize("name", WORDS)
def test_who_only_asks_changes_no_schema(
    run_billing: Billing, moved: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A newer checkout locks the running service out of its database; an older one does not know what it reads."""
    monkeypatch.chdir(tmp_path)
    for file, content in FILES.items():
        Path(file).write_text(json.dumps(content))
    words = (*name.split(), *WORDS[name])
    for revision, advice in (("0013", "`billing migrate`"), ("9999", "use the newer program")):
        asyncio.run(execute(moved, f"UPDATE alembic_version SET version_num = '{revision}'"))
        sentence = refused(run_billing(*words, DATABASE_URL=moved))
        assert revision in sentence
        assert advice in sentence
        assert asyncio.run(fetch(moved, "SELECT version_num FROM alembic_version")) == [(revision,)]
    sentence = refused(run_billing(*words, BILLING_DATA_DIR=str(tmp_path / "typed wrong")))
    assert "`billing serve`" in sentence
    assert not (tmp_path / "typed wrong").exists()


def test_a_schema_that_a_newer_program_made_is_not_migrated(run_billing: Billing, moved: str) -> None:
    asyncio.run(execute(moved, "UPDATE alembic_version SET version_num = '9999'"))
    for command in ("migrate", "serve"):
        assert "newer program" in refused(run_billing(command, DATABASE_URL=moved, BILLING_PORT=str(free_port())))


def test_a_database_without_tables_gets_them_from_migrate_alone(run_billing: Billing, empty_database: str) -> None:
    assert "billing migrate" in refused(run_billing("keys", "list", "--json", DATABASE_URL=empty_database))
    for _ in range(2):
        assert run_billing("migrate", DATABASE_URL=empty_database).returncode == 0
    assert asyncio.run(fetch(empty_database, "SELECT count(*) FROM alembic_version")) == [(1,)]
    assert listed_by(run_billing("keys", "list", "--json", DATABASE_URL=empty_database)) == []


def test_names_that_look_like_markup(command: Billing) -> None:
    for name in ("[/red]", "[bold]x[/]", "[link=x]"):
        assert command("keys", "create", "--role", "finance", "--name", name).returncode == 0
    listed = command("keys", "list")
    assert listed.returncode == 0, listed.stderr
    for name in ("[/red]", "[bold]x[/]", "[link=x]"):
        assert name in listed.stdout


def test_help_for_every_command(run_billing: Billing) -> None:
    for words in ((), ("serve",), ("migrate",), ("keys", "create"), ("price-book", "publish"), ("verify",), ("demo",)):
        ended = run_billing(*words, "--help")
        assert ended.returncode == 0
        assert "Usage" in ended.stdout


@pytest.mark.parametrize("missing", ["billing.commands", "billing.serving.parent"])  # at once, or when it is wanted
def test_an_environment_of_another_version(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], missing: str
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    monkeypatch.setattr(sys, "argv", ["billing", "serve"])
    with pytest.raises(SystemExit, match=rf"^billing: import of {missing} halted.* run `make install`\.$"):
        billing.__main__.main()


def test_as_a_process(fresh_database: str) -> None:
    """A sentence and status 1; nothing else on stderr when it works."""

    def run(url: str, *words: str) -> Ended:
        inherited = {name: text for name, text in os.environ.items() if not name.startswith("BILLING_")}
        environment = {**inherited, "PYTHONPATH": str(CODE), "DATABASE_URL": url}
        ended = subprocess.run(
            [sys.executable, "-m", "billing", *words], env=environment, cwd="/", capture_output=True, text=True,
            check=False, timeout=BOUND_SECONDS,
        )  # fmt: skip
        return Ended(ended.returncode, ended.stdout, ended.stderr)

    assert run(fresh_database, "keys", "list", "--json") == (0, '{\n  "data": []\n}\n', "")
    refused(run("postgresql://billing@127.0.0.1:1/billing", "keys", "list", "--json"))
    asyncio.run(execute(fresh_database, "UPDATE alembic_version SET version_num = '0013'"))
    assert "`billing migrate`" in refused(run(fresh_database, "revenue"))
