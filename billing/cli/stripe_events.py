"""`billing stripe`: the events that came in, and those that did not; and what only a person can explain."""

from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import typer
from rich.markup import escape
from rich.table import Table

from billing.cli.given import moment
from billing.cli.money import decimal
from billing.cli.session import AsJson, Desk, Secret, console, errors, read, shown_as_json, shown_as_list, write
from billing.core.answers import ClearingAnswer
from billing.core.prices import PriceBooks
from billing.funding import Funding, Keys, funding
from billing.funding.bookkeeper import DESTINATIONS
from billing.funding.refusals import TransactionNotFound
from billing.http.models.funding import StripeEventShown, TransactionShown
from billing.posting import Posting
from billing.store import inbox
from billing.store.refusals import StripeEventNotFound

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

    with errors.status("asking Stripe for its events"):
        listed, new, acted = write(lambda desk: _with_funding(desk, catch_up))
    if not shown_as_json({"listed": listed, "new": new, "acted_on": acted}, as_json):
        console.print(f"Events listed: {listed}, new: {new}, acted on: {acted}.")


@app.command("events")
def list_events(
    state: Annotated[str | None, typer.Option(help="pending, done, ignored or dead")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="events")] = 50,
    as_json: AsJson = False,
) -> None:
    """List what came in, newest first. `--state dead` is what somebody has to look at."""
    if state not in (None, "pending", "done", "ignored", "dead"):
        raise ValueError("--state must be pending, done, ignored or dead")
    found = read(lambda engine: inbox.stripe_events(engine, state=state, kind=None, before=None, limit=limit))
    if shown_as_list(map(StripeEventShown.like, found), as_json):
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
def retry(event_id: Annotated[str, typer.Argument(help="the event's, as Stripe and `stripe events` say it")]) -> None:
    """Have an event dealt with again; it takes effect at most once."""
    if not (event_id.isascii() and event_id.isprintable()):
        raise StripeEventNotFound(event_id)
    event = write(lambda desk: inbox.reopen_event(desk.work, event_id))
    console.print(f"{event.event_id} ({event.type}) is pending.")


@app.command("book")
def book(
    transaction_id: Annotated[str, typer.Argument(help="the balance transaction's, as `billing payouts` says it")],
    to: Annotated[str, typer.Option(help=f"what it is: {', '.join(DESTINATIONS)}")],
    reason: Annotated[str, typer.Option(help="why; kept with it for ever")],
    key: Secret = None,
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

    async def booked(desk: Desk) -> ClearingAnswer:
        return await _with_funding(desk, lambda parts: parts.bookkeeper.book(transaction_id, to, reason, desk.actor))

    answer = write(booked, key, named="It is booked in somebody's name")
    shown = TransactionShown.like(answer.transaction)
    if shown_as_json(shown, as_json):
        return
    net = decimal(shown.amount_micros - shown.fee_micros)
    said = "was booked before" if answer.replayed else "is booked"
    console.print(f"{shown.transaction_id} {said} to {to}: {net} {shown.currency}.", highlight=False)


async def _with_funding(desk: Desk, work: Callable[[Funding], Awaitable[T]]) -> T:
    # Nothing that Stripe reports has a price of ours.
    posting = Posting(desk.dsn, lambda: PriceBooks([]), lanes=1, now=desk.clock.now)
    async with funding(Keys.of(desk.settings), posting, desk.engine, desk.work) as parts, posting:
        return await work(parts)
