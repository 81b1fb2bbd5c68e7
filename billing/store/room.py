"""Room: how many connections the server lets in."""

from billing.store.engine import owner_engine

# What is not reserved; who is no superuser may have as many as the login and the database are allowed, too.
_ALLOWED = """
    SELECT v.name, v.number FROM pg_database d, pg_roles r CROSS JOIN LATERAL (VALUES
        ('max_connections, less what is reserved', current_setting('max_connections')::integer
            - current_setting('superuser_reserved_connections')::integer
            - coalesce(current_setting('reserved_connections', true)::integer, 0)),
        (format('the login %s''s CONNECTION LIMIT', r.rolname), CASE WHEN NOT r.rolsuper THEN nullif(r.rolconnlimit, -1) END),
        (format('the database %s''s CONNECTION LIMIT', d.datname), CASE WHEN NOT r.rolsuper THEN nullif(d.datconnlimit, -1) END)
    ) v(name, number)
    WHERE d.datname = current_database() AND r.rolname = session_user AND v.number IS NOT NULL
    ORDER BY v.number LIMIT 1"""


async def allowed_connections(dsn: str) -> tuple[str, int]:
    """(what limits them, how many there may be at once) of the login of `dsn`."""
    engine = owner_engine(dsn)
    try:
        async with engine.session() as (_, session):
            row = await session.fetchrow(_ALLOWED)
    finally:
        await engine.dispose()
    assert row is not None
    limit, allowed = row
    return limit, allowed
