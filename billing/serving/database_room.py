"""Connections: whether the server lets in as many as the settings come to. One that does not refuses calls for good."""

from billing.settings import BESIDE_CONNECTIONS, WORK_CONNECTIONS, Settings, SettingsError
from billing.store.room import allowed_connections


async def require_room(settings: Settings, dsn: str) -> None:
    """Raises SettingsError, which says what to change."""
    limit, allowed = await allowed_connections(dsn)
    if settings.database_connections > allowed:
        raise SettingsError(
            f"The service may need {settings.database_connections} connections to its database: BILLING_WORKERS {settings.workers} × "
            f"(BILLING_LANES {settings.lanes} + BILLING_READ_CONNECTIONS {settings.read_connections} + {WORK_CONNECTIONS}), "
            f"and {BESIDE_CONNECTIONS} for commands beside it. There are {allowed} ({limit}): lower those settings, or raise that."
        )
