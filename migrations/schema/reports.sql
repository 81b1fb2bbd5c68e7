-- What reports are made from, and what they leave: usage, recognition, closed months, reconciliations, the provider's word.

-- Every zone's offset is a multiple of a quarter of an hour, so sums of these are exact in each. Credits are
-- signed: a refund counts when it is made.
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
    CONSTRAINT usage_bucket_counted CHECK (requests >= 0)
) WITH (fillfactor = 60);  -- counted up in place while its quarter of an hour lasts

CREATE TYPE usage_bucket_row AS (
    account_id text, quarter_hour timestamptz, model text, operation text, size_tier text, quality text,
    api_key_id text, requests bigint, images bigint, failed_images bigint, credits bigint
);

-- The days in UTC that an account has left behind: when something is written in a new day, the day of what was
-- written before it is summed up. So an account has them for each day before that of its `last_at`, and for no other.
-- `quarters` are those in which something was counted, 0 to 95; the other arrays hold the sums of the day up to and
-- with each. Any part of a day in any zone is the difference of two of them, and a month is a few rows.
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
);

-- At most 3.3 kB in all: never worth another look-up. PostgreSQL 15 does not take it where the column is made.
ALTER TABLE usage_day ALTER COLUMN quarters SET STORAGE PLAIN, ALTER COLUMN requests SET STORAGE PLAIN,
    ALTER COLUMN images SET STORAGE PLAIN, ALTER COLUMN failed_images SET STORAGE PLAIN,
    ALTER COLUMN credits SET STORAGE PLAIN;

CREATE TABLE recognition (
    account_id       text    NOT NULL,
    grant_id         text    NOT NULL,
    used             bigint  NOT NULL,  -- where the grant's credits were when this was recognised of it
    expired          bigint  NOT NULL,
    moved            bigint  NOT NULL,
    revoked          bigint  NOT NULL,
    returned_micros  bigint  NOT NULL,  -- what had left deferred revenue for them
    usage_micros     bigint  NOT NULL,
    breakage_micros  bigint  NOT NULL,
    CONSTRAINT recognition_pkey PRIMARY KEY (account_id, grant_id)
) WITH (fillfactor = 70);

-- The last one of a month stands. Reopening is written into it, once; closing again makes another.
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
);

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
);
CREATE INDEX reconciliation_by_time ON reconciliation (created_at, reconciliation_id);

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
);
CREATE INDEX reconciliation_line_in_order ON reconciliation_line (reconciliation_id, line);

-- What is left to be posted, in order: applying looks here again and again.
CREATE INDEX reconciliation_line_to_post ON reconciliation_line (reconciliation_id, line)
   WHERE outcome IS NULL AND action IN ('correct', 'settle');

-- Manifests while they are compared. Without a log: what a crash of the server takes was of use to nobody.
CREATE UNLOGGED TABLE manifest (
    staging_id    text        NOT NULL,
    heartbeat_at  timestamptz NOT NULL,  -- a load that says nothing for long was given up
    CONSTRAINT manifest_pkey PRIMARY KEY (staging_id)
);

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
);

-- Who brought which file when. What a report says stands in the two tables below until another says it anew.
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
);
CREATE INDEX provider_report_by_time ON provider_report (imported_at, report_id);

-- A bucket of which the provider says nothing is one line of nothing: it says that the bucket is known.
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
    -- JSON: {name: text or boolean, …}, sorted by name, of members that have no column; empty where there are none.
    others      text        NOT NULL,
    CONSTRAINT provider_usage_pkey
        PRIMARY KEY (provider, starts_at, model, size, source, project_id, user_id, api_key_id, others),
    CONSTRAINT provider_usage_within CHECK (ends_at > starts_at),
    CONSTRAINT provider_usage_counted CHECK (images >= 0 AND requests >= 0)
);

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
    others         text        NOT NULL,
    CONSTRAINT provider_cost_pkey PRIMARY KEY (provider, starts_at, line_item, project_id, api_key_id, others),
    CONSTRAINT provider_cost_within CHECK (ends_at > starts_at),
    CONSTRAINT provider_cost_not_negative CHECK (amount_micros >= 0)
);
