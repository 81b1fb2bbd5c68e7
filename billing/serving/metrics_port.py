"""The metrics' port: the parent answers GET and HEAD of /metrics, /readyz and /healthz there, without a key.

It is for those who watch, one question to a connection, and answers while every worker is busy.
"""

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext
from http import HTTPStatus
from typing import NamedTuple

from billing.http.metrics import MEDIA_TYPE
from billing.http.problems import MEDIA_TYPE as PROBLEM
from billing.http.readiness import document
from billing.serving.lookout import Lookout
from billing.serving.reports import Reports
from billing.settings import Settings, SettingsError

HEAD_BYTES = 8_192
CALLER_SECONDS = 5.0
CALLERS = 64


@contextmanager
def metrics_place(settings: Settings) -> Iterator[socket.socket | None]:
    """The port, where one is set, before anything is started. Raises SettingsError."""
    if not settings.metrics_port:
        yield None
        return
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        place = socket.create_server((settings.host, settings.metrics_port), family=family)
    except OSError as problem:
        raise SettingsError(
            f"Cannot listen on {settings.host}, port {settings.metrics_port}: {os.strerror(problem.errno or 0)}. "
            "BILLING_METRICS_PORT names another port."
        ) from problem
    with place:
        yield place


@contextmanager
def watching(settings: Settings, dsn: str, reports: Reports, place: socket.socket | None) -> Iterator[None]:
    """Looks out for all workers on the loop of `reports`, and answers at `place`, where there is one."""
    end = asyncio.Event()

    async def watch() -> None:
        lookout = Lookout(reports, dsn, settings.workers)
        async with lookout.looking(), MetricsPort(lookout).open(place) if place else nullcontext():
            await end.wait()

    watched = asyncio.run_coroutine_threadsafe(watch(), reports.loop)
    try:
        yield
    finally:
        reports.loop.call_soon_threadsafe(end.set)
        watched.result()


class Reply(NamedTuple):
    status: HTTPStatus
    media_type: str
    content: str
    more: str = ""


class MetricsPort:
    """What `lookout` says, over HTTP."""

    def __init__(self, lookout: Lookout) -> None:
        self._callers = asyncio.Semaphore(CALLERS)
        self._routes: dict[str, Callable[[], Reply]] = {
            "/metrics": lambda: Reply(HTTPStatus.OK, MEDIA_TYPE, lookout.metrics()),
            "/readyz": lambda: _readyz(lookout),
            "/healthz": lambda: Reply(HTTPStatus.OK, "application/json", '{"status":"ok"}'),
        }

    @asynccontextmanager
    async def open(self, place: socket.socket) -> AsyncIterator[None]:
        """Answers at `place` for as long as the block takes."""
        server = await asyncio.start_server(self._answer, sock=place, limit=HEAD_BYTES)
        try:
            yield
        finally:
            server.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(CALLER_SECONDS), self._callers:
                head = await reader.readuntil(b"\r\n\r\n")
                method, target, *_ = head.decode("latin-1").split(" ", 2)
                writer.write(_written(method, self._found(method, target.partition("?")[0])))
                await writer.drain()
        except (
            OSError,
            ValueError,
            EOFError,
            asyncio.LimitOverrunError,
        ):  # no HTTP, too long or too slow; TimeoutError is an OSError
            pass
        finally:
            writer.close()

    def _found(self, method: str, path: str) -> Reply:
        if method not in ("GET", "HEAD"):
            return Reply(HTTPStatus.METHOD_NOT_ALLOWED, "text/plain", "GET and HEAD only\n", "Allow: GET, HEAD\r\n")
        route = self._routes.get(path)
        return route() if route else Reply(HTTPStatus.NOT_FOUND, "text/plain", f"There are {', '.join(self._routes)}\n")


def _readyz(lookout: Lookout) -> Reply:
    reasons = lookout.reasons()
    if not reasons:
        return Reply(HTTPStatus.OK, "application/json", '{"status":"ok"}')
    return Reply(HTTPStatus.SERVICE_UNAVAILABLE, PROBLEM, json.dumps(document(reasons)), "Retry-After: 1\r\n")


def _written(method: str, answer: Reply) -> bytes:
    content = answer.content.encode()
    head = (
        f"HTTP/1.1 {answer.status.value} {answer.status.phrase}\r\nContent-Type: {answer.media_type}\r\n"
        f"Content-Length: {len(content)}\r\n{answer.more}Connection: close\r\n\r\n"
    )
    return head.encode() + (b"" if method == "HEAD" else content)
