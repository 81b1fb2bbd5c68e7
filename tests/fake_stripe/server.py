"""A small HTTP/1.1 server for one ASGI app on loopback, because it must be able to misbehave.

`HangUp` and `Silence` are answers that no other server gives: a connection reset, and nothing at all.
"""

import asyncio
import socket
import struct
from contextlib import suppress
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

import h11
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_HANG_UP = "fake_stripe.hang_up"
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER of zero seconds: close sends RST


class HangUp(Response):
    """Resets the connection instead of answering."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["extensions"][_HANG_UP]()


class Silence(Response):
    """Does not answer, for as long as the caller waits."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass


class Server:
    """`start` listens and returns the port; `stop` ends every connection and waits for it to end."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Raises OSError if the port is taken."""
        self._listener = await asyncio.start_server(self._connected, host, port)
        return int(self._listener.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        self._listener.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._listener.wait_closed()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            await _Connection(self._app, reader, writer).run()
        except (ConnectionError, h11.RemoteProtocolError, asyncio.CancelledError):
            pass  # the caller went away, or the server stops
        finally:
            self._connections.discard(task)
            writer.close()
            with suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()


class _Connection:
    def __init__(self, app: ASGIApp, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._app = app
        self._reader = reader
        self._writer = writer
        self._protocol = h11.Connection(h11.SERVER)

    async def run(self) -> None:
        """Answers one request, then closes: callers that forget to close their clients leave no socket behind."""
        if not isinstance(request := await self._event(), h11.Request):
            return
        body = b""
        while isinstance(event := await self._event(), h11.Data):
            body += bytes(event.data)
        self._messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]
        await self._app(self._scope(request), self._receive, self._send)

    async def _event(self) -> Any:
        while (event := self._protocol.next_event()) is h11.NEED_DATA:
            self._protocol.receive_data(await self._reader.read(65536))
        return event

    async def _receive(self) -> Message:
        if self._messages:
            return self._messages.pop()
        if data := await self._reader.read(65536):
            self._protocol.receive_data(data)
            return {"type": "http.request", "body": b"", "more_body": False}
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            status = message["status"]
            headers = [*message["headers"], (b"connection", b"close")]
            self._write(h11.Response(status_code=status, headers=headers, reason=HTTPStatus(status).phrase))
        else:
            self._write(h11.Data(data=message.get("body", b"")))
            if not message.get("more_body"):
                self._write(h11.EndOfMessage())
                await self._writer.drain()

    def _write(self, event: Any) -> None:
        if data := self._protocol.send(event):
            self._writer.write(data)

    def _scope(self, request: h11.Request) -> Scope:
        path, _, query = request.target.partition(b"?")
        return {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": request.http_version.decode(),
            "method": request.method.decode(),
            "scheme": "http",
            "path": unquote(path.decode()),
            "raw_path": path,
            "query_string": query,
            "root_path": "",
            "headers": list(request.headers),
            "server": self._writer.get_extra_info("sockname")[:2],
            "client": self._writer.get_extra_info("peername")[:2],
            "extensions": {_HANG_UP: self._hang_up},
        }

    def _hang_up(self) -> None:
        self._writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._writer.transport.abort()
