"""`billing explain`: why one charge costs what it costs."""

import json
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from billing.books.explain.models import Explanation
from billing.books.explain.report import LANGUAGES, Explained, Language
from billing.books.explain.report import explain as why
from billing.cli.session import AsJson, console, ledger, on, run
from billing.core.refusals import AccountNotFound, ChargeNotFound
from billing.core.text import identifier
from billing.store.engine import Engine, read_engine
from billing.store.price_books import price_books


def explain(
    account: Annotated[str, typer.Argument(help="the account's id")],
    request: Annotated[str, typer.Argument(help="the charge's request id")],
    lang: Annotated[str, typer.Option(help="en or es")] = "en",
    as_json: AsJson = False,
) -> None:
    """Say why a charge costs what it costs, step by step, from the request down to the journal."""
    if lang not in LANGUAGES:
        raise ValueError(f"--lang must be {' or '.join(LANGUAGES)}")
    language = LANGUAGES[lang]
    explanation = Explanation.of(_explained(account, request), language)
    if as_json:
        print(json.dumps(explanation.model_dump(mode="json"), indent=2))
    else:
        _show(explanation, language)


def _explained(account: str, request: str) -> Explained:
    """Raises ValueError where there is no such account or charge."""

    async def read(engine: Engine) -> Explained:
        return await why(engine, await price_books(engine), account, request)

    try:
        identifier(account, "account")
        identifier(request, "request")
        with ledger() as dsn:
            return run(lambda: on(read_engine(dsn, size=1), read))
    except AccountNotFound:
        raise ValueError(f"There is no account {account}.") from None
    except ChargeNotFound:
        raise ValueError(f"Account {account} has no charge {request}.") from None


def _show(explanation: Explanation, language: Language) -> None:
    table = Table.grid(padding=(0, 2))
    table.add_column(justify="right", style="dim")
    table.add_column(style="cyan", no_wrap=True)
    table.add_column()
    for step in explanation.steps:
        table.add_row(f" {step.step}", step.title, Text(step.text))  # not markup: callers' words stand in it
    status = language.words.get(explanation.status, explanation.status)
    console.print(Text.assemble((f"{explanation.account_id} / {explanation.request_id}", "bold"), f"  {status}"))
    console.print(table)
