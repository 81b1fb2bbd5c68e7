"""Scissors on the way from a customer to a gateway: a proxy that lets answers pass, or cuts them off in the middle."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Scissors:
    """`url` stands for the gateway. `cut_after(bytes)` breaks off the next answer that is longer than that."""

    def __init__(self, to: str) -> None:
        self._to = int(to.rpartition(":")[2])
        self._loop = asyncio.new_event_loop()
        self._cut: int | None = None
        self.cuts = 0

    @contextmanager
    def standing(self) -> Iterator[Scissors]:
        thread = threading.Thread(target=self._loop.run_forever)
        thread.start()
        server = asyncio.run_coroutine_threadsafe(self._begin(), self._loop).result()
        try:
            yield self
        finally:
            asyncio.run_coroutine_threadsafe(self._end(server), self._loop).result()
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join()
            self._loop.close()

    def cut_after(self, count: int) -> None:
        self._cut = count

    async def _begin(self) -> asyncio.Server:
        server = await asyncio.start_server(self._between, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        return server

    async def _end(self, server: asyncio.Server) -> None:
        server.close()
        running = asyncio.all_tasks() - {asyncio.current_task()}
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _between(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._to)
        ways = [
            asyncio.ensure_future(self._pass(reader, up_writer, answers=False)),
            asyncio.ensure_future(self._pass(up_reader, writer, answers=True)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            up_writer.close()
            writer.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool) -> None:
        passed = 0
        while data := await reader.read(4096):
            passed += len(data)
            if answers and self._cut is not None and passed > self._cut:
                self._cut = None
                self.cuts += 1
                return
            writer.write(data)
            await writer.drain()
