"""Events out: what the ledger announced, told to the endpoints that listen, at least once."""

from billing.outbox.destinations import Destinations
from billing.outbox.message import new_secret
from billing.outbox.outbox import Outbox
from billing.outbox.sender import Sender

__all__ = ["Destinations", "Outbox", "Sender", "new_secret"]
