"""Privileges: what the service's role may do. Whatever of it is missing is granted whenever a database is migrated.

So a database that was restored by hand, without its owners or into a server that does not know the role, is mended by
`billing migrate`, and a privilege that is new needs no revision of the schema. The journal can be added to and read.
"""

from collections.abc import Iterator
from typing import Final

from sqlalchemy import Connection, text

from billing.store.connection import SERVICE_ROLE

_TABLES: Final = {
    "SELECT": ("alembic_version",),
    "SELECT, INSERT": (
        "transfer", "fill", "account_change", "refund", "refund_output", "returned", "correction",
        "correction_report", "correction_output", "stripe_transaction", "payout_item", "stripe_object",
        "expiry_notice", "price_book", "clock_acceptance", "usage_day", "closing", "reconciliation", "reconciliation_line", "provider_report",
    ),
    "SELECT, INSERT, UPDATE": (
        "account", "grant", "charge", "output", "debt", "recognition", "usage_bucket", "topup", "card_refund", "clawback",
        "dispute", "auto_recharge", "stripe_customer", "pack", "api_key", "signing_key", "webhook_endpoint", "machine",
    ),
    "SELECT, INSERT, DELETE": ("hold", "session", "provider_usage", "provider_cost"),
    "SELECT, INSERT, UPDATE, DELETE": ("outbox", "webhook_delivery", "stripe_event", "manifest", "manifest_row"),
}  # fmt: skip
_COLUMNS_UPDATED: Final = {
    "closing": ("reopened_at", "reopened_by", "reopen_reason"),
    "reconciliation": (
        "state", "reason", "asked_by", "asked_at", "approved_by", "approved_at", "approval_reason", "applied_at", "posted",
    ),
    "reconciliation_line": ("outcome", "correction_id", "posted_credits", "problem", "problem_facts", "posted_at"),
    "session": ("expires_at",),  # none is: it is locking one that takes this
}  # fmt: skip

# What `pg_has_role` is asked. To be a member was to be allowed to SET ROLE; since PostgreSQL 16 a membership says so itself
# ('SET'), and may say no.
MAY_BECOME: Final = "CASE WHEN current_setting('server_version_num')::integer < 160000 THEN 'MEMBER' ELSE 'SET' END"
_ROLE: Final = f"""
    DO $$
    BEGIN
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{SERVICE_ROLE}') THEN
            BEGIN
                CREATE ROLE {SERVICE_ROLE} NOLOGIN;
            EXCEPTION
                WHEN duplicate_object OR unique_violation THEN NULL;  -- roles belong to the server, not to this database
            END;
        END IF;
        IF NOT pg_has_role(current_user, '{SERVICE_ROLE}', {MAY_BECOME}) THEN
            EXECUTE format('GRANT {SERVICE_ROLE} TO %I', current_user);
        END IF;
        IF NOT has_schema_privilege('{SERVICE_ROLE}', 'public', 'USAGE') THEN
            GRANT USAGE ON SCHEMA public TO {SERVICE_ROLE};
        END IF;
    END
    $$"""
_MISSING: Final = f"""
    SELECT format('GRANT %s%s ON %I TO {SERVICE_ROLE}', w.privilege, '(' || quote_ident(w.field) || ')', w.relation)
    FROM unnest(CAST(:relations AS text[]), CAST(:privileges AS text[]), CAST(:fields AS text[]))
        w(relation, privilege, field)
    WHERE NOT CASE WHEN w.field IS NULL THEN has_table_privilege('{SERVICE_ROLE}', quote_ident(w.relation), w.privilege)
        ELSE has_column_privilege('{SERVICE_ROLE}', quote_ident(w.relation), w.field, w.privilege) END"""


def granted() -> Iterator[tuple[str, str, str | None]]:
    """(table, privilege, column, or None for all of them)."""
    for privileges, tables in _TABLES.items():
        for table in tables:
            for privilege in privileges.split(", "):
                yield table, privilege, None
    for table, columns in _COLUMNS_UPDATED.items():
        for column in columns:
            yield table, "UPDATE", column


def grant_what_is_missing(connection: Connection) -> bool:
    """As the owner of the tables, in a database that is at this code's revision. Whether nothing is missing any more.

    Who may read a table but not grant on it gets a warning from PostgreSQL, and nothing is granted.
    """
    connection.execute(text(_ROLE))
    relations, privileges, fields = (list(part) for part in zip(*granted(), strict=True))
    named = {"relations": relations, "privileges": privileges, "fields": fields}
    statements = connection.execute(text(_MISSING), named).scalars().all()
    for statement in statements:
        connection.execute(text(statement))
    return not statements or not connection.execute(text(_MISSING), named).scalars().all()
