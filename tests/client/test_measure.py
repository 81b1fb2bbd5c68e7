"""Measuring: real bytes of the five formats, and everything that must not get a size."""

from __future__ import annotations

import io
import warnings
import zipfile
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from billing.client import Size, measure
from billing.client.size import HEAD_BYTES

from .avif_boxes import SHOWN, TURNED_ONCE, UNCLEAR

FORMATS = ("png", "jpeg", "webp", "avif", "gif")
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
    assert sizes[:13] == [None] * 13
    assert set(sizes) <= {None, Size(300, 200, format)}  # type: ignore[arg-type]


@pytest.mark.parametrize("format", ["png", "jpeg", "webp", "gif"])
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


@pytest.mark.parametrize("name", [*SHOWN, *TURNED_ONCE])
def test_an_avif_has_the_size_that_is_shown(name: str) -> None:
    """A crop leaves less than was encoded; turning and mirroring move no pixel."""
    image, edges = {**SHOWN, **TURNED_ONCE}[name]
    assert measure(image) == Size(*edges, "avif")
    assert {measure(image[:length]) for length in range(len(image))} <= {None, Size(*edges, "avif")}


@pytest.mark.parametrize("name", UNCLEAR)
def test_an_avif_that_viewers_show_differently_has_no_size(name: str) -> None:
    assert measure(UNCLEAR[name]) is None


def test_an_avif_bigger_than_the_head_is_measured() -> None:
    file = io.BytesIO()
    Image.effect_noise((512, 512), 100).convert("RGB").save(file, "avif", quality=100, speed=10)
    image = file.getvalue()
    assert len(image) > HEAD_BYTES
    assert measure(image) == Size(512, 512, "avif")


@pytest.mark.parametrize("format", ["bmp", "tiff", "ico", "ppm"])
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


def png_of(width: int, height: int) -> bytes:
    """A PNG whose header says so, checksum and all."""
    chunk = b"IHDR" + width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\x08\x02\x00\x00\x00"
    return b"\x89PNG\r\n\x1a\n" + (13).to_bytes(4, "big") + chunk + zlib.crc32(chunk).to_bytes(4, "big")


@pytest.mark.parametrize("edge", [0, 65_536, 2**31 - 1, 2**31, 2**32 - 1])
def test_a_png_that_declares_an_absurd_edge_has_no_size(edge: int) -> None:
    assert measure(png_of(edge, 16)) is None
    assert measure(png_of(16, edge)) is None
    assert measure(png_of(16, 17)) == Size(16, 17, "png")


def test_two_billion_pixels_are_not_believed() -> None:
    """Each edge could be: it is their product that no provider delivers."""
    assert measure(png_of(65_535, 32_769)) is None
    assert measure(png_of(16_384, 16_384)) == Size(16_384, 16_384, "png")
    gif = bytearray(encoded("gif"))
    gif[6:10] = b"\xff\xff\xff\xff"
    assert measure(bytes(gif)) is None
    jpeg = bytearray(encoded("jpeg"))
    at = jpeg.index(b"\xff\xc0") + 5
    jpeg[at : at + 4] = b"\xff\xff\xff\xff"
    assert measure(bytes(jpeg)) is None


def test_a_png_whose_header_was_damaged_has_no_size() -> None:
    image = bytearray(encoded("png"))
    image[19] ^= 1
    assert measure(bytes(image)) is None


def test_the_scaling_hint_of_a_webp_is_no_part_of_its_size() -> None:
    image = bytearray(encoded("webp"))
    image[27] |= 0x40
    image[29] |= 0x80
    assert measure(bytes(image)) == Size(WIDTH, HEIGHT, "webp")


@pytest.mark.parametrize("options", [{"lossless": True}, {}, {"icc_profile": b"odd"}])
def test_a_webp_whose_picture_does_not_fill_its_canvas_has_no_size(options: dict[str, Any]) -> None:
    image = bytearray(encoded("webp", exif=turned(1), **options))
    assert measure(bytes(image)) == Size(WIDTH, HEIGHT, "webp")
    image[24:30] = (3839).to_bytes(3, "little") + (2159).to_bytes(3, "little")
    assert measure(bytes(image)) is None  # and no viewer shows it


def test_frames_of_an_animated_webp_may_be_parts_of_its_canvas() -> None:
    image = bytearray(encoded("webp", save_all=True, append_images=[Image.new("RGB", (WIDTH, HEIGHT), (9, 9, 9))]))
    image[24:30] = (3839).to_bytes(3, "little") + (2159).to_bytes(3, "little")
    assert measure(bytes(image)) == Size(3840, 2160, "webp")


def test_animations_have_the_size_of_their_canvas() -> None:
    frames = [Image.new("RGB", (320, 200), (shade, 0, 0)) for shade in (0, 100, 200)]
    for format in ("gif", "webp", "png", "avif"):
        file = io.BytesIO()
        frames[0].save(file, format, save_all=True, append_images=frames[1:])
        assert measure(file.getvalue()) == Size(320, 200, format), format  # type: ignore[arg-type]


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA", "1", "I;16"])
def test_every_kind_of_pixel(mode: str) -> None:
    for format in ("png", "gif", "webp", "avif"):
        file = io.BytesIO()
        try:
            Image.new(mode, (48, 32)).save(file, format)
        except (OSError, ValueError):
            continue  # the format has no such pixels
        assert measure(file.getvalue()) == Size(48, 32, format), format  # type: ignore[arg-type]


def test_bombs_have_no_size() -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr("bomb", bytes(10_000_000))
    assert measure(archive.getvalue()) is None
    assert measure(zlib.compress(encoded("png"))) is None


def test_a_gif_whose_frame_sticks_out_has_no_size() -> None:
    """Some viewers cut it, others enlarge the screen."""
    gif = bytearray(encoded("gif", 300, 200))
    gif[6:8] = (299).to_bytes(2, "little")
    assert measure(bytes(gif)) is None


def test_a_gif_with_comments_before_its_frame() -> None:
    file = io.BytesIO()
    Image.new("RGB", (300, 200)).save(file, "gif", comment=b"a long story " * 100)
    assert measure(file.getvalue()) == Size(300, 200, "gif")


PARTS = [
    b"GIF89a\x10\x00\x10\x00\x00\x00\x00\x21\xfe" + b"\x01x" * 4_000_000,
    b"\xff\xd8" + b"\xff\xe0\x00\x02" * 2_000_000,  # segments of nothing
    b"\xff\xd8" + b"\xff" * 8_000_000,  # fill bytes
    b"\xff\xd8\xff" + bytes(8_000_000),
    b"\x00\x00\x00\x14ftypavif\x00\x00\x00\x00avif" + b"\x00\x00\x00\x08free" * 1_000_000,
    b"\x00\x00\x00\x14ftypavif\x00\x00\x00\x00avif" + b"\x00\x00\x00\x00meta" + bytes(8_000_000),
]


@pytest.mark.parametrize("data", PARTS, ids=["extensions", "segments", "fill", "zeros", "boxes", "meta"])
def test_a_header_of_endless_parts_has_no_size(data: bytes) -> None:
    assert measure(data) is None


def test_html_in_place_of_an_image_has_no_size() -> None:
    assert measure(b"<!doctype html><title>502</title><img width=3840 height=2160>") is None


SAMPLES = {
    **{format: encoded(format, 300, 200) for format in FORMATS},
    "progressive": encoded("jpeg", 300, 200, progressive=True),
    "lossless": encoded("webp", 300, 200, lossless=True),
    "extended": encoded("webp", 300, 200, exif=turned(1)),
    "sequence": SHOWN["a sequence"][0],
}


@settings(max_examples=1_500, deadline=None)
@given(
    st.sampled_from(sorted(SAMPLES)),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=4),
    st.integers(1, 2_000),
)
def test_a_damaged_image_has_the_size_that_its_decoder_sees_or_none(
    sample: str, damage: list[tuple[int, int]], length: int
) -> None:
    """Pillow's decoders are the witness: where they open the file, they see the same pixels."""
    image = bytearray(SAMPLES[sample])
    for at, byte in damage:
        image[at % len(image)] = byte
    data = bytes(image[:length])
    size = measure(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            seen = Image.open(io.BytesIO(data)).size
        except Exception:  # not an image to Pillow: then nobody is delivered a wrong one
            return
    assert size is None or (size.width, size.height) == seen


MAGIC = [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF\x00\x00\x00\x00WEBP", b"\x00\x00\x00\x14ftypavif", b"GIF89a"]


@given(st.sampled_from([b"", *MAGIC]), st.binary(max_size=400))
def test_garbage_never_raises_and_never_has_an_impossible_size(magic: bytes, rest: bytes) -> None:
    size = measure(magic + rest)
    assert size is None or (0 < size.width <= 65_535 and 0 < size.height <= 65_535)
