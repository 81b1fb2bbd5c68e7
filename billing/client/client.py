"""The gateway's clients of the billing service."""

from __future__ import annotations

from billing.client.account import AccountCalls
from billing.client.charge import ChargeCalls
from billing.client.charging_calls import ChargingCalls
from billing.client.funding import FundingCalls
from billing.client.wire import SyncWire, Wire


class BillingClient(ChargingCalls, ChargeCalls, AccountCalls, FundingCalls, Wire):
    """Every call of the contract that a gateway or its operator makes, in one asynchronous object:

        async with BillingClient("http://127.0.0.1:8080", key) as billing:
            async with billing.charging("acme", "req-1", model="gpt-image-2", size="1024x1024") as charge:
                charge.deliver(await call_the_provider())

    See `Wire` for time-outs and retries and `problem` for what is raised.
    """


class SyncBillingClient(ChargingCalls, ChargeCalls, AccountCalls, FundingCalls, SyncWire):
    """The same calls without `async` and `await`, for threads and scripts; lists are plain iterators:

    with SyncBillingClient("http://127.0.0.1:8080", key) as billing:
        with billing.charging("acme", "req-1", model="gpt-image-2", size="1024x1024") as charge:
            charge.deliver(call_the_provider())
    """
