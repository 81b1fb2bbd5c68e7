"""Charges: what the gateway asks before it calls a provider, and tells afterwards."""

from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Depends, Query, Response

from billing.core.refusals import (
    AccountNotFound,
    AccountSuspended,
    ChargeNotFound,
    ChargeNotOpen,
    IdReused,
    InsufficientCredits,
    PriceChanged,
    QualityNotSupported,
    RefundExceedsBill,
    SizeNotAllowed,
    SizeNotPriced,
    UnknownModel,
)
from billing.core.wallet import Balance
from billing.http.auth import Charging, Overseeing, Reading, Refunding
from billing.http.models.charges import (
    ChargeShown,
    CorrectionShown,
    NewCharge,
    NewRefund,
    RefundShown,
    Settlement,
    Voiding,
)
from billing.http.models.common import Page
from billing.http.pages import Keyset
from billing.http.parameters import (
    AccountId,
    Cursor,
    End,
    Limit,
    RequestId,
    Search,
    Start,
    answered,
    clean,
)
from billing.http.problems import responses
from billing.http.route import Router
from billing.http.service import Service
from billing.store import charges
from billing.store.charges import Filter

router = Router(tags=["charges"])
OF_CHARGES = Keyset(charge__account_id=str, charge__authorized_at=datetime, charge__request_id=str)
BY_SEQ = Keyset(first_seq=int)
CHARGES = "/v1/accounts/{account_id}/charges"
CHARGE = f"{CHARGES}/{{request_id}}"
Status = Annotated[
    Literal["authorized", "settled", "voided", "expired"] | None, Query(description="only charges that are so by now")
]


@router.post(
    CHARGES,
    status_code=201,
    response_model=ChargeShown,
    responses=responses(
        AccountNotFound, IdReused, AccountSuspended, UnknownModel, SizeNotAllowed, SizeNotPriced, QualityNotSupported,
        PriceChanged, InsufficientCredits, again=ChargeShown,
    ),
)  # fmt: skip
async def charge(account_id: AccountId, body: NewCharge, response: Response, caller: Charging) -> ChargeShown:
    """Authorizes a request: reserves its quoted cost. With `outputs`, charges it in one step.

    Send the same body again when no answer came: it takes effect once, and says how the charge stands by now.
    """
    answer = await caller.service.posting.post(body.command(account_id))
    answered(response, answer.replayed)
    return ChargeShown.of(answer.charge, answer.outputs, answer.balance)


class ChargeQuery:
    """The parameters that both lists of charges take."""

    def __init__(
        self,
        status: Status = None,
        model: Search = None,
        api_key_id: Search = None,
        end_user: Search = None,
        flag: Annotated[Search, Query(description="only charges with this flag: `late`, `capped`, …")] = None,
        flagged: Annotated[bool, Query(description="only charges with any flag")] = False,
        start: Start = None,
        end: End = None,
        cursor: Cursor = None,
        limit: Limit = 50,
    ) -> None:
        clean(model=model, api_key_id=api_key_id, end_user=end_user, flag=flag)
        self.where = Filter(None, status, model, api_key_id, end_user, flag, start, end, flagged)
        self.cursor = cursor
        self.limit = limit

    async def page(self, service: Service, account_id: str | None, *, of: str | None = None) -> Any:
        """The page that is asked for, of one account or of all; `of` is one that must be there."""
        where = replace(self.where, account_id=account_id)
        after = OF_CHARGES.after(self.cursor)
        found = await charges.charges(service.engine, where, of=of, after=after, limit=self.limit + 1)
        return OF_CHARGES.page(found, self.limit, lambda view: ChargeShown.of(view.charge, view.outputs))


@router.get(CHARGES, response_model=Page[ChargeShown], responses=responses(AccountNotFound))
async def list_charges(account_id: AccountId, caller: Reading, wanted: Annotated[ChargeQuery, Depends()]) -> Any:
    """The account's charges, newest first, by when they were authorized."""
    return await wanted.page(caller.service, account_id, of=account_id)


@router.get("/v1/charges", response_model=Page[ChargeShown], responses=responses())
async def list_all_charges(
    caller: Overseeing, wanted: Annotated[ChargeQuery, Depends()], account_id: Search = None
) -> Any:
    """Charges across accounts, account by account, newest first."""
    clean(account_id=account_id)
    return await wanted.page(caller.service, account_id)


@router.get(CHARGE, response_model=ChargeShown, responses=responses(AccountNotFound, ChargeNotFound))
async def get_charge(account_id: AccountId, request_id: RequestId, caller: Reading) -> ChargeShown:
    """One charge as it is at this moment."""
    view, figures = await charges.charge(caller.service.engine, account_id, request_id)
    return ChargeShown.of(view.charge, view.outputs, Balance(figures.posted, figures.held, figures.available))


@router.post(
    f"{CHARGE}/settle",
    response_model=ChargeShown,
    responses=responses(AccountNotFound, ChargeNotFound, ChargeNotOpen),
)
async def settle(
    account_id: AccountId,
    request_id: RequestId,
    body: Settlement,
    response: Response,
    caller: Charging,
) -> ChargeShown:
    """Bills what was delivered, by the measured size of each output, and releases the hold."""
    answer = await caller.service.posting.post(body.command(account_id, request_id))
    answered(response, answer.replayed, created=200)
    return ChargeShown.of(answer.charge, answer.outputs, answer.balance)


@router.post(
    f"{CHARGE}/void",
    response_model=ChargeShown,
    responses=responses(AccountNotFound, ChargeNotFound, ChargeNotOpen),
)
async def void(
    account_id: AccountId,
    request_id: RequestId,
    response: Response,
    caller: Charging,
    body: Voiding | None = None,
) -> ChargeShown:
    """Releases the hold: nothing was delivered. Closes late settlement too."""
    answer = await caller.service.posting.post((body or Voiding()).command(account_id, request_id))
    answered(response, answer.replayed, created=200)
    return ChargeShown.of(answer.charge, answer.outputs, answer.balance)


@router.post(
    f"{CHARGE}/refunds",
    status_code=201,
    response_model=RefundShown,
    responses=responses(AccountNotFound, ChargeNotFound, IdReused, ChargeNotOpen, RefundExceedsBill, again=RefundShown),
)
async def refund(
    account_id: AccountId,
    request_id: RequestId,
    body: NewRefund,
    response: Response,
    caller: Refunding,
) -> RefundShown:
    """Returns credits of a bill to the grants that paid it, after what the account owes."""
    answer = await caller.service.posting.post(body.command(account_id, request_id))
    answered(response, answer.replayed)
    return RefundShown.of(answer.refund, ChargeShown.of(answer.charge, answer.outputs, answer.balance))


@router.get(f"{CHARGE}/refunds", response_model=Page[RefundShown], responses=responses(AccountNotFound, ChargeNotFound))
async def list_refunds(
    account_id: AccountId,
    request_id: RequestId,
    caller: Reading,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Any:
    """The charge's refunds, oldest first."""
    after = BY_SEQ.after(cursor) or 0
    found = await charges.refunds(caller.service.engine, account_id, request_id, after=after, limit=limit + 1)
    return BY_SEQ.page(found, limit, RefundShown.of)


@router.get(
    f"{CHARGE}/corrections", response_model=Page[CorrectionShown], responses=responses(AccountNotFound, ChargeNotFound)
)
async def list_corrections(
    account_id: AccountId,
    request_id: RequestId,
    caller: Reading,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Any:
    """What reconciliation has corrected of the charge's bill, oldest first."""
    after = BY_SEQ.after(cursor) or 0
    found = await charges.corrections(caller.service.engine, account_id, request_id, after=after, limit=limit + 1)
    return BY_SEQ.page(found, limit)
