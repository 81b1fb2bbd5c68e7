"""Where an HTTP server of the bench answers."""

from dataclasses import dataclass

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Served:
    """A server that answers at `port` to `key`; `worker` is the process that does."""

    port: int
    key: str
    worker: int
