"""What customers ask a gateway for, in a line of words, and what they get."""

import base64
from dataclasses import dataclass, replace
from typing import Any, Self

import httpx

from billing.client import Terms, terms_of
from billing.client.documents import Charge

_FORMATS = ("png", "jpeg", "webp", "avif")


@dataclass(frozen=True, slots=True)
class Order:
    """A request for images. `request_id` is its Idempotency-Key, and so its charge's id; `body` is OpenAI's."""

    account_id: str
    request_id: str
    words: str
    body: dict[str, Any]

    @classmethod
    def of(cls, account_id: str, request_id: str, words: str, about: str, source: bytes | None = None) -> Self:
        """The order in words such as `2 × 1024x1024 medium avif`, `edit auto auto` (of `source`), or
        `gpt-image-1.5 1024x1536 low [fail=1]`: what stands in brackets is for the stand-in provider.
        """
        said, _, orders = words.partition(" [")
        body: dict[str, Any] = {"model": "gpt-image-2", "prompt": f"{about}{orders and f' [{orders}'}"}
        for word in said.split():
            if word.isdecimal():
                body["n"] = int(word)
            elif word in _FORMATS:
                body["output_format"] = word
            elif word.startswith("gpt-"):
                body["model"] = word
            elif word not in ("×", "edit"):
                body["quality" if "size" in body else "size"] = word
        if source is not None:
            body["images"] = [{"image_url": f"data:image/png;base64,{base64.b64encode(source).decode()}"}]
        return cls(account_id, request_id, said, body)

    @property
    def operation(self) -> str:
        return "edit" if "images" in self.body else "generation"

    @property
    def terms(self) -> Terms:
        """What billing is told of it by whoever serves it without the reference gateway."""
        return terms_of({**self.body, "operation": self.operation})

    def but(self, **members: Any) -> Self:
        """The same, but for some members of its body."""
        return replace(self, body=self.body | members)

    async def send(self, to: httpx.AsyncClient, headers: dict[str, str]) -> httpx.Response:
        """To a gateway, or as a gateway sends it on to the provider."""
        return await to.post(f"/v1/images/{self.operation}s", json=self.body, headers=headers)

    async def ask(self, provider: httpx.AsyncClient) -> httpx.Response:
        """The provider's answer, which notes in its books whose order it was."""
        return await self.send(provider, {"X-Client-Request-Id": f"{self.account_id}/{self.request_id}"})


class NothingHeld(Exception):
    """A request was refused of which no scene expects it."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a customer got for an order, and the charge; None where nothing was held."""

    order: Order
    response: httpx.Response
    charge: Charge | None

    @property
    def bill(self) -> Charge:
        """The charge, which there must be."""
        if self.charge is None:
            raise NothingHeld(f"{self.order.words} was refused: {self.refusal}")
        return self.charge

    @property
    def document(self) -> Any:
        return self.response.json()

    @property
    def items(self) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = self.document.get("data") or []
        return items

    @property
    def images(self) -> list[bytes]:
        return [base64.b64decode(item["b64_json"]) for item in self.items if "b64_json" in item]

    @property
    def refusal(self) -> str:
        """Status, code and what is missing, in words: `402 insufficient_quota, 17 needed, 3 available`."""
        error = self.document.get("error", {"code": "accepted", "message": ""})
        missing = error["message"].partition(": ")[2].rstrip(".") if self.response.status_code == 402 else ""
        return f"{self.response.status_code} {error['code']}{missing and f', {missing}'}"
