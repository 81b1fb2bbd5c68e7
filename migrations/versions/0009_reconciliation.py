"""Reconciliations: what was delivered beside what was charged, and what was found.

Revision ID: 0009
"""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

STATEMENTS: tuple[str, ...] = (
    """
    CREATE TABLE reconciliation (
        reconciliation_id  text        NOT NULL,  -- chosen by the caller
        digest             bytea       NOT NULL,  -- SHA-256 of the manifest and of what was asked
        manifest           text        NOT NULL,  -- the file's name
        account_id         text,                  -- NULL: of all accounts
        starts_at          timestamptz,
        ends_at            timestamptz,
        complete           boolean     NOT NULL,  -- the manifest is everything that was delivered in that time
        state              text        NOT NULL,
        totals             text        NOT NULL,  -- JSON
        created_at         timestamptz NOT NULL,
        created_by         text        NOT NULL,
        reason             text,                  -- of who asked for it to be applied
        asked_by           text,
        asked_at           timestamptz,
        approved_by        text,
        approved_at        timestamptz,
        approval_reason    text,
        applied_at         timestamptz,
        posted             text,                  -- JSON
        CONSTRAINT reconciliation_pkey PRIMARY KEY (reconciliation_id),
        CONSTRAINT reconciliation_state_known CHECK (state IN ('compared', 'awaiting_approval', 'applying', 'applied')),
        CONSTRAINT reconciliation_time CHECK (num_nulls(starts_at, ends_at) IN (0, 2) AND starts_at < ends_at),
        CONSTRAINT reconciliation_asked CHECK (num_nulls(reason, asked_by, asked_at) IN (0, 3)
            AND (state = 'compared') = (asked_by IS NULL)),
        CONSTRAINT reconciliation_approved CHECK (num_nulls(approval_reason, approved_by, approved_at) IN (0, 3)),
        CONSTRAINT reconciliation_two_keys CHECK (approved_by <> asked_by),
        CONSTRAINT reconciliation_applied CHECK ((state = 'applied') = (applied_at IS NOT NULL) AND num_nulls(applied_at, posted) IN (0, 2))
    )""",
    "CREATE INDEX reconciliation_by_time ON reconciliation (created_at, reconciliation_id)",
    """
    CREATE TABLE reconciliation_line (
        account_id           text        NOT NULL,
        reconciliation_id    text        NOT NULL,
        line                 bigint      NOT NULL,  -- from 1, by account and request
        request_id           text        NOT NULL,
        index                integer,               -- NULL: about the whole charge
        kind                 text        NOT NULL,
        action               text        NOT NULL,
        charge_status        text,                  -- NULL: there is no such charge
        charged_status       text,
        charged_width        integer,
        charged_height       integer,
        charged_tier         text,
        charged_credits      bigint      NOT NULL,
        delivered_status     text,
        delivered_width      integer,
        delivered_height     integer,
        delivered_tier       text,
        expected_credits     bigint      NOT NULL,
        difference_credits   bigint      NOT NULL,
        explanation          text        NOT NULL,
        manifest_line        bigint,
        delivered_at         timestamptz,
        provider             text,
        provider_request_id  text,
        outcome              text,
        correction_id        text,
        posted_credits       bigint      NOT NULL,
        problem              text,
        posted_at            timestamptz,
        CONSTRAINT reconciliation_line_pkey PRIMARY KEY (account_id, reconciliation_id, line),
        CONSTRAINT reconciliation_line_action_known CHECK (action IN ('correct', 'settle', 'person', 'none')),
        CONSTRAINT reconciliation_line_difference CHECK (difference_credits = expected_credits - charged_credits),
        CONSTRAINT reconciliation_line_outcome_known CHECK (outcome IN ('posted', 'refused', 'nothing')),
        CONSTRAINT reconciliation_line_posted CHECK (posted_credits = 0 OR outcome = 'posted')
    )""",
    "CREATE INDEX reconciliation_line_in_order ON reconciliation_line (reconciliation_id, line)",
    # What is left to be posted, in order: applying looks here again and again.
    """CREATE INDEX reconciliation_line_to_post ON reconciliation_line (reconciliation_id, line)
       WHERE outcome IS NULL AND action IN ('correct', 'settle')""",
    # Manifests while they are compared. Without a log: what a crash of the server takes was of use to nobody.
    """
    CREATE UNLOGGED TABLE manifest (
        staging_id    text        NOT NULL,
        heartbeat_at  timestamptz NOT NULL,  -- a load that says nothing for long was given up
        CONSTRAINT manifest_pkey PRIMARY KEY (staging_id)
    )""",
    """
    CREATE UNLOGGED TABLE manifest_row (
        account_id           text     NOT NULL,
        staging_id           text     NOT NULL,
        request_id           text     NOT NULL,
        index                integer  NOT NULL,
        line                 bigint   NOT NULL,
        status               text     NOT NULL,
        width                integer,
        height               integer,
        size_tier            text,
        price_version        integer,
        delivered_at         timestamptz,
        provider             text,
        provider_request_id  text,
        CONSTRAINT manifest_row_pkey PRIMARY KEY (account_id, staging_id, request_id, index)
    )""",
    "GRANT SELECT, INSERT ON reconciliation, reconciliation_line TO billing_service",
    """GRANT UPDATE (state, reason, asked_by, asked_at, approved_by, approved_at, approval_reason, applied_at, posted)
       ON reconciliation TO billing_service""",
    """GRANT UPDATE (outcome, correction_id, posted_credits, problem, posted_at)
       ON reconciliation_line TO billing_service""",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON manifest, manifest_row TO billing_service",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE manifest_row, manifest, reconciliation_line, reconciliation")
