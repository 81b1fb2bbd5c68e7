"""The port: an address that this service has for itself."""

import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from billing.settings import SettingsError


@contextmanager
def port_of_ours(host: str, port: int) -> Iterator[None]:
    """Nobody else listens on `port` of the IP address `host`, or is about to, while the context lasts.

    Our own workers share it (SO_REUSEPORT), and with them every program of the same user that asks for a share: callers
    would reach one database now and the other then. So it is taken alone first, and opened to ours afterwards. Nobody is
    let in here: until a worker listens, connections are refused. Raises SettingsError.
    """
    try:
        [(family, kind, protocol, _, address), *_] = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
        )
        alone = socket.socket(family, kind, protocol)
        try:
            alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections that have ended keep nobody out
            alone.bind(address)
            alone.listen(1)  # of two that have bound at the same moment, one fails here
            alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)  # and from now on, whoever binds
            alone.setsockopt(
                socket.SOL_SOCKET, socket.SO_REUSEPORT, 1
            )  # except who shares, and has bound after us: ours
            if sys.platform == "linux":
                alone.shutdown(socket.SHUT_RD)  # listens no more, and stays bound
            else:
                alone.close()
        except OSError:
            alone.close()
            raise
    except OSError as problem:
        raise SettingsError(
            f"Cannot listen on {host}, port {port}: {problem.strerror}. "
            "BILLING_HOST (an IP address) and BILLING_PORT name another place."
        ) from problem
    with alone:
        yield
