"""How the provider's call ended, as far as an exception tells.

What was not delivered for certain frees its hold at once. What may have been made all the same keeps it until it
expires, so that a late result can still be settled.
"""

from __future__ import annotations

from typing import Literal

Outcome = Literal["open", "closing", "settled", "voided", "left_to_expire", "unsettled"]
"""What became of a charge's hold. `open`: the call is under way, or its result comes later (mode async).
`closing`: being settled or voided, perhaps in the background. `unsettled`: delivered, and not billed yet."""

# By name and package, so that a provider's client library need not be installed. Subclasses count.
_UNKNOWN = frozenset({"TimeoutException", "NetworkError", "RemoteProtocolError", "ProxyError", "APIConnectionError"})
_NEVER_SENT = frozenset({"ConnectError", "ConnectTimeout", "PoolTimeout"})
_PACKAGES = frozenset({"httpx", "httpx2", "openai"})


class OutcomeUnknown(Exception):
    """Raise it in the block of a charging when nobody can tell whether the provider delivered."""


def is_unknown(error: BaseException) -> bool:
    """Whether images may have been made although the block ended with `error`.

    That is: the caller was stopped (cancellation, KeyboardInterrupt, GeneratorExit); a time-out or a broken
    connection, raised by the standard library, httpx or openai, or anywhere in what led to the error. A connection
    that was never made (httpx.ConnectError and its like, raised as it is) is certain: the request was not sent.
    """
    if not isinstance(error, Exception):
        return True
    if _named(error, _NEVER_SENT) or isinstance(error, ConnectionRefusedError):
        return False
    return any(_is_unknown(one) for one in _causes(error))


def _is_unknown(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return any(is_unknown(one) for one in error.exceptions)
    return isinstance(error, (OutcomeUnknown, TimeoutError, ConnectionError)) or _named(error, _UNKNOWN)


def _causes(error: BaseException) -> list[BaseException]:
    """The error and what led to it, as a traceback shows them."""
    chain: list[BaseException] = []
    at: BaseException | None = error
    while at is not None and at not in chain:
        chain.append(at)
        at = at.__cause__ if at.__cause__ or at.__suppress_context__ else at.__context__
    return chain


def _named(error: BaseException, names: frozenset[str]) -> bool:
    return any(kind.__name__ in names and kind.__module__.split(".")[0] in _PACKAGES for kind in type(error).__mro__)
