"""How the provider's call ended, as far as an answer or an exception tells.

What was not delivered for certain frees its hold at once. What may have been made all the same keeps it until it
expires, so that a late result can still be settled.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Literal

Outcome = Literal["open", "closing", "settled", "voided", "left_to_expire", "unsettled"]
"""What became of a charge's hold. `open`: the call is under way, or its result comes later (mode async).
`closing`: being settled or voided, perhaps in the background. `unsettled`: delivered, and not billed yet."""


class OutcomeUnknown(Exception):
    """Raise it in the block of a charging when nobody can tell whether the provider delivered. To a customer it is what
    `status`, `code` and `detail` say, as a `Problem` has them; its own text is for the log."""

    status = 502
    code = "outcome_unknown"
    detail = "Nobody knows yet whether it was made; the credits stay held. Send it again with the same key."


class NotUnderstood(OutcomeUnknown):
    """What the provider sent is no answer that is known here: it may hold images, and is not taken for none."""


# What a status says about the work, whoever sent it: the provider, or somebody on the way who stands in for it.

NEVER_BEGUN: dict[int, str] = {
    **dict.fromkeys(range(300, 400), "sent elsewhere, and not followed: nothing was done here"),
    400: "the request is not one",
    401: "who asks is not known",
    402: "who asks has not paid",
    403: "who asks may not",
    404: "there is no such model or route",
    405: "the route does not take this method",
    406: "it cannot answer in this form",
    407: "a proxy on the way does not know who asks",
    410: "what was asked for is there no more",
    411: "it wants a length first",
    412: "a condition of the request does not hold",
    413: "the request is too large",
    414: "its address is too long",
    415: "it is in a form that is not taken",
    417: "an expectation of the request is not met",
    418: "a joke, with which firewalls turn away",
    421: "it came to the wrong server",
    422: "what it asks for cannot be",
    426: "it must be sent by another protocol",
    428: "it must name a condition",
    429: "too many, or the quota is used up: turned away at the door",
    431: "its headers are too large",
    451: "forbidden by law",
}
"""Statuses of a refusal, with or without a body: a proxy's 403 or 413 did not pass the request on either."""

BY_ITS_OWN_WORDS: dict[int, str] = {
    500: "OpenAI: the server had an error while processing your request",
    501: "not implemented",
    503: "OpenAI: the engine is overloaded",
    529: "overloaded",
}
"""Statuses of a failure. With the provider's own error document it has failed and is over. A page of a proxy, or nothing,
says only that the proxy got no answer."""

# All others leave it open, and these are why:
#   408       time was short: of the request, or of the answer (OpenAI's client repeats it, Azure sends it for slow work)
#   409       something is in the way: the same request under way, say. OpenAI's client repeats it
#   425       too early: it may be replayed by who sent it on
#   460, 499  a balancer or nginx saw its client hang up, and the server behind it works on
#   502, 504  somebody between got no answer, or half of one; its own error document says no more, because it does not know
#   507, 508  out of room or in a loop, perhaps after the work
#   520–527, 530   Cloudflare could not get an answer from the server: 520 an empty or odd one, 522 and 524 none in time.
#             521, 523, 525 and 526 name a connection that was not made, but the last one of several attempts at most
#   598, 599  proxies' own time-outs
# as do all that are not known here.

# A relay says with its own error document that somebody behind it did not answer: then nobody knows.
_OF_SOMEBODY_BEHIND = re.compile(r"time[d_ -]*out|deadline|upstream|bad_response|do_request_failed", re.IGNORECASE)


def surely_nothing(status: int, document: object) -> bool:
    """Whether a provider's answer says for certain that no image was made: `status` as in HTTP, and its body as parsed
    JSON (None if it is none). True frees the hold; False, where `status` is no success, keeps it."""
    if status in NEVER_BEGUN:
        return True
    return status in BY_ITS_OWN_WORDS and is_final(document)


def is_final(document: object) -> bool:
    """Whether it is an error document of who makes the images, `{"error": {…}}`, and not of a relay that waits for
    somebody else in vain."""
    error = document.get("error") if isinstance(document, Mapping) else None
    return isinstance(error, Mapping) and bool(error) and not is_of_somebody_behind(error)


def is_of_somebody_behind(error: object) -> bool:
    """Whether an error, an object or a text, is a relay's that got no answer: by its code, type or status, not by its
    message, in which a prompt may stand; a text by itself."""
    if isinstance(error, Mapping):
        return any(is_of_somebody_behind(error.get(name)) for name in ("code", "type", "status"))
    return isinstance(error, str) and _OF_SOMEBODY_BEHIND.search(error) is not None


# By name and package, so that a provider's client library need not be installed. Subclasses count.
_UNKNOWN = frozenset(
    {
        *("TimeoutException", "NetworkError", "RemoteProtocolError", "ProxyError"),  # httpx
        *("DecodingError", "StreamError"),  # … an answer came, and could not be read
        *("APIConnectionError", "APIResponseValidationError"),  # openai
        *("ConnectionError", "Timeout", "ChunkedEncodingError", "ContentDecodingError"),  # requests
        *("ClientConnectionError", "ClientPayloadError", "ServerTimeoutError"),  # aiohttp
    }
)
_NEVER_SENT = frozenset({"ConnectError", "ConnectTimeout", "PoolTimeout", "ClientConnectorError"})
_PACKAGES = frozenset({"httpx", "httpx2", "openai", "requests", "aiohttp"})

# What reading half an answer, or a page, raises.
_UNREADABLE = (json.JSONDecodeError, UnicodeDecodeError)


def is_unknown(error: BaseException) -> bool:
    """Whether images may have been made although the block ended with `error`.

    That is: the caller was stopped (cancellation, KeyboardInterrupt, GeneratorExit); a time-out, a broken connection or
    an answer that cannot be read, raised by the standard library, httpx, openai, requests or aiohttp; an error of
    theirs that carries an HTTP answer which leaves it open (`surely_nothing`); or any of these in what led to the error.
    A connection that was never made (httpx.ConnectError and its like, raised as it is) is certain: nothing was sent.
    """
    if not isinstance(error, Exception):
        return True
    if _named(error, _NEVER_SENT) or isinstance(error, ConnectionRefusedError):
        return False
    return any(_is_unknown(one) for one in _causes(error))


def _is_unknown(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return any(is_unknown(one) for one in error.exceptions)
    if isinstance(error, (OutcomeUnknown, TimeoutError, ConnectionError, *_UNREADABLE)) or _named(error, _UNKNOWN):
        return True
    status = _status_of(error)
    return status is not None and not surely_nothing(status, _document_of(error))


def _status_of(error: BaseException) -> int | None:
    """The HTTP status of the answer that an error of a client library carries. Other programs' errors may have a
    `status` too, of an answer that they are about to give."""
    if any(kind.__module__.split(".")[0] in _PACKAGES for kind in type(error).__mro__):
        for holder in (getattr(error, "response", None), error):
            for name in ("status_code", "status"):
                status = getattr(holder, name, None)
                if isinstance(status, int):
                    return status
    return None


def _document_of(error: BaseException) -> object:
    """The JSON of the answer that it carries, or None."""
    body = getattr(error, "body", None)
    if isinstance(body, Mapping):  # openai's: the error without its envelope
        return body if "error" in body else {"error": body}
    try:
        return json.loads(getattr(error, "response").content)  # noqa: B009 - of any library
    except (AttributeError, ValueError, TypeError, RecursionError, RuntimeError):  # none, not JSON, or not read
        return None


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
