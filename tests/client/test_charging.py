"""One context manager around a provider's call, against a real service: asynchronous and blocking."""

from __future__ import annotations

import pytest

from billing.client import AlreadyCharged, BillingClient, Problem, SyncBillingClient

from .pictures import picture
from .served import Served

ASKED = {"model": "gpt-image-2", "n": 2, "size": "2048x2048", "quality": "high"}


async def test_what_was_delivered_is_billed(service: Served) -> None:
    account = service.account(1_000)
    async with BillingClient(service.url, service.key) as billing:
        async with billing.charging(account, "r1", **ASKED) as charge:
            assert service.balance(account) == (1_000, 134)
            charge.deliver([picture(2048, 2048), picture(1024, 1024)])
        assert charge.outcome == "settled"
        assert charge.quote["credits"] == charge.hold["held_credits"] == 134
        assert charge.bill["settled_credits"] == 67 + 14
        with pytest.raises(AlreadyCharged) as caught:
            async with billing.charging(account, "r1", **ASKED):
                raise AssertionError("the provider was called again")
        assert caught.value.charge["settled_credits"] == 81
    assert service.balance(account) == (919, 0)


def test_the_same_without_async(service: Served) -> None:
    account = service.account(1_000)
    with SyncBillingClient(service.url, service.key) as billing:
        with billing.charging(account, "r1", **ASKED) as charge:
            charge.deliver([picture(2048, 2048), picture(1024, 1024)])
        assert charge.bill["settled_credits"] == 81
        with pytest.raises(Problem) as caught, billing.charging(account, "r2", **ASKED | {"n": 10, "size": "4K"}):
            raise AssertionError("the provider was called without a hold")
        assert (caught.value.status, caught.value.code) == (402, "insufficient_credits")
    assert service.balance(account) == (919, 0)
