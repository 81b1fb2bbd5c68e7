"""Accounts, their balances, grants and changes."""

from datetime import datetime
from typing import Any

from fastapi import Query, Response

from billing.core.commands import UNCHANGED, AmendAccount, IssueGrant, OpenAccount
from billing.core.refusals import AccountNotFound, IdReused
from billing.http.auth import ACCOUNT, Admin, Reading
from billing.http.models.accounts import (
    Account,
    AccountPatch,
    BalanceAt,
    BalanceShown,
    Change,
    GrantShown,
    NewAccount,
    NewGrant,
)
from billing.http.models.common import Page
from billing.http.pages import Keyset, Ordinal
from billing.http.parameters import AccountId, Cursor, Limit, Moment, answered
from billing.http.problems import responses
from billing.http.route import Router
from billing.store import accounts, balances, journal

router = Router(prefix="/v1/accounts", tags=["accounts"])
BY_ID = Keyset(account_id=str)
OF_CHANGES = Keyset(changed_at=datetime, position=Ordinal)
OF_GRANTS = Keyset(seq=int)


@router.post("", status_code=201, response_model=Account, responses=responses(IdReused, again=Account))
async def open_account(body: NewAccount, response: Response, caller: Admin) -> Account:
    """Opens an account. Repeated alike it answers 200 with the account as it is now."""
    answer = await caller.service.posting.post(OpenAccount(**dict(body), actor=caller.key.key_id))
    answered(response, answer.replayed)
    return Account.of(answer.account_id, answer.settings)


@router.get("", response_model=Page[Account], responses=responses())
async def list_accounts(caller: Reading, cursor: Cursor = None, limit: Limit = 50) -> Any:
    """Accounts in the order of their ids; a key of role `account` sees its own."""
    if caller.key.role == ACCOUNT and caller.key.account_id is not None:
        found = [(caller.key.account_id, await accounts.account(caller.service.engine, caller.key.account_id))]
    else:
        found = await accounts.accounts(caller.service.engine, after=BY_ID.after(cursor), limit=limit + 1)
    return BY_ID.page([Account.of(*each) for each in found], limit)


@router.get("/{account_id}", response_model=Account, responses=responses(AccountNotFound))
async def get_account(account_id: AccountId, caller: Reading) -> Account:
    """One account and its settings."""
    return Account.of(account_id, await accounts.account(caller.service.engine, account_id))


@router.patch("/{account_id}", response_model=Account, responses=responses(AccountNotFound))
async def amend_account(account_id: AccountId, body: AccountPatch, caller: Admin) -> Account:
    """Changes the settings that are sent. Those that decide money leave a record: see `/changes`."""
    sent = {
        name: getattr(body, name) if name in body.model_fields_set else UNCHANGED
        for name in ("name", "status", "credit_limit", "overage", "hold", "metadata", "low_balance")
    }
    answer = await caller.service.posting.post(AmendAccount(account_id, **sent, actor=caller.key.key_id))
    return Account.of(account_id, answer.settings)


@router.get("/{account_id}/changes", response_model=Page[Change], responses=responses(AccountNotFound))
async def list_changes(account_id: AccountId, caller: Reading, cursor: Cursor = None, limit: Limit = 50) -> Any:
    """Who changed what, and when, from the opening on."""
    after = OF_CHANGES.after(cursor)
    found = await accounts.changes(caller.service.engine, account_id, after=after, limit=limit + 1)
    return OF_CHANGES.page(found, limit)


@router.get("/{account_id}/balance", response_model=BalanceShown | BalanceAt, responses=responses(AccountNotFound))
async def get_balance(
    account_id: AccountId,
    caller: Reading,
    at: Moment | None = Query(None, description="RFC 3339: the figures as they were then, by when things took effect"),
) -> BalanceShown | BalanceAt:
    """What the account has, what is held and what is left, at one instant."""
    if at is not None:
        return BalanceAt.like(await balances.figures_at(caller.service.engine, account_id, at))
    return BalanceShown.of(await balances.balance_sheet(caller.service.engine, account_id))


@router.post(
    "/{account_id}/grants",
    status_code=201,
    response_model=GrantShown,
    responses=responses(AccountNotFound, IdReused, again=GrantShown),
)
async def issue_grant(account_id: AccountId, body: NewGrant, response: Response, caller: Admin) -> GrantShown:
    """Gives credits. What is owed is paid first, oldest debt first."""
    paid = body.amount_paid
    answer = await caller.service.posting.post(
        IssueGrant(
            account_id,
            body.grant_id,
            body.kind,
            body.credits,
            body.expires_at,
            body.priority,
            None if paid is None else paid.micros,
            None if paid is None else paid.currency,
            body.funding,
            body.reference,
        )
    )
    answered(response, answer.replayed)
    return GrantShown.of(answer.grant)


@router.get("/{account_id}/grants", response_model=Page[GrantShown], responses=responses(AccountNotFound))
async def list_grants(account_id: AccountId, caller: Reading, cursor: Cursor = None, limit: Limit = 50) -> Any:
    """All grants of the account, also spent and expired ones, oldest first."""
    after = OF_GRANTS.after(cursor) or 0
    found, now = await journal.grants(caller.service.engine, account_id, after=after, limit=limit + 1)
    return OF_GRANTS.page(found, limit, lambda grant: GrantShown.of(grant, now))
