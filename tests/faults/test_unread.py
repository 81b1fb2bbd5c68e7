"""Answers that lie there: who does not read on is hung up on, and who reads slowly gets all of it."""

import contextlib
import socket
from collections.abc import Iterator

import pytest

from billing.http.visits import Visit, Visits
from billing.serving import doorkeeper
from billing.serving.door import Door
from billing.serving.doorkeeper import UNREAD_SECONDS, Doorkeeper

MORE = b"x" * (1 << 20)


class Answer:
    """A connection by our door whose answer never ends; its caller reads when told to."""

    def __init__(self, listener: socket.socket, visits: Visits) -> None:
        self.caller = socket.create_connection(listener.getsockname())
        self.server, (host, port) = listener.accept()
        self.server.setblocking(False)
        visits[host, str(port)] = Visit()

    def close(self) -> None:
        self.caller.close()
        self.server.close()

    def write(self) -> None:
        """As much as the connection takes."""
        with contextlib.suppress(BlockingIOError):
            while self.server.send(MORE):
                pass

    def is_broken(self) -> bool:
        try:
            self.write()
        except ConnectionError:
            return True
        return False

    def read(self) -> None:
        """A few MB, while it is written on."""
        taken = 0
        while taken < 4 * len(MORE):
            taken += len(self.caller.recv(1 << 20))
            self.write()


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def test_only_who_does_not_read_on_is_hung_up_on(listener: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(doorkeeper, "perf_counter", lambda: now)
    visits = Visits()
    keeper = Doorkeeper(Door(listener.getsockname()[1]), visits, most=100)
    with contextlib.closing(Answer(listener, visits)) as dead, contextlib.closing(Answer(listener, visits)) as slow:
        dead.write()
        slow.write()
        keeper.look()
        for _ in range(3):
            now += UNREAD_SECONDS * 0.6
            slow.read()
            keeper.look()
        assert dead.is_broken()
        assert not slow.is_broken()
