"""Pictures as a customer sees them: decoded by Pillow, never by what we measure with."""

from __future__ import annotations

import base64
import io
from typing import Any

from PIL import Image


def size_of(image: bytes) -> tuple[int, int]:
    """Width and height in pixels, every pixel decoded."""
    with Image.open(io.BytesIO(image)) as picture:
        picture.load()
        return picture.size


def sizes_of(answer: Any) -> list[tuple[int, int]]:
    """The sizes of all images in an answer of the official client."""
    return [size_of(base64.b64decode(item.b64_json)) for item in answer.data]


def png(width: int, height: int, mode: str = "RGB") -> bytes:
    """A picture to upload."""
    file = io.BytesIO()
    Image.new(mode, (width, height), (120, 90, 60, 0)[: len(mode)]).save(file, "png")
    return file.getvalue()
