"""Usage in quarter-hour buckets, written with the bill, and summed up by day; the key that signs statements; the dashboard's sessions.

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
    # The days in UTC that an account has left behind: when something is written in a new day, the day of what was
    # written before it is summed up. So an account has them for each day before that of its `last_at`, and for no other.
    # `quarters` are those in which something was counted, 0 to 95; the other arrays hold the sums of the day up to and
    # with each. Any part of a day in any zone is the difference of two of them, and a month is a few rows.
    """
    CREATE TABLE usage_day (
        account_id     text        NOT NULL,
        day            timestamptz NOT NULL,
        model          text        NOT NULL,
        operation      text        NOT NULL,
        size_tier      text        NOT NULL,
        quality        text        NOT NULL,
        api_key_id     text        NOT NULL,
        quarters       smallint[]  NOT NULL,
        requests       bigint[]    NOT NULL,
        images         bigint[]    NOT NULL,
        failed_images  bigint[]    NOT NULL,
        credits        bigint[]    NOT NULL,
        CONSTRAINT usage_day_pkey PRIMARY KEY (account_id, day, model, operation, size_tier, quality, api_key_id)
    )""",
    # At most 3.3 kB in all: never worth another look-up. PostgreSQL 15 does not take it where the column is made.
    """
    ALTER TABLE usage_day ALTER COLUMN quarters SET STORAGE PLAIN, ALTER COLUMN requests SET STORAGE PLAIN,
        ALTER COLUMN images SET STORAGE PLAIN, ALTER COLUMN failed_images SET STORAGE PLAIN,
        ALTER COLUMN credits SET STORAGE PLAIN""",
    # End users are counted from charges: as many as there may be, each is found by its own; so is a list of its charges.
    "CREATE INDEX charge_by_end_user ON charge (account_id, end_user, authorized_at) WHERE end_user IS NOT NULL",
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
    "GRANT SELECT, INSERT ON usage_day TO billing_service",
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
    """
    INSERT INTO usage_day
    SELECT account_id, day, model, operation, size_tier, quality, api_key_id, array_agg(quarter ORDER BY quarter),
        array_agg(requests ORDER BY quarter), array_agg(images ORDER BY quarter),
        array_agg(failed_images ORDER BY quarter), array_agg(credits ORDER BY quarter)
    FROM (
        SELECT b.account_id, d.day, b.model, b.operation, b.size_tier, b.quality, b.api_key_id,
            (extract(epoch FROM b.quarter_hour - d.day) / 900)::smallint AS quarter,
            (sum(b.requests) OVER running)::bigint AS requests, (sum(b.images) OVER running)::bigint AS images,
            (sum(b.failed_images) OVER running)::bigint AS failed_images, (sum(b.credits) OVER running)::bigint AS credits
        FROM usage_bucket b JOIN account a ON a.account_id = b.account_id
        CROSS JOIN LATERAL (SELECT date_bin('1 day', b.quarter_hour, 'epoch'::timestamptz) AS day) d
        WHERE b.quarter_hour < date_bin('1 day', a.last_at, 'epoch'::timestamptz)
        WINDOW running AS (
            PARTITION BY b.account_id, d.day, b.model, b.operation, b.size_tier, b.quality, b.api_key_id
            ORDER BY b.quarter_hour)
    ) q GROUP BY account_id, day, model, operation, size_tier, quality, api_key_id""",
)


def upgrade() -> None:
    for statement in (*STATEMENTS, *PRIVILEGES, *TYPES, *BACKFILL):
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("a ledger is not unmade: restore a backup instead")
