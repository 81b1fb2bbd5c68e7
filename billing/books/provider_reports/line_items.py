"""What a line of the provider's bill is about, as far as its name says: model, size and quality.

The names are prose ("gpt-image-2, image output", "gpt-image-1.5-2025-12-16 1024x1024 high"): what is found in them is
taken, what is not is left open, and a line in which no model is found is attributed to nothing.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final, NamedTuple

from billing.core.prices import ModelPrices, PriceBooks
from billing.core.refusals import SizeNotAllowed
from billing.core.sizes import Size

# What follows a model's name where another model is meant.
_ANOTHER: Final = r"(?![a-z0-9]|\.[0-9]|[-_ ](?:mini|nano|lite|turbo|pro|ext)\b|-(?!\d{4}-\d{2}-\d{2})[a-z0-9])"
_SIZE: Final = re.compile(r"(?<![0-9])[1-9][0-9]{1,4}x[1-9][0-9]{1,4}(?![0-9])")
_WORD: Final = re.compile(r"[a-z0-9]+")


class LineItem(NamedTuple):
    """None is what the name does not tell. `quality` as it is billed, `size_tier` by its long edge."""

    model: str | None = None
    size_tier: str | None = None
    quality: str | None = None


class Catalogue:
    """The models of all price books, newest first: how names and sizes of the provider are read."""

    def __init__(self, books: PriceBooks) -> None:
        self._models: dict[str, ModelPrices] = {}
        for book in books:
            self._models.update(book.models)

    def model(self, name: str) -> str:
        """Our name of the provider's model, whose own may end in the date of its snapshot. Else: its own."""
        return _found(name.lower(), tuple(self._models)) or name

    def tier(self, model: str, size: str) -> str | None:
        """The tier that a size of the provider falls in; None for no size, or of a model without prices."""
        prices = self._models.get(model)
        if prices is None:
            return None
        try:
            edge = Size.parse(size).long_edge
        except SizeNotAllowed:
            return None
        return (prices.tiers.of_edge(edge) or prices.tiers.last).name

    def item(self, line_item: str) -> LineItem:
        """What a line of the bill is about."""
        text = line_item.lower()
        model = _found(text, tuple(self._models))
        if model is None:
            return LineItem()
        size = _SIZE.search(text)
        qualities = self._models[model].qualities
        named = {qualities[word] for word in _WORD.findall(text.replace(model, " ")) if word in qualities}
        quality = named.pop() if len(named) == 1 else None
        return LineItem(model, None if size is None else self.tier(model, size[0]), quality)


@lru_cache(maxsize=4096)
def _found(text: str, models: tuple[str, ...]) -> str | None:
    for model in _longest_first(models):
        spelled = re.escape(model.lower()).replace(r"\-", "[-_ ]")
        if re.search(rf"(?<![a-z0-9.-]){spelled}{_ANOTHER}", text):
            return model
    return None


def _longest_first(models: Iterable[str]) -> list[str]:
    return sorted(models, key=lambda name: (-len(name), name))
