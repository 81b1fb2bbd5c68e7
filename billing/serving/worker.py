"""A worker: a process that answers."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import traceback
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import structlog
from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from billing.application import application
from billing.http.visits import Visits
from billing.serving.door import Door
from billing.serving.doorkeeper import Doorkeeper
from billing.serving.logs import set_up_logs
from billing.serving.lookout import Teller
from billing.serving.reports import Reporter
from billing.serving.tie import end_with
from billing.settings import Settings
from billing.store.connection import answers, unreachable

log = structlog.get_logger("billing.serving")
UP, FAILED = "up", "failed"  # what every worker tells first: one of these
DATABASE_SECONDS = 60.0  # a worker that is to replace another may find the database restarting
_UNHEARD_SECONDS = 10.0


def worker(settings: Settings, dsn: str, parent: int, letterbox: socket.socket) -> ASGIApp:
    """The application in a worker process, which tells its `parent` when it listens, or why it does not."""
    end_with(parent, signal.SIGKILL)  # it must not go on answering on its port without a database
    set_up_logs(settings.log_format)
    return Worker(settings, dsn, letterbox)


class Worker:
    """ASGI: the application, and what surrounds its life."""

    def __init__(self, settings: Settings, dsn: str, letterbox: socket.socket) -> None:
        self._settings, self._dsn = settings, dsn
        self._letterbox = letterbox
        self._app: FastAPI

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await self._app(scope, receive, send)
            return
        parent = Reporter(self._letterbox)
        await parent.open()

        async def quiet(message: Message) -> None:
            if message["type"] != "lifespan.startup.failed":  # a traceback as text: the error itself comes too
                await send(message)

        try:
            await self._wait_for_database()
            app = application(self._settings, self._dsn, Teller(parent).counted)
            self._app = app
            async with self._watching(parent, app.state.visits):
                await app(scope, receive, quiet)
        except Exception as problem:
            parent.tell(FAILED, (_sentence_of(problem), unreachable(problem)))
            await _be_ended()

    @asynccontextmanager
    async def _watching(self, parent: Reporter, visits: Visits) -> AsyncIterator[None]:
        door = Door(self._settings.port)
        watching = asyncio.create_task(self._watch(door, visits, parent))
        try:
            yield
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    async def _watch(self, door: Door, visits: Visits, parent: Reporter) -> None:
        await door.opened()
        self._hurry_at_the_end()
        parent.tell(UP, True)
        keeper = Doorkeeper(door, visits, self._settings.connections)
        while True:
            try:
                await keeper.run()
            except Exception:  # it gets up whenever it falls: without it, strangers would fill the house
                log.exception("the doorkeeper fell")
                await asyncio.sleep(1)

    def _hurry_at_the_end(self) -> None:
        """The server waits for requests that are under way, and tells nobody: the loop's own handler stays as it is."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(self._app.state.service.hurry))

    async def _wait_for_database(self) -> None:
        with _ended_by_signals(), contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DATABASE_SECONDS):
                while not await answers(self._dsn):  # noqa: ASYNC110 - nobody tells when it does
                    await asyncio.sleep(0.2)


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """While nothing is answered there is nothing to finish. The server hears of signals only once it listens."""
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(number, signal.SIG_DFL) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _sentence_of(problem: BaseException) -> str:
    """Why, in the words of what was at the bottom of it, and where in our own code."""
    where = [
        frame for frame in traceback.extract_tb(problem.__traceback__) if f"{os.sep}billing{os.sep}" in frame.filename
    ]
    while problem.__cause__ is not None:
        problem = problem.__cause__
    why = " ".join(str(problem).split()) or type(problem).__name__
    place = f" ({Path(where[-1].filename).name}, line {where[-1].lineno})" if where else ""
    return f"A worker could not start: {why}{place}"


async def _be_ended() -> None:
    """The parent knows, and ends its workers. One that is not ended ends by itself after a while, and is started again."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.remove_signal_handler(number)
        signal.signal(number, signal.SIG_DFL)
    await asyncio.sleep(_UNHEARD_SECONDS)
    sys.exit(1)
