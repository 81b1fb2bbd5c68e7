"""Orders: what the stand-in is told to do with a request, in square brackets at any place of its prompt.

    a lighthouse [sizes=1024x1024,1536x1024; fail=1]

So every bad day of a provider can be tried with any client, through any gateway.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

_SIZE = re.compile(r"[1-9]\d{0,3}x[1-9]\d{0,3}")


@dataclass(frozen=True, slots=True)
class Orders:
    """Without orders it delivers what was asked.

    `sizes`     delivers these sizes in pixels, in turn
    `fail`      the images with these indexes fail; `truncate`: they arrive cut off within their header
    `claims`    what is said of the images' size and quality: nothing (`absent`), or `auto`
    `extra`     delivers so many images more than were asked for
    `refuse`    answers 400: content policy;  `error`: answers with this status;  `page`: the same, with a proxy's page
    `code`      the code of the error; with `stream`, of an event that ends the stream in place of its final image
    `alive`     a stream of comments, one before each partial image and one before the final one
    `hang`      never answers
    `drop`      breaks the connection in the middle of the answer
    `garbage`   answers 200 with a page that is no JSON
    `cut`       a stream that ends, in good order, without its final image
    `slow`      answers after so many seconds
    `wait`      answers once this gate has been opened: `POST /stand-in/gates/{name}`
    `once`      the other orders are for the first request with this prompt; repeats get what they ask for
    """

    sizes: tuple[str, ...] = ()
    fail: frozenset[int] = frozenset()
    truncate: frozenset[int] = frozenset()
    claims: str = ""
    extra: int = 0
    refuse: bool = False
    error: int = 0
    page: int = 0
    code: str = ""
    alive: bool = False
    hang: bool = False
    drop: bool = False
    garbage: bool = False
    cut: bool = False
    slow: float = 0.0
    wait: str = ""
    once: bool = False

    @classmethod
    def read(cls, prompt: str) -> Self:
        """The orders in `prompt`. Raises ValueError for what is no order."""
        said = {}
        for part in re.findall(r"[^;\s][^;]*", ";".join(re.findall(r"\[(.*?)\]", prompt))):
            name, _, value = part.strip().partition("=")
            said[name] = value
        if unknown := said.keys() - cls.__slots__:
            raise ValueError(f"no such order: {min(unknown)}")
        sizes = tuple(filter(None, said.get("sizes", "").split(",")))
        if not all(map(_SIZE.fullmatch, sizes)):
            raise ValueError("sizes are WIDTHxHEIGHT")
        return cls(
            sizes=sizes,
            fail=_indexes(said.get("fail", "")),
            truncate=_indexes(said.get("truncate", "")),
            claims=said.get("claims", ""),
            extra=int(said.get("extra", "0")),
            error=int(said.get("error", "0")),
            page=int(said.get("page", "0")),
            code=said.get("code", ""),
            alive="alive" in said,
            slow=float(said.get("slow", "0")),
            wait=said.get("wait", ""),
            refuse="refuse" in said,
            hang="hang" in said,
            drop="drop" in said,
            garbage="garbage" in said,
            cut="cut" in said,
            once="once" in said,
        )


def _indexes(text: str) -> frozenset[int]:
    return frozenset(int(part) for part in text.split(",") if part)
