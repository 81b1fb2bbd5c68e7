"""A real HTTP server on loopback that answers by a script, one entry per request."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Reply:
    """An answer: `document` as JSON, or `text` as it is; the connection breaks after `cut` bytes of it."""

    status: int
    document: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    text: str | None = None
    cut: int | None = None


@dataclass(frozen=True)
class HangUp:
    """Reads the request, then closes the connection without a word: the outcome is unknown."""


@dataclass(frozen=True)
class Silence:
    """Reads the request and never answers."""


@dataclass(frozen=True)
class Request:
    """What arrived."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)


class ScriptedServer:
    """Plays `script` in order; its last entry answers whatever comes after. `requests` is what came, by how many
    `connections`."""

    def __init__(self, script: Sequence[Reply | HangUp | Silence]) -> None:
        self.requests: list[Request] = []
        self.connections = 0
        self.url = ""
        self._script = list(script)
        self._over = asyncio.Event()
        self._connections: dict[asyncio.Task[Any], asyncio.StreamWriter] = {}

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[ScriptedServer]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()[:2]
        self.url = f"http://{host}:{port}"
        try:
            yield self
        finally:
            self._over.set()
            server.close()
            for kept_alive in self._connections.values():
                kept_alive.close()
            await server.wait_closed()
            await asyncio.gather(*self._connections)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        if task := asyncio.current_task():
            self._connections[task] = writer
        try:
            while (request := await _read(reader)) is not None:
                entry = self._script[min(len(self.requests), len(self._script) - 1)]
                self.requests.append(request)
                if isinstance(entry, HangUp):
                    return
                if isinstance(entry, Silence):
                    await self._over.wait()
                    return
                writer.write(_written(entry))
                await writer.drain()
                if entry.cut is not None:
                    return
        except ConnectionError:
            pass
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()


async def _read(reader: asyncio.StreamReader) -> Request | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.strip().split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Request(method, target, headers, body)


def _written(reply: Reply) -> bytes:
    body = reply.text if reply.text is not None else json.dumps(reply.document)
    payload = body.encode()
    headers = {"Content-Length": str(len(payload)), **reply.headers}
    lines = [f"HTTP/1.1 {reply.status} X", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + payload[: reply.cut]


@asynccontextmanager
async def closed_port() -> AsyncIterator[str]:
    """The address of a port on which nobody listens."""
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()[:2]
    server.close()
    await server.wait_closed()
    yield f"http://{host}:{port}"
