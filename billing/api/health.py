"""Health: is the process there, and can it do its work?"""

from typing import Literal

from billing.api.models.common import Shown
from billing.api.parameters import The
from billing.api.problems import responses
from billing.api.route import Router
from billing.core.refusals import DatabaseUnavailable
from billing.store.schema import is_current
from billing.store.snapshot import reachable

router = Router(tags=["service"])


class Health(Shown):
    status: Literal["ok"] = "ok"


@router.get("/healthz", response_model=Health)
async def healthz() -> Health:
    """The process answers."""
    return Health()


@router.get("/readyz", response_model=Health, responses={503: responses()[503]})
async def readyz(service: The) -> Health:
    """The database can be reached and has every migration."""
    with reachable():
        if not await is_current(service.engine):
            raise DatabaseUnavailable()
    return Health()
