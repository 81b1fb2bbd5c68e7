"""What was delivered so far under one charge, image by image."""

from __future__ import annotations

from collections.abc import Mapping

from billing.client.output import (
    MISSING,
    MOST_OUTPUTS,
    Output,
    failed,
    items_of,
    member,
    message_of,
    read_image,
    read_item,
)

_PLAIN = (str, bytes, bytearray, memoryview, bool, int, float, type(None))


class Delivery:
    """The outputs of a charge by index, measured as they come; each index has one, the last that was reported."""

    def __init__(self) -> None:
        self._outputs: dict[int, Output] = {}
        self._why_missing = MISSING
        self.reported = False

    def add(self, delivered: object) -> None:
        """Takes an image (bytes, base64, a data URL, an item with `b64_json`), several of them, or a whole answer of
        a provider, at the next free indexes. Partial images of a stream are not outputs and are passed over.

        Raises TypeError for an object that is nothing of this, an unread HTTP response for example.
        """
        self.reported = True
        if isinstance(delivered, (list, tuple)):
            for one in delivered:
                if items_of(one) is not None:
                    self.add(one)
                elif not _is_partial(one):
                    self._keep(read_image(self._next_free(), one))
        elif _is_answer(delivered):
            # The message of an answer without images is why they are missing.
            self._why_missing = message_of(delivered) or self._why_missing
            for item in items_of(delivered) or []:
                self._keep(read_item(self._next_free(), item))
        elif not _is_partial(delivered):
            self._keep(read_image(self._next_free(), delivered))

    def put(self, index: int, image: object) -> None:
        """One image, at its index from 0."""
        self._keep(read_image(_index(index), image))

    def fail(self, index: int, reason: str) -> None:
        """The image at this index was not delivered."""
        self._keep(failed(_index(index), reason))

    @property
    def delivered(self) -> bool:
        """Whether at least one image was delivered."""
        return any(output["status"] == "succeeded" for output in self._outputs.values())

    def outputs(self, n: int) -> list[Output]:
        """All outputs by index; those below `n` that nobody reported have failed."""
        for index in range(n):
            if index not in self._outputs:
                self._outputs[index] = failed(index, self._why_missing)
        return [self._outputs[index] for index in sorted(self._outputs)][:MOST_OUTPUTS]

    def _keep(self, output: Output) -> None:
        self.reported = True
        self._outputs[output["index"]] = output

    def _next_free(self) -> int:
        return next(index for index in range(len(self._outputs) + 1) if index not in self._outputs)


def _is_answer(delivered: object) -> bool:
    """Whether it is a provider's whole answer, as opposed to an image or an item that holds one."""
    if isinstance(delivered, _PLAIN) or member(delivered, "b64_json") or member(delivered, "url"):
        return False
    if isinstance(delivered, Mapping) or hasattr(delivered, "data"):
        return True
    if hasattr(delivered, "b64_json"):
        return False
    raise TypeError(f"{type(delivered).__name__} is neither an image nor a provider's parsed answer")


def _is_partial(delivered: object) -> bool:
    kind = member(delivered, "type")
    return isinstance(kind, str) and kind.endswith("partial_image")


def _index(index: int) -> int:
    if not 0 <= index < 2**31:
        raise ValueError(f"{index!r} is no index of an image")
    return index
