"""Reconciliations: what was delivered beside what was charged, from a manifest to what was posted."""

import asyncio
import tempfile
from datetime import datetime
from typing import Annotated, Any, BinaryIO, Final, Literal

from fastapi import Path, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import Field
from starlette.requests import ClientDisconnect

from billing.books.reconciliation.answer import Reconciliation, ReconciliationLine
from billing.books.reconciliation.application import Application, ApprovalNotAwaited, SecondKeyNeeded
from billing.books.reconciliation.discrepancy import Action, DiscrepancyKind, LineOutcome
from billing.books.reconciliation.forms import Manifest
from billing.books.reconciliation.forms.rows import ManifestUnreadable
from billing.books.reconciliation.report import (
    LineFilter,
    ReconciliationNotFound,
    as_csv,
    as_json,
    lines,
    reconciliation,
    reconciliations,
)
from billing.books.reconciliation.run import reconcile
from billing.books.reconciliation.suspects import ComparisonTerms
from billing.core.languages import Language
from billing.core.refusals import AccountNotFound, IdReused, Invalid
from billing.core.text import IDENTIFIER
from billing.http.auth import Caller, Overseeing
from billing.http.languages import Spoken, in_language
from billing.http.models.common import Body, Page, Text
from billing.http.pages import Keyset
from billing.http.parameters import Cursor, End, Limit, OneAccount, Start, answered
from billing.http.problems import responses
from billing.http.refusals import PayloadTooLarge
from billing.http.route import Router

router = Router(prefix="/v1/reconciliations", tags=["reconciliation"])
RECONCILIATIONS = Keyset(created_at=datetime, reconciliation_id=str)
LINES = Keyset(line=int)

ReconciliationId = Annotated[str, Path(pattern=IDENTIFIER, max_length=64, description="as it was chosen")]
_FORMATS: Final = {
    "text/csv": "csv",
    "application/x-ndjson": "jsonl",
    "application/jsonl": "jsonl",
    "application/vnd.apache.parquet": "parquet",
}
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "The manifest: one row for each output that was delivered.",
        "content": {media: {"schema": {"type": "string", "format": "binary"}} for media in _FORMATS},
    }
}
_FILE: dict[str, Any] = {
    "content": {"text/csv": {"schema": {"type": "string"}}},
    "description": "The report, as a file",
}


class ApplyingReason(Body):
    """Why something is posted, or approved."""

    reason: Text = Field(min_length=1, description="why; kept for ever")


@router.post(
    "",
    status_code=201,
    responses=responses(AccountNotFound, IdReused, ManifestUnreadable, PayloadTooLarge, again=Reconciliation),
    openapi_extra=_BODY,
)
async def compare(
    request: Request,
    response: Response,
    caller: Overseeing,
    language: Spoken,
    reconciliation_id: Annotated[str, Query(pattern=IDENTIFIER, max_length=64, description="chosen by you")],
    start: Start = None,
    end: End = None,
    account_id: Annotated[
        str | None, Query(pattern=IDENTIFIER, max_length=64, description="compare this account's alone")
    ] = None,
    complete: Annotated[
        bool | None,
        Query(description="the manifest is all that was delivered from start to end (if those are given: true)"),
    ] = None,
    name: Annotated[str, Query(max_length=200, pattern=r"^[ -~]*$", description="what people know it by")] = "",
) -> Reconciliation:
    """Compares a manifest with what was charged. Nothing is posted until it is applied."""
    service = caller.service
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media not in _FORMATS:
        raise Invalid.of("Content-Type", f"must be one of {', '.join(_FORMATS)}")
    everything = start is not None if complete is None else complete
    terms = ComparisonTerms(reconciliation_id, caller.key.key_id, account_id, start, end, everything)
    with tempfile.TemporaryFile(prefix="billing-manifest-") as file:
        await _spool(request, file)
        manifest = Manifest(file, name or f"{reconciliation_id}.{_FORMATS[media]}", _FORMATS[media])
        await service.refresh_books()
        found, replayed = await reconcile(service.dsn, manifest, terms, service.books, language)
    answered(response, replayed)
    return found


@router.get("", response_model=Page[Reconciliation], responses=responses())
async def list_reconciliations(caller: Overseeing, language: Spoken, cursor: Cursor = None, limit: Limit = 50) -> Any:
    """All of them, newest first."""
    before = RECONCILIATIONS.after(cursor)
    found = await reconciliations(caller.service.engine, language, before=before, limit=limit + 1)
    return RECONCILIATIONS.page(found, limit)


@router.get("/{reconciliation_id}", responses=responses(ReconciliationNotFound))
async def get_reconciliation(
    reconciliation_id: ReconciliationId, caller: Overseeing, language: Spoken
) -> Reconciliation:
    """One, with its totals."""
    return await reconciliation(caller.service.engine, reconciliation_id, language)


@router.get(
    "/{reconciliation_id}/lines",
    response_model=Page[ReconciliationLine],
    responses=responses(ReconciliationNotFound),
)
async def list_lines(
    reconciliation_id: ReconciliationId,
    caller: Overseeing,
    language: Spoken,
    kind: Annotated[DiscrepancyKind | None, Query(description="only lines about this")] = None,
    action: Annotated[Action | None, Query(description="only lines of which this is to come")] = None,
    outcome: Annotated[LineOutcome | None, Query(description="only lines of which this came")] = None,
    account_id: OneAccount = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Any:
    """What differs, by account and request, in the caller's language."""
    after = LINES.after(cursor) or 0
    where = LineFilter(kind, action, outcome, account_id)
    engine = caller.service.long_reads
    found = await lines(engine, reconciliation_id, language, where, after=after, limit=limit + 1)
    return LINES.page(found, limit)


@router.get("/{reconciliation_id}/report", responses={200: _FILE, **responses(ReconciliationNotFound)})
async def get_report(
    reconciliation_id: ReconciliationId,
    caller: Overseeing,
    language: Spoken,
    format: Annotated[Literal["json", "csv"], Query(description="of the file")] = "json",
) -> Response:
    """All of it as a file, in the caller's language: JSON with totals and lines, or the lines as CSV."""
    engine = caller.service.long_reads
    found = await reconciliation(engine, reconciliation_id, language)
    headers = in_language(language) | {
        "Content-Disposition": f'attachment; filename="reconciliation-{reconciliation_id.replace(":", "_")}.{format}"'
    }
    if format == "csv":
        return StreamingResponse(as_csv(engine, found, language), media_type="text/csv", headers=headers)
    return StreamingResponse(as_json(engine, found, language), media_type="application/json", headers=headers)


@router.post("/{reconciliation_id}/apply", responses=responses(ReconciliationNotFound))
async def apply(
    reconciliation_id: ReconciliationId, body: ApplyingReason, response: Response, caller: Overseeing, language: Spoken
) -> Reconciliation:
    """Posts each correction once, or has it wait for another key's approval. Again: goes on where it was left."""
    application = _application(caller, language)
    found, replayed = await application.apply(reconciliation_id, caller.key.key_id, body.reason)
    answered(response, replayed, created=200)
    return found


@router.post(
    "/{reconciliation_id}/approve",
    responses=responses(ReconciliationNotFound, SecondKeyNeeded, ApprovalNotAwaited),
)
async def approve(
    reconciliation_id: ReconciliationId, body: ApplyingReason, response: Response, caller: Overseeing, language: Spoken
) -> Reconciliation:
    """Approves what another key asked for, and posts it."""
    application = _application(caller, language)
    found, replayed = await application.approve(reconciliation_id, caller.key.key_id, body.reason)
    answered(response, replayed, created=200)
    return found


def _application(caller: Caller, language: Language) -> Application:
    service = caller.service
    return Application(service.work, service.posting, service.settings.correction_approval, language)


async def _spool(request: Request, file: BinaryIO) -> None:
    """Writes the body to a file as it comes: it may be larger than memory."""
    try:
        async for piece in request.stream():
            if piece:
                await asyncio.to_thread(file.write, piece)
    except ClientDisconnect:  # nobody is there to be told, and nothing is wrong with us
        raise Invalid.of("body", "ended early") from None
