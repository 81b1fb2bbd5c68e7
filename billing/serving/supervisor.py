"""The supervisor: systemd, where it started us and wants to hear of us (Type=notify)."""

import os
import socket


def tell(state: str) -> None:
    """`READY=1`, `STOPPING=1`. Nobody listens: nothing happens."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        try:
            line.sendto(state.encode(), address.replace("@", "\0", 1) if address[0] == "@" else address)
        except OSError:
            return  # what we do does not depend on who looks on
