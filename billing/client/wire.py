"""One call over HTTP: send, repeat if that is safe and useful, and read the answer or the problem."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx

from billing.client.problem import UNEXPECTED_ANSWER, UNREACHABLE, Problem
from billing.client.retry import REPEATABLE_STATUSES, Retry

# What leaves the outcome open. Errors of our own making (a malformed URL) are not among them: they raise.
_CONNECTION_ERRORS = (httpx.TimeoutException, httpx.NetworkError, httpx.RemoteProtocolError, httpx.ProxyError)

PAGE_ROWS = 200
"""Rows asked for per page of a list, the most that the service gives."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A success: HTTP status, parsed JSON, and whether the service had seen this id before."""

    status: int
    document: Any
    replayed: bool


class Wire:
    """A pool of connections to the service with one key. Close it, or use it as a context manager.

    `timeout_seconds` holds for connecting and for each read or write; a call may last `retry.attempts`
    times as long, and its pauses. `sleep` is how it waits between attempts.
    """

    def __init__(
        self,
        base_url: str,
        key: str,
        *,
        timeout_seconds: float = 10.0,
        connections: int = 100,
        retry: Retry | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._retry = retry or Retry()
        self._sleep = sleep
        self._http = httpx.AsyncClient(
            base_url=base_url,
            headers={"Authorization": f"Bearer {key}"},
            # Waiting for a free connection is our own doing, not a failure of the service: no limit.
            timeout=httpx.Timeout(timeout_seconds, pool=None),
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connections; the client is of no use afterwards."""
        await self._http.aclose()

    async def send(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> Answer:
        """The answer to one call, repeated within the bounds of `retry`. Raises `Problem`.

        Members of `params` that are None are left out; `body` is sent as it is.
        """
        attempt = 1
        while True:
            try:
                response = await self._http.request(
                    method,
                    path,
                    json=body,
                    params=None if params is None else present(params),
                )
            except _CONNECTION_ERRORS as error:
                pause = self._retry.pause_seconds(attempt)
                if pause is None:
                    said = str(error) or type(error).__name__
                    raise Problem(0, UNREACHABLE, f"{method} {path}: {said}") from error
            else:
                if response.status_code not in REPEATABLE_STATUSES:
                    return _read(response)
                pause = self._retry.pause_seconds(attempt, response.headers.get("Retry-After"))
                if pause is None:
                    return _read(response)
            await self._sleep(pause)
            attempt += 1

    async def rows(self, path: str, params: Mapping[str, Any]) -> AsyncIterator[Any]:
        """Every row of a list, page after page."""
        cursor: str | None = None
        while True:
            answer = await self.send("GET", path, params={"limit": PAGE_ROWS, **params, "cursor": cursor})
            for row in answer.document["data"]:
                yield row
            # Short lists come whole, and may leave out that there is nothing more.
            cursor = answer.document.get("next_cursor")
            if not answer.document.get("has_more") or cursor is None:
                return


def present(members: Mapping[str, Any]) -> dict[str, Any]:
    """The members that are not None, instants as the contract writes them (RFC 3339, UTC).

    What is left out the service fills in with its defaults.
    """
    return {
        name: instant(value) if isinstance(value, datetime) else value
        for name, value in members.items()
        if value is not None
    }


def instant(at: datetime) -> str:
    """`at` as RFC 3339 in UTC. Refuses a naive time: it names no instant."""
    if at.tzinfo is None:
        raise ValueError("a time without a zone names no instant")
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def path_of(*segments: str | int) -> str:
    """The path `/v1/…` of the segments. Refuses an empty or dot segment: it would name another resource."""
    for segment in segments:
        if segment in ("", ".", ".."):
            raise ValueError(f"{segment!r} cannot stand in a path")
    return "/v1/" + "/".join(quote(str(segment), safe=":") for segment in segments)


def _read(response: httpx.Response) -> Answer:
    try:
        document = response.json() if response.content else None
    except ValueError as error:
        raise Problem(response.status_code, UNEXPECTED_ANSWER, "the answer is not JSON") from error
    if not response.is_success:
        raise Problem.of(response.status_code, document)
    return Answer(response.status_code, document, response.headers.get("Idempotent-Replayed", "").lower() == "true")
