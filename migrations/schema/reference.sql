-- Reference tables: the same on every node.

-- Reference tables: the same on every node.
CREATE TABLE price_book (
    version         integer     NOT NULL,
    effective_from  timestamptz NOT NULL,
    models          text        NOT NULL,  -- JSON, as billing.core.prices documents it
    published_at    timestamptz NOT NULL,
    published_by    text        NOT NULL,
    CONSTRAINT price_book_pkey PRIMARY KEY (version)
);

CREATE TABLE api_key (
    key_id          text        NOT NULL,
    hash            bytea       NOT NULL,
    role            text        NOT NULL,
    account_id      text,
    name            text        NOT NULL,
    created_at      timestamptz NOT NULL,
    revoked_at      timestamptz,
    CONSTRAINT api_key_pkey PRIMARY KEY (key_id),
    CONSTRAINT api_key_hash_unique UNIQUE (hash),
    CONSTRAINT api_key_role_known CHECK (role IN ('admin', 'gateway', 'finance', 'account')),
    CONSTRAINT api_key_account_of_account_role CHECK ((role = 'account') = (account_id IS NOT NULL))
);

CREATE TABLE pack (
    pack_id          text        NOT NULL,
    name             text        NOT NULL,
    credits          bigint      NOT NULL,
    bonus_credits    bigint      NOT NULL,
    bonus            text        NOT NULL,
    price_micros     bigint      NOT NULL,
    currency         text        NOT NULL,
    expires_in_days  integer,
    published_at     timestamptz NOT NULL,
    published_by     text        NOT NULL,
    withdrawn_at     timestamptz,
    CONSTRAINT pack_pkey PRIMARY KEY (pack_id),
    CONSTRAINT pack_positive CHECK (credits > 0 AND bonus_credits >= 0 AND price_micros > 0 AND expires_in_days > 0),
    CONSTRAINT pack_bonus_known CHECK (bonus IN ('own_grant', 'dilutes'))
);

CREATE TABLE signing_key (
    key_id       text        NOT NULL,
    seed         bytea,                -- nothing where the operator holds it, in a setting
    public_key   bytea       NOT NULL,
    created_at   timestamptz NOT NULL,
    retired_at   timestamptz,
    CONSTRAINT signing_key_pkey PRIMARY KEY (key_id),
    CONSTRAINT signing_key_ed25519 CHECK (length(seed) = 32 AND length(public_key) = 32)
);

-- Who signed in to the dashboard: digests only. A session lives no longer than the key it was opened with.
CREATE TABLE session (
    digest       bytea       NOT NULL,
    key_hash     bytea       NOT NULL,
    created_at   timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL,
    CONSTRAINT session_pkey PRIMARY KEY (digest)
);
CREATE INDEX session_expiring ON session (expires_at);

-- A machine from one start to the next: its time since then cannot jump. All its processes measure by the same line.
CREATE TABLE machine (
    boot_id       text        NOT NULL,  -- as its kernel names this start
    started_at    timestamptz NOT NULL,  -- by the database's clock, as far as that was believed
    believed_at   timestamptz NOT NULL,  -- the newest time that was
    ahead_micros  bigint      NOT NULL,  -- how far the database's clock is ahead of what is believed; 0: it is
    acceptance    bigint      NOT NULL,  -- the last that the line knows of
    CONSTRAINT machine_pkey PRIMARY KEY (boot_id),
    CONSTRAINT machine_doubts CHECK (ahead_micros >= 0)
);

CREATE TABLE clock_acceptance (
    acceptance    bigint      NOT NULL,  -- from 1
    accepted_at   timestamptz NOT NULL,  -- what the database's clock said
    ahead_micros  bigint      NOT NULL,
    accepted_by   text        NOT NULL,
    reason        text        NOT NULL,
    CONSTRAINT clock_acceptance_pkey PRIMARY KEY (acceptance)
);
