"""Webhooks: what dispatching, claiming and listing deliveries look things up by.

Revision ID: 0003
"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

STATEMENTS = (
    # SHA-256 of what a caller asked for when making an endpoint: a repeated call must say the same.
    "ALTER TABLE webhook_endpoint ADD COLUMN content_digest bytea NOT NULL",
    # An event is asked for by its id alone: ids tell accounts apart.
    "DROP INDEX outbox_by_event",
    "CREATE INDEX outbox_of_event ON outbox (event_id)",
    "CREATE INDEX outbox_by_time ON outbox (created_at, account_id, position)",
    # Deliveries are claimed endpoint by endpoint, so that one that hangs does not hold up the others.
    "DROP INDEX webhook_delivery_waiting",
    "CREATE INDEX webhook_delivery_due ON webhook_delivery (endpoint_id, next_attempt_at) WHERE state = 'pending'",
    "CREATE INDEX webhook_delivery_dead ON webhook_delivery (endpoint_id, created_at) WHERE state = 'dead'",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("a ledger is not unmade: restore a backup instead")
