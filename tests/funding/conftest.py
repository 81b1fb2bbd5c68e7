"""A town for each module of tests: starting its service takes a second or two. Accounts and packs are fresh."""

from collections.abc import Iterator

import pytest

from billing.embedded import EmbeddedPostgres
from tests.conftest import copied
from tests.fake_stripe import FakeStripe

from .town import SECRET, Town


@pytest.fixture(scope="module")
def the_town(server: EmbeddedPostgres, template: str) -> Iterator[Town]:
    with copied(server, template) as dsn, FakeStripe() as stripe:
        town = Town(dsn, stripe)
        stripe.add_endpoint(town.webhook, SECRET)
        try:
            yield town.open()
        finally:
            town.close()


@pytest.fixture
def town(the_town: Town) -> Iterator[Town]:
    """The module's town, with nothing held back and no faults; afterwards its books must be in order."""
    the_town.stripe.clear_faults()
    the_town.stripe.deliver("immediately")
    yield the_town
    the_town.stripe.clear_faults()
    the_town.stripe.release()
    the_town.settled()
    the_town.books()
