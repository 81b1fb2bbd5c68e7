"""What was delivered so far under one charge, image by image."""

from __future__ import annotations

from billing.client.items import AnswerItem, holds_an_image, is_event, is_preview, read_answer
from billing.client.outcome import NotUnderstood
from billing.client.output import MISSING, MOST_OUTPUTS, Output, failed, output_of


class Delivery:
    """The outputs of a charge by index, measured as they come; each index has one, the last that was reported."""

    def __init__(self) -> None:
        self._outputs: dict[int, Output] = {}
        self._calls: dict[str, int] = {}
        self._why_missing = MISSING
        self.reported = False
        self.begun = False
        """Whether a stream has sent something; until it is `reported`, more must come."""

    def add(self, delivered: object) -> bool:
        """Takes an image (bytes, base64, a data URL, an address, an item of an answer), several of them, or a whole
        answer of a provider, at the next free indexes. Of a stream's events those that are no output are passed over:
        partial images, and what is said of the work; then it returns False.

        Raises `NotUnderstood` for what is nothing of this, an unread HTTP response for example.
        """
        return self._add(delivered, streamed=is_event(delivered))

    def add_event(self, document: object) -> bool:
        """The same of what is known to be an event of a stream, whatever it says of itself."""
        return self._add(document, streamed=True)

    def _add(self, delivered: object, *, streamed: bool) -> bool:
        self.begun = self.begun or streamed or is_preview(delivered)
        if is_preview(delivered):
            return False
        try:
            items, why = read_answer(delivered)
        except NotUnderstood:
            if not streamed or holds_an_image(delivered):
                raise
            return False
        self.reported = True
        # The message of an answer without images is why they are missing.
        self._why_missing = why or self._why_missing
        for item in items:
            self._keep(output_of(self._index(item), item))
        return True

    def put(self, index: int, image: object) -> None:
        """One image, at its index from 0. Raises `NotUnderstood` as `add` does, also for more than one."""
        items, why = read_answer(image)
        if len(items) > 1:
            raise NotUnderstood(f"{len(items)} images for one index")
        self._keep(output_of(_checked(index), items[0]) if items else failed(_checked(index), why or MISSING))

    def refuse(self, why: str) -> None:
        """What is missing will not come."""
        self.reported, self._why_missing = True, why

    def fail(self, index: int, reason: str) -> None:
        """The image at this index was not delivered."""
        self._keep(failed(_checked(index), reason))

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

    def _index(self, item: AnswerItem) -> int:
        """Where it belongs: at the next free index, or where its call was before, for a stream ends with all there was."""
        free = next(index for index in range(len(self._outputs) + 1) if index not in self._outputs)
        return free if item.call is None else self._calls.setdefault(item.call, free)


def _checked(index: int) -> int:
    if not 0 <= index < 2**31:
        raise ValueError(f"{index!r} is no index of an image")
    return index
