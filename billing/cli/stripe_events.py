"""`billing stripe`: the events that came in, and those that did not; and what only a person can explain."""

import json
import os
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import typer
from rich.markup import escape
from rich.table import Table

from billing.cli.given import moment
from billing.cli.money import decimal
from billing.cli.session import AsJson, actor_of, clock_of, console, errors, ledger, on, run, settings_of
from billing.core.prices import PriceBooks
from billing.core.refusals import StripeEventNotFound, TransactionNotFound
from billing.funding import Funding, Keys, funding
from billing.funding.bookkeeper import DESTINATIONS
from billing.http.models.funding import StripeEventShown, TransactionShown
from billing.posting import Posting
from billing.store import inbox
from billing.store.engine import Engine, read_engine, work_engine

T = TypeVar("T")
app = typer.Typer(help="Stripe: what it told us, and what became of that.", no_args_is_help=True)


@app.command("sync")
def sync(
    since: Annotated[str | None, typer.Option(help="RFC 3339; default: an hour before the last event seen")] = None,
    as_json: AsJson = False,
) -> None:
    """Fetch the events that never arrived from Stripe's own list, and act on them."""
    start = moment(since, "--since")

    async def catch_up(parts: Funding) -> tuple[int, int, int]:
        listed, new = await parts.sync.once(start)
        acted = 0
        while found := await parts.inbox.once():
            acted += found
        return listed, new, acted

    with ledger() as dsn, errors.status("asking Stripe for its events"):
        listed, new, acted = run(lambda: _with_funding(dsn, catch_up))
    if as_json:
        print(json.dumps({"listed": listed, "new": new, "acted_on": acted}))
    else:
        console.print(f"Events listed: {listed}, new: {new}, acted on: {acted}.")


@app.command("events")
def list_events(
    state: Annotated[str | None, typer.Option(help="pending, done, ignored or dead")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 50,
    as_json: AsJson = False,
) -> None:
    """List what came in, newest first. `--state dead` is what somebody has to look at."""
    if state not in (None, "pending", "done", "ignored", "dead"):
        raise ValueError("--state must be pending, done, ignored or dead")

    async def read(engine: Engine) -> list[inbox.StoredEvent]:
        return await inbox.stripe_events(engine, state=state, kind=None, before=None, limit=limit)

    with ledger() as dsn:
        found = run(lambda: on(read_engine(dsn, size=1), read))
    if as_json:
        print(json.dumps([StripeEventShown.of(event).model_dump(mode="json") for event in found], indent=2))
        return
    table = Table("received")
    table.add_column("id", overflow="fold")  # whole: it is what `retry` takes
    for heading in ("type", "state", "attempts", "account", "problem"):
        table.add_column(heading, overflow="fold")
    for event in found:
        row = (
            event.event_id,
            event.type,
            event.state,
            str(event.attempts),
            event.account_id or "",
            event.problem or "",
        )
        table.add_row(f"{event.received_at:%Y-%m-%d %H:%M:%S}", *(escape(cell) for cell in row))
    console.print(table)


@app.command("retry")
def retry(event_id: str) -> None:
    """Have an event dealt with again; it takes effect at most once."""
    if not (event_id.isascii() and event_id.isprintable()):
        raise StripeEventNotFound(event_id)
    with ledger() as dsn:
        event = run(lambda: on(work_engine(dsn, size=1), lambda work: inbox.reopen_event(work, event_id)))
    console.print(f"{event.event_id} ({event.type}) is pending.")


@app.command("book")
def book(
    transaction_id: str,
    to: Annotated[str, typer.Option(help=f"what it is: {', '.join(DESTINATIONS)}")],
    reason: Annotated[str, typer.Option(help="why; kept with it for ever")],
    key: Annotated[str | None, typer.Option(help="a key of role admin or finance: who says so  [BILLING_KEY]")] = None,
    as_json: AsJson = False,
) -> None:
    """Say what a balance transaction of Stripe's is that the ledger cannot know the meaning of.

    fees: a cost, or some of one returned. reserve: kept back for a while, or released. bank: from the bank, or to it.
    other: of business whose books are kept elsewhere.
    """
    if not reason.strip():
        raise ValueError("Say why, with --reason: it is kept with the transaction.")
    if not (transaction_id.isascii() and transaction_id.isprintable()):
        raise TransactionNotFound(transaction_id)
    secret = key or os.environ.get("BILLING_KEY")
    if secret is None:
        raise ValueError("It is booked in somebody's name: give your key with --key or BILLING_KEY.")
    with ledger() as dsn:
        actor = actor_of(dsn, secret)
        answer = run(lambda: _with_funding(dsn, lambda parts: parts.bookkeeper.book(transaction_id, to, reason, actor)))
    shown = TransactionShown.of(answer.transaction)
    if as_json:
        print(shown.model_dump_json(indent=2))
        return
    net = decimal(shown.amount_micros - shown.fee_micros)
    said = "was booked before" if answer.replayed else "is booked"
    console.print(f"{shown.transaction_id} {said} to {to}: {net} {shown.currency}.", highlight=False)


async def _with_funding(dsn: str, work: Callable[[Funding], Awaitable[T]]) -> T:
    engine, working = read_engine(dsn, size=2), work_engine(dsn, size=2)
    try:
        clock = await clock_of(engine)
        clock.keep(working)
        # Nothing that Stripe reports has a price of ours.
        posting = Posting(dsn, lambda: PriceBooks([]), lanes=1, now=clock.now)
        async with funding(Keys.of(settings_of()), posting, engine, working) as parts, posting:
            return await work(parts)
    finally:
        await working.dispose()
        await engine.dispose()
