"""Preparation: what the login that migrates must be allowed, and the statements of an administrator that allow it.

It needs no superuser and no CREATEROLE: to own what it migrates, to create in the schema `public` (since PostgreSQL 15
not everybody may), and to work as the service's role.
"""

from sqlalchemy import Connection, text

from billing.store.connection import SERVICE_ROLE
from billing.store.privileges import MAY_BECOME
from billing.store.tables import metadata

# Who may create roles may grant the new one to itself: since 16 as its administrator, before as whoever creates roles.
_STANDING = f"""
    SELECT quote_ident(current_user), quote_ident(current_database()), r.oid IS NOT NULL,
        l.rolsuper OR l.rolcreaterole, l.rolsuper OR pg_has_role(current_user, r.oid, {MAY_BECOME}),
        l.rolsuper OR pg_has_role(current_user, r.oid, 'USAGE WITH GRANT OPTION') OR ({{before_16}} AND l.rolcreaterole),
        has_schema_privilege('public', 'CREATE'),
        ARRAY(SELECT CASE c.relkind WHEN 'r' THEN 'TABLE ' ELSE 'TYPE ' END || quote_ident(c.relname) FROM pg_class c
              WHERE c.relnamespace = 'public'::regnamespace AND NOT pg_has_role(current_user, c.relowner, 'USAGE')
                AND (c.relkind = 'r' AND c.relname = ANY(CAST(:ours AS text[]))
                     OR c.relkind = 'c' AND c.relowner = (SELECT relowner FROM pg_class WHERE oid = to_regclass('public.transfer')))
              ORDER BY c.oid)
    FROM pg_roles l LEFT JOIN pg_roles r ON r.rolname = '{SERVICE_ROLE}' WHERE l.rolname = current_user"""


class NotPrepared(Exception):
    """The login may not do what a migration does. `statements` are an administrator's, in their order."""

    def __init__(self, login: str, database: str, statements: list[str]) -> None:
        super().__init__(login, database, statements)
        self.login, self.database, self.statements = login, database, statements

    def __str__(self) -> str:
        return (
            f"The login {self.login} may not migrate the database {self.database} yet. An administrator of the server "
            f"lets it, in that database: {' '.join(self.statements)} Nothing was changed."
        )


def require_prepared(connection: Connection, *, changes: bool) -> None:
    """Raises NotPrepared where the login lacks what it needs, all of it at once; with `changes`, to change the schema."""
    since_16 = connection.execute(text("SELECT current_setting('server_version_num')::integer >= 160000")).scalar_one()
    asked = _STANDING.format(before_16=not since_16)
    ours = ["alembic_version", *metadata.tables]
    row = connection.execute(text(asked), {"ours": ours}).one()
    login, database, there, may_create_roles, may_become, may_grant, may_create, foreign = row
    missing = []
    if not there and not may_create_roles:
        missing += [f"CREATE ROLE {SERVICE_ROLE} NOLOGIN;", f"GRANT {SERVICE_ROLE} TO {login};"]
    if there and not may_become and not may_grant:
        missing.append(f"GRANT {SERVICE_ROLE} TO {login}{' WITH SET TRUE' if since_16 else ''};")
    if changes and not may_create:
        missing.append(f"GRANT CREATE, USAGE ON SCHEMA public TO {login};")
    if changes:
        missing += [f"ALTER {one} OWNER TO {login};" for one in foreign]
    if missing:
        raise NotPrepared(login, database, missing)
