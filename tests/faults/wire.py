"""A wire that fails: a TCP proxy before a server, through which packets stop, without anybody being told.

What a frozen wire holds is delivered when it thaws, ends of connections too, as a network does that was down for a
while: a COMMIT may arrive long after its sender has given up.
"""

import asyncio
import threading
from collections.abc import Coroutine
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import parse_qs, urlsplit, urlunsplit

Result = TypeVar("Result")


class Wire:
    """Before a TCP address (host, port) or a Unix socket (a Path)."""

    def __init__(self, server: tuple[str, int] | Path) -> None:
        self._server = server
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="wire", daemon=True)
        self._asked, self._answered = asyncio.Event(), asyncio.Event()  # whether each direction is open
        self._frozen: list[asyncio.Event] = []  # of connections that no longer follow those
        self._writers: set[asyncio.StreamWriter] = set()
        self._pipes: set[asyncio.Task[None]] = set()
        self.port = 0

    @classmethod
    def before(cls, dsn: str) -> "Wire":
        """Before the PostgreSQL of `dsn`. `dsn_through` says how to reach it."""
        parts = urlsplit(dsn)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        host, port = query.get("host") or parts.hostname or "127.0.0.1", query.get("port") or parts.port or 5432
        return cls(Path(host) / f".s.PGSQL.{port}" if host.startswith("/") else (host, int(port)))

    def dsn_through(self, dsn: str) -> str:
        parts = urlsplit(dsn)
        login = parts.netloc.rpartition("@")[0]
        return urlunsplit((parts.scheme, f"{login}@127.0.0.1:{self.port}", parts.path, "", ""))

    def __enter__(self) -> Self:
        self._thread.start()
        self._do(self._open())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def freeze(self, *, answers_only: bool = False, known_only: bool = False) -> None:
        """Nothing passes any more, new connections are made and hear nothing. With `answers_only` calls still arrive;
        with `known_only` it is for the connections that there are, and new ones work."""
        self._do(self._set(asked=answers_only, answered=False))
        if known_only:
            self._do(self._anew())

    def thaw(self) -> None:
        """Everything passes, and what was held first."""
        self._do(self._set(asked=True, answered=True))

    def cut(self) -> None:
        """Every connection ends at once, for both sides; new ones are made."""
        self._do(self._cut())

    def _do(self, work: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _open(self) -> None:
        await self._set(asked=True, answered=True)
        self._listener = await asyncio.start_server(self._connected, "127.0.0.1", 0, backlog=1024)
        self.port = self._listener.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        self._listener.close()
        await self._cut()
        for pipe in self._pipes:
            pipe.cancel()
        await asyncio.gather(*self._pipes, return_exceptions=True)
        await asyncio.sleep(0)  # ends that were cut are told so

    async def _set(self, *, asked: bool, answered: bool) -> None:
        for event, is_open in ((self._asked, asked), (self._answered, answered)):
            event.set() if is_open else event.clear()
        if asked and answered:
            for event in self._frozen:
                event.set()
            self._frozen.clear()

    async def _anew(self) -> None:
        self._frozen += (self._asked, self._answered)
        self._asked, self._answered = asyncio.Event(), asyncio.Event()
        self._asked.set()
        self._answered.set()

    async def _cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._pipes.add(task)
        ends = [writer]
        self._writers.add(writer)
        try:
            await self._asked.wait()
            if isinstance(self._server, Path):
                far = await asyncio.open_unix_connection(str(self._server))
            else:
                far = await asyncio.open_connection(*self._server)
            ends.append(far[1])
            self._writers.add(far[1])
            await asyncio.gather(self._pass(reader, far[1], self._asked), self._pass(far[0], writer, self._answered))
        except OSError:  # the server is down: that is heard
            writer.transport.abort()
        except asyncio.CancelledError:  # the wire is taken down
            for end in ends:
                end.transport.abort()
        finally:
            self._pipes.discard(task)
            for end in ends:
                self._writers.discard(end)
                end.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, is_open: asyncio.Event) -> None:
        try:
            while data := await reader.read(1 << 16):
                await is_open.wait()
                writer.write(data)
                await writer.drain()
            await is_open.wait()
            writer.write_eof()
        except (OSError, RuntimeError):  # an end that broke breaks the other
            await is_open.wait()
            writer.transport.abort()
