"""Price books: published by the time that is believed, not by a clock that is doubted."""

from datetime import UTC, datetime, timedelta

import pytest

from billing.core.prices import PUBLISHED
from billing.core.refusals import Invalid
from billing.store.engine import work_engine
from billing.store.price_books import publish


async def test_by_the_time_that_is_believed(fresh_database: str) -> None:
    """Where the database's clock is an hour ahead of the service's, half an hour ago by that clock is still to come."""
    work = work_engine(fresh_database, size=1)
    soon = datetime.now(UTC) - timedelta(minutes=30)
    try:
        with pytest.raises(Invalid, match="60 s ahead"):
            await publish(work, soon, dict(PUBLISHED), "me")
        work.update_execution_options(now=lambda told: told - timedelta(hours=1))
        book, new = await publish(work, soon, dict(PUBLISHED), "me")
        assert (book.effective_from, new) == (soon, True)
        again, new = await publish(work, soon, dict(PUBLISHED), "another")
        assert (again.version, new) == (book.version, False)
    finally:
        await work.dispose()
