"""AVIF files as real encoders write them, with other boxes around the same pixels: what viewers are told to show of them."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from fractions import Fraction

from PIL import Image

Box = tuple[bytes, bytes]

CORNER = (-8, -16)
"""Where the middle of 48x32 lies from that of 64x64, if both begin in the same corner."""


def encoded(width: int = 64, height: int = 64, frames: int = 1) -> bytes:
    file = io.BytesIO()
    picture, *more = (Image.new("RGB", (width, height), (shade, 10, 10)) for shade in range(0, 100 * frames, 100))
    picture.save(file, "avif", speed=10, save_all=frames > 1, append_images=more)
    return file.getvalue()


def box(kind: bytes, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return struct.pack(">I4s", 8 + len(content), kind) + content


def boxes(data: bytes) -> Iterator[Box]:
    at = 0
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        yield kind, data[at + 8 : at + size]
        at += size


def ispe(width: int, height: int) -> bytes:
    return box(b"ispe", struct.pack(">III", 0, width, height))


def clap(width: Fraction | int, height: Fraction | int, right: Fraction | int, down: Fraction | int) -> bytes:
    numbers = [part for number in (width, height, right, down) for part in Fraction(number).as_integer_ratio()]
    return box(b"clap", struct.pack(">8i", *numbers))


def cropped(width: int = 48, height: int = 32, corner: tuple[Fraction | int, Fraction | int] = CORNER) -> bytes:
    return clap(width, height, *corner)


def with_properties(
    avif: bytes, *more: bytes, essential: bool = True, first: bool = False, owned: bool = True, kind: bytes = b"av01"
) -> bytes:
    """The file with more properties, which belong to its picture if `owned`, before all others if `first`."""
    meta = dict(boxes(avif))[b"meta"]
    parts = dict(boxes(meta[4:]))
    known, listed = (dict(boxes(parts[b"iprp"]))[name] for name in (b"ipco", b"ipma"))
    count = len(list(boxes(known)))
    added = bytes(place + 1 | 0x80 * essential for place in range(count, count + len(more))) if owned else b""
    had, rest = listed[11 : 11 + listed[10]], listed[11 + listed[10] :]
    places = added + had if first else had + added
    parts[b"iprp"] = box(b"ipco", known, *more) + box(b"ipma", listed[:10], bytes([len(places)]), places, rest)
    parts[b"iinf"] = parts[b"iinf"].replace(b"av01", kind)
    # The pixels of the only item lie behind all this, further away than before.
    location = bytearray(parts[b"iloc"])
    (offset,) = struct.unpack_from(">I", location, 14)
    longer = sum(8 + len(part) for part in parts.values()) + 4 - len(meta)
    struct.pack_into(">I", location, 14, offset + longer)
    parts[b"iloc"] = bytes(location)
    new = meta[:4] + b"".join(box(name, part) for name, part in parts.items())
    return avif.replace(box(b"meta", meta), box(b"meta", new))


def grid(width: int, height: int, *more: bytes) -> bytes:
    """Two pictures of 64x64 beside each other, of which `width` x `height` are shown."""
    top = dict(boxes(encoded()))
    parts = dict(boxes(top[b"meta"][4:]))
    of_tile = list(boxes(dict(boxes(parts[b"iprp"]))[b"ipco"]))
    shape = struct.pack(">BBBBHH", 0, 0, 0, 1, width, height)
    kinds = [b"grid", b"av01", b"av01"]
    places = [[1, *(0x80 | place for place in range(len(of_tile) + 2, len(of_tile) + 2 + len(more)))]]
    places += [[at + 2 | 0x80 * (kind == b"av1C") for at, (kind, _) in enumerate(of_tile)]] * 2

    def described(pixels: int) -> bytes:
        within = [(1, 0, len(shape)), (0, pixels, len(top[b"mdat"])), (0, pixels, len(top[b"mdat"]))]
        items = [struct.pack(">HHHHII", at, method, 0, 1, *extent) for at, (method, *extent) in enumerate(within, 1)]
        names = [box(b"infe", b"\2\0\0\0", struct.pack(">HH", at, 0), kind, b"\0") for at, kind in enumerate(kinds, 1)]
        owned = [struct.pack(">HB", at, len(of_item)) + bytes(of_item) for at, of_item in enumerate(places, 1)]
        properties = [ispe(width, height), *(box(*one) for one in of_tile), *more]
        return box(
            b"meta",
            bytes(4),
            box(b"hdlr", parts[b"hdlr"]),
            box(b"pitm", parts[b"pitm"]),
            box(b"iloc", b"\1\0\0\0\x44\0\0\3", *items),
            box(b"iinf", bytes(4), b"\0\3", *names),
            box(b"iref", bytes(4), box(b"dimg", struct.pack(">HHHH", 1, 2, 2, 3))),
            box(b"iprp", box(b"ipco", *properties), box(b"ipma", bytes(4), struct.pack(">I", 3), *owned)),
            box(b"idat", shape),
        )

    before = box(b"ftyp", top[b"ftyp"])
    return before + described(len(before) + len(described(0)) + 8) + box(b"mdat", top[b"mdat"])


def sequence(*, track: tuple[int, int] = (64, 64), brand: bytes = b"avis") -> bytes:
    """Two frames of 64x64, of which the track says another size."""
    before, _, behind = encoded(frames=2).rpartition(struct.pack(">II", 64 << 16, 64 << 16))
    assert b"tkhd" in before[-100:]
    says = struct.pack(">II", track[0] << 16, track[1] << 16)
    return (before + says + behind).replace(b"ftypavis", b"ftyp" + brand, 1)


TURNED = box(b"irot", b"\1")
MIRRORED = box(b"imir", b"\1")
WIDE_PIXELS = box(b"pasp", struct.pack(">II", 2, 1))
HALF = Fraction(1, 2)

SHOWN = {
    "whole": (encoded(), (64, 64)),
    "cropped in the corner": (with_properties(encoded(), cropped()), (48, 32)),
    "cropped in the corner, odd": (with_properties(encoded(65, 63), clap(64, 62, -HALF, -HALF)), (64, 62)),
    "cropped, listed before the extent": (with_properties(encoded(), cropped(), first=True), (48, 32)),
    "cropped to all of it": (with_properties(encoded(), clap(64, 64, 0, 0)), (64, 64)),
    "cropped and mirrored": (with_properties(encoded(), cropped(), MIRRORED), (48, 32)),
    "a crop of something else": (with_properties(encoded(), cropped(), owned=False), (64, 64)),
    "an extent of something else": (with_properties(encoded(), ispe(32, 32), owned=False), (64, 64)),
    "an unknown property that may be ignored": (with_properties(encoded(), box(b"zzzz"), essential=False), (64, 64)),
    "mirrored": (with_properties(encoded(48, 32), MIRRORED), (48, 32)),
    "pixels that are no squares": (with_properties(encoded(), WIDE_PIXELS), (64, 64)),
    "a grid": (grid(100, 64), (100, 64)),
    "a grid, cropped": (grid(128, 64, cropped(corner=(-40, -16))), (48, 32)),
    "a sequence": (sequence(), (64, 64)),
}
"""What viewers agree on, and its edges."""

TURNED_ONCE = {
    "turned": (with_properties(encoded(48, 32), TURNED), (48, 32)),
    "cropped and turned": (with_properties(encoded(), cropped(), TURNED), (48, 32)),
}
"""Shown with width and height exchanged."""

UNCLEAR = {
    "cropped in the middle": with_properties(encoded(), cropped(corner=(0, 0))),
    "cropped one pixel from the corner": with_properties(encoded(), cropped(corner=(-7, -16))),
    "cropped in the other corner": with_properties(encoded(), cropped(corner=(8, 16))),
    "cropped beyond the picture": with_properties(encoded(), clap(65, 65, HALF, HALF)),
    "cropped to half a pixel": with_properties(encoded(), clap(48 + HALF, 32, Fraction(-31, 4), -16)),
    "cropped to nothing": with_properties(encoded(), clap(0, 32, -32, -16)),
    "cropped by no number": with_properties(encoded(), cropped().replace(b"\0\0\0\1", bytes(4))),
    "cropped twice": with_properties(encoded(), cropped(), clap(16, 16, -24, -24)),
    "cropped, which may be ignored": with_properties(encoded(), cropped(), essential=False),
    "two extents": with_properties(encoded(), ispe(32, 32)),
    "two extents, the other first": with_properties(encoded(), ispe(32, 32), first=True),
    "an unknown property that may not be ignored": with_properties(encoded(), box(b"zzzz")),
    "no property is its own": encoded().replace(
        bytes.fromhex("000100010401028304"), bytes.fromhex("000100020401028304")
    ),
    "an overlay": with_properties(encoded(), kind=b"iovl"),
    "another codec": with_properties(encoded(), kind=b"hvc1"),
    "a grid, cropped in the middle": grid(128, 64, cropped(corner=(0, 0))),
    "a sequence whose track says otherwise": sequence(track=(128, 96)),
    "a sequence in a picture's clothes": sequence(track=(128, 96), brand=b"avif"),
}
"""What is shown differently by different viewers, or not at all."""
