"""The port: an address that this service has for itself."""

import socket

from billing.settings import SettingsError


def require_free(host: str, port: int) -> None:
    """Raises SettingsError unless the IP address `host` is this machine's and nobody listens on `port` there.

    The server shares a port with whoever allows it (SO_REUSEPORT), and another `billing serve` does: callers would reach
    one database now and the other then.
    """
    try:
        [(family, kind, protocol, _, address), *_] = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
        )
        with socket.socket(family, kind, protocol) as alone:
            alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections that have ended keep nobody out
            alone.bind(address)
    except OSError as problem:
        raise SettingsError(
            f"Cannot listen on {host}, port {port}: {problem.strerror}. "
            "BILLING_HOST (an IP address) and BILLING_PORT name another place."
        ) from problem
