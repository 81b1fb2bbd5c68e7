"""`billing keys`: API keys, created once, shown once, stored only as a hash."""

import json
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from billing.cli.session import AsJson, console, ledger, on, run
from billing.http.models.keys import KeyShown
from billing.store import keys as key_store
from billing.store.engine import read_engine

app = typer.Typer(help="API keys: created once, shown once, stored only as a hash.", no_args_is_help=True)


@app.command("create")
def create_key(
    role: Annotated[str, typer.Option(help="admin, gateway, finance or account")],
    name: Annotated[str, typer.Option(help="whose it is, for the list")],
    account: Annotated[str | None, typer.Option(help="the account, for role account")] = None,
    as_json: AsJson = False,
) -> None:
    """Create a key and show it, this once."""
    with ledger() as dsn:
        key, secret = run(lambda: key_store.create_key(dsn, role, account, name))
    if as_json:
        print(json.dumps({**document(key), "key": secret}))
    else:
        console.print(f"{key.key_id} ({key.role}): keep this, it is not shown again\n{secret}", highlight=False)


@app.command("list")
def list_keys(as_json: AsJson = False) -> None:
    """List all keys, also revoked ones."""

    with ledger() as dsn:
        found = run(
            lambda: on(read_engine(dsn, size=1), lambda engine: key_store.keys(engine, after=None, limit=10_000))
        )
    if as_json:
        print(json.dumps([document(key) for key in found]))
        return
    table = Table("id", "role", "account", "name", "created", "revoked")
    for key in found:
        revoked = f"{key.revoked_at:%Y-%m-%d %H:%M}" if key.revoked_at else ""
        table.add_row(
            key.key_id, key.role, key.account_id or "", escape(key.name), f"{key.created_at:%Y-%m-%d %H:%M}", revoked
        )
    console.print(table)


@app.command("revoke")
def revoke_key(key_id: str) -> None:
    """End a key, within two seconds in every process."""
    with ledger() as dsn:
        key = run(lambda: key_store.revoke_key(dsn, key_id))
    console.print(f"{key.key_id} ({key.name}) is revoked.")


def document(key: key_store.Key) -> dict[str, Any]:
    """A key as the API shows it."""
    return KeyShown.of(key).model_dump(mode="json")
