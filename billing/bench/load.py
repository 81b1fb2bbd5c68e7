"""The load generator: keep-alive connections that each send the next request when the last is answered.

A process of its own, so that it takes no time from what it measures but the processor's: it makes all requests,
connects, says `ready`, waits for a line, runs until its requests or its seconds are used up, and prints what it
saw as JSON. `Load` is the other end. Loopback only.
"""

import asyncio
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from random import Random
from subprocess import PIPE, Popen
from typing import Any, cast

import uvloop

from billing.bench.address import HOST, Served
from billing.bench.requests import EXPECTED, MAKERS
from billing.bench.workload import account_ids
from billing.settings import without_settings


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """What to send: at most `count` requests of a `kind`, for at most `seconds`."""

    kind: str
    connections: int
    count: int
    seconds: float
    accounts: int
    size: int = 1  # operations in a batch


@dataclass(frozen=True, slots=True)
class Seen:
    """Requests that were answered, and how long each took."""

    count: int
    seconds: float
    waits_ms: list[float]


class Load:
    """A load generator that is ready to go."""

    def __init__(self, order: LoadPlan, served: Served) -> None:
        self._process = Popen(
            [sys.executable, "-c", "from billing.bench.load import main; main()"],
            env=without_settings(os.environ),
            stdin=PIPE,
            stdout=PIPE,
            text=True,
        )
        self._say(json.dumps(asdict(order) | {"port": served.port, "key": served.key}))
        self._hear()

    @property
    def pid(self) -> int:
        return self._process.pid

    def go(self) -> None:
        self._say("go")

    def seen(self) -> Seen:
        """Waits for what it saw. Raises RuntimeError if any answer was not as it should be."""
        document: dict[str, Any] = json.loads(self._hear())
        if document["unexpected"]:
            raise RuntimeError(f"unexpected answers: {document['unexpected']}")
        return Seen(len(document["waits_ms"]), document["seconds"], document["waits_ms"])

    def stop(self) -> None:
        self._process.kill()
        self._process.communicate()

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def _hear(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the load generator has failed")
        return line


class LoadConnection(asyncio.Protocol):
    """One connection: sends, reads one answer, sends again."""

    def __init__(self, requests: Iterator[bytes], expected: bytes) -> None:
        self._requests = requests
        self._expected = expected
        self._head = b""
        self._left = 0  # bytes of the body still to come
        self._sent_at = 0.0
        self._transport: asyncio.Transport | None = None
        self.ends_at = 0.0
        self.waits_ms: list[float] = []
        self.unexpected: Counter[str] = Counter()
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but name

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.unexpected[f"connection lost: {error}"] += 1
            self.done.set_result(None)

    def send(self) -> None:
        """The next request, unless time or requests are used up."""
        assert self._transport is not None
        self._sent_at = time.perf_counter()
        request = next(self._requests, None) if self._sent_at < self.ends_at else None
        if request is not None:
            self._transport.write(request)
        else:
            self.done.set_result(None)
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        if self._left:
            self._left -= len(data)
        else:
            self._head += data
            end = self._head.find(b"\r\n\r\n")
            if end < 0:
                return
            length = _content_length(self._head[:end])
            self._left = length - (len(self._head) - end - 4)
            if self._head[9:12] != self._expected:
                self.unexpected[self._head[:500].decode("latin-1")] += 1
            self._head = b""
        if self._left == 0:
            self.waits_ms.append((time.perf_counter() - self._sent_at) * 1e3)
            self.send()


def _content_length(head: bytes) -> int:
    start = head.lower().index(b"content-length:") + 15
    return int(head[start:].split(b"\r\n", 1)[0])


async def _main() -> None:
    asked = json.loads(sys.stdin.readline())
    served = Served(asked.pop("port"), asked.pop("key"), 0)
    order = LoadPlan(**asked)
    make, accounts, random = MAKERS[order.kind], account_ids(order.accounts), Random()
    requests = iter([make(random, accounts, served.key, order.size) for _ in range(order.count)])
    loop = asyncio.get_running_loop()
    expected = str(EXPECTED[order.kind]).encode()
    connections = [
        (await loop.create_connection(lambda: LoadConnection(requests, expected), HOST, served.port))[1]
        for _ in range(order.connections)
    ]
    print("ready", flush=True)
    sys.stdin.readline()
    started = time.perf_counter()
    for one in connections:
        one.ends_at = started + order.seconds
        one.send()
    await asyncio.gather(*(one.done for one in connections))
    document = {
        "seconds": time.perf_counter() - started,
        "waits_ms": [round(wait, 3) for one in connections for wait in one.waits_ms],
        "unexpected": [seen for one in connections for seen in one.unexpected][:5],
    }
    print(json.dumps(document), flush=True)
    sys.stdin.readline()  # until it is stopped: its processor time is still to be read


def main() -> None:
    uvloop.run(_main())
