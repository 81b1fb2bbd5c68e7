"""A city and one gateway for all tests of a worker; what needs other settings starts its own gateway."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from billing.embedded import EmbeddedPostgres
from tests.client.served import Served
from tests.conftest import copied

from .city import City, GatewayProgram


@pytest.fixture(scope="session")
def the_city(server: EmbeddedPostgres, template: str) -> Iterator[City]:
    with copied(server, template) as dsn, Served(dsn) as service, City(service) as city:
        yield city


@pytest.fixture
def city(the_city: City) -> Iterator[City]:
    """The session's city; afterwards its books must be in order."""
    yield the_city
    the_city.service.verify()


@pytest.fixture(scope="session")
def the_gateway(the_city: City) -> GatewayProgram:
    return the_city.gateway(GATEWAY_ALLOW_PRIVATE_CALLBACKS="true")


@pytest.fixture
def gateway(the_gateway: GatewayProgram, city: City) -> GatewayProgram:
    """The session's gateway."""
    return the_gateway
