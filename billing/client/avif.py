"""The edges of an AVIF as viewers show it, read from its boxes (ISO/IEC 23008-12); nothing is decoded.

The extent is not enough: a crop may belong to the picture, a sequence is shown by its tracks, and a property that this
file does not know may change anything. What viewers are known to disagree about has no edges.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from fractions import Fraction

Edges = tuple[int, int]
Box = tuple[bytes, bytes]
"""Its type, and what is in it."""

# Legitimate files have some tens of each; one of nothing but tiny parts must not keep anybody busy.
_MOST_PARTS = 4_096
_META_BYTES = 1_048_576

_BRANDS = frozenset({b"avif", b"avis"})

# A viewer must not show an item with a property that it has to know and does not. These it may have to know; turning
# and mirroring move no pixel, the rest tells the decoder its work.
_UNDERSTOOD = frozenset(
    {b"ispe", b"clap", b"irot", b"imir", b"pixi", b"av1C", b"colr", b"pasp", b"a1op", b"lsel", b"a1lx"}
)


def edges(data: bytes) -> Edges | None:
    """Width and height in pixels; None for what is no AVIF, truncated, damaged or shown differently by viewers.

    The boxes behind the description, pixels above all, need not be there yet.
    """
    try:
        kind, brands = next(_boxes(data), (b"", b""))
        names = {brands[:4], *(brands[at : at + 4] for at in range(8, len(brands) - 3, 4))}
        if kind != b"ftyp" or not names & _BRANDS:
            return None
        shown = _item(_the(b"meta", _boxes(data, until=b"meta")))
        if b"avis" in names:  # some viewers show the item, others the tracks
            tracks = [part for kind, part in _boxes(_the(b"moov", _boxes(data, until=b"moov"))) if kind == b"trak"]
            return shown if {shown} == {_track(track) for track in tracks} else None
        return shown
    except (struct.error, _Unclear):  # struct's: a box that is too short for what it must hold
        return None


class _Unclear(Exception):
    """There is none of something, or several, where viewers need one."""


def _item(meta: bytes) -> Edges | None:
    """The primary item, or the part of it that its clean aperture leaves."""
    if len(meta) > _META_BYTES:
        return None
    boxes = list(_boxes(meta[4:]))
    primary = _the(b"pitm", boxes)
    item, _ = _number(primary, 4, long=primary[:1] > b"\x00")
    properties = list(_properties(_the(b"iprp", boxes), item))
    if _kind_of(item, _the(b"iinf", boxes)) not in (b"av01", b"grid"):
        return None
    width, height = struct.unpack_from(">4xII", _the(b"ispe", properties))
    if all(kind != b"clap" for kind, _ in properties):
        return width, height
    return _aperture(_the(b"clap", properties), (width, height))


def _aperture(clap: bytes, whole: Edges) -> Edges | None:
    """What the crop leaves, if that is whole pixels from the upper left corner on.

    All other crops have no edges: Chromium shows such a picture as if it had none, libheif crops it. Each number is a
    fraction; the offset is that of the crop's middle from the picture's.
    """
    numbers = struct.unpack_from(">8i", clap)
    if min(numbers[1::2]) < 1:
        return None
    width, height, right, down = (Fraction(*numbers[at : at + 2]) for at in (0, 2, 4, 6))
    in_the_corner = right == (width - whole[0]) / 2 and down == (height - whole[1]) / 2
    if not in_the_corner or width > whole[0] or height > whole[1] or width.denominator * height.denominator > 1:
        return None
    return int(width), int(height)


def _track(track: bytes) -> Edges | None:
    """A track's picture; none if it is cropped somewhere on the way."""
    header = _the(b"tkhd", _boxes(track))
    width, height = struct.unpack_from(">II", header, 88 if header[:1] == b"\x01" else 76)
    if b"clap" in track or width & 0xFFFF or height & 0xFFFF:
        return None
    return width >> 16, height >> 16


def _properties(iprp: bytes, item: int) -> Iterator[Box]:
    """The item's own, in their order."""
    boxes = list(_boxes(iprp))
    known = list(_boxes(_the(b"ipco", boxes)))
    for listed in (part for kind, part in boxes if kind == b"ipma"):
        version, flags, count = struct.unpack_from(">B2xBI", listed)
        at, form, essential = 8, *(("H", 0x8000) if flags & 1 else ("B", 0x80))
        if count > _MOST_PARTS:
            raise _Unclear
        for _ in range(count):
            owner, at = _number(listed, at, long=version > 0)
            (length,) = struct.unpack_from(">B", listed, at)
            places = struct.unpack_from(f">{length}{form}", listed, at + 1)
            at += 1 + struct.calcsize(f">{length}{form}")
            for place in places if owner == item else ():
                index = place % essential - 1
                if not 0 <= index < len(known):
                    raise _Unclear
                kind = known[index][0]
                if (place >= essential and kind not in _UNDERSTOOD) or (place < essential and kind == b"clap"):
                    raise _Unclear
                yield known[index]


def _kind_of(item: int, iinf: bytes) -> bytes:
    """How the item is coded. Raises _Unclear if it is not listed."""
    for kind, entry in _boxes(iinf[6 if iinf[:1] == b"\x00" else 8 :]):
        if kind == b"infe" and entry[:1] in (b"\x02", b"\x03"):
            number, at = _number(entry, 4, long=entry[0] == 3)
            if number == item:
                return entry[at + 2 : at + 6]
    raise _Unclear


def _number(part: bytes, at: int, *, long: bool) -> tuple[int, int]:
    """An item's number, and where it ends."""
    (number,) = struct.unpack_from(">I" if long else ">H", part, at)
    return number, at + (4 if long else 2)


def _the(kind: bytes, boxes: Iterator[Box] | list[Box]) -> bytes:
    """What is in the only box of this type. Raises _Unclear if there is none, or several."""
    found = [part for name, part in boxes if name == kind]
    if len(found) != 1:
        raise _Unclear
    return found[0]


def _boxes(data: bytes, until: bytes = b"") -> Iterator[Box]:
    """The boxes side by side in `data` that are complete, up to the first `until`."""
    at = 0
    for _ in range(_MOST_PARTS):
        size, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        if size < 8 or at + size > len(data):
            return
        yield kind, data[at + 8 : at + size]
        if kind == until:
            return
        at += size
