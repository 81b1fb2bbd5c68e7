"""The API's description: the OpenAPI document, made once, as bytes."""

import asyncio
import json
from hashlib import sha256
from typing import Any

from fastapi import FastAPI, Request
from fastapi.openapi.utils import get_openapi
from fastapi.responses import Response
from pydantic.json_schema import models_json_schema
from starlette.routing import Route as Plain

from billing.http import batch, problems
from billing.http.auth import asks_for_a_key
from billing.http.models.common import Problem
from billing.http.refusals import BodyTooSlow, PayloadTooLarge
from billing.http.route import Route

TITLE, VERSION, PATH = "Billing", "1", "/openapi.json"
DESCRIPTION = """
Credits for image generation: authorize before you call a provider, settle with what came back.

* **Charged exactly once.** Every write carries an id that you choose. Send it again when no answer came.
* **By the pixels that were delivered.** The bill follows each output's measured size; failures cost nothing.
* **Refusals say what to do.** `retry` is `never`, `later` (once what `detail` names has changed) or `same_id` (send the very
  same call again). An id met again with other content is 409 `id_reused`, and `differs` names the fields.
* **Explained.** `/explain` shows every number from the request down to the journal row.

Amounts are JSON integers of whole credits (or of micros where money is meant). Times are RFC 3339 in UTC.
"""
TAGS = [
    {
        "name": "charges",
        "description": "What the gateway asks before it calls a provider, and tells afterwards.",
    },
    {"name": "accounts", "description": "Customers, their settings, grants and balances."},
    {
        "name": "funding",
        "description": "Packs, top-ups and auto-recharge: credits that customers pay for, and what Stripe reports.",
    },
    {
        "name": "prices",
        "description": "Price books are immutable versions; a charge keeps its own to the end.",
    },
    {"name": "usage", "description": "What was used, when and of which kind; exact at the moment of the call."},
    {"name": "finance", "description": "The books: trial balances, closed months, revenue, exports, reconciliation."},
    {"name": "reconciliation", "description": "What was delivered beside what was charged, and its corrections."},
    {"name": "ledger", "description": "The double-entry journal, hash-chained for each account."},
    {
        "name": "webhooks",
        "description": "Events out: announcements of the ledger, signed as Standard Webhooks, told at least once.",
    },
    {"name": "keys", "description": "Who may call."},
    {"name": "service", "description": "For operators."},
]


class Description:
    """The document of the application's routes. The first who asks waits for it, the loop does not."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self._making: asyncio.Future[tuple[bytes, str]] | None = None
        self.route = Plain(PATH, self.answer, include_in_schema=False)

    async def answer(self, request: Request) -> Response:
        request.scope["route"] = self.route  # by which requests are counted
        if self._making is None:  # half a second of one core
            self._making = asyncio.ensure_future(asyncio.to_thread(self._made))
        content, tag = await asyncio.shield(self._making)
        headers = {"ETag": tag, "Cache-Control": "no-cache"}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(content, headers=headers, media_type="application/json")

    def _made(self) -> tuple[bytes, str]:
        content = json.dumps(self.document(), ensure_ascii=False, separators=(",", ":")).encode()
        return content, f'"{sha256(content).hexdigest()[:32]}"'

    def document(self) -> dict[str, Any]:
        routes = [route.described() for route in self._app.routes if isinstance(route, Route)]
        schema = get_openapi(title=TITLE, version=VERSION, description=DESCRIPTION, routes=routes, tags=TAGS)
        components = schema.setdefault("components", {})
        components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer", "bearerFormat": "bk_…"}}
        _, extra = models_json_schema(
            [(batch.Batch, "validation"), (Problem, "serialization")], ref_template="#/components/schemas/{model}"
        )
        components["schemas"] = {**extra["$defs"], **components["schemas"]}
        guarded = {route.path_format for route in routes if asks_for_a_key(route)}
        for path, operations in schema["paths"].items():
            for operation in operations.values():
                if "requestBody" in operation:
                    refusals = problems.responses(BodyTooSlow, PayloadTooLarge)
                    operation["responses"] |= {str(status): refusals[status] for status in (408, 413)}
                operation["security"] = [{"key": []}] if path in guarded else []
        return schema
