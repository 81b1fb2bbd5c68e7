"""Trouble on order: what the next requests that match meet with."""

from dataclasses import dataclass

# 429            refused, not executed
# 500            broken before it was executed; nothing is kept under its key
# 500_after      executed, yet told as a 500, which is kept under its key
# 500_kept       broken before it was executed, and the 500 is kept under its key
# timeout        not executed, never answered
# timeout_after  executed and kept, never answered
# reset          not executed, the connection is reset
# reset_after    executed and kept, the connection is reset
# hold           waits, with its idempotency key in use, until `release_requests`; then it is executed
KINDS = ("429", "500", "500_after", "500_kept", "timeout", "timeout_after", "reset", "reset_after", "hold")


@dataclass
class _Order:
    kind: str
    left: int
    method: str | None
    path: str


class Faults:
    def __init__(self) -> None:
        self._orders: list[_Order] = []

    def add(self, kind: str, times: int, method: str | None, path: str) -> None:
        """Raises ValueError for a kind that is none of KINDS."""
        if kind not in KINDS:
            raise ValueError(f"{kind}: not one of {', '.join(KINDS)}")
        self._orders.append(_Order(kind, times, method, path))

    def take(self, method: str, path: str) -> str | None:
        """The fault that this request meets with; the oldest order first."""
        for order in self._orders:
            if order.left and order.method in (None, method) and path.startswith(order.path):
                order.left -= 1
                return order.kind
        return None

    def clear(self) -> None:
        self._orders.clear()
