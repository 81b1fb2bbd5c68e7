"""Reconciliations: what was delivered beside what was charged, from a manifest to what was posted."""

import asyncio
import tempfile
from typing import Annotated, Any, BinaryIO, Final, Literal

from fastapi import Path, Query, Request, Response
from fastapi.responses import StreamingResponse
from starlette.requests import ClientDisconnect

from billing.books.reconciliation import Application, Asked, Source, reconcile
from billing.books.reconciliation import rows as store
from billing.books.reconciliation.models import LineShown, Reason, ReconciliationShown
from billing.books.reconciliation.report import as_csv, as_json
from billing.core.reconciliation import Kind
from billing.core.refusals import (
    AccountNotFound,
    ApprovalNotAwaited,
    IdReused,
    Invalid,
    ManifestUnreadable,
    ReconciliationNotFound,
    SecondKeyNeeded,
)
from billing.core.text import IDENTIFIER
from billing.http.auth import Overseeing
from billing.http.models.common import Page, decode_cursor, decode_moment, page
from billing.http.parameters import Cursor, End, Limit, Start, answered
from billing.http.problems import responses
from billing.http.refusals import PayloadTooLarge
from billing.http.route import Router
from billing.http.service import Service

router = Router(prefix="/v1/reconciliations", tags=["reconciliation"])

Name = Annotated[str, Path(pattern=IDENTIFIER, max_length=64)]
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


@router.post(
    "",
    status_code=201,
    response_model=ReconciliationShown,
    responses=responses(AccountNotFound, IdReused, ManifestUnreadable, PayloadTooLarge, again=ReconciliationShown),
    openapi_extra=_BODY,
)
async def compare(
    request: Request,
    response: Response,
    caller: Overseeing,
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
) -> ReconciliationShown:
    """Compares a manifest with what was charged. Nothing is posted until it is applied."""
    service = caller.service
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media not in _FORMATS:
        raise Invalid.of("Content-Type", f"must be one of {', '.join(_FORMATS)}")
    asked = Asked(
        reconciliation_id,
        caller.key.key_id,
        account_id,
        start,
        end,
        start is not None if complete is None else complete,
    )
    with tempfile.TemporaryFile(prefix="billing-manifest-") as file:
        await _spool(request, file)
        source = Source(file, name or f"{reconciliation_id}.{_FORMATS[media]}", _FORMATS[media])
        await service.refresh_books()
        compared = await reconcile(service.dsn, source, asked, service.books)
    answered(response, compared.replayed)
    return ReconciliationShown.of(compared.reconciliation)


@router.get("", response_model=Page[ReconciliationShown], responses=responses())
async def list_reconciliations(caller: Overseeing, cursor: Cursor = None, limit: Limit = 50) -> Any:
    """All of them, newest first."""
    before = None
    if cursor is not None:
        moment, last = decode_cursor(cursor, str, str)
        before = (decode_moment(moment), last)
    found = await store.reconciliations(caller.service.engine, before=before, limit=limit + 1)
    return page(found, limit, lambda one: [one.created_at.isoformat(), one.reconciliation_id], ReconciliationShown.of)


@router.get("/{reconciliation_id}", response_model=ReconciliationShown, responses=responses(ReconciliationNotFound))
async def get_reconciliation(reconciliation_id: Name, caller: Overseeing) -> ReconciliationShown:
    """One, with its totals."""
    return ReconciliationShown.of(await store.reconciliation(caller.service.engine, reconciliation_id))


@router.get("/{reconciliation_id}/lines", response_model=Page[LineShown], responses=responses(ReconciliationNotFound))
async def list_lines(
    reconciliation_id: Name,
    caller: Overseeing,
    kind: Annotated[Kind | None, Query()] = None,
    action: Annotated[Literal["correct", "settle", "person", "none"] | None, Query()] = None,
    outcome: Annotated[Literal["posted", "refused", "nothing"] | None, Query()] = None,
    account_id: Annotated[str | None, Query(pattern=IDENTIFIER, max_length=64)] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Any:
    """What differs, by account and request."""
    engine = caller.service.long_reads
    after = 0 if cursor is None else decode_cursor(cursor, int)[0]
    await store.reconciliation(engine, reconciliation_id)
    where = store.LineFilter(kind, action, outcome, account_id)
    found = await store.lines(engine, reconciliation_id, where, after=after, limit=limit + 1)
    return page(found, limit, lambda line: [line.line], LineShown.of)


@router.get("/{reconciliation_id}/report", responses={200: _FILE, **responses(ReconciliationNotFound)})
async def get_report(
    reconciliation_id: Name, caller: Overseeing, format: Annotated[Literal["json", "csv"], Query()] = "json"
) -> Response:
    """All of it as a file: JSON with totals and lines, or the lines as CSV."""
    engine = caller.service.long_reads
    shown = ReconciliationShown.of(await store.reconciliation(engine, reconciliation_id))
    headers = {
        "Content-Disposition": f'attachment; filename="reconciliation-{reconciliation_id.replace(":", "_")}.{format}"'
    }
    if format == "csv":
        return StreamingResponse(as_csv(engine, reconciliation_id), media_type="text/csv", headers=headers)
    written = as_json(engine, reconciliation_id, shown.model_dump(mode="json"))
    return StreamingResponse(written, media_type="application/json", headers=headers)


@router.post(
    "/{reconciliation_id}/apply", response_model=ReconciliationShown, responses=responses(ReconciliationNotFound)
)
async def apply(reconciliation_id: Name, body: Reason, response: Response, caller: Overseeing) -> ReconciliationShown:
    """Posts each correction once, or has it wait for another key's approval. Again: goes on where it was left."""
    found, replayed = await _application(caller.service).apply(reconciliation_id, caller.key.key_id, body.reason)
    answered(response, replayed, created=200)
    return ReconciliationShown.of(found)


@router.post(
    "/{reconciliation_id}/approve",
    response_model=ReconciliationShown,
    responses=responses(ReconciliationNotFound, SecondKeyNeeded, ApprovalNotAwaited),
)
async def approve(reconciliation_id: Name, body: Reason, response: Response, caller: Overseeing) -> ReconciliationShown:
    """Approves what another key asked for, and posts it."""
    found, replayed = await _application(caller.service).approve(reconciliation_id, caller.key.key_id, body.reason)
    answered(response, replayed, created=200)
    return ReconciliationShown.of(found)


def _application(service: Service) -> Application:
    return Application(service.work, service.posting, service.settings.correction_approval)


async def _spool(request: Request, file: BinaryIO) -> None:
    """Writes the body to a file as it comes: it may be larger than memory."""
    try:
        async for piece in request.stream():
            if piece:
                await asyncio.to_thread(file.write, piece)
    except ClientDisconnect:  # nobody is there to be told, and nothing is wrong with us
        raise Invalid.of("body", "ended early") from None
