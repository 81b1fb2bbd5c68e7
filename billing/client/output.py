"""What a provider's answer says about each image: the outputs that `settle` takes.

The answer has the shape of OpenAI's image API: `data[]` of items with `b64_json` (or `url`), as parsed JSON or as an
object of its client library. Its top-level `size` and `quality` may be absent or literally `auto`, and items carry no
size, so nothing is taken from them: each image is measured.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, Literal, TypedDict

from billing.client.size import HEAD_BYTES, Size, measure

REASON_CHARACTERS = 200
MOST_OUTPUTS = 1_000
"""The service takes no more in one settle. Images beyond n cost nothing, so the rest need not be told."""

MISSING = "not in the provider's answer"

# Base64 spells 3 bytes in 4 characters. A slice of twice as many has room for line breaks, and still is a head.
_HEAD_CHARACTERS = (HEAD_BYTES + 2) // 3 * 4
_URL_SAFE = str.maketrans("-_", "+/")


class Output(TypedDict):
    """One image asked for or returned. `width` and `height` in pixels, both None if nobody could measure
    it; `reason` says why it failed, or why it has no size."""

    index: int
    status: Literal["succeeded", "failed"]
    width: int | None
    height: int | None
    reason: str | None


def read_outputs(response: object, n: int) -> list[Output]:
    """The outputs of an answer to a request for `n` images, by index, with none left out.

    An index below `n` that the answer lacks has failed; images beyond `n` are reported too, the service
    knows that they cost nothing. An image that is there but cannot be measured has succeeded without
    dimensions: it was delivered. Never raises on what a provider may send.
    """
    items = items_of(response) or []
    outputs = [read_item(index, item) for index, item in enumerate(items[:MOST_OUTPUTS])]
    why_missing = message_of(response) or MISSING
    outputs += [failed(index, why_missing) for index in range(len(outputs), n)]
    return outputs


def items_of(response: object) -> list[Any] | None:
    """The `data` of an answer in OpenAI's shape; None if it has no such list."""
    data = member(response, "data")
    return list(data) if isinstance(data, (list, tuple)) else None


def read_image(index: int, image: object) -> Output:
    """The output that an image is: its bytes, its base64 or a data URL, or an item that holds them."""
    if isinstance(image, (bytes, bytearray, memoryview)):
        return _read_bytes(index, bytes(image))
    return _read_text(index, image) if isinstance(image, str) else read_item(index, image)


def read_item(index: int, item: object) -> Output:
    """The output that an item of `data[]` is."""
    if not isinstance(item, Mapping) and not hasattr(item, "b64_json"):
        return failed(index, "not an image")
    text, url = member(item, "b64_json"), member(item, "url")
    if isinstance(text, str) and text:
        return _read_text(index, text)
    if isinstance(url, str) and url:
        return succeeded(index, None, "delivered by URL, not measured")
    return failed(index, message_of(item) or "no image in this item")


def succeeded(index: int, size: Size | None, reason: str | None = None) -> Output:
    """A delivered image; without a size, `reason` says why it could not be measured."""
    return Output(
        index=index,
        status="succeeded",
        width=size.width if size else None,
        height=size.height if size else None,
        reason=None if reason is None else storable(reason),
    )


def failed(index: int, reason: str) -> Output:
    """An image that was asked for and not delivered."""
    return Output(index=index, status="failed", width=None, height=None, reason=storable(reason))


def image_of(item: object) -> bytes | None:
    """The bytes of the image in one item of `data[]`; None if it holds none (a failure, a URL)."""
    text = member(item, "b64_json")
    return _decoded(text) if isinstance(text, str) else None


def message_of(holder: object) -> str | None:
    """The text of an `error` in OpenAI's shape (`{"error": {"code", "message"}}`) or a bare string."""
    error = member(holder, "error")
    if isinstance(error, str):
        return error or None
    parts = [str(part) for part in (member(error, "code"), member(error, "message")) if part]
    return ": ".join(parts) or None


def member(holder: object, name: str) -> Any:
    """A member of parsed JSON, or of an object that stands for it; None if there is none."""
    return holder.get(name) if isinstance(holder, Mapping) else getattr(holder, name, None)


def storable(reason: str) -> str:
    """Cut and cleaned: NUL and lone surrogates pass JSON, but a settle that carried them would be refused
    and what was delivered would go unbilled because of an error message."""
    clean = reason.replace("\x00", "").encode("utf-8", "ignore").decode("utf-8")
    return clean[:REASON_CHARACTERS]


def _read_bytes(index: int, image: bytes) -> Output:
    if not image:
        return failed(index, "the image is empty")
    size = measure(image)
    return succeeded(index, size, None if size else "header not readable as PNG, JPEG, WebP, AVIF or GIF")


def _read_text(index: int, text: str) -> Output:
    """Decodes the head of the image first: a 4K picture of 20 MB is measured without decoding it all."""
    if text.startswith(("https://", "http://")):
        return succeeded(index, None, "delivered by URL, not measured")
    head = _decoded(text, _HEAD_CHARACTERS)
    if head is not None and (size := measure(head)) is not None:
        return succeeded(index, size)
    image = _decoded(text)
    return failed(index, "the image is empty or not base64") if image is None else _read_bytes(index, image)


def _decoded(text: str, characters: int | None = None) -> bytes | None:
    """The bytes that base64 spells, of a data URL too and with line breaks; None if it spells none.

    With `characters`, a multiple of 4: only what so many of them spell at the beginning.
    """
    start = text.find(",", 0, 256) + 1 if text.startswith("data:") else 0
    end = None if characters is None else start + 2 * characters
    spelt = "".join(text[start:end].split())[:characters].translate(_URL_SAFE).rstrip("=")
    try:
        return base64.b64decode(spelt + "=" * (-len(spelt) % 4), validate=True) or None
    except ValueError:  # binascii.Error, or characters that are not ASCII
        return None
