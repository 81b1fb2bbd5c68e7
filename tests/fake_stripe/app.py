"""The HTTP app: Stripe's API under `/v1`, the hosted page at `/c/pay`, and control under `/_fake`."""

from typing import Any
from urllib.parse import parse_qs

from fastapi import FastAPI, Request
from fastapi.encoders import jsonable_encoder
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from . import page, sessions
from .control import ORDERS, Control
from .gate import Gate
from .refusals import Refusal
from .world import Object, World

_EVERY_METHOD = ["GET", "POST", "DELETE", "PUT", "PATCH"]


def make_app(world: World, gate: Gate, control: Control) -> FastAPI:
    app = FastAPI(title="Fake Stripe", openapi_url=None)

    @app.api_route("/v1/{path:path}", methods=_EVERY_METHOD)
    async def api(request: Request) -> Response:
        return await gate.answer(request)

    @app.post("/_fake/{order}")
    async def ordered(order: str, request: Request) -> Response:
        return _obeyed(control, order, await request.json() if await request.body() else {})

    @app.get("/_fake/{order}")
    async def asked(order: str, request: Request) -> Response:
        return _obeyed(control, order, dict(request.query_params))

    @app.get("/c/pay/{session_id}")
    async def shown(session_id: str) -> Response:
        session = world.find("checkout.session", session_id)
        if not session:
            return HTMLResponse(page.notice("There is no such Checkout Session."), 404)
        return _shown(world, session)

    @app.post("/c/pay/{session_id}")
    async def pressed(session_id: str, request: Request) -> Response:
        session = world.find("checkout.session", session_id)
        if not session:
            return HTMLResponse(page.notice("There is no such Checkout Session."), 404)
        fields = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        return _pressed(world, session, fields)

    return app


def _obeyed(control: Control, order: str, arguments: Any) -> Response:
    if order not in ORDERS:
        return JSONResponse({"error": {"message": f"{order}: one of {', '.join(ORDERS)}"}}, 404)
    try:
        return JSONResponse(jsonable_encoder(getattr(control, order)(**arguments)))
    except Refusal as refusal:
        return JSONResponse(refusal.document, refusal.status)
    except (TypeError, ValueError, LookupError) as error:
        return JSONResponse({"error": {"message": f"{type(error).__name__}: {error}"}}, 400)


def _shown(world: World, session: Object, note: str | None = None) -> Response:
    sessions.expire_overdue(world)
    if session["status"] != "open":
        return HTMLResponse(page.notice(f"This Checkout Session is {session['status']}."))
    intent = world.find("payment_intent", session["payment_intent"])
    if intent and intent["status"] == "requires_action":
        return HTMLResponse(page.authentication())
    return HTMLResponse(page.checkout(world, session, note))


def _pressed(world: World, session: Object, fields: dict[str, str]) -> Response:
    if fields.get("card") == "cancel":
        return RedirectResponse(session["cancel_url"] or session["success_url"], 303)
    try:
        if "secure" in fields:
            decline = sessions.authenticate(world, session, succeed=fields["secure"] == "complete")
        else:
            save = True if "save" in fields else None
            decline = sessions.pay(world, session, fields.get("card", ""), save=save, amount=None, currency=None)
    except Refusal as refusal:
        return HTMLResponse(page.notice(str(refusal)), refusal.status)
    if session["status"] == "complete":
        return RedirectResponse(sessions.success_url(session), 303)
    return _shown(world, session, decline.message if decline else None)
