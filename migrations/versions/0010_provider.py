"""What the provider says it delivered, and what it took for it.

Revision ID: 0010
"""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

STATEMENTS = (
    # Who brought which file when. What a report says stands in the two tables below until another says it anew.
    """
    CREATE TABLE provider_report (
        report_id    text        NOT NULL,
        provider     text        NOT NULL,
        imported_at  timestamptz NOT NULL,
        imported_by  text        NOT NULL,
        files        text        NOT NULL,  -- JSON: [[name, SHA-256 in hexadecimal], …]
        pages        bigint      NOT NULL,
        usage_lines  bigint      NOT NULL,
        cost_lines   bigint      NOT NULL,
        replaced     bigint      NOT NULL,  -- lines of earlier reports that this one took the place of
        images       bigint      NOT NULL,
        cost_micros  bigint      NOT NULL,
        starts_at    timestamptz NOT NULL,
        ends_at      timestamptz NOT NULL,
        CONSTRAINT provider_report_pkey PRIMARY KEY (report_id),
        CONSTRAINT provider_report_not_negative CHECK (images >= 0 AND cost_micros >= 0)
    )""",
    "CREATE INDEX provider_report_by_time ON provider_report (imported_at, report_id)",
    # A bucket of which the provider says nothing is one line of nothing: it says that the bucket is known.
    """
    CREATE TABLE provider_usage (
        provider    text        NOT NULL,
        starts_at   timestamptz NOT NULL,
        model       text        NOT NULL,  -- these six are empty where the report does not tell them apart
        size        text        NOT NULL,
        source      text        NOT NULL,
        project_id  text        NOT NULL,
        user_id     text        NOT NULL,
        api_key_id  text        NOT NULL,
        ends_at     timestamptz NOT NULL,
        images      bigint      NOT NULL,
        requests    bigint      NOT NULL,
        report_id   text        NOT NULL,
        CONSTRAINT provider_usage_pkey
            PRIMARY KEY (provider, starts_at, model, size, source, project_id, user_id, api_key_id),
        CONSTRAINT provider_usage_within CHECK (ends_at > starts_at),
        CONSTRAINT provider_usage_counted CHECK (images >= 0 AND requests >= 0)
    )""",
    """
    CREATE TABLE provider_cost (
        provider       text        NOT NULL,
        starts_at      timestamptz NOT NULL,
        line_item      text        NOT NULL,
        project_id     text        NOT NULL,
        api_key_id     text        NOT NULL,
        ends_at        timestamptz NOT NULL,
        amount_micros  bigint      NOT NULL,
        currency       text        NOT NULL,
        report_id      text        NOT NULL,
        CONSTRAINT provider_cost_pkey PRIMARY KEY (provider, starts_at, line_item, project_id, api_key_id),
        CONSTRAINT provider_cost_within CHECK (ends_at > starts_at),
        CONSTRAINT provider_cost_not_negative CHECK (amount_micros >= 0)
    )""",
    "GRANT SELECT, INSERT ON provider_report TO billing_service",
    "GRANT SELECT, INSERT, DELETE ON provider_usage, provider_cost TO billing_service",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE provider_report, provider_usage, provider_cost")
