"""The doorkeeper: it sees that callers who wait for nothing, or who let us wait, keep nobody else out.

The HTTP server closes what is idle, or slow with its headers, for `CALLER_SECONDS`; the front refuses slow bodies. What
is left: connections when there are too many of them, answers that nobody reads, and all of them at the end.
"""

import asyncio
import contextlib
import socket
import struct
import sys
from dataclasses import dataclass, field
from time import perf_counter

from billing.http.visits import Client, Visits
from billing.serving.door import Descriptor, Door, held, sockets

LOOK_SECONDS = 0.5
FULL_LOOK_SECONDS = 0.1  # and while there are too many
READ_ON_SECONDS = 5.0  # between two looks at answers
HURRY_SECONDS = 1.0  # too many: the least that a caller without a key may let us wait
UNREAD_SECONDS = 30.0  # an answer goes on if within so many seconds
UNREAD_BYTES = 64 << 10  # as many bytes are taken, or all there are
END_SECONDS = 1.0  # at the end, for callers whose turn it is, and
END_ANSWER_SECONDS = 5.0  # for what is being answered

# Of struct tcp_info (linux/tcp.h): tcpi_unacked, tcpi_bytes_acked, tcpi_notsent_bytes.
_U32, _U64, _TOLD_BYTES = struct.Struct("=I"), struct.Struct("=Q"), 148
_ABORT = struct.pack("ii", 1, 0)  # SO_LINGER: what was not sent is dropped when the server closes


@dataclass(slots=True)
class AdmittedConnection:
    """One that came in by our door."""

    where: Descriptor
    client: Client
    met: float
    taken: int = 0  # bytes of answers that the caller had acknowledged
    taken_at: float = field(default=0.0)  # and since when it owes us more


class Doorkeeper:
    """Of the connections by `door`: from half of `most` on, idle ones are closed, who has brought no key first."""

    def __init__(self, door: Door, visits: Visits, most: int) -> None:
        self._door = door
        self._visits = visits
        self._crowd = most // 2
        self._connections: dict[int, AdmittedConnection] = {}  # by inode
        self._read_on_at = 0.0
        self._others: set[int] = set()  # sockets that did not come in by our door

    async def run(self) -> None:
        """Looks after them until this worker has ended."""
        while self._door.is_open:
            self.look()
            await asyncio.sleep(FULL_LOOK_SECONDS if self._visits.is_full else LOOK_SECONDS)
        closed = perf_counter()
        while True:
            self._see_off(perf_counter() - closed)
            await asyncio.sleep(FULL_LOOK_SECONDS)

    def look(self) -> None:
        """Closes what is to be closed now."""
        now = perf_counter()
        self._count(now)
        self._visits.hurry()
        if now > self._read_on_at:
            self._read_on_at = now + READ_ON_SECONDS
            for one in self._connections.values():
                if self._is_unread(one, now) or self._goes_on(one, now):
                    _close(one.where)
        excess = len(self._connections) - self._crowd
        self._visits.is_full = excess > 0
        if excess > 0:
            # Far too many: no time for who has only just come.
            self._make_room(excess, now, HURRY_SECONDS if excess < self._crowd // 2 else 0.0)

    def _see_off(self, seconds: float) -> None:
        """At the end the server closes what is idle. What is not has a little time, and then no more."""
        now = perf_counter()
        self._count(now)
        if seconds < END_SECONDS:
            return
        for one in list(self._connections.values()):
            visit = self._visits.get(one.client)
            is_ours = (visit is not None and visit.since is None) or _sent(one.where)[0] > 0
            if not is_ours or seconds >= END_ANSWER_SECONDS:
                _close(one.where)

    def _count(self, now: float) -> None:
        """Finds the connections that came, and forgets those that went."""
        found: dict[int, Descriptor] = {one.inode: one for one in sockets()}
        self._others &= found.keys()
        gone = [self._connections.pop(inode) for inode in self._connections.keys() - found.keys()]
        for inode in found.keys() - self._connections.keys() - self._others:
            client = self._door.client_of(found[inode])
            if client is None:
                self._others.add(inode)
            else:
                self._connections[inode] = AdmittedConnection(found[inode], client, now)
        if gone:
            here = {one.client for one in self._connections.values()}  # an address may have come back
            for one in gone:
                if one.client not in here:
                    self._visits.pop(one.client, None)

    def _make_room(self, excess: int, now: float, least: float) -> None:
        """Closes as many, if their callers let us wait: who has brought no key, and then who waits longest.

        Who has brought one is waited for with the body of a request, and may read the answer to the last one.
        """
        strangers: list[tuple[float, Descriptor]] = []
        known: list[tuple[float, Descriptor]] = []
        for one in self._connections.values():
            visit = self._visits.get(one.client)
            if visit is None or not visit.is_known:
                strangers.append((now - one.met if visit is None else visit.seconds(now), one.where))
            elif visit.body_task is None and visit.seconds(now) > HURRY_SECONDS:
                known.append((visit.seconds(now), one.where))
        strangers.sort(reverse=True)
        for waits, where in strangers[:excess]:
            if waits > least:
                _close(where)
        if excess > len(strangers):
            known.sort(reverse=True)
            for _, where in known[: excess - len(strangers)]:
                if _sent(where)[0] == 0:
                    _close(where)

    def _goes_on(self, one: AdmittedConnection, now: float) -> bool:
        """Whether a caller sends on what was too slow, and has been told so: the server may read it for ever."""
        visit = self._visits.get(one.client)
        return visit is not None and visit.is_late and visit.seconds(now) > HURRY_SECONDS

    def _is_unread(self, one: AdmittedConnection, now: float) -> bool:
        """Whether an answer lies there for a caller who does not read on."""
        if one.client not in self._visits:
            return False
        waiting, taken = _sent(one.where)
        if waiting == 0 or taken - one.taken >= UNREAD_BYTES or one.taken_at == 0:
            one.taken, one.taken_at = taken, now
            return False
        return now - one.taken_at > UNREAD_SECONDS


def _sent(where: Descriptor) -> tuple[int, int]:
    """What lies there for the caller (0: nothing; segments and bytes, added up), and the bytes taken so far.

    Asked without a descriptor of our own, for the sake of speed: of another's socket nothing would follow but a wait.
    """
    if sys.platform != "linux":
        return 0, 0
    try:
        borrowed = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, fileno=where.number)
        try:
            told = borrowed.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TOLD_BYTES)
        finally:
            borrowed.detach()
    except OSError:  # closed meanwhile, by the server's own threads
        return 0, 0
    if len(told) < _TOLD_BYTES:
        return 0, 0
    [unacknowledged], [taken], [unsent] = (
        _U32.unpack_from(told, 24),
        _U64.unpack_from(told, 120),
        _U32.unpack_from(told, 144),
    )
    return unacknowledged + unsent, taken


def _close(where: Descriptor) -> None:
    """Ends the connection for both sides, and what was not sent is dropped with it. The server finds out, and closes it."""
    mine = held(where)
    if mine is None:
        return
    with mine, contextlib.suppress(OSError):  # it may have ended by itself
        if _sent(where)[0]:
            mine.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
        mine.shutdown(socket.SHUT_RDWR)
