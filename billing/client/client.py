"""The gateway's client of the billing service."""

from __future__ import annotations

from billing.client.account import AccountCalls
from billing.client.charge import ChargeCalls
from billing.client.funding import FundingCalls


class BillingClient(ChargeCalls, AccountCalls, FundingCalls):
    """Every call of the contract that a gateway or its operator makes, in one asynchronous object:

        async with BillingClient("http://127.0.0.1:8000", key) as billing:
            charge = await billing.authorize("acme", "req-1", model="gpt-image-2", size="1024x1024")

    See `Wire` for time-outs and retries and `Problem` for what is raised.
    """
