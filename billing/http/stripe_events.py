"""Stripe's events: where they come in, and what became of each."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Header, Path, Query, Request, Response

from billing.core.refusals import IdReused
from billing.funding.refusals import (
    PaymentsNotConfigured,
    ProcessorUnavailable,
    SignatureInvalid,
    TransactionKnown,
    TransactionNotFound,
)
from billing.http.auth import Admin, Overseeing
from billing.http.models.common import Page
from billing.http.models.funding import (
    Explanation,
    Received,
    StripeEventInFull,
    StripeEventShown,
    TransactionShown,
)
from billing.http.pages import Keyset
from billing.http.parameters import Cursor, Limit, Search, The, answered, clean
from billing.http.problems import responses
from billing.http.route import Router
from billing.store import inbox as store
from billing.store.refusals import StripeEventNotFound

router = Router(prefix="/v1/stripe", tags=["funding"])
BY_ARRIVAL = Keyset(received_at=datetime, event_id=str)
StripeId = Annotated[str, Path(max_length=255, pattern=r"^[A-Za-z0-9_.]+$", description="as Stripe names it")]


@router.post("/webhook", response_model=Received, responses=responses(SignatureInvalid, PaymentsNotConfigured))
async def receive_event(
    request: Request,
    service: The,
    stripe_signature: Annotated[
        str | None, Header(max_length=10_000, description="Stripe's, made with the endpoint's secret")
    ] = None,
) -> Received:
    """Stores an event that Stripe signed; it is acted on afterwards. The signature is the key."""
    await service.funding.inbox.receive(await request.body(), stripe_signature)
    return Received()


@router.get("/events", response_model=Page[StripeEventShown], responses=responses())
async def list_events(
    caller: Overseeing,
    state: Annotated[
        Literal["pending", "done", "ignored", "dead"] | None, Query(description="only events that are so by now")
    ] = None,
    type: Annotated[Search, Query(description="Stripe's, such as `charge.refunded`")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Any:
    """What has come in, newest first. `?state=dead` is what somebody has to look at."""
    clean(type=type)
    before = BY_ARRIVAL.after(cursor)
    found = await store.stripe_events(caller.service.engine, state=state, kind=type, before=before, limit=limit + 1)
    return BY_ARRIVAL.page(found, limit)


@router.get("/events/{event_id}", response_model=StripeEventInFull, responses=responses(StripeEventNotFound))
async def get_event(event_id: StripeId, caller: Overseeing) -> StripeEventInFull:
    """One event, with what Stripe sent."""
    return StripeEventInFull.of(await store.stripe_event(caller.service.engine, event_id))


@router.post("/events/{event_id}/retry", response_model=StripeEventShown, responses=responses(StripeEventNotFound))
async def retry_event(event_id: StripeId, caller: Admin) -> Any:
    """Has an event dealt with again, whatever became of it: it takes effect at most once."""
    event = await store.reopen_event(caller.service.work, event_id)
    caller.service.funding.wake()
    return event


@router.post(
    "/transactions/{transaction_id}/book",
    status_code=201,
    response_model=TransactionShown,
    responses=responses(
        TransactionNotFound,
        TransactionKnown,
        IdReused,
        PaymentsNotConfigured,
        ProcessorUnavailable,
        again=TransactionShown,
    ),
)
async def book_transaction(transaction_id: StripeId, body: Explanation, response: Response, caller: Overseeing) -> Any:
    """Says what a balance transaction of Stripe's is that the ledger cannot know the meaning of, and books it as that.

    Payouts that wait for it are dealt with again. Who said so, and why, is kept.
    """
    funding = caller.service.funding
    answer = await funding.bookkeeper.book(transaction_id, body.to, body.reason, caller.key.key_id)
    answered(response, answer.replayed)
    funding.wake()
    return answer.transaction
