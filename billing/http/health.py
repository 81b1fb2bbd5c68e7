"""Health: is the process there, and can it post?"""

import json
from typing import Any, Literal

from fastapi.responses import Response

from billing.http.models.common import Shown
from billing.http.parameters import The
from billing.http.problems import MEDIA_TYPE, responses
from billing.http.readiness import document
from billing.http.route import Router

router = Router(tags=["service"])


class Health(Shown):
    status: Literal["ok"] = "ok"
    """always `ok`"""


class Ready(Health):
    """The process can post."""

    warnings: list[str] | None = None
    """what somebody should look at although charges go on; left out where there is nothing"""


@router.get("/healthz", response_model=Health)
async def healthz() -> Health:
    """The process answers."""
    return Health()


@router.get("/readyz", response_model=Ready, response_model_exclude_none=True, responses={503: responses()[503]})
async def readyz(service: The) -> Any:
    """This process can post: its lanes commit, the server takes writes, the schema is ours.

    Otherwise `reasons` say what is not so; `code` is that of the first.
    """
    reasons = await service.readiness.reasons()
    if reasons:
        return Response(json.dumps(document(reasons)), 503, {"Retry-After": "1"}, MEDIA_TYPE)
    return Ready(warnings=[doubt] if (doubt := service.clock.doubt) else None)
