"""Privileges: whether the service could rewrite the journal that it keeps."""

from typing import Final

from billing.books.verify.report import Finding, Findings
from billing.store.connection import SERVICE_ROLE, Connection

_JOURNAL: Final = ("transfer", "fill", "correction", "account_change", "stripe_transaction", "payout_item")
# An owner may grant itself anything; has_table_privilege knows superusers, PUBLIC and inherited roles.
_MAY = """
    SELECT t.name, p.privilege
    FROM unnest($1::text[]) WITH ORDINALITY t(name, place)
    CROSS JOIN unnest(ARRAY['UPDATE', 'DELETE', 'TRUNCATE', 'ownership']) WITH ORDINALITY p(privilege, rank)
    WHERE CASE p.privilege
        WHEN 'UPDATE' THEN has_table_privilege($2, t.name, 'UPDATE') OR has_any_column_privilege($2, t.name, 'UPDATE')
        WHEN 'ownership' THEN pg_has_role($2, (SELECT relowner FROM pg_class WHERE oid = t.name::regclass), 'MEMBER')
        ELSE has_table_privilege($2, t.name, p.privilege) END
    ORDER BY t.place, p.rank LIMIT 1"""
_LAST = "\U0010ffff"  # a privilege belongs to no account: wrong rows are named first


async def check_privileges(connection: Connection, findings: Findings) -> None:
    found = await connection.fetchrow(_MAY, list(_JOURNAL), SERVICE_ROLE)
    if found is not None:
        table, privilege = found
        problem = f"the role should have SELECT and INSERT only, but has {privilege} on {table}"
        findings.add(_LAST, Finding("I10", table, SERVICE_ROLE, problem))
