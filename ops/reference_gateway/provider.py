"""The provider: one call, and the three ways in which it ends.

An answer; `Declined`, when nothing was made for certain; and `Silent`, when nobody can tell. The charging lets go of
the hold after the second and keeps it after the third, which is why they are told apart here and nowhere else.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from billing.client import (
    AnswerReader,
    Comment,
    NotUnderstood,
    OutcomeUnknown,
    ProviderError,
    Reading,
    Whole,
    Whose,
    json_of,
    provider_error,
)

from .errors import Again, Refused
from .image_request import ImageRequest

_PATHS = {"generation": "/v1/images/generations", "edit": "/v1/images/edits"}
REFUSAL_BYTES = 1 << 20
_log = logging.getLogger("gateway")


class Declined(Refused):
    """The provider said no, or was never reached: no image was made."""


class Silent(Refused, OutcomeUnknown):
    """No answer, or half of one: images may have been made."""


class Provider:
    """Speaks to one provider with our key. `seconds` bound the whole of an answer, however slowly it trickles."""

    def __init__(self, url: str, key: str, seconds: float) -> None:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        # Holds bound how many are asked for at once: who waited here for a connection would have a hold and no call.
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=100)
        self._http = httpx.AsyncClient(base_url=url, headers=headers, timeout=seconds, limits=limits, trust_env=False)
        self._seconds = seconds

    async def close(self) -> None:
        await self._http.aclose()

    async def answer(self, request: ImageRequest, name: str) -> AsyncGenerator[dict[str, Any] | Comment | Whole, None]:
        """What it says, as it comes: a stream's events as JSON and its comments, or a whole answer; which of the two is
        the provider's choice, whatever was asked for. It keeps our `name` for the request, so that its books can be laid
        beside ours. Raises `Declined` or `Silent`."""
        async with self._asked(request, name) as response:
            try:
                async for part in Reading(AnswerReader(), response.aiter_bytes()):
                    if isinstance(part, (Comment, Whole)):
                        yield part
                    elif part.document is not None:
                        yield part.document
            except NotUnderstood as odd:
                raise not_understood(odd) from odd

    @asynccontextmanager
    async def _asked(self, request: ImageRequest, name: str) -> AsyncIterator[httpx.Response]:
        """The head of an answer of status 200, its body unread."""
        headers = {"X-Client-Request-Id": name}
        try:
            async with (
                asyncio.timeout(self._seconds),
                self._http.stream(
                    "POST", _PATHS[request.operation], **request.to_provider(), headers=headers
                ) as response,
            ):
                if not response.is_success:
                    error = provider_error(response.status_code, json_of(await _refusal(response)))
                    raise refused_with(error, response.headers)
                yield response
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout):
            raise Declined(
                502,
                "server_error",
                "provider_unreachable",
                "The provider cannot be reached.",
                again=Again.SOON,
            ) from None
        except (TimeoutError, httpx.TimeoutException):
            raise _silent(504, "provider_timeout", "The provider did not answer in time.") from None
        except httpx.HTTPError:
            raise _silent(502, "provider_connection_lost", "The connection to the provider broke.") from None


async def _refusal(response: httpx.Response) -> bytes:
    """Its body as far as anybody reads it. Where it breaks off or cannot be unpacked, its status says enough, or nobody
    knows."""
    body = bytearray()
    try:
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > REFUSAL_BYTES:
                break
    except httpx.HTTPError:
        return b""
    return bytes(body)


def refused_with(error: ProviderError, headers: httpx.Headers | None = None) -> Declined | Silent:
    """An error of the provider's, as the customer is told of it."""
    # Trouble with our account is ours to mend: nothing else says so.
    _log.log(logging.ERROR if error.whose is Whose.OURS else logging.INFO, "provider: %s", error)
    told = error.document["error"]
    kind = Declined if error.made_nothing else Silent
    waits = error.whose in (Whose.TOO_FAST, Whose.OVERLOADED) and headers is not None and "Retry-After" in headers
    wait = {"Retry-After": headers["Retry-After"]} if headers is not None and waits else {}
    again = Again.SOON if error.repeat else Again.NEVER
    return kind(error.status, told["type"], told["code"], told["message"], told["param"], again=again, headers=wait)


def not_understood(odd: NotUnderstood) -> Silent:
    """An answer that nobody here can read, or that ends too soon."""
    _log.error("provider: %s", odd)
    return _silent(502, "provider_error", "The provider's answer cannot be read.")


def _silent(status: int, code: str, message: str) -> Silent:
    return Silent(status, "server_error", code, message, again=Again.SOON)
