"""A running fake for each test, the library's client for it, and somebody who takes its webhooks."""

from collections.abc import Iterator

import pytest
from stripe import StripeClient

from tests.fake_stripe import FakeStripe
from tests.fake_stripe.receiver import Receiver


@pytest.fixture
def fake() -> Iterator[FakeStripe]:
    with FakeStripe() as fake:
        yield fake


@pytest.fixture
def client(fake: FakeStripe) -> StripeClient:
    return client_of(fake)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


def client_of(fake: FakeStripe, key: str | None = None) -> StripeClient:
    return StripeClient(key or fake.key, base_addresses={"api": fake.url}, max_network_retries=0)
