"""Months that were closed, and reopened; ways to find what came late, and what payouts consist of.

Revision ID: 0007
"""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

STATEMENTS = (
    # The last one of a month stands. Reopening is written into it, once; closing again makes another.
    """
    CREATE TABLE closing (
        period         text        NOT NULL,  -- YYYY-MM, in UTC
        closed_at      timestamptz NOT NULL,  -- everything posted until then was known
        ends_at        timestamptz NOT NULL,  -- the first instant after the month
        closed_by      text        NOT NULL,
        totals         text        NOT NULL,  -- the trial balance as known then, JSON
        reopened_at    timestamptz,
        reopened_by    text,
        reopen_reason  text,
        CONSTRAINT closing_pkey PRIMARY KEY (period, closed_at),
        CONSTRAINT closing_over CHECK (closed_at >= ends_at),
        CONSTRAINT closing_reopened CHECK (num_nulls(reopened_at, reopened_by, reopen_reason) IN (0, 3))
    )""",
    # What was posted in a later month than it was due in: little, and all that can have come after a closing.
    """
    CREATE INDEX transfer_late ON transfer (effective_at, account_id, book, seq)
        WHERE effective_at <> posted_at
          AND date_trunc('month', effective_at AT TIME ZONE 'UTC') < date_trunc('month', posted_at AT TIME ZONE 'UTC')""",
    # Payouts beside what is booked of them: from a transaction of Stripe's to the transfers that carry it.
    "CREATE INDEX stripe_transaction_by_id ON stripe_transaction (transaction_id)",
    "CREATE INDEX transfer_external ON transfer (account_id, external_id) WHERE external_id IS NOT NULL",
    "GRANT SELECT, INSERT ON closing TO billing_service",
    "GRANT UPDATE (reopened_at, reopened_by, reopen_reason) ON closing TO billing_service",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP INDEX transfer_late, transfer_external, stripe_transaction_by_id")
    op.execute("DROP TABLE closing")
