"""What a provider's answer says about each image: the outputs that `settle` takes.

The answer has the shape of OpenAI's image API: `data[]` of items with `b64_json` (or `url`). Its
top-level `size` and `quality` may be absent or literally `auto`, and items carry no size, so nothing
is taken from them: each image is measured.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, Literal, TypedDict

from billing.client.size import HEAD_BYTES, Size, measure

REASON_CHARACTERS = 200
MOST_OUTPUTS = 1_000
"""The service takes no more in one settle. Images beyond n cost nothing, so the rest need not be told."""

# Base64 spells 3 bytes in 4 characters; a multiple of 4 decodes on its own.
_HEAD_CHARACTERS = (HEAD_BYTES + 2) // 3 * 4


class Output(TypedDict):
    """One image asked for or returned. `width` and `height` in pixels, both None if nobody could measure
    it; `reason` says why it failed, or why it has no size."""

    index: int
    status: Literal["succeeded", "failed"]
    width: int | None
    height: int | None
    reason: str | None


def read_outputs(response: Mapping[str, Any], n: int) -> list[Output]:
    """The outputs of an answer to a request for `n` images, by index, with none left out.

    An index below `n` that the answer lacks has failed; images beyond `n` are reported too, the service
    knows that they cost nothing. An image that is there but cannot be measured has succeeded without
    dimensions: it was delivered. Never raises on what a provider may send.
    """
    data = response.get("data")
    items = data[:MOST_OUTPUTS] if isinstance(data, list) else []
    outputs = [_read_item(index, item) for index, item in enumerate(items)]
    why_missing = _message(response) or "not in the provider's answer"
    outputs += [failed(index, why_missing) for index in range(len(items), n)]
    return outputs


def succeeded(index: int, size: Size | None, reason: str | None = None) -> Output:
    """A delivered image; without a size, `reason` says why it could not be measured."""
    return Output(
        index=index,
        status="succeeded",
        width=size.width if size else None,
        height=size.height if size else None,
        reason=None if reason is None else _storable(reason),
    )


def failed(index: int, reason: str) -> Output:
    """An image that was asked for and not delivered."""
    return Output(index=index, status="failed", width=None, height=None, reason=_storable(reason))


def image_of(item: object) -> bytes | None:
    """The bytes of the image in one item of `data[]`; None if it holds none (a failure, a URL)."""
    text = item.get("b64_json") if isinstance(item, Mapping) else None
    if not isinstance(text, str):
        return None
    try:
        return base64.b64decode(_base64(text)) or None
    except ValueError:  # binascii.Error, or characters that are not ASCII
        return None


def _read_item(index: int, item: object) -> Output:
    if not isinstance(item, Mapping):
        return failed(index, "not an image")
    text = item.get("b64_json")
    if isinstance(text, str) and text:
        return _read_base64(index, text)
    url = item.get("url")
    if isinstance(url, str) and url:
        return succeeded(index, None, "delivered by URL, not measured")
    return failed(index, _message(item) or "no image in this item")


def _read_base64(index: int, text: str) -> Output:
    """Decodes the head of the image first: a 4K picture of 20 MB is measured without decoding it all."""
    try:
        size = measure(base64.b64decode(_base64(text)[:_HEAD_CHARACTERS]))
    except ValueError:  # line breaks shift the cut off a multiple of 4; the whole may still be in order
        size = None
    if size is not None:
        return succeeded(index, size)
    image = image_of({"b64_json": text})
    if image is None:
        return failed(index, "b64_json is empty or not base64")
    size = measure(image)
    return succeeded(index, size, None if size else "header not readable as PNG, JPEG, WebP or AVIF")


def _base64(text: str) -> str:
    """Some providers send data URLs where bare base64 is due."""
    return text.partition(",")[2] if text.startswith("data:") else text


def _message(holder: Mapping[str, Any]) -> str | None:
    """The text of an `error` in OpenAI's shape (`{"error": {"code", "message"}}`) or a bare string."""
    error = holder.get("error")
    if isinstance(error, Mapping):
        parts = [str(error[name]) for name in ("code", "message") if error.get(name)]
        return ": ".join(parts) or None
    return error if isinstance(error, str) and error else None


def _storable(reason: str) -> str:
    """Cut and cleaned: NUL and lone surrogates pass JSON, but a settle that carried them would be refused
    and what was delivered would go unbilled because of an error message."""
    clean = reason.replace("\x00", "").encode("utf-8", "ignore").decode("utf-8")
    return clean[:REASON_CHARACTERS]
