"""What the stand-in was asked, what it made, and the gates that hold its answers back: for tests to look at and to open."""

from __future__ import annotations

import asyncio
import hashlib
from collections import defaultdict
from typing import Any

MOST_CALLS = 1_000


class Calls:
    """The last thousand calls, gates by name, and in `made` each image that was asked for by a caller's name."""

    def __init__(self) -> None:
        self.made: list[dict[str, Any]] = []
        self._calls: list[dict[str, Any]] = []
        self._gates: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)

    def note(self, operation: str, authorization: str, fields: dict[str, Any], images: list[bytes], form: bool) -> None:
        """One call: its fields, and of each uploaded image its digest."""
        digests = [hashlib.sha256(image).hexdigest() for image in images]
        call = {"operation": operation, "authorization": authorization, "form": form, "images": digests, **fields}
        self._calls = [*self._calls, call][-MOST_CALLS:]

    def keep(self, name: str, sizes: list[tuple[int, int] | None]) -> None:
        """What was really made of a request that its caller names, in pixels, whatever is said of it; None: it failed."""
        for index, size in enumerate(sizes if name else ()):
            width, height = size or (None, None)
            status = "succeeded" if size else "failed"
            self.made.append({"name": name, "index": index, "status": status, "width": width, "height": height})

    def noted(self) -> list[dict[str, Any]]:
        """The calls in the order in which they came."""
        return self._calls

    def repeated(self, prompt: str) -> bool:
        """Whether it was asked for more than once."""
        return len([call for call in self._calls if call.get("prompt") == prompt]) > 1

    def open(self, gate: str) -> None:
        """Lets through who waits at the gate, and who comes later."""
        self._gates[gate].set()

    async def passed(self, gate: str) -> None:
        """Returns once the gate is open."""
        await self._gates[gate].wait()
