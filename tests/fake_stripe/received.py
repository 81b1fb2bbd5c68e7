"""What was asked: every request to the API, for tests to look at. Keys and cards are not in it."""

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class Received:
    """`status` is None while the request runs, and where no answer was given."""

    id: str
    method: str
    path: str
    params: dict[str, Any]
    idempotency_key: str | None
    version: str | None
    status: int | None = None
    replayed: bool = False
    fault: str | None = None


@dataclass
class RequestLog:
    requests: list[Received] = field(default_factory=list)

    def shown(self, method: str | None = None, path: str = "/v1") -> list[dict[str, Any]]:
        """Oldest first; those of `method` whose path begins with `path`."""
        return [asdict(one) for one in self.requests if method in (None, one.method) and one.path.startswith(path)]
