"""The echo: the service's front without its ledger, the floor of what HTTP can do.

Same server, same key check, same models in and out, in a bare application; it posts nothing and reads nothing.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from billing.http.auth import Charging
from billing.http.key_ring import KeyRing
from billing.http.models.charges import ChargeBalance, ChargeShown, NewCharge
from billing.http.parameters import AccountId
from billing.http.visits import Visit
from billing.posting.collector import tame_collector
from billing.settings import Settings
from billing.store.engine import read_engine


def create_app() -> ASGIApp:
    """The echo on the environment's settings: `DATABASE_URL` is only asked about keys it does not know."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        engine = read_engine(os.environ["DATABASE_URL"])
        app.state.service = SimpleNamespace(keys=KeyRing(engine, Settings.read().admin_key))
        tame_collector()
        yield
        await engine.dispose()

    app = FastAPI(lifespan=lifespan)
    app.add_api_route(
        "/v1/accounts/{account_id}/charges",
        _charge,
        methods=["POST"],
        status_code=201,
        response_model=ChargeShown,
    )

    async def visited(scope: Scope, receive: Receive, send: Send) -> None:
        scope["visit"] = Visit()  # the key check notes there that the caller is known
        await app(scope, receive, send)

    return visited


async def _charge(account_id: AccountId, body: NewCharge, caller: Charging) -> ChargeShown:
    now = datetime.now(UTC)
    return ChargeShown(
        account_id=account_id,
        request_id=body.request_id,
        status="authorized",
        model=body.model,
        operation=body.operation,
        mode=body.mode,
        n=body.n,
        size=body.size,
        quality=body.quality,
        billed_quality="high",
        quoted_tier="1K",
        quoted_credits=14,
        held_credits=14,
        settled_credits=0,
        corrected_credits=0,
        refunded_credits=0,
        price_version=1,
        outputs=[],
        flags=(),
        api_key_id=body.api_key_id,
        end_user=body.end_user,
        metadata={},
        authorized_at=now,
        expires_at=now + timedelta(seconds=body.hold_seconds),
        resolved_at=None,
        balance=ChargeBalance(posted=1_000_000, held=14, available=999_986),
    )
