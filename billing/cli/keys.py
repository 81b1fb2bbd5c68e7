"""`billing keys`: API keys, created once, shown once, stored only as a hash."""

from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from billing.cli.session import AsJson, console, read, shown_as_json, shown_as_list, write
from billing.http.models.keys import KeyCreated, KeyShown
from billing.store import keys

app = typer.Typer(help="API keys: created once, shown once, stored only as a hash.", no_args_is_help=True)


@app.command("create")
def create_key(
    role: Annotated[str, typer.Option(help="admin, gateway, finance or account")],
    name: Annotated[str, typer.Option(help="whose it is, for the list")],
    account: Annotated[str | None, typer.Option(help="the account, for role account")] = None,
    as_json: AsJson = False,
) -> None:
    """Create a key and show it, this once."""
    key, secret = write(lambda desk: keys.create_key(desk.work, role, account, name))
    if not shown_as_json(KeyCreated.like(key, id=key.key_id, key=secret), as_json):
        console.print(f"{key.key_id} ({key.role}): keep this, it is not shown again\n{secret}", highlight=False)


@app.command("list")
def list_keys(as_json: AsJson = False) -> None:
    """List all keys, also revoked ones."""
    found = read(lambda engine: keys.keys(engine, after=None, limit=10_000))
    if shown_as_list(map(KeyShown.like, found), as_json):
        return
    table = Table("id", "role", "account", "name", "created", "revoked")
    for key in found:
        revoked = f"{key.revoked_at:%Y-%m-%d %H:%M}" if key.revoked_at else ""
        table.add_row(
            key.key_id, key.role, key.account_id or "", escape(key.name), f"{key.created_at:%Y-%m-%d %H:%M}", revoked
        )
    console.print(table)


@app.command("revoke")
def revoke_key(key_id: Annotated[str, typer.Argument(help="the key's, as `keys list` says it")]) -> None:
    """End a key, within two seconds in every process."""
    key = write(lambda desk: keys.revoke_key(desk.work, key_id))
    console.print(f"{key.key_id} ({key.name}) is revoked.")
