"""Corrections of bills by what was really delivered.

Revision ID: 0008
"""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

# Outputs and charges stay as they were settled; beside them stands what corrections have come to.
STATEMENTS = (
    "ALTER TABLE charge ADD COLUMN corrected_credits bigint NOT NULL DEFAULT 0",
    "ALTER TABLE output ADD COLUMN corrected_credits bigint NOT NULL DEFAULT 0",
    "ALTER TYPE charge_row ADD ATTRIBUTE corrected_credits bigint",
    "ALTER TYPE output_row ADD ATTRIBUTE corrected_credits bigint",
    "ALTER TYPE charge_resolution ADD ATTRIBUTE corrected_credits bigint",
    """
    ALTER TABLE charge DROP CONSTRAINT charge_refunds_within_bill, ADD CONSTRAINT charge_refunds_within_bill
        CHECK (refunded_credits >= 0 AND refunded_credits <= settled_credits + corrected_credits)""",
    """
    ALTER TABLE output DROP CONSTRAINT output_refunds_within_bill, ADD CONSTRAINT output_refunds_within_bill
        CHECK (refunded_credits >= 0 AND refunded_credits <= credits + corrected_credits)""",
    # An image that was counted in one quarter of an hour is taken away in another.
    """
    ALTER TABLE usage_bucket DROP CONSTRAINT usage_bucket_counted, ADD CONSTRAINT usage_bucket_counted
        CHECK (requests >= 0)""",
    """
    CREATE TABLE correction (
        account_id      text        NOT NULL,
        correction_id   text        NOT NULL,
        request_id      text        NOT NULL,
        asked           text        NOT NULL,  -- JSON: [[index, status, width, height, reason], …] as reported
        reason          text        NOT NULL,
        actor           text        NOT NULL,
        credits         bigint      NOT NULL,  -- signed: the bill rose by them, or fell
        -- JSON: [[index, status, width, height, size tier, credits before, after, status before, size tier before], …]
        outputs         text        NOT NULL,  -- as they stand since
        returns         text        NOT NULL,  -- as of a refund, where the bill fell
        created_at      timestamptz NOT NULL,
        first_seq       bigint      NOT NULL,
        last_seq        bigint      NOT NULL,
        CONSTRAINT correction_pkey PRIMARY KEY (account_id, correction_id),
        CONSTRAINT correction_posted CHECK (first_seq <= last_seq),
        CONSTRAINT correction_returns_what_fell CHECK ((credits < 0) = (returns <> '[]'))
    )""",
    "CREATE INDEX correction_of_charge ON correction (account_id, request_id)",
    "CREATE INDEX correction_by_time ON correction (account_id, created_at)",
    "GRANT SELECT, INSERT ON correction TO billing_service",
)

# What was corrected does not fit the old rules: they bind what is written from then on.
BACK = (
    "DROP TABLE correction",
    """
    ALTER TABLE usage_bucket DROP CONSTRAINT usage_bucket_counted, ADD CONSTRAINT usage_bucket_counted
        CHECK (requests >= 0 AND images >= 0 AND failed_images >= 0) NOT VALID""",
    """
    ALTER TABLE output DROP CONSTRAINT output_refunds_within_bill, ADD CONSTRAINT output_refunds_within_bill
        CHECK (refunded_credits >= 0 AND refunded_credits <= credits) NOT VALID""",
    """
    ALTER TABLE charge DROP CONSTRAINT charge_refunds_within_bill, ADD CONSTRAINT charge_refunds_within_bill
        CHECK (refunded_credits >= 0 AND refunded_credits <= settled_credits) NOT VALID""",
    "ALTER TYPE charge_resolution DROP ATTRIBUTE corrected_credits",
    "ALTER TYPE output_row DROP ATTRIBUTE corrected_credits",
    "ALTER TYPE charge_row DROP ATTRIBUTE corrected_credits",
    "ALTER TABLE output DROP COLUMN corrected_credits",
    "ALTER TABLE charge DROP COLUMN corrected_credits",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    for statement in BACK:
        op.execute(statement)
