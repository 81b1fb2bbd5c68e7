"""The size of a delivered image, read from its header.

The bill follows these pixels, so the rules are strict: the magic bytes decide the format (PNG, JPEG,
WebP, AVIF and nothing else), the stored dimensions count (a rotation in EXIF moves no pixel and must
not change the tier), and a header that cannot be read gives None, never a guess.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from typing import Literal

import imagesize  # type: ignore[import-untyped, unused-ignore]

Format = Literal["png", "jpeg", "webp", "avif"]

HEAD_BYTES = 65_536
"""What is read first. Every header but those behind big metadata segments lies within it."""

LONGEST_EDGE = 65_535
"""Pixels. JPEG, the format with the largest pictures among providers, can say no more; beyond lies damage."""

_FTYP_BYTES = 512
_AVIF_BRANDS = frozenset({b"avif", b"avis"})


@dataclass(frozen=True, slots=True)
class Size:
    """Stored width and height of one image in pixels, both from 1 to 65,535, and the format it came in."""

    width: int
    height: int
    format: Format

    def __post_init__(self) -> None:
        if not (0 < self.width <= LONGEST_EDGE and 0 < self.height <= LONGEST_EDGE):
            raise ValueError(f"no image is {self.width}x{self.height} pixels")

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


def measure(data: bytes) -> Size | None:
    """The size of the image in `data`; None if it is of no known format, truncated or damaged.

    Only the header is read: an image whose pixels are missing still has the size it declares.
    """
    kind = _format(data)
    if kind is None:
        return None
    size = _read(data[:HEAD_BYTES], kind)
    if size is None and len(data) > HEAD_BYTES:
        # Colour profiles and EXIF can push a JPEG's frame header past the first segment read.
        size = _read(data, kind)
    return size


def _read(data: bytes, kind: Format) -> Size | None:
    if kind == "avif":
        # imagesize 2.0.1 takes the 9-byte rotation box for a longer one and gives up on the whole image.
        # Rotation is not wanted here, so the box is renamed; the order of properties stays as it is.
        data = data.replace(b"irot", b"free")
    width, height = imagesize.get(io.BytesIO(data), exif_rotation=False)
    try:
        return Size(width, height, kind)
    except ValueError:  # (-1, -1) is how imagesize says truncated
        return None


def _format(data: bytes) -> Format | None:
    """The format by its magic bytes. imagesize would also read SVG, GIF and others: they have no price."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if data.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    if data[4:8] == b"ftyp" and _AVIF_BRANDS & _brands(data):
        return "avif"
    return None


def _brands(data: bytes) -> set[bytes]:
    """Major and compatible brands of an ISO media file: HEIC and MP4 share AVIF's first bytes."""
    (box_bytes,) = struct.unpack(">I", data[:4])
    end = min(box_bytes, len(data), _FTYP_BYTES)
    return {data[8:12]} | {data[at : at + 4] for at in range(16, end - 3, 4)}
