"""`billing explain`: why one charge costs what it costs."""

from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from billing.books.explain.report import ChargeExplanation
from billing.books.explain.report import explain as why
from billing.cli.given import Lang, language
from billing.cli.session import AsJson, console, read, shown_as_json
from billing.core.refusals import AccountNotFound, ChargeNotFound
from billing.core.text import identifier
from billing.store.engine import Engine
from billing.store.price_books import price_books


def explain(
    account: Annotated[str, typer.Argument(help="the account's id")],
    request: Annotated[str, typer.Argument(help="the charge's request id")],
    lang: Lang = "en",
    as_json: AsJson = False,
) -> None:
    """Say why a charge costs what it costs, step by step, from the request down to the journal."""
    spoken = language(lang)
    identifier(account, "account")
    identifier(request, "request")

    async def question(engine: Engine) -> ChargeExplanation:
        return await why(engine, await price_books(engine), account, request, spoken)

    try:
        explanation = read(question)
    except AccountNotFound:
        raise ValueError(f"There is no account {account}.") from None
    except ChargeNotFound:
        raise ValueError(f"Account {account} has no charge {request}.") from None
    if shown_as_json(explanation, as_json):
        return
    table = Table.grid(padding=(0, 2))
    table.add_column(justify="right", style="dim")
    table.add_column(style="cyan", no_wrap=True)
    table.add_column()
    for step in explanation.steps:
        table.add_row(f" {step.step}", step.title, Text(step.text))  # not markup: callers' words stand in it
    status = spoken.words.get(explanation.status, explanation.status)
    console.print(Text.assemble((f"{account} / {request}", "bold"), f"  {status}"))
    console.print(table)
