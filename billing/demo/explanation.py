"""Why a bill is what it is, in the service's own words."""

from rich.markup import escape
from rich.table import Table

from billing.client.documents import Charge
from billing.demo.scene import headline
from billing.demo.stage import Stage


async def explain(stage: Stage, charge: Charge) -> None:
    """The explanation of the charge that asked for 4K and got 1672x941."""
    headline(
        stage,
        f"{stage.next_scene()}. Why 67 and not 133?",
        "The service explains the charge that asked for 4K and got 1672x941.",
    )
    document = await stage.billing.explain(charge["account_id"], charge["request_id"])
    table = Table.grid(padding=(0, 2))
    table.add_column(justify="right", style="dim")
    table.add_column(style="cyan")
    table.add_column()
    for step in document["steps"]:
        table.add_row(f" {step['step']}", step["title"], escape(step["text"]))
    stage.console.print()
    stage.console.print(table)
