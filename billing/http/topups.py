"""Top-ups and auto-recharge: customers buy packs."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import Path, Response

from billing.core.funding_commands import EndAutoRecharge, OpenTopup, SetAutoRecharge
from billing.core.refusals import AccountNotFound, AutoRechargeNotFound, IdReused, PackNotFound, TopupNotFound
from billing.funding.refusals import CheckoutRefused, PaymentsNotConfigured, ProcessorUnavailable
from billing.http.auth import Buying, Ordering, Reading
from billing.http.models.common import Page
from billing.http.models.funding import AutoRechargeShown, NewAutoRecharge, NewTopup, TopupShown
from billing.http.pages import Keyset
from billing.http.parameters import AccountId, Cursor, Limit, answered
from billing.http.problems import responses
from billing.http.route import Router
from billing.http.service import Service
from billing.store import topups as store
from billing.store.accounts import account
from billing.store.packs import pack_on_sale

router = Router(prefix="/v1/accounts/{account_id}", tags=["funding"])
TopupId = Annotated[str, Path(pattern=r"^[A-Za-z0-9_.:\-]{1,128}$", description="as it was chosen, or `recharge:…`")]
BY_AGE = Keyset(topup__created_at=datetime, topup__topup_id=str)


@router.post(
    "/topups",
    status_code=201,
    response_model=TopupShown,
    responses=responses(
        AccountNotFound,
        IdReused,
        PackNotFound,
        CheckoutRefused,
        PaymentsNotConfigured,
        ProcessorUnavailable,
        again=TopupShown,
    ),
)
async def open_topup(account_id: AccountId, body: NewTopup, response: Response, caller: Ordering) -> TopupShown:
    """Orders a pack. Send the customer to `url`; credits come with the money, not with the visit of `success_url`."""
    service = caller.service
    await _takes_payments(service, account_id)
    pack = await pack_on_sale(service.engine, body.pack_id)
    answer = await service.funding.orders.order(
        OpenTopup(account_id, body.topup_id, body.pack_id, pack, body.success_url, body.cancel_url)
    )
    answered(response, answer.replayed)
    return TopupShown.of(store.TopupStory(answer.topup))


@router.get("/topups", response_model=Page[TopupShown], responses=responses(AccountNotFound))
async def list_topups(account_id: AccountId, caller: Reading, cursor: Cursor = None, limit: Limit = 50) -> Any:
    """The account's top-ups, newest first; each by itself also shows its refunds and disputes."""
    before = BY_AGE.after(cursor)
    found = await store.topups(caller.service.engine, account_id, before=before, limit=limit + 1)
    return BY_AGE.page(found, limit, TopupShown.of)


@router.get("/topups/{topup_id}", response_model=TopupShown, responses=responses(AccountNotFound, TopupNotFound))
async def get_topup(account_id: AccountId, topup_id: TopupId, caller: Reading) -> TopupShown:
    """One top-up, as it stands."""
    return TopupShown.of(await store.topup(caller.service.engine, account_id, topup_id))


@router.get(
    "/auto-recharge", response_model=AutoRechargeShown, responses=responses(AccountNotFound, AutoRechargeNotFound)
)
async def get_auto_recharge(account_id: AccountId, caller: Reading) -> Any:
    """The terms, and how it stands."""
    return await store.auto_recharge(caller.service.engine, account_id)


@router.put(
    "/auto-recharge",
    response_model=AutoRechargeShown,
    responses=responses(AccountNotFound, PackNotFound, PaymentsNotConfigured),
)
async def set_auto_recharge(account_id: AccountId, body: NewAutoRecharge, caller: Buying) -> Any:
    """Buys the pack whenever available credits fall below the threshold; also starts anew what was stopped."""
    service = caller.service
    await _takes_payments(service, account_id)
    pack = await pack_on_sale(service.engine, body.pack_id)
    answer = await service.posting.post(
        SetAutoRecharge(account_id, body.threshold, body.pack_id, pack, body.monthly_limit, body.payment_method)
    )
    return answer.recharge


@router.delete(
    "/auto-recharge", response_model=AutoRechargeShown, responses=responses(AccountNotFound, AutoRechargeNotFound)
)
async def end_auto_recharge(account_id: AccountId, caller: Buying) -> Any:
    """Buys no more. A payment that is in flight is not called back."""
    answer = await caller.service.posting.post(EndAutoRecharge(account_id))
    return answer.recharge


async def _takes_payments(service: Service, account_id: str) -> None:
    """Raises PaymentsNotConfigured, but AccountNotFound first."""
    try:
        service.funding.check()
    except PaymentsNotConfigured:
        await account(service.engine, account_id)
        raise
