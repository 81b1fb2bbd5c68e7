"""The `billing` command."""

import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
import uvloop
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from billing.api.models.keys import KeyShown
from billing.core.refusals import Refusal
from billing.database import database
from billing.embedded import EmbeddedPostgresError
from billing.settings import Settings, SettingsError
from billing.store import keys as key_store
from billing.store.engine import NotMigrated, read_engine, refused_login, unreachable
from billing.store.price_books import price_books, publish
from billing.store.schema import migrate as migrate_database

T = TypeVar("T")
app = typer.Typer(
    help="Credits for image generation, charged exactly once, by the pixels that were delivered.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
keys_app = typer.Typer(help="API keys: created once, shown once, stored only as a hash.", no_args_is_help=True)
prices_app = typer.Typer(help="Price books: immutable, numbered versions of all prices.", no_args_is_help=True)
app.add_typer(keys_app, name="keys")
app.add_typer(prices_app, name="price-book")
console = Console(width=None if sys.stdout.isatty() else 120)  # wide enough for tables where nobody looks yet
errors = Console(stderr=True)
AsJson = Annotated[bool, typer.Option("--json", help="for programs")]


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="address to listen on  [BILLING_HOST]")] = None,
    port: Annotated[int | None, typer.Option(help="port to listen on  [BILLING_PORT]")] = None,
    workers: Annotated[int | None, typer.Option(help="processes that answer  [BILLING_WORKERS]")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="of the embedded PostgreSQL  [BILLING_DATA_DIR]")] = None,
) -> None:
    """Start the service: on DATABASE_URL, or else on an embedded PostgreSQL under the data directory."""
    from billing.serve import serve as run

    run(_settings(host=host, port=port, workers=workers, data_dir=data_dir))


@app.command()
def migrate() -> None:
    """Bring the database up to date. `serve` does it by itself."""
    settings = _settings()
    for attempt in range(3):
        try:
            with database(settings) as dsn:
                _run(lambda: migrate_database(dsn))
            break
        except Exception as problem:
            # A command that owned the embedded server may have finished and taken it along.
            if attempt == 2 or settings.database_url is not None or not unreachable(problem):
                raise
    console.print("The database is up to date.")


@app.command()
def demo() -> None:
    """Run the whole main job on real image files; exit 0 only if the books tie out."""
    from billing.demo.story import run as play

    with tempfile.TemporaryDirectory(prefix="billing-demo-") as place:
        Path(place).chmod(0o755)  # the server's own user must reach its data inside
        with _service(Path(place) / "data") as (url, key, environment):
            agrees = uvloop.run(play(url, key, console))
            console.rule("billing verify")
            verified = subprocess.run([sys.executable, "-m", "billing", "verify"], env=environment, check=False)
    sys.exit(0 if agrees and verified.returncode == 0 else 1)


@app.command()
def verify(
    account: Annotated[str | None, typer.Option(help="check this account only")] = None, as_json: AsJson = False
) -> None:
    """Check the invariants of the books, row by row; exit 1 and name the first row where one fails."""
    from billing.books import progress_of, show
    from billing.books import verify as check

    with database(_settings()) as dsn, progress_of(errors) as progress:
        report = _run(lambda: check(dsn, account, progress))
    if as_json:
        print(json.dumps(report.document(), indent=2))
    else:
        show(report, console)
    sys.exit(0 if report.ok else 1)


@app.command()
def bench(
    quick: Annotated[bool, typer.Option(help="an empty database and a few seconds each")] = False,
    stored: Annotated[int, typer.Option(help="charges stored for the second half")] = 2_000_000,
    seconds: Annotated[float | None, typer.Option(help="for each side of each measurement")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="write the figures to this file")] = None,
) -> None:
    """Measure rates beside their floors, in the same run, on a PostgreSQL of its own."""
    from billing.bench import Options
    from billing.bench import run as measure

    sys.exit(measure(Options(quick=quick, stored=stored, seconds=seconds, json=json_file)))


@keys_app.command("create")
def create_key(
    role: Annotated[str, typer.Option(help="admin, gateway, finance or account")],
    name: Annotated[str, typer.Option(help="whose it is, for the list")],
    account: Annotated[str | None, typer.Option(help="the account, for role account")] = None,
    as_json: AsJson = False,
) -> None:
    """Create a key and show it, this once."""
    with _ledger() as dsn:
        key, secret = _run(lambda: key_store.create_key(dsn, role, account, name))
    if as_json:
        print(json.dumps({**_document(key), "key": secret}))
    else:
        console.print(f"{key.key_id} ({key.role}): keep this, it is not shown again\n{secret}", highlight=False)


@keys_app.command("list")
def list_keys(as_json: AsJson = False) -> None:
    """List all keys, also revoked ones."""

    async def read(dsn: str) -> list[key_store.Key]:
        engine = read_engine(dsn, size=1)
        try:
            return await key_store.keys(engine, after=None, limit=10_000)
        finally:
            await engine.dispose()

    with _ledger() as dsn:
        found = _run(lambda: read(dsn))
    if as_json:
        print(json.dumps([_document(key) for key in found]))
        return
    table = Table("id", "role", "account", "name", "created", "revoked")
    for key in found:
        revoked = f"{key.revoked_at:%Y-%m-%d %H:%M}" if key.revoked_at else ""
        table.add_row(
            key.key_id, key.role, key.account_id or "", escape(key.name), f"{key.created_at:%Y-%m-%d %H:%M}", revoked
        )
    console.print(table)


@keys_app.command("revoke")
def revoke_key(key_id: str) -> None:
    """End a key, within two seconds in every process."""
    with _ledger() as dsn:
        key = _run(lambda: key_store.revoke_key(dsn, key_id))
    console.print(f"{key.key_id} ({key.name}) is revoked.")


@prices_app.command("show")
def show_prices(
    version: Annotated[int | None, typer.Argument(help="default: all that are published")] = None,
    as_json: AsJson = False,
) -> None:
    """Show price books: credits for one image, by model, quality and size tier."""

    async def read(dsn: str) -> Any:
        engine = read_engine(dsn, size=1)
        try:
            return await price_books(engine)
        finally:
            await engine.dispose()

    with _ledger() as dsn:
        found = _run(lambda: read(dsn))
    books = list(found) if version is None else [found.version(version)]
    if as_json:
        shown = [
            {"version": b.version, "effective_from": b.effective_from.isoformat(), "models": b.documents()}
            for b in books
        ]
        print(json.dumps(shown, indent=2))
        return
    for book in books:
        table = Table(title=f"Price book {book.version}, from {book.effective_from:%Y-%m-%d %H:%M} UTC")
        for heading in ("model", "quality", "size tier", "long edge up to"):
            table.add_column(heading)
        table.add_column("credits", justify="right")
        for model in book.models.values():
            for quality, row in model.prices.items():
                asked = ", ".join(name for name, billed in model.qualities.items() if billed == quality)
                for tier in model.tiers.all:
                    table.add_row(model.name, asked, tier.name, f"{tier.max_edge} px", str(row[tier.name]))
        console.print(table)


@prices_app.command("publish")
def publish_prices(file: Annotated[Path, typer.Argument(help='JSON: {"effective_from": …, "models": {…}}')]) -> None:
    """Publish a new version of all prices, at least a minute before it applies."""
    from billing.api.models.common import parse_time

    document = json.loads(file.read_text())
    if not isinstance(document, dict) or set(document) != {"effective_from", "models"}:
        raise ValueError(f"{file} must be an object with effective_from and models")
    with _ledger() as dsn:
        book, new = _run(
            lambda: publish(dsn, parse_time(document["effective_from"]), document["models"], "command line")
        )
    console.print(f"Price book {book.version} {'is published' if new else 'was published before'}.")


def main() -> None:
    """Runs a command; what cannot be done is one sentence and exit 1, never a traceback."""
    try:
        app()
    except (EmbeddedPostgresError, NotMigrated, SettingsError, Refusal, ValueError) as problem:
        _fail(str(problem))
    except Exception as problem:
        if isinstance(problem, OSError) and problem.filename is not None:
            _fail(f"{problem.filename}: {problem.strerror}")
        if reason := refused_login(problem):
            _fail(f"The database refuses us: {reason}. Is DATABASE_URL right?")
        if unreachable(problem):
            _fail(f"The database cannot be reached: {problem}. Is DATABASE_URL right, and does it run?")
        raise


@contextmanager
def _ledger() -> Iterator[str]:
    """The command's database, brought up to date."""
    with database(_settings()) as dsn:
        _run(lambda: migrate_database(dsn))
        yield dsn


def _document(key: key_store.Key) -> dict[str, Any]:
    """A key as the API shows it."""
    return KeyShown.of(key).model_dump(mode="json")


def _settings(**chosen: Any) -> Settings:
    given = {name: value for name, value in chosen.items() if value is not None}
    for name, value in given.items():
        os.environ[f"BILLING_{name.upper()}"] = str(value)  # workers read the environment
    return Settings.read()


def _run(work: Callable[[], Awaitable[T]]) -> T:
    async def awaited() -> T:
        return await work()

    return uvloop.run(awaited())


@contextmanager
def _service(data_dir: Path) -> Iterator[tuple[str, str, dict[str, str]]]:
    """A service of its own in a child process: its URL, an admin key, and the environment that finds its data."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    key = secrets.token_urlsafe(24)
    environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    environment |= {"BILLING_ADMIN_KEY": key, "BILLING_DATA_DIR": str(data_dir), "BILLING_PORT": str(port)}
    url = f"http://127.0.0.1:{port}"
    with console.status("starting the service on an empty database"):
        service = subprocess.Popen(
            [sys.executable, "-m", "billing", "serve"], env=environment, stdout=subprocess.DEVNULL
        )
        try:
            _wait_until_ready(service, url)
        except BaseException:
            service.terminate()
            raise
    try:
        yield url, key, environment
    finally:
        service.terminate()
        service.wait(60)


def _wait_until_ready(service: "subprocess.Popen[bytes]", url: str) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if service.poll() is not None:
            raise SettingsError("the service did not start; its messages stand above")
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=2):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.05)
    raise SettingsError("the service was not ready after two minutes")


def _fail(sentence: str) -> None:
    errors.print(f"[red]billing:[/red] {sentence}", highlight=False, soft_wrap=True)
    sys.exit(1)
