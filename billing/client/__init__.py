"""The gateway's Python client; needs httpx and imagesize, and nothing of the server."""

from billing.client.client import BillingClient
from billing.client.output import Output, image_of, read_outputs
from billing.client.problem import Problem
from billing.client.retry import NO_RETRY, Retry
from billing.client.size import Size, measure

__all__ = [
    "NO_RETRY",
    "BillingClient",
    "Output",
    "Problem",
    "Retry",
    "Size",
    "image_of",
    "measure",
    "read_outputs",
]
