"""Sizes of images, the tiers they are priced in and the rules a requested size must keep."""

import re
from dataclasses import dataclass
from typing import NamedTuple

from billing.core.refusals import Invalid, SizeNotAllowed

MAX_EDGE = 2**31 - 1  # what a PNG header can say

# At most 32 digits: Python refuses to read integers of thousands of digits, with an error that is no refusal.
_custom = re.compile(r"([1-9][0-9]{0,31})x([1-9][0-9]{0,31})").fullmatch


class Size(NamedTuple):
    """Width and height in pixels, both at least 1."""

    width: int
    height: int

    @property
    def long_edge(self) -> int:
        return max(self)

    @property
    def pixels(self) -> int:
        return self.width * self.height

    @classmethod
    def parse(cls, text: str) -> "Size":
        """`WIDTHxHEIGHT`; raises SizeNotAllowed (`format`)."""
        match = _custom(text)
        if match is None:
            raise SizeNotAllowed("format")
        return cls(int(match[1]), int(match[2]))


@dataclass(frozen=True, slots=True)
class Tier:
    """Images whose long edge is at most `max_edge` pixels and past the tier below."""

    name: str
    max_edge: int


class Tiers:
    """A model's tiers, ascending by edge. Raises Invalid when they do not ascend or are none."""

    def __init__(self, tiers: tuple[Tier, ...]) -> None:
        edges = [tier.max_edge for tier in tiers]
        if not tiers or edges != sorted(set(edges)) or len({tier.name for tier in tiers}) != len(tiers):
            raise Invalid.of("tiers", "must have distinct names and ascending max_edge")
        self.all = tiers
        self.names = tuple(tier.name for tier in tiers)
        self.last = tiers[-1]

    def of_edge(self, long_edge: int) -> Tier | None:
        """The tier that a long edge in pixels falls into; None past the last one."""
        for tier in self.all:
            if long_edge <= tier.max_edge:
                return tier
        return None

    def named(self, name: str) -> Tier | None:
        return next((tier for tier in self.all if tier.name == name), None)


@dataclass(frozen=True, slots=True)
class CustomSizes:
    """What a custom `WIDTHxHEIGHT` must keep. Source: OpenAI's image guide for gpt-image-2."""

    multiple_of: int
    min_pixels: int
    max_pixels: int
    max_aspect: int

    def check(self, size: Size) -> None:
        """Raises SizeNotAllowed naming the first rule that `size` breaks."""
        if size.width % self.multiple_of or size.height % self.multiple_of:
            raise SizeNotAllowed("multiple_of")
        if size.long_edge > min(size) * self.max_aspect:
            raise SizeNotAllowed("max_aspect")
        if size.pixels < self.min_pixels:
            raise SizeNotAllowed("min_pixels")
        if size.pixels > self.max_pixels:
            raise SizeNotAllowed("max_pixels")
