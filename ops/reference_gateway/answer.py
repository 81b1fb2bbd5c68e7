"""What a customer gets: the provider's answer, and what it cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from billing.client import Charging

_SHOWN = ("index", "status", "width", "height", "size_tier", "credits", "flags")


@dataclass(frozen=True, slots=True)
class Answer:
    """`document` in OpenAI's shape, with the bill as its member `billing`; `headers` say it once more."""

    document: dict[str, Any]
    headers: dict[str, str]

    @property
    def weight(self) -> int:
        """Bytes that it takes to keep, but for small change."""
        items = [self.document, *self.document.get("data", [])]
        return sum(len(item.get("b64_json", "")) for item in items)


def answer_of(document: dict[str, Any], charge: Charging) -> Answer:
    """The answer under a charge that has ended. Only images are passed on: a program that was written for OpenAI
    takes every item of `data` for one. Which outputs failed is in the bill."""
    if not isinstance(document.get("b64_json"), str):  # else it is a stream's completed image
        items = document.get("data")
        document = {**document, "data": list(filter(_is_image, items)) if isinstance(items, list) else []}
    return Answer({**document, "billing": bill_of(charge)}, headers_of(charge))


def _is_image(item: object) -> bool:
    if not isinstance(item, dict):
        return False
    members = [item[name] for name in ("b64_json", "url") if item.get(name)]
    return bool(members) and all(isinstance(member, str) for member in members)


def bill_of(charge: Charging) -> dict[str, Any]:
    """What became of the charge: credits, and each output with its measured size in pixels."""
    bill: dict[str, Any] = {"request_id": charge.request_id, "outcome": charge.outcome, "credits": None}
    if charge.outcome in ("settled", "voided"):
        bill |= {
            "credits": charge.bill["settled_credits"],
            "outputs": [{name: output[name] for name in _SHOWN} for output in charge.bill["outputs"]],  # type: ignore[literal-required]
            "available": charge.bill["balance"]["available"],
        }
    return bill


def headers_of(charge: Charging) -> dict[str, str]:
    """The bill for those who look at headers. Without credits nobody knows them yet."""
    bill = bill_of(charge)
    headers = {"X-Billing-Outcome": bill["outcome"]}
    if bill["credits"] is not None:
        headers |= {"X-Billing-Credits": str(bill["credits"]), "X-Billing-Balance": str(bill["available"])}
    return headers
