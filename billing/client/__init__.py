"""The gateway's Python client; needs httpx and imagesize, and nothing of the server."""

from billing.client.charging import Charging
from billing.client.client import BillingClient, SyncBillingClient
from billing.client.outcome import Outcome, OutcomeUnknown
from billing.client.output import Output, image_of, read_outputs
from billing.client.problem import AlreadyCharged, ChargeClosed, Problem, Settlement, Unsettled
from billing.client.retry import NO_RETRY, Retry
from billing.client.size import Size, measure

__all__ = [
    "NO_RETRY",
    "AlreadyCharged",
    "BillingClient",
    "ChargeClosed",
    "Charging",
    "Outcome",
    "OutcomeUnknown",
    "Output",
    "Problem",
    "Retry",
    "Settlement",
    "Size",
    "SyncBillingClient",
    "Unsettled",
    "image_of",
    "measure",
    "read_outputs",
]
