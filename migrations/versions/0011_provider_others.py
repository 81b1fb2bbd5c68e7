"""Lines of the provider's report are told apart by whatever it groups by, also by what we have no column for.

Revision ID: 0011
"""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

STATEMENTS = (
    # JSON: {name: text or boolean, …}, sorted by name, of members that have no column; empty where there are none.
    "ALTER TABLE provider_usage ADD COLUMN others text NOT NULL DEFAULT ''",
    "ALTER TABLE provider_cost ADD COLUMN others text NOT NULL DEFAULT ''",
    "ALTER TABLE provider_usage ALTER COLUMN others DROP DEFAULT",
    "ALTER TABLE provider_cost ALTER COLUMN others DROP DEFAULT",
    "ALTER TABLE provider_usage DROP CONSTRAINT provider_usage_pkey",
    """
    ALTER TABLE provider_usage ADD CONSTRAINT provider_usage_pkey
        PRIMARY KEY (provider, starts_at, model, size, source, project_id, user_id, api_key_id, others)""",
    "ALTER TABLE provider_cost DROP CONSTRAINT provider_cost_pkey",
    """
    ALTER TABLE provider_cost ADD CONSTRAINT provider_cost_pkey
        PRIMARY KEY (provider, starts_at, line_item, project_id, api_key_id, others)""",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("ALTER TABLE provider_usage DROP COLUMN others")
    op.execute("ALTER TABLE provider_cost DROP COLUMN others")
    op.execute(
        "ALTER TABLE provider_usage ADD CONSTRAINT provider_usage_pkey "
        "PRIMARY KEY (provider, starts_at, model, size, source, project_id, user_id, api_key_id)"
    )
    op.execute(
        "ALTER TABLE provider_cost ADD CONSTRAINT provider_cost_pkey "
        "PRIMARY KEY (provider, starts_at, line_item, project_id, api_key_id)"
    )
