"""What is past keeping may be deleted by the service; the books may not.

Revision ID: 0013
"""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

STATEMENTS = (
    "GRANT DELETE ON outbox, webhook_delivery, stripe_event TO billing_service",
    # Sessions are never changed: it is locking them that takes this.
    "GRANT UPDATE (expires_at) ON session TO billing_service",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("REVOKE DELETE ON outbox, webhook_delivery, stripe_event FROM billing_service")
    op.execute("REVOKE UPDATE (expires_at) ON session FROM billing_service")
