"""What refunds and corrections are made of becomes rows: a refund's outputs, a correction's report and outputs, and whose
credits each of their transfers returned.

Revision ID: 0014
"""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

TABLES = (
    """
    CREATE TABLE refund_output (
        account_id  text    NOT NULL,
        refund_id   text    NOT NULL,
        index       integer NOT NULL,
        credits     bigint  NOT NULL,
        size_tier   text,              -- in which the output stood then; NULL where it had failed
        CONSTRAINT refund_output_pkey PRIMARY KEY (account_id, refund_id, index),
        CONSTRAINT refund_output_positive CHECK (credits > 0)
    )""",
    """
    CREATE TABLE returned (
        account_id   text   NOT NULL,
        seq          bigint NOT NULL,  -- of the refund's or correction's transfer in the wallet book
        request_id   text   NOT NULL,
        drawn_from   text,             -- the grant that the bill had drawn on; NULL: debt, which is forgiven
        credits      bigint NOT NULL,
        returned_to  text,             -- that grant or its successor; NULL: they paid debts
        CONSTRAINT returned_pkey PRIMARY KEY (account_id, seq),
        CONSTRAINT returned_positive CHECK (credits > 0),
        CONSTRAINT returned_to_whom CHECK (drawn_from IS NOT NULL OR returned_to IS NULL)
    )""",
    """
    CREATE TABLE correction_report (
        account_id     text    NOT NULL,
        correction_id  text    NOT NULL,
        index          integer NOT NULL,
        status         text    NOT NULL,
        width          integer,
        height         integer,
        reason         text,
        CONSTRAINT correction_report_pkey PRIMARY KEY (account_id, correction_id, index),
        CONSTRAINT correction_report_status_known CHECK (status IN ('succeeded', 'failed'))
    )""",
    """
    CREATE TABLE correction_output (
        account_id        text    NOT NULL,
        correction_id     text    NOT NULL,
        index             integer NOT NULL,
        status            text    NOT NULL,  -- as the output stands since
        width             integer,
        height            integer,
        size_tier         text,
        credits_before    bigint  NOT NULL,
        credits_after     bigint  NOT NULL,
        status_before     text    NOT NULL,
        size_tier_before  text,
        CONSTRAINT correction_output_pkey PRIMARY KEY (account_id, correction_id, index),
        CONSTRAINT correction_output_status_known
            CHECK (status IN ('succeeded', 'failed') AND status_before IN ('succeeded', 'failed')),
        CONSTRAINT correction_output_not_negative CHECK (credits_before >= 0 AND credits_after >= 0)
    )""",
)

# Each transfer of a refund, and of a correction that lowered a bill, returned the credits of one entry, in their order.
MOVED = (
    """
    INSERT INTO correction_report
    SELECT k.account_id, k.correction_id, (part ->> 0)::integer, part ->> 1, (part ->> 2)::integer, (part ->> 3)::integer, part ->> 4
    FROM correction k CROSS JOIN LATERAL jsonb_array_elements(k.asked::jsonb) part""",
    """
    INSERT INTO correction_output
    SELECT k.account_id, k.correction_id, (part ->> 0)::integer, part ->> 1, (part ->> 2)::integer, (part ->> 3)::integer, part ->> 4,
        (part ->> 5)::bigint, (part ->> 6)::bigint, part ->> 7, part ->> 8
    FROM correction k CROSS JOIN LATERAL jsonb_array_elements(k.outputs::jsonb) part""",
    """
    INSERT INTO refund_output
    SELECT r.account_id, r.refund_id, (part ->> 0)::integer, (part ->> 1)::bigint,
        CASE WHEN stood.index IS NULL THEN o.size_tier ELSE stood.size_tier END
    FROM refund r CROSS JOIN LATERAL jsonb_array_elements(r.outputs::jsonb) part
    LEFT JOIN output o
        ON o.account_id = r.account_id AND o.request_id = r.request_id AND o.index = (part ->> 0)::integer
    LEFT JOIN LATERAL (
        SELECT c.index, c.size_tier
        FROM correction k JOIN correction_output c ON c.account_id = k.account_id AND c.correction_id = k.correction_id
        WHERE k.account_id = r.account_id AND k.request_id = r.request_id AND k.first_seq < r.first_seq
            AND c.index = (part ->> 0)::integer
        ORDER BY k.first_seq DESC LIMIT 1) stood ON true""",
    """
    INSERT INTO returned
    SELECT x.account_id, x.first_seq + place - 1, x.request_id, part ->> 0, (part ->> 1)::bigint, part ->> 2
    FROM (SELECT account_id, first_seq, request_id, returns FROM refund
          UNION ALL SELECT account_id, first_seq, request_id, returns FROM correction) x
    CROSS JOIN LATERAL jsonb_array_elements(x.returns::jsonb) WITH ORDINALITY back(part, place)""",
    "ALTER TABLE refund DROP COLUMN outputs, DROP COLUMN returns",
    "ALTER TABLE correction DROP COLUMN asked, DROP COLUMN outputs, DROP COLUMN returns",
)

# A refund was never changed, and now cannot be. In a new database there may be no role yet.
PRIVILEGES = """
    DO $$
    BEGIN
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'billing_service') THEN
            REVOKE UPDATE ON refund FROM billing_service;
        END IF;
    END
    $$"""


def upgrade() -> None:
    for statement in (*TABLES, *MOVED, PRIVILEGES):
        op.execute(statement)
