"""The door: the socket that this worker listens on, and the connections that came in by it.

The HTTP server makes them and tells nobody, so they are found among the process's descriptors.
"""

import asyncio
import os
import socket
import stat
import sys
from collections.abc import Iterator
from typing import NamedTuple

from billing.http.visits import Client

LOOK_SECONDS = 0.05
_FAMILIES = (socket.AF_INET, socket.AF_INET6)
_DESCRIPTORS = "/proc/self/fd" if sys.platform == "linux" else "/dev/fd"


class Descriptor(NamedTuple):
    """A socket of this process. Its number is soon another's; `inode` is its own for as long as it lives."""

    number: int
    inode: int


def sockets() -> Iterator[Descriptor]:
    """Every socket of this process."""
    for name in os.listdir(_DESCRIPTORS):
        try:
            found = os.fstat(int(name))
        except OSError:  # closed meanwhile, by the server's own threads
            continue
        if stat.S_ISSOCK(found.st_mode):
            yield Descriptor(int(name), found.st_ino)


def held(one: Descriptor) -> socket.socket | None:
    """The socket, by a descriptor of our own that must be closed soon; None where it has gone."""
    try:
        mine = os.dup(one.number)
    except OSError:
        return None
    if os.fstat(mine).st_ino != one.inode:
        os.close(mine)
        return None
    return socket.socket(fileno=mine)


class Door:
    """Of the worker that listens on `port`."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._listener: Descriptor | None = None

    async def opened(self) -> None:
        """Returns when this process listens."""
        while (listener := self._find()) is None:  # noqa: ASYNC110 - nobody tells when it does
            await asyncio.sleep(LOOK_SECONDS)
        self._listener = listener

    @property
    def is_open(self) -> bool:
        """Whether this process listens. When it is to end, the server first shuts this door."""
        if self._listener is None:
            return False
        try:
            return os.fstat(self._listener.number).st_ino == self._listener.inode
        except OSError:
            return False

    def client_of(self, one: Descriptor) -> Client | None:
        """Who is at the other end of a connection by this door; None for any other socket."""
        found = held(one)
        if found is None:
            return None
        with found:
            try:
                if found.family not in _FAMILIES or found.getsockname()[1] != self.port:
                    return None
                host, port, *_ = found.getpeername()
            except OSError:  # it listens, or has ended
                return None
        return host.partition("%")[0], str(port)  # as the server's scope has it: ASGI's would be a number

    def _find(self) -> Descriptor | None:
        for one in sockets():
            if (found := held(one)) is not None:
                with found:
                    if (
                        found.family in _FAMILIES
                        and found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
                        and found.getsockname()[1] == self.port
                    ):
                        return one
        return None
