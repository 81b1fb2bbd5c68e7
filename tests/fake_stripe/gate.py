"""How a request passes: key, trouble on order, idempotency, parameters, execution, and trouble again.

Executing does not pause, so two requests never see each other half done.
"""

import asyncio
import hmac
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from . import form, sessions
from .endpoints import Endpoint, endpoint_at
from .faults import Faults
from .idempotency import Answer, IdempotencyKeys
from .ids import new_id
from .received import Received, RequestLog
from .refusals import Broken, InvalidRequest, Refusal, TooMany, Unauthorized
from .server import HangUp, Silence
from .world import World

_EMPTY: dict[str, Any] = {"id": None, "idempotency_key": None}


class Gate:
    def __init__(self, world: World, key: str) -> None:
        self.world = world
        self.key = key
        self.keys = IdempotencyKeys()
        self.faults = Faults()
        self.log = RequestLog()
        self.held: list[asyncio.Event] = []

    async def answer(self, request: Request) -> Response:
        encoded = request.url.query if request.method == "GET" else (await request.body()).decode()
        received = Received(
            new_id("request"),
            request.method,
            request.url.path,
            {},
            request.headers.get("idempotency-key"),
            request.headers.get("stripe-version"),
        )
        self.log.requests.append(received)
        received.fault = self.faults.take(received.method, received.path)
        if received.fault in ("timeout", "reset"):
            return _lost(received.fault)
        try:
            self._refuse_stranger(request.headers.get("authorization", ""))
            answer = await self._considered(received, encoded)
        except Refusal as refusal:
            answer = _told(refusal)
        if received.fault in ("timeout_after", "reset_after"):
            return _lost(received.fault.removesuffix("_after"))
        received.status = answer.status
        return self._response(received, answer)

    def _refuse_stranger(self, authorization: str) -> None:
        scheme, _, key = authorization.partition(" ")
        if scheme != "Bearer" or not key:
            raise Unauthorized("You did not provide an API key. You need to provide it in the Authorization header.")
        if not hmac.compare_digest(key.encode(), self.key.encode()):
            raise Unauthorized(f"Invalid API Key provided: {key[:8]}{'*' * 8}{key[-4:]}")

    async def _considered(self, received: Received, encoded: str) -> Answer:
        if received.fault == "429":
            raise TooMany
        if received.fault == "500":
            raise Broken
        received.params = form.decode(encoded)
        known = endpoint_at(received.method, received.path)
        if known is None:
            raise _unrecognized(received)
        endpoint, ids = known
        key = received.idempotency_key if received.method == "POST" else None
        if key is None:
            return await self._executed(received, endpoint, ids)
        fingerprint = (received.method, received.path, sorted(parse_qsl(encoded, keep_blank_values=True)))
        if (kept := self.keys.begin(key, fingerprint)) is not None:
            received.replayed = True
            return kept
        try:
            answer = await self._executed(received, endpoint, ids)
        except BaseException:
            self.keys.forget(key)
            raise
        self.keys.keep(key, answer)
        return answer

    async def _executed(self, received: Received, endpoint: Endpoint, ids: tuple[str, ...]) -> Answer:
        """What the endpoint answers, its refusals too. Raises InvalidRequest for parameters: then nothing began."""
        if received.fault == "hold":
            self.held.append(released := asyncio.Event())
            await released.wait()
        values = endpoint.values(received.params)
        if received.fault == "500_kept":
            return _told(Broken(), retry=False)
        sessions.expire_overdue(self.world)
        self.world.request = {"id": received.id, "idempotency_key": received.idempotency_key}
        try:
            answer = Answer(200, endpoint.answer(self.world, received.path, ids, values))
        except Refusal as refusal:
            answer = _told(refusal)
        finally:
            self.world.request = dict(_EMPTY)
        return _told(Broken(), retry=False) if received.fault == "500_after" else answer

    def _response(self, received: Received, answer: Answer) -> Response:
        headers = {"Request-Id": received.id, "Stripe-Version": received.version or ""}
        if received.idempotency_key and received.method == "POST":
            headers["Idempotency-Key"] = received.idempotency_key
        if received.replayed:
            headers["Idempotent-Replayed"] = "true"
        if answer.retry is not None:
            headers["Stripe-Should-Retry"] = str(answer.retry).lower()
        return JSONResponse(answer.document, answer.status, headers)

    def release(self) -> None:
        """Lets go on what the fault `hold` has stopped."""
        for event in self.held:
            event.set()
        self.held.clear()

    def clear(self) -> None:
        self.release()
        self.keys.clear()
        self.faults.clear()
        self.log.requests.clear()


def _told(refusal: Refusal, *, retry: bool | None = None) -> Answer:
    return Answer(refusal.status, refusal.document, refusal.retry if retry is None else retry)


def _unrecognized(received: Received) -> Refusal:
    refusal = InvalidRequest(f"Unrecognized request URL ({received.method}: {received.path}).")
    refusal.status = 404
    return refusal


def _lost(fault: str) -> Response:
    return HangUp() if fault == "reset" else Silence()
