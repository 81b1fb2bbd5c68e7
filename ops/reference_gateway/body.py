"""Reading a request's body: JSON or a form, bounded, and refused in OpenAI's words when it is neither."""

from __future__ import annotations

import json
import re
from typing import Any, Literal, TypeVar

from fastapi import Request
from pydantic import ValidationError
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .errors import invalid
from .image_request import MOST_IMAGES, Edit, ImageRequest, Upload, said_badly

FIELD_BYTES = 256 << 10
"""Of a field of a form that is no file: a prompt is the longest."""

_FILES: dict[str, Literal["image[]", "mask"]] = {"image": "image[]", "image[]": "image[]", "mask": "mask"}
_CONTENT_TYPE = re.compile(r"image/[a-z0-9.+-]{1,64}").fullmatch
R = TypeVar("R", bound=ImageRequest)


class BodyLimit:
    """ASGI: no more than `limit` bytes of a body are read, whatever its headers say."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        read = 0

        async def counting() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > self._limit:
                limit = f"A request may have {self._limit} bytes."
                raise invalid(limit, code="payload_too_large", status=413)
            return message

        await self._app(scope, counting if scope["type"] == "http" else receive, send)


async def read_generation(request: Request) -> ImageRequest:
    """The request in a JSON body. Raises `Refused`."""
    return _from_json(ImageRequest, await request.body())


async def read_edit(request: Request) -> Edit:
    """The request in a form, as the official client sends it, or in a JSON body. Raises `Refused`."""
    if request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        return await _from_form(request)
    return _from_json(Edit, await request.body())


def _from_json(kind: type[R], body: bytes) -> R:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise invalid("The body is not JSON.") from None
    if not isinstance(document, dict):
        raise invalid("The body is not a JSON object.")
    if "uploads" in document:  # files come in forms
        raise invalid("Unknown parameter: 'uploads'.", "uploads", code="unknown_parameter")
    try:
        return kind.model_validate(document, strict=True)
    except ValidationError as error:
        raise said_badly(error) from None


async def _from_form(request: Request) -> Edit:
    fields: dict[str, Any] = {}
    uploads = []
    try:
        async with request.form(max_files=MOST_IMAGES + 1, max_fields=40, max_part_size=FIELD_BYTES) as form:
            for name, value in form.multi_items():
                if isinstance(value, UploadFile):
                    uploads.append(await _upload(name, value))
                elif name in fields:
                    raise invalid(f"{name} is given twice.", name)
                elif name in ("uploads", "images", "mask", "image", "image[]"):
                    raise invalid(f"{name} must be a file.", name)
                else:
                    fields[name] = value
    except HTTPException as error:  # what Starlette makes of a form that is none
        raise invalid(str(error.detail)) from None
    try:
        return Edit.model_validate({**fields, "uploads": tuple(uploads)})
    except ValidationError as error:
        raise said_badly(error) from None


async def _upload(name: str, file: UploadFile) -> Upload:
    field = _FILES.get(name)
    if field is None:
        raise invalid(f"Unknown file: {name!r}.", name, code="unknown_parameter")
    content = await file.read()
    if not content:
        raise invalid(f"The file {name!r} is empty.", name)
    declared = (file.content_type or "").lower()
    return Upload(field, content, declared if _CONTENT_TYPE(declared) else "application/octet-stream")
