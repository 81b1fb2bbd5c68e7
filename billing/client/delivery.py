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

# What JSON parses to beside objects and lists, and bytes.
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
        several = delivered if isinstance(delivered, (list, tuple)) else [delivered]
        for one in several:
            _check_kind(one)
        self.reported = True
        for one in several:
            if _is_answer(one) or (one is delivered and _says_only_why(one)):
                # The message of an answer without images is why they are missing.
                self._why_missing = message_of(one) or self._why_missing
                for item in items_of(one) or []:
                    self._keep(read_item(self._next_free(), item))
            elif not _is_partial(one):
                self._keep(read_image(self._next_free(), one))

    def put(self, index: int, image: object) -> None:
        """One image, at its index from 0. Raises TypeError as `add` does."""
        _check_kind(image)
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
        missing = {index: failed(index, self._why_missing) for index in range(n)}
        outputs = missing | self._outputs
        return [outputs[index] for index in sorted(outputs)][:MOST_OUTPUTS]

    def _keep(self, output: Output) -> None:
        self.reported = True
        self._outputs[output["index"]] = output

    def _next_free(self) -> int:
        return next(index for index in range(len(self._outputs) + 1) if index not in self._outputs)


def _check_kind(delivered: object) -> None:
    """Refuses what no provider's answer parses to: it would pass for a failure, and go unbilled for ever."""
    if isinstance(delivered, (*_PLAIN, Mapping)) or hasattr(delivered, "b64_json"):
        return
    if not isinstance(getattr(delivered, "data", _check_kind), (list, tuple, type(None))):
        raise TypeError(f"{type(delivered).__name__} is neither an image nor a provider's parsed answer")


def _is_answer(delivered: object) -> bool:
    if isinstance(delivered, Mapping):
        return "data" in delivered
    return not isinstance(delivered, _PLAIN) and not hasattr(delivered, "b64_json")


def _says_only_why(delivered: object) -> bool:
    """Whether it is an answer in place of images: `{"error": …}`, or nothing at all."""
    return isinstance(delivered, Mapping) and not (delivered.get("b64_json") or delivered.get("url"))


def _is_partial(delivered: object) -> bool:
    kind = member(delivered, "type")
    return isinstance(kind, str) and kind.endswith("partial_image")


def _index(index: int) -> int:
    if not 0 <= index < 2**31:
        raise ValueError(f"{index!r} is no index of an image")
    return index
