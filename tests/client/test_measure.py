"""Measuring: real bytes of the four formats, and everything that must not get a size."""

from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from billing.client import Size, measure
from billing.client.size import HEAD_BYTES

FORMATS = ("png", "jpeg", "webp", "avif")
WIDTH, HEIGHT = 1672, 941  # what a provider delivered for 4K; no multiple of 16 in it

SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="3840" height="2160"></svg>'


def encoded(format: str, width: int = WIDTH, height: int = HEIGHT, **options: Any) -> bytes:
    file = io.BytesIO()
    if format == "avif":
        options.setdefault("speed", 10)
    Image.new("RGB", (width, height), (20, 90, 160)).save(file, format, **options)
    return file.getvalue()


def turned(orientation: int) -> bytes:
    """An EXIF block that tells viewers to turn the picture."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif.tobytes()


def with_metadata(jpeg: bytes, segments: int) -> bytes:
    """The JPEG with that many of the biggest application segments (65,533 bytes) before its frame header."""
    segment = b"\xff\xe9" + (65_535).to_bytes(2, "big") + bytes(65_533)
    return jpeg[:2] + segment * segments + jpeg[2:]


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(("width", "height"), [(WIDTH, HEIGHT), (1024, 1536), (1, 1), (3840, 2160)])
def test_each_format_is_measured(format: str, width: int, height: int) -> None:
    assert measure(encoded(format, width, height)) == Size(width, height, format)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("format", "options"),
    [
        ("jpeg", {"progressive": True}),
        ("webp", {"lossless": True}),
        ("webp", {"exif": turned(1)}),  # extended form, canvas in its own chunk
        ("png", {"exif": turned(1)}),
    ],
)
def test_variants_of_a_format_are_measured(format: str, options: dict[str, Any]) -> None:
    size = measure(encoded(format, **options))
    assert size is not None
    assert (size.width, size.height) == (WIDTH, HEIGHT)


@pytest.mark.parametrize("format", ["jpeg", "webp", "avif"])
@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_rotation_moves_no_pixel(format: str, orientation: int) -> None:
    size = measure(encoded(format, exif=turned(orientation)))
    assert size is not None
    assert (size.width, size.height) == (WIDTH, HEIGHT)


@pytest.mark.parametrize("format", FORMATS)
def test_a_truncated_header_has_no_size_and_never_a_wrong_one(format: str) -> None:
    image = encoded(format, 300, 200)
    sizes = [measure(image[:length]) for length in range(len(image))]
    assert sizes[:20] == [None] * 20
    assert set(sizes) <= {None, Size(300, 200, format)}  # type: ignore[arg-type]


@pytest.mark.parametrize("format", ["png", "jpeg", "webp"])
def test_missing_pixels_do_not_matter_once_the_header_is_there(format: str) -> None:
    image = encoded(format)
    assert measure(image[: len(image) // 2]) == Size(WIDTH, HEIGHT, format)  # type: ignore[arg-type]


def test_a_header_behind_64_kib_of_metadata_is_found() -> None:
    image = with_metadata(encoded("jpeg"), segments=3)
    assert measure(image[:HEAD_BYTES]) is None, "the head alone must not be enough for this test to mean anything"
    assert measure(image) == Size(WIDTH, HEIGHT, "jpeg")


def test_a_jpeg_of_nothing_but_metadata_has_no_size() -> None:
    assert measure(with_metadata(encoded("jpeg"), segments=3)[: 3 * HEAD_BYTES]) is None


def test_the_thumbnail_inside_exif_is_not_the_picture() -> None:
    thumbnail = encoded("jpeg", 160, 120)
    block = b"Exif\x00\x00" + thumbnail
    segment = b"\xff\xe1" + (len(block) + 2).to_bytes(2, "big") + block
    image = encoded("jpeg")
    assert measure(image[:2] + segment + image[2:]) == Size(WIDTH, HEIGHT, "jpeg")


def test_an_avif_bigger_than_the_head_is_measured() -> None:
    file = io.BytesIO()
    Image.effect_noise((512, 512), 100).convert("RGB").save(file, "avif", quality=100, speed=10)
    image = file.getvalue()
    assert len(image) > HEAD_BYTES
    assert measure(image) == Size(512, 512, "avif")


@pytest.mark.parametrize("format", ["gif", "bmp", "tiff", "ico", "ppm"])
def test_other_formats_have_no_size(format: str) -> None:
    assert measure(encoded(format, 64, 64)) is None


@pytest.mark.parametrize(
    "data",
    [
        SVG,
        SVG.removeprefix(b'<?xml version="1.0"?>'),
        b"\xef\xbb\xbf" + SVG,
        b"",
        b"{}",
        b"not an image",
        b"\xff\xd8",
        b"\x89PNG\r\n\x1a\n",
        b"RIFF\x00\x00\x00\x00WEBP",
        b"RIFF\x00\x00\x00\x00WAVEfmt ",
        b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic",
        b"\x00\x00\x00\x14ftypisom\x00\x00\x00\x00mp42",
        b"\x00\x00\x00\x08ftyp",
    ],
)
def test_what_is_no_image_of_ours_has_no_size(data: bytes) -> None:
    assert measure(data) is None


@pytest.mark.parametrize("edge", [0, 65_536, 2**31, 2**32 - 1])
def test_a_png_that_declares_an_absurd_edge_has_no_size(edge: int) -> None:
    image = bytearray(encoded("png"))
    image[16:20] = edge.to_bytes(4, "big")
    assert measure(bytes(image)) is None


MAGIC = [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF\x00\x00\x00\x00WEBP", b"\x00\x00\x00\x14ftypavif"]


@given(st.sampled_from([b"", *MAGIC]), st.binary(max_size=400))
def test_garbage_never_raises_and_never_has_an_impossible_size(magic: bytes, rest: bytes) -> None:
    size = measure(magic + rest)
    assert size is None or (0 < size.width <= 65_535 and 0 < size.height <= 65_535)
