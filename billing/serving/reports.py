"""Reports: what workers tell their parent, and ask it, in lines of JSON. Each worker has a line of its own to the parent.

A worker inherits a letterbox, the same for all, and puts one end of a new line into it. The line ends with the worker.
"""

import asyncio
import json
import os
import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

Report = Any  # whatever JSON can say
LINE_BYTES = 64 << 20  # the longest report


class Reporter:
    """A worker's end. `open` is for the loop that it is used in."""

    def __init__(self, letterbox: socket.socket) -> None:
        self._mine, parents = socket.socketpair()
        with parents:
            socket.send_fds(letterbox, [str(os.getpid()).encode()], [parents.fileno()])
        self._answers: dict[int, asyncio.Future[Report]] = {}
        self._asked = 0

    async def open(self) -> None:
        reader, self._writer = await asyncio.open_unix_connection(sock=self._mine, limit=LINE_BYTES)
        self._hearing = asyncio.create_task(self._hear(reader))

    def tell(self, subject: str, report: Report) -> None:
        """The parent knows the newest report of each subject by each worker."""
        self._write("tell", subject, report)

    async def ask(self, subject: str) -> Report:
        """What the parent answers. Raises ConnectionError where it has ended, KeyError where it knows no such subject."""
        self._asked += 1
        number, answer = self._asked, asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        try:
            self._write("ask", subject, number)
            return (await answer)[subject]
        finally:
            del self._answers[number]

    def _write(self, *words: Report) -> None:
        if self._hearing.done():
            raise ConnectionError("the serving process has ended")
        self._writer.write(json.dumps(words).encode() + b"\n")

    async def _hear(self, reader: asyncio.StreamReader) -> None:
        try:
            async for line in reader:
                number, answer = json.loads(line)
                if (asked := self._answers.get(number)) is not None and not asked.done():
                    asked.set_result(answer)
        finally:
            for asked in self._answers.values():
                if not asked.done():
                    asked.set_exception(ConnectionError("the serving process has ended"))


class Reports:
    """The parent's end, in a thread of its own: it hears whoever puts a line into `letterbox`.

    `newest` holds reports by subject and worker (its process id) until the worker ends. `heard` is called with each
    report, `asked` with each question's subject, both in that thread; what cannot be answered is answered with {}.
    """

    def __init__(self) -> None:
        self.newest: dict[str, dict[int, Report]] = {}
        self.heard: dict[str, Callable[[int, Report], None]] = {}
        self.asked: dict[str, Callable[[], Report]] = {}
        self.letterbox, self._box = socket.socketpair(type=socket.SOCK_DGRAM)
        self.letterbox.set_inheritable(True)
        self._box.setblocking(False)
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="reports", daemon=True)
        self._lines: set[asyncio.Task[None]] = set()

    def __enter__(self) -> Self:
        self.loop.add_reader(self._box, self._meet)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self.loop).result()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()
        self.letterbox.close()
        self._box.close()

    async def _end(self) -> None:
        self.loop.remove_reader(self._box)
        for line in self._lines:
            line.cancel()
        await asyncio.gather(*self._lines, return_exceptions=True)

    def _meet(self) -> None:
        worker, handed, _, _ = socket.recv_fds(self._box, 32, 1)
        line = self.loop.create_task(self._listen(int(worker), socket.socket(fileno=handed[0])))
        self._lines.add(line)
        line.add_done_callback(self._lines.discard)

    async def _listen(self, worker: int, mine: socket.socket) -> None:
        reader, writer = await asyncio.open_unix_connection(sock=mine, limit=LINE_BYTES)
        try:
            async for line in reader:
                kind, subject, said = json.loads(line)
                if kind == "tell":
                    self.newest.setdefault(subject, {})[worker] = said
                    if subject in self.heard:
                        self.heard[subject](worker, said)
                else:
                    answer = {subject: self.asked[subject]()} if subject in self.asked else {}
                    writer.write(json.dumps((said, answer)).encode() + b"\n")
        except ConnectionError:
            pass
        finally:
            for reports in self.newest.values():
                reports.pop(worker, None)
            writer.close()
