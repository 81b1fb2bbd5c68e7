"""Usage in quarter-hour buckets, written with the bill; the key that signs statements; the dashboard's sessions.

Revision ID: 0004
"""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

STATEMENTS = (
    # Every zone's offset is a multiple of a quarter of an hour, so sums of these are exact in each. Credits are
    # signed: a refund counts when it is made.
    """
    CREATE TABLE usage_bucket (
        account_id     text        NOT NULL,
        quarter_hour   timestamptz NOT NULL,
        model          text        NOT NULL,
        operation      text        NOT NULL,
        size_tier      text        NOT NULL,  -- empty for outputs that failed
        quality        text        NOT NULL,  -- as billed
        api_key_id     text        NOT NULL,  -- empty where none was given
        requests       bigint      NOT NULL,
        images         bigint      NOT NULL,
        failed_images  bigint      NOT NULL,
        credits        bigint      NOT NULL,
        CONSTRAINT usage_bucket_pkey
            PRIMARY KEY (account_id, quarter_hour, model, operation, size_tier, quality, api_key_id),
        CONSTRAINT usage_bucket_counted CHECK (requests >= 0 AND images >= 0 AND failed_images >= 0)
    ) WITH (fillfactor = 60)""",  # counted up in place while its quarter of an hour lasts
    # Across accounts by time. Rows come in order of time, so block ranges find them and cost next to nothing.
    "CREATE INDEX usage_bucket_by_time ON usage_bucket USING brin (quarter_hour)",
    # End users are counted from charges: as many as there may be, each is found by its own; so is a list of its charges.
    "CREATE INDEX charge_by_end_user ON charge (account_id, end_user, authorized_at, request_id) WHERE end_user IS NOT NULL",
    # The only charges that are settled more than two days after they were authorized.
    "CREATE INDEX charge_forced ON charge (account_id) WHERE forced",
    "CREATE INDEX refund_by_time ON refund (account_id, created_at)",
    """
    CREATE TABLE signing_key (
        key_id       text        NOT NULL,
        seed         bytea,                -- nothing where the operator holds it, in a setting
        public_key   bytea       NOT NULL,
        created_at   timestamptz NOT NULL,
        retired_at   timestamptz,
        CONSTRAINT signing_key_pkey PRIMARY KEY (key_id),
        CONSTRAINT signing_key_ed25519 CHECK (length(seed) = 32 AND length(public_key) = 32)
    )""",
    # Who signed in to the dashboard: digests only. A session lives no longer than the key it was opened with.
    """
    CREATE TABLE session (
        digest       bytea       NOT NULL,
        key_hash     bytea       NOT NULL,
        created_at   timestamptz NOT NULL,
        expires_at   timestamptz NOT NULL,
        CONSTRAINT session_pkey PRIMARY KEY (digest)
    )""",
    "CREATE INDEX session_expiring ON session (expires_at)",
)

PRIVILEGES = (
    "GRANT SELECT, INSERT, UPDATE ON usage_bucket TO billing_service",
    "GRANT SELECT, INSERT, UPDATE ON signing_key TO billing_service",
    "GRANT SELECT, INSERT, DELETE ON session TO billing_service",
)

# What a batch adds: one tuple for each bucket it counts in.
TYPES = (
    """
    CREATE TYPE usage_bucket_row AS (
        account_id text, quarter_hour timestamptz, model text, operation text, size_tier text, quality text,
        api_key_id text, requests bigint, images bigint, failed_images bigint, credits bigint
    )""",
)

# What was billed and refunded before there were buckets.
_KEY = "account_id, quarter_hour, model, operation, size_tier, quality, api_key_id"
BACKFILL = (
    f"""
    INSERT INTO usage_bucket
    SELECT {_KEY}, sum(requests), sum(images), sum(failed_images), sum(credits) FROM (
        SELECT c.account_id, date_bin('15 minutes', counted.at, 'epoch'::timestamptz) AS quarter_hour, c.model,
            c.operation, coalesce(counted.size_tier, '') AS size_tier, c.billed_quality AS quality,
            coalesce(c.api_key_id, '') AS api_key_id, counted.requests, counted.images, counted.failed_images,
            counted.credits
        FROM (
            SELECT o.account_id, o.request_id, s.resolved_at AS at, o.size_tier, (o.index = 0)::integer AS requests,
                (o.status = 'succeeded')::integer AS images, (o.status = 'failed')::integer AS failed_images, o.credits
            FROM output o JOIN charge s USING (account_id, request_id)
            UNION ALL
            SELECT r.account_id, r.request_id, r.created_at, o.size_tier, 0, 0, 0, -(part ->> 1)::bigint
            FROM refund r CROSS JOIN jsonb_array_elements(r.outputs::jsonb) part
            JOIN output o ON o.account_id = r.account_id AND o.request_id = r.request_id AND o.index = (part ->> 0)::integer
        ) counted JOIN charge c USING (account_id, request_id)
    ) p GROUP BY {_KEY}""",
)


def upgrade() -> None:
    for statement in (*STATEMENTS, *PRIVILEGES, *TYPES, *BACKFILL):
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("a ledger is not unmade: restore a backup instead")
