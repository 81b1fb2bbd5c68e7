"""The stand-in's HTTP: `/v1/images/generations` and `/v1/images/edits` as OpenAI has them, plain and streamed."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
from PIL import UnidentifiedImageError
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.datastructures import UploadFile

from .calls import Calls
from .orders import Orders
from .picture import by_night, draw, encode

SIZE_OF_AUTO = "1024x1024"
TRUNCATED_BYTES = 16
"""Enough for the magic bytes, not for a width."""

app = FastAPI(title="Stand-in image provider", docs_url=None, redoc_url=None)
calls = Calls()


class Asked(BaseModel):
    """The members of a request that a picture depends on; others are taken and ignored."""

    model_config = ConfigDict(extra="allow")
    model: str
    prompt: str = Field(min_length=1)
    n: Annotated[int, Field(ge=1, le=10)] = 1
    size: Annotated[str, Field(pattern=r"^(auto|[1-9]\d{1,3}x[1-9]\d{1,3})$")] = "auto"
    quality: str = "auto"
    output_format: Literal["png", "jpeg", "webp", "avif"] = "png"
    stream: bool = False
    partial_images: Annotated[int, Field(ge=0, le=3)] = 0


class Refusal(Exception):
    """An answer with an `error` in OpenAI's shape."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        kind = "invalid_request_error" if status < 500 else "server_error"
        self.document = {"error": {"message": message, "type": kind, "param": None, "code": code}}


@app.exception_handler(Refusal)
async def refused(request: Request, refusal: Refusal) -> Response:
    return JSONResponse(refusal.document, refusal.status)


@app.get("/healthz")
async def healthz() -> dict[str, str]:
    return {"status": "ok"}


@app.get("/stand-in/calls")
async def noted() -> list[dict[str, Any]]:
    return calls.noted()


@app.get("/stand-in/made")
async def made() -> list[dict[str, Any]]:
    """The provider's own books: each image of what it answered as a whole, by the caller's name for the request."""
    return calls.made


@app.post("/stand-in/gates/{name}", status_code=204)
async def open_gate(name: str) -> None:
    calls.open(name)


@app.post("/v1/images/generations")
async def generations(request: Request) -> Response:
    fields = await request.json()
    calls.note("generation", request.headers.get("authorization", ""), fields, [], form=False)
    return await _answer("image_generation", fields, None, request.headers.get("x-client-request-id", ""))


@app.post("/v1/images/edits")
async def edits(request: Request) -> Response:
    form = request.headers.get("content-type", "").startswith("multipart/form-data")
    fields, images = await (_read_form(request) if form else _read_json(request))
    calls.note("edit", request.headers.get("authorization", ""), fields, images, form)
    if not images:
        raise Refusal(400, "invalid_image", "there is no image to edit")
    return await _answer("image_edit", fields, images[0], request.headers.get("x-client-request-id", ""))


async def _read_form(request: Request) -> tuple[dict[str, Any], list[bytes]]:
    fields: dict[str, Any] = {}
    images: list[bytes] = []
    masks: list[bytes] = []
    async with request.form() as form:
        for name, value in form.multi_items():
            if isinstance(value, UploadFile):
                (masks if name == "mask" else images).append(await value.read())
            else:
                fields[name] = value
    return fields, images + masks


async def _read_json(request: Request) -> tuple[dict[str, Any], list[bytes]]:
    fields = await request.json()
    sources = [*fields.pop("images", []), *filter(None, [fields.pop("mask", None)])]
    try:
        return fields, [base64.b64decode(one["image_url"].partition(",")[2], validate=True) for one in sources]
    except (binascii.Error, KeyError) as error:
        raise Refusal(400, "invalid_image", "an image is not a data URL") from error


async def _answer(kind: str, fields: dict[str, Any], source: bytes | None, name: str) -> Response:
    try:
        asked = Asked.model_validate(fields)
        orders = Orders.read(asked.prompt)
    except (ValidationError, ValueError) as error:
        raise Refusal(400, "invalid_value", str(error)) from error
    if orders.once and calls.repeated(asked.prompt):
        orders = Orders()
    if orders.refuse:
        raise Refusal(400, "moderation_blocked", "Your request was rejected by the safety system.")
    if orders.error:
        raise Refusal(orders.error, orders.code or _CODES.get(orders.error, "server_error"), _SAID)
    if orders.page:
        return HTMLResponse(f"<html><h1>{orders.page}</h1></html>", orders.page)
    if orders.garbage:
        return PlainTextResponse("<html>it works</html>")
    if asked.stream:
        return StreamingResponse(_events(kind, asked, orders, source), media_type="text/event-stream")
    await _held_back(orders)
    images = range(asked.n + orders.extra)
    # Drawing is work for a thread: other requests are answered meanwhile, as a provider would.
    data = await asyncio.gather(*(asyncio.to_thread(_item, asked, orders, source, index) for index in images))
    calls.keep(name, [None if index in orders.fail else _size(asked, orders, index) for index in images])
    answer = JSONResponse({"created": int(time.time()), "data": data, **_claims(asked, orders), "usage": _USAGE})
    if orders.drop:
        body = bytes(answer.body)
        return StreamingResponse(_half(body), headers={"Content-Length": str(len(body))}, media_type="application/json")
    return answer


_CODES = {
    400: "invalid_value",
    401: "invalid_api_key",
    403: "access_denied",
    404: "model_not_found",
    429: "rate_limit_exceeded",
}
_SAID = "On order, of org-whoseGatewayThisIs with the key sk-who*****Is."
"""As providers do, it names who asks."""


async def _held_back(orders: Orders) -> None:
    if orders.hang:
        await asyncio.Event().wait()  # set by nobody: the caller's time-out is the way out
    await asyncio.sleep(orders.slow)
    if orders.wait:
        await calls.passed(orders.wait)


async def _half(body: bytes) -> AsyncIterator[bytes]:
    yield body[: len(body) // 2]
    raise ConnectionAbortedError("the connection breaks on order")


async def _events(kind: str, asked: Asked, orders: Orders, source: bytes | None) -> AsyncIterator[bytes]:
    """Partial images, smaller than the final one, and the final one."""
    about = {"background": "opaque", "created_at": int(time.time()), **_claims(asked, orders)}
    for index in range(asked.partial_images):
        if orders.alive:
            yield b": alive\n\n"
        small = asked.model_copy(update={"size": "64x64"})
        image = await asyncio.to_thread(_item, small, Orders(), source, index)
        yield _event({"type": f"{kind}.partial_image", "partial_image_index": index, **image, **about})
    if orders.alive:
        yield b": alive\n\n"
    await _held_back(orders)
    if orders.drop:
        raise ConnectionAbortedError("the connection breaks on order")
    if orders.cut:
        return
    if orders.code:
        yield _event(
            {"type": "error", "error": {"message": _SAID, "type": "invalid_request_error", "code": orders.code}}
        )
        return
    image = await asyncio.to_thread(_item, asked, orders, source, 0)
    if "error" in image:
        yield _event({"type": "error", **image})
        return
    yield _event({"type": f"{kind}.completed", **image, **about, "usage": _USAGE})


def _event(event: dict[str, Any]) -> bytes:
    return f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()


def _item(asked: Asked, orders: Orders, source: bytes | None, index: int) -> dict[str, Any]:
    if index in orders.fail:
        error = {"type": "server_error", "code": "generation_failed", "message": "the model produced no image"}
        return {"error": error}
    width, height = _size(asked, orders, index)
    try:
        if source is None:
            picture = draw(width, height, seed=binascii.crc32(f"{asked.prompt} {index}".encode()))
        else:
            picture = by_night(source, width, height)
    except UnidentifiedImageError as error:
        raise Refusal(400, "invalid_image", "the image cannot be read") from error
    image = encode(picture, asked.output_format)
    return {"b64_json": base64.b64encode(image[:TRUNCATED_BYTES] if index in orders.truncate else image).decode()}


def _size(asked: Asked, orders: Orders, index: int) -> tuple[int, int]:
    size = orders.sizes[index % len(orders.sizes)] if orders.sizes else asked.size.replace("auto", SIZE_OF_AUTO)
    width, height = map(int, size.split("x"))
    return width, height


def _claims(asked: Asked, orders: Orders) -> dict[str, str]:
    """What is said of size and quality is as unreliable as the real ones': what was asked, not what was delivered, and
    `medium` for `auto` on purpose. What a provider reports back must not change the bill."""
    if orders.claims == "absent":
        return {"output_format": asked.output_format}
    if orders.claims == "auto":
        return {"output_format": asked.output_format, "size": "auto", "quality": "auto"}
    quality = "medium" if asked.quality == "auto" else asked.quality
    return {
        "output_format": asked.output_format,
        "size": asked.size.replace("auto", SIZE_OF_AUTO),
        "quality": quality,
    }


_USAGE = {
    "input_tokens": 12,
    "input_tokens_details": {"image_tokens": 0, "text_tokens": 12},
    "output_tokens": 4_160,
    "total_tokens": 4_172,
}
