"""What is said of each image: the outputs that `settle` takes.

Images are found by `shapes`. An answer's own words about sizes may be absent, `auto` or wrong, so nothing is taken from
them, not even where an image comes as an address: each image is measured, or is unmeasured.
"""

from __future__ import annotations

import base64
from typing import Literal, TypedDict
from urllib.parse import unquote

from billing.client.items import URL_SAFE, AnswerItem, item_of, read_answer
from billing.client.size import HEAD_BYTES, Size, format_of, measure
from billing.client.words import storable

MOST_OUTPUTS = 1_000
"""The service takes no more in one settle. Images beyond n cost nothing, so the rest need not be told."""

MISSING = "not in the provider's answer"

# Base64 spells 3 bytes in 4 characters. A slice of twice as many has room for line breaks, and still is a head.
_HEAD_CHARACTERS = (HEAD_BYTES + 2) // 3 * 4


_DATA_URL_HEAD = 256
_BASE64_BEGINS = ";base64,"


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
    dimensions: it was delivered. Raises `NotUnderstood` for an answer of no known shape.
    """
    items, why = read_answer(response)
    outputs = [output_of(index, item) for index, item in enumerate(items[:MOST_OUTPUTS])]
    return outputs + [failed(index, why or MISSING) for index in range(len(outputs), n)]


def output_of(index: int, item: AnswerItem) -> Output:
    """The output that an item of an answer is. Beside images, something that nobody can read was delivered too."""
    if item.odd:
        return succeeded(index, None, "not understood")
    if item.image is None:
        return failed(index, item.why or MISSING)
    if item.address:
        return succeeded(index, None, "delivered by URL, not measured")
    return _read_text(index, item.image) if isinstance(item.image, str) else _read_bytes(index, item.image)


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
    """The bytes of the image in one item of an answer; None if it holds none (a failure, an address)."""
    found = item_of(item)
    if not isinstance(found.image, str):
        return found.image
    return None if found.address else _decoded(found.image)


def _read_bytes(index: int, image: bytes) -> Output:
    size = measure(image)
    return succeeded(index, size, None if size else "header not readable as PNG, JPEG, WebP, AVIF or GIF")


def _read_text(index: int, text: str) -> Output:
    """Decodes the head of the image first: a 4K picture of 20 MB is measured without decoding it all."""
    if begin_of_base64(text) is None:
        return succeeded(index, None, "in a data URL without base64, not measured")
    head = _decoded(text, _HEAD_CHARACTERS)
    if head is not None and (size := measure(head)) is not None:
        return succeeded(index, size)
    if (image := _decoded(text)) is not None:
        return _read_bytes(index, image)
    if format_of(_decoded(text, 64) or b"") is not None:
        return succeeded(index, None, "not base64 to its end, not measured")
    return failed(index, "the image is empty or not base64")


def begin_of_base64(text: str) -> int | None:
    """Where in a text, or in a data URL, its base64 begins; None in a data URL without any. What stands before may have
    commas of its own, in quotes."""
    if not text.startswith("data:"):
        return 0
    at = text[:_DATA_URL_HEAD].lower().find(_BASE64_BEGINS)
    return None if at < 0 else at + len(_BASE64_BEGINS)


def _decoded(text: str, characters: int | None = None) -> bytes | None:
    """The bytes that base64 spells, of a data URL too, with line breaks, percent-encoded; None if it spells none.

    With `characters`, a multiple of 4: only what so many of them spell at the beginning.
    """
    start = begin_of_base64(text) or 0
    end = None if characters is None else start + 2 * characters
    spelt = "".join(unquote(text[start:end]).split())[:characters].translate(URL_SAFE).rstrip("=")
    try:
        return base64.b64decode(spelt + "=" * (-len(spelt) % 4), validate=True) or None
    except ValueError:  # binascii.Error, or characters that are not ASCII
        return None
