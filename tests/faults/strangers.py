"""Strangers: callers without a key who open connections and let the service wait."""

import contextlib
import resource
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

ASK = b"GET /openapi.json HTTP/1.1\r\nHost: billing\r\n\r\n"
SEND = (
    b"POST /v1/accounts HTTP/1.1\r\nHost: billing\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n{"
)


def connected(port: int, *, window: int | None = None) -> socket.socket:
    one = socket.socket()
    try:
        if window is not None:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        one.settimeout(60)
        one.connect(("127.0.0.1", port))
    except BaseException:
        one.close()
        raise
    return one


@contextmanager
def crowd(port: int, number: int) -> Iterator[list[socket.socket]]:
    """So many, of whom none says anything."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, number + 512)), hard))
    with ExitStack() as closing:
        yield [closing.enter_context(contextlib.closing(connected(port))) for _ in range(number)]


def is_closed(one: socket.socket) -> bool:
    """Whether the service has ended the connection. What it said before is read."""
    one.setblocking(False)
    try:
        while one.recv(1 << 16):
            pass
    except BlockingIOError:
        return False
    except ConnectionError:
        return True
    finally:
        one.settimeout(60)
    return True


class Trickler:
    """Sends `first`, and then a byte now and then until the service hangs up; `heard` is what it answered."""

    def __init__(self, port: int, first: bytes) -> None:
        self.heard = b""
        self._stop = threading.Event()
        self._socket = connected(port)
        self._socket.sendall(first)
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def close(self) -> None:
        self._stop.set()
        self.thread.join()
        self._socket.close()

    def _run(self) -> None:
        self._socket.settimeout(0.2)
        with contextlib.suppress(ConnectionError):
            while not self._stop.is_set():
                try:
                    piece = self._socket.recv(1 << 16)
                except TimeoutError:
                    self._socket.sendall(b"a")
                    continue
                if not piece:
                    return
                self.heard += piece
