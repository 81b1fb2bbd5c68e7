"""The provider's reports: imported page by page, and who brought them."""

import asyncio
from datetime import datetime
from typing import Annotated, Any

from fastapi import Query, Request, Response
from starlette.requests import ClientDisconnect

from billing.books.provider_reports.pages import read
from billing.books.provider_reports.report import ProviderReport, bring, provider_reports
from billing.core.refusals import Invalid
from billing.http.auth import Overseeing
from billing.http.models.common import Page
from billing.http.pages import Keyset
from billing.http.parameters import Cursor, Limit, answered
from billing.http.problems import responses
from billing.http.refusals import PayloadTooLarge
from billing.http.route import Router

router = Router(prefix="/v1/provider-reports", tags=["finance"])
IMPORTS = Keyset(imported_at=datetime, report_id=str)
PAGE = {
    "object": "page",
    "data": [
        {
            "object": "bucket",
            "start_time": 1767225600,
            "end_time": 1767312000,
            "results": [
                {
                    "object": "organization.usage.images.result",
                    "images": 10,
                    "num_model_requests": 8,
                    "model": "gpt-image-2",
                    "size": "1024x1024",
                    "source": "image.generation",
                }
            ],
        }
    ],
    "has_more": False,
    "next_page": None,
}
BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"type": "object"}, "example": PAGE},
            "application/x-ndjson": {"schema": {"type": "string"}},
        },
    }
}


@router.post(
    "",
    status_code=201,
    responses=responses(PayloadTooLarge, again=ProviderReport),
    openapi_extra=BODY,
)
async def bring_provider_report(
    request: Request,
    response: Response,
    caller: Overseeing,
    provider: Annotated[str, Query(max_length=64, description="whose reports they are")] = "openai",
) -> ProviderReport:
    """Imports pages of the provider's usage or costs, one or many (JSON, or JSON lines), all of them or none.

    What was said of the same buckets before is replaced. The same bytes again change nothing while they stand.
    """
    try:
        content = await request.body()
    except ClientDisconnect:  # nobody is there to be told, and nothing is wrong with us
        raise Invalid.of("body", "ended early") from None
    contents = await asyncio.to_thread(read, provider, [("", content)])  # megabytes of JSON hold nobody up
    report, new = await bring(caller.service.work, contents, caller.key.key_id)
    answered(response, not new)
    return report


@router.get("", response_model=Page[ProviderReport], responses=responses())
async def list_provider_reports(
    caller: Overseeing,
    provider: Annotated[
        str | None, Query(pattern="^[a-z0-9-]*$", max_length=64, description="of this provider only; default: of all")
    ] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Any:
    """Imports, newest first: who brought what when."""
    after = IMPORTS.after(cursor)
    found = await provider_reports(caller.service.engine, provider=provider, after=after, limit=limit + 1)
    return IMPORTS.page(found, limit)
