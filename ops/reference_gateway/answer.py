"""What a customer gets: the provider's answer in the form that was asked for, and what it cost."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from billing.client import Charging, data_of, untold

from .errors import Refused
from .image_request import ImageRequest

_ABOUT = ("background", "output_format", "quality", "size", "usage")
"""What OpenAI says beside the images, in JSON and in events alike."""
_SHOWN = ("index", "status", "width", "height", "size_tier", "credits", "flags")


class Made:
    """What came of a request, whether as events or as a whole and in whatever shape: `refused` says why nothing did."""

    def __init__(self, request: ImageRequest) -> None:
        self._request = request
        self._kind = f"image_{request.operation}"
        self._data: list[dict[str, Any]] = []
        self._calls: set[str] = set()
        self._about: dict[str, Any] = {}
        self.heard = False
        self.refused: Refused | None = None

    @property
    def complete(self) -> bool:
        """Whether there is all that was asked for."""
        return len(self._data) >= self._request.n

    def __bool__(self) -> bool:
        return bool(self._data)

    def add(self, answer: object) -> None:
        """Images of an answer that the charging was told of, or none if it says so."""
        self.heard = True
        self._data += data_of(answer, self._calls)
        self._about |= _about(answer)

    def preview(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """A partial image of a stream, as OpenAI sends it."""
        image = event.get("b64_json") or event.get("partial_image_b64")
        index = event.get("partial_image_index", 0)
        return {
            "type": f"{self._kind}.partial_image",
            "partial_image_index": index,
            "b64_json": image,
            "created_at": event.get("created_at", int(time.time())),
            **_about(event),
        }

    def document(self) -> dict[str, Any]:
        """A stream's completed image, or a whole answer."""
        if self._request.stream:
            image = self._data[0] if self._data else {}
            return {"type": f"{self._kind}.completed", "created_at": int(time.time()), **self._about, **image}
        return {"created": int(time.time()), **self._about, "data": self._data}


def _about(answer: object) -> dict[str, Any]:
    said = answer if isinstance(answer, Mapping) else {}
    return {name: untold(said[name]) for name in _ABOUT if said.get(name) is not None}


@dataclass(frozen=True, slots=True)
class Answer:
    """`document` in OpenAI's shape, with the bill as its member `billing`; `headers` say it once more."""

    document: dict[str, Any]
    headers: dict[str, str]

    @property
    def weight(self) -> int:
        """Bytes that it takes to keep, but for small change."""
        return _weight(self.document)


def _weight(value: object) -> int:
    """Of text anywhere in a document: providers put images where they like."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, dict):
        value = [*value, *value.values()]
    return sum(map(_weight, value), 100) if isinstance(value, list) else 10


def answer_of(made: Made, charge: Charging) -> Answer:
    """The answer under a charge that has ended. Only images are passed on: a program that was written for OpenAI
    takes every item of `data` for one. Which outputs failed is in the bill."""
    return Answer({**made.document(), "billing": bill_of(charge)}, headers_of(charge))


def bill_of(charge: Charging) -> dict[str, Any]:
    """What became of the charge: credits, and each output with its measured size in pixels."""
    bill: dict[str, Any] = {"request_id": charge.request_id, "outcome": charge.outcome, "credits": None}
    if charge.outcome in ("settled", "voided"):
        balance = charge.bill["balance"]  # which only lists leave out
        bill |= {
            "credits": charge.bill["settled_credits"],
            "outputs": [{name: output[name] for name in _SHOWN} for output in charge.bill["outputs"]],  # type: ignore[literal-required]
            "available": balance and balance["available"],
        }
    return bill


def headers_of(charge: Charging) -> dict[str, str]:
    """The bill for those who look at headers. Without credits nobody knows them yet."""
    bill = bill_of(charge)
    headers = {"X-Billing-Request-Id": charge.request_id, "X-Billing-Outcome": bill["outcome"]}
    if bill["credits"] is not None:
        headers |= {"X-Billing-Credits": str(bill["credits"]), "X-Billing-Balance": str(bill["available"])}
    return headers
