"""The size of a delivered image, read from its header.

The bill follows these pixels, so the rules are strict: the magic bytes decide the format (PNG, JPEG, WebP, AVIF, GIF
and nothing else), the stored dimensions that are shown count (a rotation moves no pixel and must not change the tier; a
crop does), and a header that is cut off, damaged, beyond belief or read differently by viewers gives None, never a guess.
Pixels are never decoded and nothing is unpacked, so an image costs the same few microseconds whatever it claims to hold.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Literal

from billing.client import avif

Format = Literal["png", "jpeg", "webp", "avif", "gif"]

HEAD_BYTES = 65_536
"""What is read first of an image that comes as text. Every header but those behind big metadata lies within it."""

LONGEST_EDGE = 65_535
"""Pixels. JPEG, the format with the largest pictures among providers, can say no more; beyond lies damage."""

MOST_PIXELS = 2**28
"""16,384 x 16,384, thirty times what can be ordered. What claims more is a bomb or damaged: it is not measured."""

# Legitimate headers have some hundred parts; a file of nothing but tiny parts must not keep anybody busy.
_MOST_PARTS = 4_096


@dataclass(frozen=True, slots=True)
class Size:
    """Stored width and height of one image in pixels, both from 1 to 65,535 and 2**28 pixels in all at most, and the
    format it came in."""

    width: int
    height: int
    format: Format

    def __post_init__(self) -> None:
        edges_exist = 0 < self.width <= LONGEST_EDGE and 0 < self.height <= LONGEST_EDGE
        if not edges_exist or self.width * self.height > MOST_PIXELS:
            raise ValueError(f"no image is {self.width}x{self.height} pixels")

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


def measure(data: bytes) -> Size | None:
    """The size of the image in `data`; None if it is of no known format, truncated or damaged.

    Only the header is read: an image whose pixels are missing still has the size it declares.
    """
    kind = format_of(data)
    if kind is None:
        return None
    edges = _READERS[kind](data)
    if edges is None:
        return None
    try:
        return Size(*edges, kind)
    except ValueError:
        return None


def format_of(data: bytes) -> Format | None:
    """The format by its magic bytes, of which the first 12 do. SVG, TIFF and others have no price."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if data.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    if data[:6] in (b"GIF87a", b"GIF89a"):
        return "gif"
    if data[4:8] == b"ftyp":
        return "avif"  # or HEIC, or a film: its reader looks at the brands
    return None


Edges = tuple[int, int]


def _png(data: bytes) -> Edges | None:
    """Width and height of the first chunk, IHDR, if its checksum is right."""
    chunk, checksum = data[12:29], data[29:33]
    if data[8:16] != b"\x00\x00\x00\x0dIHDR" or zlib.crc32(chunk).to_bytes(4, "big") != checksum:
        return None
    return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")


def _gif(data: bytes) -> Edges | None:
    """The logical screen, if its first frame lies within it: viewers disagree about others."""
    if len(data) < 13:
        return None
    screen = int.from_bytes(data[6:8], "little"), int.from_bytes(data[8:10], "little")
    at = 13 + (3 << (data[10] & 7) + 1 if data[10] & 0x80 else 0)  # behind the palette
    within_extension = False
    for _ in range(_MOST_PARTS):
        mark = data[at : at + 1]
        if within_extension and mark:  # parts, each behind its length; an empty one is the last
            at += 1 + mark[0]
            within_extension = mark != b"\x00"
        elif mark == b"\x21":
            at += 2
            within_extension = True
        else:
            frame = data[at : at + 9]
            if mark != b"\x2c" or len(frame) < 9:
                return None
            left, top, width, height = (int.from_bytes(frame[i : i + 2], "little") for i in (1, 3, 5, 7))
            return screen if left + width <= screen[0] and top + height <= screen[1] else None
    return None


def _webp(data: bytes) -> Edges | None:
    """The canvas of the extended form, or the one frame of the simple forms."""
    kind, first = data[12:16], data[20:30]
    if kind == b"VP8X" and len(first) == 10:
        canvas = 1 + int.from_bytes(first[4:7], "little"), 1 + int.from_bytes(first[7:10], "little")
        animated = first[0] & 2  # its frames are parts of the canvas; a picture fills it
        return canvas if animated or _webp_picture(data) in (None, canvas) else None
    return _webp_frame(kind, first)


def _webp_picture(data: bytes) -> Edges | None:
    """The frame of the extended form, behind colour profile and transparency; None if it is not there yet."""
    at = 30
    for _ in range(_MOST_PARTS):
        kind, length = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        if kind in (b"VP8 ", b"VP8L") or len(kind) < 4:
            return _webp_frame(kind, data[at + 8 : at + 18])
        at += 8 + length + length % 2
    return None


def _webp_frame(kind: bytes, first: bytes) -> Edges | None:
    """The edges that a frame says with the `first` bytes of its chunk."""
    if kind == b"VP8 " and len(first) == 10 and not first[0] & 1 and first[3:6] == b"\x9d\x01\x2a":
        # The upper two bits of each are a hint for scaling.
        return int.from_bytes(first[6:8], "little") & 0x3FFF, int.from_bytes(first[8:10], "little") & 0x3FFF
    if kind == b"VP8L" and len(first) >= 5 and first[0] == 0x2F:
        bits = int.from_bytes(first[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    return None


def _jpeg(data: bytes) -> Edges | None:
    """The frame header, which lies behind any number of metadata segments and their thumbnails."""
    at = 2
    for _ in range(_MOST_PARTS):
        if data[at : at + 2] == b"\xff\xff":  # a fill byte
            at += 1
            continue
        if data[at : at + 1] != b"\xff" or len(data) < at + 4:
            return None
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if marker in _FRAMES:
            # Precision, height, width, and as many components as the length has room for.
            frame = data[at + 4 : at + 2 + length]
            if len(frame) < 6 or length != 8 + 3 * frame[5] or len(frame) != length - 2:
                return None
            return int.from_bytes(frame[3:5], "big"), int.from_bytes(frame[1:3], "big")
        if marker in _NO_SEGMENT or length < 2:
            return None
        at += 2 + length
    return None


_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_NO_SEGMENT = frozenset({0x00, 0x01, *range(0xD0, 0xDB)})  # scans and restarts, the end: too late for a header


_READERS = {"png": _png, "jpeg": _jpeg, "webp": _webp, "avif": avif.edges, "gif": _gif}
