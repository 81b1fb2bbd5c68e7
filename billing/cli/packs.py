"""`billing packs`: what can be bought."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from billing.cli.given import document
from billing.cli.money import price
from billing.cli.session import ADMIN, AsJson, Desk, Secret, console, read, shown_as_list, write
from billing.core.text import identifier
from billing.http.models.funding import PackShown, packs_of
from billing.store import packs as store

app = typer.Typer(
    help="Packs: credits for sale. A pack never changes; a new offer is a new pack.", no_args_is_help=True
)


@app.command("show")
def show_packs(
    withdrawn: Annotated[bool, typer.Option(help="also those that are not on sale any more")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what is on sale."""
    found = read(lambda engine: store.packs(engine, withdrawn=withdrawn))
    if shown_as_list(map(PackShown.of, found), as_json):
        return
    table = Table("id", "name")
    for heading in ("credits", "bonus", "price", "per credit", "expires after"):
        table.add_column(heading, justify="right")
    for published in found:
        p = published.pack
        table.add_row(
            p.pack_id,
            escape(p.name) + ("" if published.withdrawn_at is None else "  (withdrawn)"),
            f"{p.credits:,}",
            f"{p.bonus_credits:,}" + (" diluting" if p.diluted and p.bonus_credits else ""),
            price(p.price_micros, p.currency),
            price(p.price_micros // (p.credits + p.bonus_credits), p.currency),
            "never" if p.expires_in_days is None else f"{p.expires_in_days} days",
        )
    console.print(table)


@app.command("publish")
def publish_packs(
    file: Annotated[
        Path, typer.Argument(help='JSON: {"pack_id", "credits", "price": {"micros", "currency"}, …} or a list')
    ],
    key: Secret = None,
) -> None:
    """Put packs on sale, at once."""
    wanted = packs_of(document(file))

    async def publish(desk: Desk) -> None:
        for pack in wanted:
            _, new = await store.publish_pack(desk.work, pack, desk.actor)
            console.print(f"Pack {pack.pack_id} {'is on sale' if new else 'was published before'}.")

    write(publish, key, roles=(ADMIN,))


@app.command("withdraw")
def withdraw_pack(pack_id: Annotated[str, typer.Argument(help="the pack's, as `packs show` says it")]) -> None:
    """Take a pack off sale; what was ordered can still be paid."""
    identifier(pack_id, "pack_id")
    write(lambda desk: store.withdraw_pack(desk.work, pack_id))
    console.print(f"Pack {pack_id} is withdrawn.")
