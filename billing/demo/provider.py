"""A local stand-in for a model provider, with the shape of OpenAI's image API.

`python -m billing.demo.provider` listens on a free loopback port, prints its address on one line and ends
when its standard input does, so that it never outlives the process that started it.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import socket
import subprocess
import sys
import time
from typing import Annotated, Any, Literal

from fastapi import FastAPI, Header, Request
from fastapi.responses import JSONResponse
from PIL import UnidentifiedImageError
from pydantic import BaseModel, Field

from billing.demo.orders import CLIENT_REQUEST_ID, HEADER, ProviderOrders
from billing.demo.picture import by_night, draw, encode

SIZE_OF_AUTO = "1024x1024"
TRUNCATED_BYTES = 16
"""Enough for the magic bytes, not for a width."""


class Generation(BaseModel):
    """The members of OpenAI's `images.generate` that a picture depends on."""

    model: str
    prompt: str = Field(min_length=1)
    n: int = Field(default=1, ge=1, le=10)
    size: str = Field(default="auto", pattern=r"^(auto|\d{2,4}x\d{2,4})$")
    quality: str = "auto"
    output_format: Literal["png", "jpeg", "webp", "avif"] = "png"


class SourceImage(BaseModel):
    """A picture to edit, as a data URL."""

    image_url: str = Field(pattern=r"^data:image/[a-z]+;base64,")

    def content(self) -> bytes:
        """The bytes of the picture. Raises `binascii.Error`."""
        return base64.b64decode(self.image_url.partition(",")[2], validate=True)


class Edit(Generation):
    """`images.edit` in its JSON form."""

    images: list[SourceImage] = Field(min_length=1, max_length=1)


class ProviderRefusal(Exception):
    """An answer with an HTTP status of 400 and an `error` in OpenAI's shape."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.document = {"error": {"type": "invalid_request_error", "code": code, "message": message}}


class Made(BaseModel):
    """What came of one image, in the provider's own books. `width` and `height` in pixels, None if it failed."""

    client_request_id: str
    index: int
    status: Literal["succeeded", "failed"]
    width: int | None = None
    height: int | None = None


made: list[Made] = []
"""Everything since the start, as far as the caller named its requests."""

Name = Annotated[str, Header(alias=CLIENT_REQUEST_ID)]

app = FastAPI(title="Stand-in image provider", docs_url=None, redoc_url=None)


@app.exception_handler(ProviderRefusal)
async def refused(request: Request, refusal: ProviderRefusal) -> JSONResponse:
    return JSONResponse(refusal.document, status_code=400)


@app.get("/healthz")
async def healthz() -> dict[str, str]:
    return {"status": "ok"}


@app.post("/v1/images/generations")
async def generations(
    asked: Generation, orders: Annotated[str, Header(alias=HEADER)] = "", name: Name = ""
) -> dict[str, Any]:
    return await _answer(asked, None, orders, name)


@app.post("/v1/images/edits")
async def edits(asked: Edit, orders: Annotated[str, Header(alias=HEADER)] = "", name: Name = "") -> dict[str, Any]:
    try:
        source = asked.images[0].content()
    except binascii.Error as error:
        raise ProviderRefusal("invalid_image", "the image is not base64") from error
    return await _answer(asked, source, orders, name)


@app.get("/demo/made")
async def list_made() -> list[Made]:
    """What was really made, whatever the answers claimed."""
    return made


async def _answer(asked: Generation, source: bytes | None, header: str, name: str) -> dict[str, Any]:
    try:
        orders = ProviderOrders.read(header)
    except ValueError as error:
        raise ProviderRefusal("invalid_orders", str(error)) from error
    if orders.hang:
        await asyncio.Event().wait()  # set by nobody: the caller's time-out is the way out
    if orders.refuse:
        raise ProviderRefusal("moderation_blocked", "the prompt was refused by the safety system")
    # Drawing is work for a thread: other requests are answered meanwhile, as a provider would.
    data = await asyncio.gather(*(asyncio.to_thread(_item, asked, source, orders, index) for index in range(asked.n)))
    if name:
        made.extend(_made(asked, orders, name, index) for index in range(asked.n))
    return {"created": int(time.time()), "data": data, **_claims(asked, orders)}


def _item(asked: Generation, source: bytes | None, orders: ProviderOrders, index: int) -> dict[str, Any]:
    if index in orders.fail:
        return {"error": {"code": "generation_failed", "message": "the model produced no image"}}
    width, height = _size(asked, orders, index)
    if source is None:
        picture = draw(width, height, seed=binascii.crc32(f"{asked.prompt} {index}".encode()))
    else:
        try:
            picture = by_night(source, width, height)
        except UnidentifiedImageError as error:
            raise ProviderRefusal("invalid_image", "the image cannot be read") from error
    data = encode(picture, asked.output_format)
    if index in orders.truncate:
        data = data[:TRUNCATED_BYTES]
    return {"b64_json": base64.b64encode(data).decode("ascii")}


def _made(asked: Generation, orders: ProviderOrders, name: str, index: int) -> Made:
    if index in orders.fail:
        return Made(client_request_id=name, index=index, status="failed")
    width, height = _size(asked, orders, index)
    return Made(client_request_id=name, index=index, status="succeeded", width=width, height=height)


def _size(asked: Generation, orders: ProviderOrders, index: int) -> tuple[int, int]:
    ordered = orders.sizes[index % len(orders.sizes)] if orders.sizes else asked.size
    width, _, height = (SIZE_OF_AUTO if ordered == "auto" else ordered).partition("x")
    return int(width), int(height)


def _claims(asked: Generation, orders: ProviderOrders) -> dict[str, str]:
    """Size and quality at the top level, as unreliable as the real ones. `medium` for `auto` on purpose:
    what a provider reports back must not make the bill smaller.
    """
    if orders.claims == "absent":
        return {"output_format": asked.output_format}
    if orders.claims == "auto":
        return {"output_format": asked.output_format, "size": "auto", "quality": "auto"}
    quality = "medium" if asked.quality == "auto" else asked.quality
    size = SIZE_OF_AUTO if asked.size == "auto" else asked.size
    return {"output_format": asked.output_format, "size": size, "quality": quality}


def _serve() -> None:
    """Runs the server as a program of its own until standard input ends."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "granian", "billing.demo.provider:app", "--interface", "asgi"),
            *("--host", "127.0.0.1", "--port", str(port), "--workers", "1", "--no-ws", "--no-log"),
            # Requests that were told to hang would keep a polite shutdown waiting.
            *("--workers-kill-timeout", "1"),
        ],
        stdin=subprocess.DEVNULL,
    )
    try:
        print(f"http://127.0.0.1:{port}", flush=True)
        sys.stdin.buffer.read()
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        _serve()
