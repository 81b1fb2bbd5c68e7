"""What those who oversee all accounts look for among many: charges that carry a flag, and accounts that owe.

Revision ID: 0005
"""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

STATEMENTS = (
    # Few charges carry a flag. A settlement that sets none changes nothing that is indexed, so it still stays in place.
    "CREATE INDEX charge_flagged ON charge (account_id, authorized_at, request_id) WHERE flags <> '{}'",
    "CREATE INDEX account_owing ON account (account_id) WHERE debt > 0",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP INDEX account_owing, charge_flagged")
