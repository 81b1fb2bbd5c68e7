"""What card refunds and lost disputes took of each grant becomes rows.

Revision ID: 0016
"""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    CREATE TABLE clawback (
        account_id   text   NOT NULL,
        external_id  text   NOT NULL,  -- the card refund or dispute
        grant_id     text   NOT NULL,
        revoked      bigint NOT NULL,  -- credits of it that were unspent
        owed         bigint NOT NULL,  -- and that had been used: debt since
        CONSTRAINT clawback_pkey PRIMARY KEY (account_id, external_id, grant_id),
        CONSTRAINT clawback_took CHECK (revoked >= 0 AND owed >= 0 AND greatest(revoked, owed) > 0)
    )""",
    """
    INSERT INTO clawback
    SELECT x.account_id, x.external_id, part ->> 0, (part ->> 1)::bigint, (part ->> 2)::bigint
    FROM (SELECT account_id, card_refund_id AS external_id, clawed FROM card_refund
          UNION ALL SELECT account_id, dispute_id, clawed FROM dispute) x
    CROSS JOIN LATERAL jsonb_array_elements(x.clawed::jsonb) part""",
    "ALTER TABLE card_refund DROP COLUMN clawed",
    "ALTER TABLE dispute DROP COLUMN clawed",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
