"""Databases of one test that a foreign session may disturb."""

from contextlib import asynccontextmanager

import asyncpg
import pytest


@pytest.fixture
def audit_of(request):
    """`async with audit_of(dsn) as (owner, audit)`: the owner's session on that database, and its audit."""
    audit_with = next(
        plugin.audit_with for plugin in request.config.pluginmanager.get_plugins() if hasattr(plugin, "audit_with")
    )

    @asynccontextmanager
    async def opened(dsn):
        owner = await asyncpg.connect(dsn)
        try:
            yield owner, lambda *account_ids: audit_with(owner, *account_ids)
        finally:
            await owner.close()

    return opened
