"""Faults that may happen to a service at any moment, each with its end: a world in which they are mixed.

The world is PostgreSQL, a wire before it, `billing serve` with two workers behind that, and gateways that keep a journal.
"""

import asyncio
import contextlib
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Self

import asyncpg

from billing.embedded import EmbeddedPostgres
from billing.store.deadlines import ANSWER_SECONDS
from tests.faults.journal import Figures, Journal
from tests.faults.served import LANES, Served, client_of, fetch, kill, until
from tests.faults.wire import Wire
from tests.leftovers import new_directory

WORKERS = 2
STRANGERS = 300


class World:
    """Everything that runs. `breaks` does one fault to it and waits until every gateway got on again.

    `patience`: seconds for which the service waits for its database (BILLING_DATABASE_SECONDS).
    """

    def __init__(self, patience: int = ANSWER_SECONDS) -> None:
        self._patience = patience
        self._open = ExitStack()
        self._place = new_directory()
        self._open.callback(shutil.rmtree, self._place)
        self.postgres = EmbeddedPostgres(self._place / "data", settings={"shared_buffers": "128MB"})
        self._environment = {"BILLING_WORKERS": str(WORKERS), "BILLING_DATABASE_SECONDS": str(patience)}

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as undo:
            undo.push(self._open)
            self._open.enter_context(self.postgres)
            self.dsn = self.postgres.dsn()
            self.wire = self._open.enter_context(Wire.before(self.dsn))
            self.service = self._open.enter_context(Served(self.wire.dsn_through(self.dsn), **self._environment))
            self.journal = Journal(self.service.url, gateways=8, accounts=4)
            undo.pop_all()
        self.journal.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._open:
            self.wire.thaw()
            self.journal.__exit__(kind, error, trace)
            if error is None:
                self.figures = self.journal.check(self.dsn)
                until(self.service.is_ready, "the service is ready")
                self.journal.check_repeats(self.dsn)
                assert self.service.end().status == 0

    figures: Figures

    def breaks(self, name: str, answers: int) -> None:
        """One of `FAULTS`, with `answers` more while it lasts where there can be any."""
        self.journal.gets_on(answers)
        with self.journal.fault(name):
            FAULTS[name](self)

    def pause(self, seconds: float) -> None:
        self.journal.pause.wait(seconds)

    def outlast(self) -> None:
        """For longer than the service waits for its database: callers have been told by then."""
        self.pause(self._patience + 1)

    @contextmanager
    def session(self) -> Iterator[Callable[..., None]]:
        """A session of somebody else's."""
        with asyncio.Runner() as runner:
            connection = runner.run(asyncpg.connect(self.dsn))
            try:
                yield lambda statement, *given: runner.run(connection.execute(statement, *given))
            finally:
                runner.run(connection.close())


def kill_a_worker(world: World) -> None:
    kill(world.service.workers[0])
    until(lambda: len(world.service.workers) == WORKERS, "there is another worker")


def kill_a_lane(world: World) -> None:
    """PostgreSQL throws all sessions out and recovers by itself."""
    kill(until(lambda: fetch(world.dsn, LANES), "a lane has its session")[0][0])
    until(lambda: _answers(world), "the database recovered")


def kill_the_database(world: World) -> None:
    assert world.postgres.pid is not None
    kill(world.postgres.pid)
    until(lambda: world.postgres.pid is None, "the database is gone")
    world.postgres.start()


def kill_the_service(world: World) -> None:
    world.service.end(9)
    world.service.start()


def restart_the_service(world: World) -> None:
    world.service.end()
    world.service.start()


def end_sessions(world: World) -> None:
    fetch(world.dsn, f"SELECT pg_terminate_backend(pid) FROM ({LANES}) lanes")


def freeze_the_wire(world: World) -> None:
    world.wire.freeze()
    world.outlast()
    world.wire.thaw()


def swallow_answers(world: World) -> None:
    """Statements arrive, COMMITs too, and nobody hears of them."""
    world.wire.freeze(answers_only=True)
    world.outlast()
    world.wire.thaw()


def lose_a_frozen_wire(world: World) -> None:
    """What was on the way is never delivered."""
    world.wire.freeze()
    world.pause(1)
    world.wire.cut()
    world.wire.thaw()


def cut_the_wire(world: World) -> None:
    world.wire.cut()


def lock_accounts(world: World) -> None:
    """A person's transaction forgets to end."""
    with world.session() as execute:
        execute("BEGIN")
        execute("SELECT FROM account WHERE account_id = ANY($1::text[]) FOR UPDATE", world.journal.accounts)
        world.outlast()
        execute("ROLLBACK")


def make_read_only(world: World) -> None:
    """As a server is that was demoted, and then promoted."""
    for value in ("on", "off"):
        with world.session() as execute:
            execute(f"ALTER SYSTEM SET default_transaction_read_only = {value}")
            execute("SELECT pg_reload_conf()")
        world.pause(1)


def hold_idle_connections(world: World) -> None:
    """Strangers connect, and say nothing."""
    with ExitStack() as held:
        for _ in range(STRANGERS):
            held.enter_context(socket.create_connection(("127.0.0.1", world.service.port)))
        world.journal.gets_on(200)


def try_wrong_keys(world: World) -> None:
    with client_of(world.service.url, key=None) as stranger:
        for number in range(STRANGERS):
            wrong = {"Authorization": f"Bearer bk_{number:043d}"}
            assert stranger.get("/v1/accounts/j-0/balance", headers=wrong).status_code in (401, 429)


FAULTS: dict[str, Callable[[World], None]] = {
    "worker killed": kill_a_worker,
    "lane killed": kill_a_lane,
    "database killed": kill_the_database,
    "service killed": kill_the_service,
    "service restarted": restart_the_service,
    "sessions ended": end_sessions,
    "wire frozen": freeze_the_wire,
    "answers swallowed": swallow_answers,
    "frozen wire lost": lose_a_frozen_wire,
    "wire cut": cut_the_wire,
    "accounts locked": lock_accounts,
    "database read-only": make_read_only,
    "idle strangers": hold_idle_connections,
    "wrong keys": try_wrong_keys,
}


def _answers(world: World) -> bool:
    try:
        return bool(fetch(world.dsn, "SELECT 1"))
    except (OSError, asyncpg.PostgresError):
        return False
