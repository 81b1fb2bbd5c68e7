"""The schema of a database in words, sorted: every table, column, default, constraint, index, type and privilege.

.venv/bin/python -m tests.store.schema      # writes it down anew, as the migrations make it
"""

import asyncio
from pathlib import Path

import asyncpg

from billing.embedded import EmbeddedPostgres
from billing.store.schema import migrate
from tests.leftovers import new_directory

WRITTEN_DOWN = Path(__file__).with_name("schema.txt")

DESCRIPTION = """
    WITH ours AS (SELECT * FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname !~ '^alembic_version')
    SELECT format('%s %s%s%s', CASE relkind WHEN 'r' THEN 'table' WHEN 'c' THEN 'type' WHEN 'v' THEN 'view' ELSE relkind::text END,
        relname, CASE relpersistence WHEN 'u' THEN ' unlogged' ELSE '' END, coalesce(' with ' || array_to_string(reloptions, ', '), ''))
    FROM ours WHERE relkind <> 'i'
    UNION ALL
    SELECT format('%s.%s column %s: %s%s%s%s%s', c.relname, lpad(row_number() OVER (PARTITION BY c.oid ORDER BY a.attnum)::text, 2, '0'),
        a.attname, format_type(a.atttypid, a.atttypmod), CASE WHEN a.attnotnull THEN ' not null' ELSE '' END,
        coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid), ''),
        CASE WHEN a.attstorage <> t.typstorage THEN ' storage ' || a.attstorage::text ELSE '' END,
        CASE WHEN a.attcollation <> t.typcollation THEN ' collated otherwise' ELSE '' END)
    FROM ours c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
    WHERE c.relkind <> 'i'
    UNION ALL
    SELECT format('%s constraint %s: %s', c.relname, k.conname, pg_get_constraintdef(k.oid))
    FROM ours c JOIN pg_constraint k ON k.conrelid = c.oid WHERE k.contype <> 'n'
    UNION ALL
    SELECT format('%s index: %s', c.relname, pg_get_indexdef(i.indexrelid)) FROM ours c JOIN pg_index i ON i.indrelid = c.oid
    UNION ALL
    SELECT format('%s may: %s', c.relname, string_agg(p.privilege_type, ', ' ORDER BY p.privilege_type))
    FROM ours c, aclexplode(c.relacl) p WHERE p.grantee = to_regrole('billing_service') AND c.relkind <> 'c' GROUP BY c.relname
    UNION ALL
    SELECT format('%s may: %s of %s', c.relname, p.privilege_type, a.attname)
    FROM ours c JOIN pg_attribute a ON a.attrelid = c.oid, aclexplode(a.attacl) p WHERE p.grantee = to_regrole('billing_service')
    UNION ALL SELECT format('function %s', oid::regprocedure) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    UNION ALL SELECT format('trigger %s on %s', tgname, tgrelid::regclass) FROM pg_trigger
    UNION ALL SELECT format('comment on %s: %s', objoid::regclass, description) FROM pg_description d JOIN ours c ON c.oid = d.objoid"""


async def described(connection: asyncpg.Connection) -> str:
    lines = sorted(row[0] for row in await connection.fetch(DESCRIPTION))
    return "\n".join(lines) + "\n"


async def write_down(dsn: str) -> None:
    await migrate(dsn)
    connection = await asyncpg.connect(dsn)
    WRITTEN_DOWN.write_text(await described(connection))
    await connection.close()


if __name__ == "__main__":
    with EmbeddedPostgres(new_directory() / "data") as server:
        asyncio.run(write_down(server.dsn()))
