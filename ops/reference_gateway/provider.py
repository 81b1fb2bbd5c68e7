"""The provider: one call, and the three ways in which it ends.

An answer; `Declined`, when nothing was made for certain; and `Silent`, when nobody can tell. The charging lets go of
the hold after the second and keeps it after the third, which is why they are told apart here and nowhere else.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from billing.client import OutcomeUnknown

from .errors import Again, Refused
from .image_request import ImageRequest

_PATHS = {"generation": "/v1/images/generations", "edit": "/v1/images/edits"}
_CUSTOMERS_OWN = frozenset({400, 413, 415, 422})
"""What the provider refuses because of the request; its other refusals are about us, and may name our key."""


class Declined(Refused):
    """The provider said no, or was never reached: no image was made."""


class Silent(Refused, OutcomeUnknown):
    """No answer, or half of one: images may have been made."""


class Provider:
    """Speaks to one provider with our key. `seconds` bound the whole of an answer, however slowly it trickles."""

    def __init__(self, url: str, key: str, seconds: float) -> None:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._http = httpx.AsyncClient(base_url=url, headers=headers, timeout=seconds, trust_env=False)
        self._seconds = seconds

    async def close(self) -> None:
        await self._http.aclose()

    async def ask(self, request: ImageRequest) -> dict[str, Any]:
        """The answer to a request that is not streamed. Raises `Declined` or `Silent`."""
        async with self._asked(request) as response:
            answer = _parsed(await response.aread())
            if answer is None:
                raise _silent(502, "provider_error", "The provider's answer cannot be read.")
            return answer

    async def stream(self, request: ImageRequest) -> AsyncGenerator[dict[str, Any], None]:
        """The events of a streamed one; the last is the completed image. Raises `Declined` or `Silent`."""
        async with self._asked(request) as response:
            async for event in _events(response):
                if event.get("type") == "error":
                    raise _declined(400, event)
                yield event
                if str(event.get("type")).endswith(".completed"):
                    return
            raise _silent(502, "provider_error", "The provider's stream ended without an image.")

    @asynccontextmanager
    async def _asked(self, request: ImageRequest) -> AsyncIterator[httpx.Response]:
        """The head of an answer of status 200, its body unread."""
        try:
            async with (
                asyncio.timeout(self._seconds),
                self._http.stream("POST", _PATHS[request.operation], **request.to_provider()) as response,
            ):
                if not response.is_success:
                    raise _declined(response.status_code, _parsed(await response.aread()), response.headers)
                yield response
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout):
            raise Declined(
                502,
                "server_error",
                "provider_unreachable",
                "The provider cannot be reached.",
                again=Again.WITH_A_NEW_ID,
            ) from None
        except (TimeoutError, httpx.TimeoutException):
            raise _silent(504, "provider_timeout", "The provider did not answer in time.") from None
        except httpx.HTTPError:
            raise _silent(502, "provider_connection_lost", "The connection to the provider broke.") from None


def _silent(status: int, code: str, message: str) -> Silent:
    return Silent(status, "server_error", code, message, again=Again.WITH_THE_SAME_ID)


def _declined(status: int, answer: dict[str, Any] | None, headers: httpx.Headers | None = None) -> Declined:
    """The customer is told of the customer's own mistakes in the provider's words, and of no more."""
    said = (answer or {}).get("error")
    error = said if isinstance(said, dict) else {}
    if status in _CUSTOMERS_OWN and error.get("type") != "server_error":
        message, code, param = (error.get(name) for name in ("message", "code", "param"))
        return Declined(
            400,
            "invalid_request_error",
            str(code or "invalid_value"),
            str(message or "The provider refused the request."),
            param if isinstance(param, str) else None,
        )
    if status == 429:
        seconds = headers.get("Retry-After", "") if headers else ""
        wait = {"Retry-After": seconds} if seconds.isascii() and seconds.isdigit() else {}
        message = "The provider is busy. Try again shortly."
        again = Again.WITH_A_NEW_ID
        return Declined(429, "rate_limit_error", "rate_limit_exceeded", message, again=again, headers=wait)
    message = "The provider failed to make an image."
    return Declined(502, "server_error", "provider_error", message, again=Again.WITH_A_NEW_ID)


def _parsed(body: bytes | str) -> dict[str, Any] | None:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


async def _events(response: httpx.Response) -> AsyncIterator[dict[str, Any]]:
    """The data of server-sent events; what is no JSON object is passed over."""
    data: list[str] = []
    async for line in response.aiter_lines():
        if line.startswith("data:"):
            data.append(line.removeprefix("data:").removeprefix(" "))
        elif not line and data:
            if (event := _parsed("\n".join(data))) is not None:
                yield event
            data = []
