"""The ledger: accounts, grants, charges, outputs and the journal; price books and keys.

Written as the SQL that it is, so that what a table promises can be read in one place. Every table but the
reference tables has `account_id` first in its primary key, so that it can be distributed by account. No foreign
keys between them: existence is proven under the account's lock and checked by `billing verify`.

Revision ID: 0001
"""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE account (
    account_id      text        NOT NULL,
    asset           text        NOT NULL,
    name            text,
    status          text        NOT NULL,
    credit_limit    bigint      NOT NULL,
    overage         text        NOT NULL,
    hold            text        NOT NULL,
    metadata        text,
    created_at      timestamptz NOT NULL,
    opening_digest  bytea       NOT NULL,
    posted          bigint      NOT NULL,
    held            bigint      NOT NULL,
    frozen          bigint      NOT NULL,
    debt            bigint      NOT NULL,
    wallet_seq      bigint      NOT NULL,
    wallet_head     bytea       NOT NULL,
    money_seq       bigint      NOT NULL,
    money_head      bytea       NOT NULL,
    last_at         timestamptz NOT NULL,
    due_at          timestamptz,
    CONSTRAINT account_pkey PRIMARY KEY (account_id),
    CONSTRAINT account_status_known CHECK (status IN ('active', 'suspended')),
    CONSTRAINT account_overage_known CHECK (overage IN ('bill', 'cap')),
    CONSTRAINT account_hold_known CHECK (hold IN ('quote', 'max')),
    CONSTRAINT account_credit_limit_not_negative CHECK (credit_limit >= 0),
    CONSTRAINT account_held_not_negative CHECK (held >= 0),
    CONSTRAINT account_frozen_not_negative CHECK (frozen >= 0),
    CONSTRAINT account_debt_not_negative CHECK (debt >= 0)
) WITH (fillfactor = 50);  -- every batch rewrites the rows it touches: room keeps the new version on the page

CREATE TABLE account_change (
    account_id      text        NOT NULL,
    changed_at      timestamptz NOT NULL,
    position        integer     NOT NULL,
    setting         text        NOT NULL,
    old             text,
    new             text        NOT NULL,
    actor           text        NOT NULL,
    CONSTRAINT account_change_pkey PRIMARY KEY (account_id, changed_at, position)
);

CREATE TABLE "grant" (
    account_id      text        NOT NULL,
    grant_id        text        NOT NULL,
    kind            text        NOT NULL,
    granted         bigint      NOT NULL,
    remaining       bigint      NOT NULL,
    used            bigint      NOT NULL,
    expired         bigint      NOT NULL,
    revoked         bigint      NOT NULL,
    moved           bigint      NOT NULL,
    priority        integer     NOT NULL,
    expires_at      timestamptz,
    frozen          boolean     NOT NULL,
    open            boolean     NOT NULL,
    paid_micros     bigint,
    currency        text,
    funding         text,
    reference       text,
    origin_grant_id text,
    seq             bigint      NOT NULL,
    created_at      timestamptz NOT NULL,
    CONSTRAINT grant_pkey PRIMARY KEY (account_id, grant_id),
    CONSTRAINT grant_kind_known CHECK (kind IN ('purchase', 'promotion', 'plan', 'adjustment')),
    CONSTRAINT grant_remaining_within_granted CHECK (remaining >= 0 AND remaining <= granted),
    CONSTRAINT grant_parts_not_negative CHECK (used >= 0 AND expired >= 0 AND revoked >= 0 AND moved >= 0),
    CONSTRAINT grant_parts_make_the_whole
        CHECK (remaining::numeric + used + expired + revoked + moved = granted),
    CONSTRAINT grant_open_while_remaining CHECK (open = (remaining > 0)),
    CONSTRAINT grant_paid_in_a_currency CHECK ((paid_micros IS NULL) = (currency IS NULL) AND paid_micros >= 0)
) WITH (fillfactor = 50);
-- Not on remaining > 0: an index that mentions `remaining` would forbid HOT updates on every draw.
CREATE INDEX grant_open ON "grant" (account_id) WHERE open;
CREATE INDEX grant_expiring ON "grant" (expires_at) WHERE open AND expires_at IS NOT NULL;

CREATE TABLE charge (
    account_id          text        NOT NULL,
    request_id          text        NOT NULL,
    status              text        NOT NULL,
    model               text        NOT NULL,
    operation           text        NOT NULL,
    mode                text        NOT NULL,
    n                   integer     NOT NULL,
    size                text        NOT NULL,
    quality             text        NOT NULL,
    billed_quality      text        NOT NULL,
    quoted_tier         text        NOT NULL,
    credits_per_image   bigint      NOT NULL,
    quoted_credits      bigint      NOT NULL,
    held_credits        bigint      NOT NULL,
    settled_credits     bigint      NOT NULL,
    refunded_credits    bigint      NOT NULL,
    price_version       integer     NOT NULL,
    asked_price_version integer,
    overage             text        NOT NULL,
    one_step            boolean     NOT NULL,
    forced              boolean     NOT NULL,
    flags               text[]      NOT NULL,
    void_reason         text,
    api_key_id          text,
    end_user            text,
    metadata            text,
    hold_seconds        integer     NOT NULL,
    credit_limit        bigint      NOT NULL,
    available_credits   bigint      NOT NULL,
    authorized_seq      bigint      NOT NULL,
    authorized_at       timestamptz NOT NULL,
    expires_at          timestamptz NOT NULL,
    resolved_at         timestamptz,
    first_seq           bigint,
    last_seq            bigint,
    released_at         timestamptz,
    CONSTRAINT charge_pkey PRIMARY KEY (account_id, request_id),
    CONSTRAINT charge_status_known CHECK (status IN ('authorized', 'settled', 'voided', 'expired')),
    CONSTRAINT charge_was_covered CHECK (held_credits >= 0 AND held_credits <= available_credits),
    CONSTRAINT charge_refunds_within_bill CHECK (refunded_credits >= 0 AND refunded_credits <= settled_credits)
) WITH (fillfactor = 70);  -- settled in place: no indexed column changes
CREATE INDEX charge_by_time ON charge (account_id, authorized_at, request_id);

-- Open holds, and nothing else: found by when they are due, gone when they end. A partial index on charge
-- would make every settlement rewrite all of charge's indexes.
CREATE TABLE hold (
    account_id      text        NOT NULL,
    expires_at      timestamptz NOT NULL,
    request_id      text        NOT NULL,
    authorized_at   timestamptz NOT NULL,
    credits         bigint      NOT NULL,
    CONSTRAINT hold_pkey PRIMARY KEY (account_id, expires_at, request_id),
    CONSTRAINT hold_not_negative CHECK (credits >= 0)
) WITH (autovacuum_vacuum_scale_factor = 0.05);

CREATE TABLE output (
    account_id       text    NOT NULL,
    request_id       text    NOT NULL,
    index            integer NOT NULL,
    status           text    NOT NULL,
    width            integer,
    height           integer,
    size_tier        text,
    credits          bigint  NOT NULL,
    refunded_credits bigint  NOT NULL,
    flags            text[]  NOT NULL,
    reason           text,
    CONSTRAINT output_pkey PRIMARY KEY (account_id, request_id, index),
    CONSTRAINT output_status_known CHECK (status IN ('succeeded', 'failed')),
    CONSTRAINT output_failed_costs_nothing CHECK (credits >= 0 AND (status = 'succeeded' OR credits = 0)),
    CONSTRAINT output_refunds_within_bill CHECK (refunded_credits >= 0 AND refunded_credits <= credits),
    CONSTRAINT output_measured_or_not CHECK ((width IS NULL) = (height IS NULL))
);

CREATE TABLE transfer (
    account_id      text        NOT NULL,
    book            text        NOT NULL,
    seq             bigint      NOT NULL,
    kind            text        NOT NULL,
    debit           text        NOT NULL,
    credit          text        NOT NULL,
    asset           text        NOT NULL,
    amount          bigint      NOT NULL,
    balance_after   bigint,
    request_id      text,
    grant_id        text,
    refund_id       text,
    external_id     text,
    effective_at    timestamptz NOT NULL,
    posted_at       timestamptz NOT NULL,
    digest          bytea,
    hash            bytea       NOT NULL,
    CONSTRAINT transfer_pkey PRIMARY KEY (account_id, book, seq),
    CONSTRAINT transfer_book_known CHECK (book IN ('wallet', 'money')),
    CONSTRAINT transfer_not_negative CHECK (amount >= 0),
    CONSTRAINT transfer_between_two CHECK (debit <> credit),
    CONSTRAINT transfer_wallet_balance CHECK ((book = 'wallet') = (balance_after IS NOT NULL))
);

CREATE TABLE debt (
    account_id      text        NOT NULL,
    seq             bigint      NOT NULL,
    request_id      text        NOT NULL,
    credits         bigint      NOT NULL,
    outstanding     bigint      NOT NULL,
    CONSTRAINT debt_pkey PRIMARY KEY (account_id, seq),
    CONSTRAINT debt_outstanding_within CHECK (outstanding >= 0 AND outstanding <= credits)
);
CREATE INDEX debt_outstanding ON debt (account_id) WHERE outstanding > 0;

CREATE TABLE fill (
    account_id      text        NOT NULL,
    seq             bigint      NOT NULL,  -- the debt's
    paid_by_seq     bigint      NOT NULL,  -- the transfer that brought the credits: a grant's or a refund's
    grant_id        text        NOT NULL,
    credits         bigint      NOT NULL,
    CONSTRAINT fill_pkey PRIMARY KEY (account_id, seq, paid_by_seq),
    CONSTRAINT fill_positive CHECK (credits > 0)
);

CREATE TABLE refund (
    account_id      text        NOT NULL,
    refund_id       text        NOT NULL,
    request_id      text        NOT NULL,
    asked_credits   bigint,
    asked_outputs   integer[],
    reason          text        NOT NULL,
    credits         bigint      NOT NULL,
    outputs         text        NOT NULL,  -- JSON: [[index, credits], …]
    returns         text        NOT NULL,  -- JSON: [[grant drawn on | null, credits, grant returned to | null], …]
    created_at      timestamptz NOT NULL,
    first_seq       bigint      NOT NULL,
    last_seq        bigint      NOT NULL,
    CONSTRAINT refund_pkey PRIMARY KEY (account_id, refund_id),
    CONSTRAINT refund_positive CHECK (credits > 0)
);
CREATE INDEX refund_of_charge ON refund (account_id, request_id);

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

-- What a batch writes: one tuple for each row, one parameter for each table. Types of their own, not the tables' row
-- types: a process that still runs when a column is added goes on writing the rows it knows.
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['charge', 'hold', 'output', 'transfer'] LOOP
        EXECUTE (
            SELECT format('CREATE TYPE %I AS (%s)', name || '_row',
                          string_agg(format('%I %s', attname, format_type(atttypid, atttypmod)), ', ' ORDER BY attnum))
            FROM pg_attribute WHERE attrelid = name::regclass AND attnum > 0);
    END LOOP;
END
$$;
CREATE TYPE account_standing AS (
    account_id text, posted bigint, held bigint, frozen bigint, debt bigint, wallet_seq bigint, wallet_head bytea,
    money_seq bigint, money_head bytea, last_at timestamptz, due_at timestamptz
);
CREATE TYPE account_settings AS (
    account_id text, name text, status text, credit_limit bigint, overage text, hold text, metadata text
);
CREATE TYPE charge_resolution AS (
    account_id text, request_id text, status text, settled_credits bigint, refunded_credits bigint, forced boolean,
    flags text[], void_reason text, resolved_at timestamptz, first_seq bigint, last_seq bigint,
    released_at timestamptz
);
CREATE TYPE grant_parts AS (
    account_id text, grant_id text, remaining bigint, used bigint, expired bigint, revoked bigint, moved bigint,
    frozen boolean, open boolean
);
"""

# The service works as this role whatever it logs in as: it may add to the journal and read it, nothing else. An
# administrator may have made it, and granted it: who may not create roles then need not. To be allowed to SET ROLE is a
# membership's own option since PostgreSQL 16 ('SET'); before, every member was.
PRIVILEGES = """
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'billing_service') THEN
        CREATE ROLE billing_service NOLOGIN;
    END IF;
EXCEPTION
    WHEN duplicate_object OR unique_violation THEN NULL;  -- roles belong to the server, not to this database
END
$$;
DO $$
BEGIN
    IF NOT pg_has_role(current_user, 'billing_service',
                       CASE WHEN current_setting('server_version_num')::integer < 160000 THEN 'MEMBER' ELSE 'SET' END) THEN
        EXECUTE format('GRANT billing_service TO %I', current_user);
    END IF;
END
$$;
GRANT USAGE ON SCHEMA public TO billing_service;
GRANT SELECT ON alembic_version TO billing_service;
GRANT SELECT, INSERT ON transfer, fill, account_change, price_book TO billing_service;
GRANT SELECT, INSERT, UPDATE ON account, "grant", charge, output, debt, refund, api_key TO billing_service;
GRANT SELECT, INSERT, DELETE ON hold TO billing_service;
"""


def upgrade() -> None:
    for statement in (TABLES, PRIVILEGES):
        for part in _statements(statement):
            op.execute(part)


def _statements(script: str) -> list[str]:
    """asyncpg prepares what it executes: one statement at a time."""
    parts, inside = [""], False
    for line in script.splitlines():
        inside ^= "$$" in line
        parts[-1] += line + "\n"
        if line.split("--")[0].rstrip().endswith(";") and not inside:
            parts.append("")
    return [part for part in parts if part.strip()]


def downgrade() -> None:
    raise NotImplementedError("a ledger is not unmade: restore a backup instead")
