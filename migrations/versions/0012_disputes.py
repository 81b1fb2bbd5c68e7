"""Disputes stand as their balance transactions do, and may be reopened; who said what a balance transaction is.

Revision ID: 0012
"""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    ALTER TABLE dispute ADD COLUMN stripe_status text, ADD COLUMN withdrawn_micros bigint NOT NULL DEFAULT 0,
        ADD COLUMN reinstated_micros bigint NOT NULL DEFAULT 0, ADD COLUMN undone integer NOT NULL DEFAULT 0""",
    # What was booked until now was booked by the amount, all of it and at once.
    """
    UPDATE dispute SET withdrawn_micros = amount_micros,
        reinstated_micros = CASE status WHEN 'won' THEN amount_micros ELSE 0 END""",
    """
    ALTER TABLE dispute ALTER COLUMN withdrawn_micros DROP DEFAULT, ALTER COLUMN reinstated_micros DROP DEFAULT,
        ALTER COLUMN undone DROP DEFAULT""",
    """
    ALTER TABLE dispute DROP CONSTRAINT dispute_status_known,
        ADD CONSTRAINT dispute_status_known CHECK (status IN ('open', 'won', 'lost', 'averted')),
        DROP CONSTRAINT dispute_parts,
        ADD CONSTRAINT dispute_parts CHECK (amount_micros > 0 AND undone >= 0 AND reinstated_micros >= 0
            AND withdrawn_micros >= 0 AND deferred_micros BETWEEN 0 AND greatest(withdrawn_micros - reinstated_micros, 0))""",
    # A payment may be returned twice, by a refund and by a dispute, or with a loss by exchange.
    """
    ALTER TABLE topup DROP CONSTRAINT topup_returned_within,
        ADD CONSTRAINT topup_returned_within CHECK (returned_micros >= 0 AND disputed_micros >= 0
            AND returned_deferred_micros BETWEEN 0 AND returned_micros)""",
    "ALTER TABLE stripe_transaction ADD COLUMN booked_by text, ADD COLUMN reason text",
    # Words that were not known were taken for nothing: each dispute is asked for once more. What was refused, because a
    # payment could not be returned twice, and payouts that were given up are dealt with again.
    """
    UPDATE stripe_event SET state = 'pending', attempts = 0, next_attempt_at = clock_timestamp(), done_at = NULL, problem = NULL
    WHERE (type ~ '^(payout|refund|charge[.]dispute)[.]' AND state = 'dead') OR event_id IN (
        SELECT DISTINCT ON (payload::jsonb #>> '{data,object,id}') event_id FROM stripe_event
        WHERE starts_with(type, 'charge.dispute.') AND state = 'done'
        ORDER BY payload::jsonb #>> '{data,object,id}', created_at DESC, event_id)""",
)

# What was decided by the new rules does not fit the old ones: they bind what is written from then on.
BACK = (
    "ALTER TABLE stripe_transaction DROP COLUMN booked_by, DROP COLUMN reason",
    """
    ALTER TABLE topup DROP CONSTRAINT topup_returned_within,
        ADD CONSTRAINT topup_returned_within CHECK (returned_micros >= 0 AND disputed_micros >= 0
            AND returned_deferred_micros >= 0 AND returned_deferred_micros <= returned_micros
            AND returned_micros + disputed_micros <= price_micros) NOT VALID""",
    """
    ALTER TABLE dispute DROP CONSTRAINT dispute_status_known,
        ADD CONSTRAINT dispute_status_known CHECK (status IN ('open', 'won', 'lost')) NOT VALID,
        DROP CONSTRAINT dispute_parts,
        ADD CONSTRAINT dispute_parts CHECK (amount_micros > 0 AND deferred_micros BETWEEN 0 AND amount_micros) NOT VALID""",
    """
    ALTER TABLE dispute DROP COLUMN stripe_status, DROP COLUMN withdrawn_micros, DROP COLUMN reinstated_micros,
        DROP COLUMN undone""",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    for statement in BACK:
        op.execute(statement)
