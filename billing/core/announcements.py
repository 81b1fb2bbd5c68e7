"""Announcements: what the outside is told, decided and written together with what it is about.

An announcement's id follows from the account, the instant and its place in the batch: the same happening has one id
for ever, whoever delivers it and however often.
"""

import json
from datetime import datetime
from hashlib import sha256
from typing import Any, Final, NamedTuple

from billing.core.ledger import microseconds

TYPES: Final = (
    "balance.low",
    "balance.depleted",
    "grant.expiring",
    "topup.paid",
    "topup.failed",
    "dispute.opened",
    "dispute.closed",
    "auto_recharge.stopped",
    "charge.settled",
)
SETTLED: Final = "charge.settled"
BY_DEFAULT: Final = tuple(kind for kind in TYPES if kind != SETTLED)  # one for each charge: who wants it says so
EVERY: Final = "*"  # an endpoint that listens to it hears all types, also those that are still to come
LOW_BALANCES_MAX: Final = 10


class Announcement(NamedTuple):
    """One event for the outside; `data` is a JSON object. `dispatched`: endpoints have been found for it."""

    account_id: str
    created_at: datetime
    position: int
    event_id: str
    type: str
    data: str
    dispatched: bool

    @classmethod
    def of(
        cls, account_id: str, created_at: datetime, position: int, kind: str, data: dict[str, Any]
    ) -> "Announcement":
        name = sha256(f"{account_id}\n{microseconds(created_at)}\n{position}".encode()).hexdigest()[:32]
        document = json.dumps({"account_id": account_id, **data}, separators=(",", ":"))
        return cls(account_id, created_at, position, f"evt_{name}", kind, document, False)
