"""Idempotency keys of POST requests, as Stripe keeps them: the first answer is everyone's answer.

Kept is what was executed, refusals and 500s included. Not kept is what never began: a parameter that is not valid, a
429, a connection that broke before.
"""

from dataclasses import dataclass
from typing import Any

from .refusals import KeyInUse, KeyReused


@dataclass(frozen=True)
class Answer:
    status: int
    document: dict[str, Any]
    retry: bool | None = None  # what `Stripe-Should-Retry` says


@dataclass
class _Entry:
    request: tuple[Any, ...]
    answer: Answer | None = None


class IdempotencyKeys:
    def __init__(self) -> None:
        self._entries: dict[str, _Entry] = {}

    def begin(self, key: str, request: tuple[Any, ...]) -> Answer | None:
        """The answer that was given, or None if `request` is the first. Raises KeyReused or KeyInUse."""
        entry = self._entries.get(key)
        if entry is None:
            self._entries[key] = _Entry(request)
            return None
        if entry.request != request:
            raise KeyReused(key)
        if entry.answer is None:
            raise KeyInUse(key)
        return entry.answer

    def keep(self, key: str, answer: Answer) -> None:
        self._entries[key].answer = answer

    def forget(self, key: str) -> None:
        """The request never began: another may use the key."""
        self._entries.pop(key, None)

    def clear(self) -> None:
        self._entries.clear()
