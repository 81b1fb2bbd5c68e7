"""Statements: what a month did to a wallet, signed, for anybody to verify; and the keys to verify them with."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import Depends, Path, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import Field

from billing.books.statements.document.csv_form import as_csv
from billing.books.statements.document.json_form import as_json
from billing.books.statements.document.statement import MONTH, Signature, Statement, is_month
from billing.books.statements.report import StatementMonth, StatementNotFound, issue, months
from billing.books.statements.signing import PublicKeys, Signing
from billing.core.cursors import not_ours
from billing.core.refusals import AccountNotFound
from billing.http.auth import Reading
from billing.http.models.common import Page
from billing.http.models.transfers import TransferShown
from billing.http.pages import Keyset
from billing.http.parameters import AccountId, Cursor, Limit
from billing.http.problems import responses
from billing.http.route import Router
from billing.http.service import Service

router = Router(tags=["ledger"])
STATEMENTS = "/v1/accounts/{account_id}/statements"
KEYS_PATH = "/.well-known/billing-keys.json"
_CSV: dict[str, Any] = {
    "content": {"text/csv": {"schema": {"type": "string"}}},
    "description": "The statement, as a file",
}


class StatementMovement(TransferShown):
    """A transfer with all fields that its hash covers."""

    account_id: str = Field(description="whose wallet moved")


@dataclass(frozen=True, slots=True)
class StatementDocument(Statement):
    """A month's movements are the transfers of the wallet posted in it: `first_seq` to `last_seq`, one unbroken range.

    `complete` is false while the month lasts. `hash_before` and `hash_after` are the chain's hashes before the first and
    after the last of them, and equal those of the statements before and after.
    """

    format: Literal["billing.statement.1"]
    """with what a file begins"""
    signature: Signature
    """over the header: all but the movements"""
    movements: list[StatementMovement]
    """in the order of their seq"""


async def _signing(request: Request) -> Signing:
    """The process's, made at first need: it reads its key once."""
    state = request.app.state
    if not hasattr(state, "signing"):
        service: Service = state.service
        state.signing = Signing(service.engine, service.work, service.settings.signing_seed)
    signing: Signing = state.signing
    return signing


MONTHS = Keyset(month=str)
Signs = Annotated[Signing, Depends(_signing)]


@router.get(STATEMENTS, response_model=Page[StatementMonth], responses=responses(AccountNotFound))
async def list_statements(account_id: AccountId, caller: Reading, cursor: Cursor = None, limit: Limit = 50) -> Any:
    """The months that have a statement, newest first: from the one in which the account was opened to the running one."""
    before = MONTHS.after(cursor)
    if before is not None and not is_month(before):
        raise not_ours()
    found = await months(caller.service.long_reads, account_id, before=before, limit=limit + 1)
    return MONTHS.page(found, limit)


@router.get(
    f"{STATEMENTS}/{{month}}",
    response_model=StatementDocument,
    responses={200: _CSV, **responses(AccountNotFound, StatementNotFound)},
)
async def get_statement(
    account_id: AccountId,
    month: Annotated[str, Path(pattern=MONTH, description="YYYY-MM, in UTC")],
    caller: Reading,
    signing: Signs,
    format: Annotated[Literal["json", "csv"], Query(description="of the file")] = "json",
) -> Any:
    """A month's statement: opening balance, every movement, closing balance, subtotals, the chain, signed.

    `billing verify-statement FILE` verifies it offline. The running month's is the statement so far.
    """
    service = caller.service
    issued = await issue(service.long_reads, service.work, signing, account_id, month)
    name = f"statement-{account_id.replace(':', '_')}-{month}.{format}"
    written = as_csv(issued) if format == "csv" else as_json(issued)
    media_type = "text/csv" if format == "csv" else "application/json"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(written, media_type=media_type, headers=headers)


@router.get(KEYS_PATH)
async def list_signing_keys(signing: Signs) -> PublicKeys:
    """Every public key that statements were ever signed with, as a JWK set. Needs no key."""
    return await signing.published()
