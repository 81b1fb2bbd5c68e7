"""Pictures that the stand-in provider draws: an evening over hills, different for every seed.

Drawn small and enlarged, so that a 4K picture takes a tenth of a second, and then really encoded: what is
measured afterwards are the bytes of a true PNG, JPEG, WebP or AVIF.
"""

from __future__ import annotations

import io
import math
import random
from typing import Any

from PIL import Image, ImageChops, ImageDraw, ImageOps

LARGEST_DRAWN = 384
"""Pixels of the longer edge before enlarging."""

_SKIES = [
    ((24, 32, 84), (250, 150, 90)),
    ((60, 20, 90), (255, 190, 120)),
    ((10, 60, 110), (240, 220, 170)),
    ((90, 30, 60), (255, 210, 110)),
]

# Speed over size throughout: nobody keeps these files.
_ENCODING: dict[str, dict[str, Any]] = {
    "png": {"compress_level": 1},
    "jpeg": {"quality": 80},
    "webp": {"method": 0, "quality": 60},
    "avif": {"speed": 10, "quality": 50},
}

FORMATS = tuple(_ENCODING)


def draw(width: int, height: int, seed: int) -> Image.Image:
    """A picture of `width` by `height` pixels."""
    chance = random.Random(seed)
    shrink = max(1.0, max(width, height) / LARGEST_DRAWN)
    small_width, small_height = max(1, round(width / shrink)), max(1, round(height / shrink))
    top, bottom = chance.choice(_SKIES)
    sky = ImageOps.colorize(Image.linear_gradient("L").resize((small_width, small_height)), top, bottom)
    brush = ImageDraw.Draw(sky)
    _sun(brush, chance, small_width, small_height)
    for layer in range(3):
        _hills(brush, chance, small_width, small_height, layer)
    return sky.resize((width, height), Image.Resampling.BILINEAR)


def by_night(source: bytes, width: int, height: int) -> Image.Image:
    """The edit: the picture in `source`, cut to `width` by `height` pixels, under the moon.

    Raises `PIL.UnidentifiedImageError` if `source` is no picture.
    """
    with Image.open(io.BytesIO(source)) as day:
        picture = ImageOps.fit(day.convert("RGB"), (width, height))
    night = ImageChops.multiply(picture, Image.new("RGB", picture.size, (70, 90, 160)))
    radius = max(1, min(width, height) // 14)
    x, y = width // 5, height // 5
    ImageDraw.Draw(night).ellipse((x - radius, y - radius, x + radius, y + radius), fill=(235, 235, 215))
    return night


def encode(picture: Image.Image, format: str) -> bytes:
    """The picture as a file of one of `FORMATS`."""
    file = io.BytesIO()
    picture.save(file, format, **_ENCODING[format])
    return file.getvalue()


def _sun(brush: ImageDraw.ImageDraw, chance: random.Random, width: int, height: int) -> None:
    radius = min(width, height) * chance.uniform(0.08, 0.14)
    x, y = width * chance.uniform(0.25, 0.75), height * chance.uniform(0.35, 0.55)
    brush.ellipse((x - radius, y - radius, x + radius, y + radius), fill=(255, 236, 190))


def _hills(brush: ImageDraw.ImageDraw, chance: random.Random, width: int, height: int, layer: int) -> None:
    base, swell = height * (0.6 + 0.12 * layer), height * chance.uniform(0.04, 0.1)
    phase, waves = chance.uniform(0, math.tau), chance.uniform(1.5, 3.5)
    ridge = [(x, base + swell * math.sin(phase + waves * math.tau * x / width)) for x in range(0, width + 4, 4)]
    shade = 3 - layer
    brush.polygon([*ridge, (width, height), (0, height)], fill=(14 * shade, 18 * shade, 26 * shade))
