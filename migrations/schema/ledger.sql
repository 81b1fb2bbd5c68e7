-- The ledger: accounts, grants, charges, outputs, the journal, and what was drawn, owed, refunded and corrected.

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
    -- Levels of `available` that are announced when it falls below them, and the one that recharges. Null for most.
    low_balance     bigint[],
    recharge_below  bigint,
    -- How far into the wallet book everything was looked at, and when nothing was missing. What changed since: last_at.
    recognised_seq  bigint      NOT NULL DEFAULT 0,
    recognised_at   timestamptz,
    CONSTRAINT account_pkey PRIMARY KEY (account_id),
    CONSTRAINT account_status_known CHECK (status IN ('active', 'suspended')),
    CONSTRAINT account_overage_known CHECK (overage IN ('bill', 'cap')),
    CONSTRAINT account_hold_known CHECK (hold IN ('quote', 'max')),
    CONSTRAINT account_credit_limit_not_negative CHECK (credit_limit >= 0),
    CONSTRAINT account_held_not_negative CHECK (held >= 0),
    CONSTRAINT account_frozen_not_negative CHECK (frozen >= 0),
    CONSTRAINT account_debt_not_negative CHECK (debt >= 0)
) WITH (fillfactor = 50);  -- every batch rewrites the rows it touches: room keeps the new version on the page
CREATE INDEX account_owing ON account (account_id) WHERE debt > 0;

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
    -- Credits that card refunds and lost disputes took back: `revoked` of them were unspent, the rest became debt.
    clawed          bigint      NOT NULL DEFAULT 0,
    CONSTRAINT grant_pkey PRIMARY KEY (account_id, grant_id),
    CONSTRAINT grant_kind_known CHECK (kind IN ('purchase', 'promotion', 'plan', 'adjustment')),
    CONSTRAINT grant_remaining_within_granted CHECK (remaining >= 0 AND remaining <= granted),
    CONSTRAINT grant_parts_not_negative CHECK (used >= 0 AND expired >= 0 AND revoked >= 0 AND moved >= 0),
    CONSTRAINT grant_parts_make_the_whole
        CHECK (remaining::numeric + used + expired + revoked + moved = granted),
    CONSTRAINT grant_open_while_remaining CHECK (open = (remaining > 0)),
    CONSTRAINT grant_clawed_within CHECK (clawed >= revoked AND clawed <= granted),
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
    corrected_credits   bigint      NOT NULL DEFAULT 0,  -- what corrections have come to since
    CONSTRAINT charge_pkey PRIMARY KEY (account_id, request_id),
    CONSTRAINT charge_status_known CHECK (status IN ('authorized', 'settled', 'voided', 'expired')),
    CONSTRAINT charge_was_covered CHECK (held_credits >= 0 AND held_credits <= available_credits),
    CONSTRAINT charge_refunds_within_bill CHECK (refunded_credits >= 0 AND refunded_credits <= settled_credits + corrected_credits)
) WITH (fillfactor = 70);  -- settled in place: no indexed column changes
CREATE INDEX charge_by_time ON charge (account_id, authorized_at, request_id);

-- End users are counted from charges: as many as there may be, each is found by its own; so is a list of its charges.
CREATE INDEX charge_by_end_user ON charge (account_id, end_user, authorized_at) WHERE end_user IS NOT NULL;

-- The only charges that are settled more than two days after they were authorized.
CREATE INDEX charge_forced ON charge (account_id) WHERE forced;

-- Few charges carry a flag. A settlement that sets none changes nothing that is indexed, so it still stays in place.
CREATE INDEX charge_flagged ON charge (account_id, authorized_at, request_id) WHERE flags <> '{}';

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

-- Outputs and charges stay as they were settled; beside them stands what corrections have come to.
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
    corrected_credits bigint NOT NULL DEFAULT 0,
    CONSTRAINT output_pkey PRIMARY KEY (account_id, request_id, index),
    CONSTRAINT output_status_known CHECK (status IN ('succeeded', 'failed')),
    CONSTRAINT output_failed_costs_nothing CHECK (credits >= 0 AND (status = 'succeeded' OR credits = 0)),
    CONSTRAINT output_refunds_within_bill CHECK (refunded_credits >= 0 AND refunded_credits <= credits + corrected_credits),
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

-- Revenue is summed from money transfers alone, which are few among those of the wallets.
CREATE INDEX transfer_money ON transfer (effective_at) INCLUDE (posted_at, kind, asset, amount, account_id)
    WHERE book = 'money';

-- What was posted in a later month than it was due in: little, and all that can have come after a closing.
CREATE INDEX transfer_late ON transfer (effective_at, account_id, book, seq)
    WHERE effective_at <> posted_at
      AND date_trunc('month', effective_at AT TIME ZONE 'UTC') < date_trunc('month', posted_at AT TIME ZONE 'UTC');
CREATE INDEX transfer_external ON transfer (account_id, external_id) WHERE external_id IS NOT NULL;

CREATE TABLE debt (
    account_id      text        NOT NULL,
    seq             bigint      NOT NULL,
    request_id      text,                  -- NULL: a clawback's debt belongs to no charge
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

-- Debts that were paid since, however old they are.
CREATE INDEX fill_by_payment ON fill (account_id, paid_by_seq);

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
CREATE INDEX refund_by_time ON refund (account_id, created_at);

CREATE TABLE correction (
    account_id      text        NOT NULL,
    correction_id   text        NOT NULL,
    request_id      text        NOT NULL,
    asked           text        NOT NULL,  -- JSON: [[index, status, width, height, reason], …] as reported
    reason          text        NOT NULL,
    actor           text        NOT NULL,
    credits         bigint      NOT NULL,  -- signed: the bill rose by them, or fell
    -- JSON: [[index, status, width, height, size tier, credits before, after, status before, size tier before], …]
    outputs         text        NOT NULL,  -- as they stand since
    returns         text        NOT NULL,  -- as of a refund, where the bill fell
    created_at      timestamptz NOT NULL,
    first_seq       bigint      NOT NULL,
    last_seq        bigint      NOT NULL,
    CONSTRAINT correction_pkey PRIMARY KEY (account_id, correction_id),
    CONSTRAINT correction_posted CHECK (first_seq <= last_seq),
    CONSTRAINT correction_returns_what_fell CHECK ((credits < 0) = (returns <> '[]'))
);
CREATE INDEX correction_of_charge ON correction (account_id, request_id);
CREATE INDEX correction_by_time ON correction (account_id, created_at);

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
    released_at timestamptz, corrected_credits bigint
);

CREATE TYPE grant_parts AS (
    account_id text, grant_id text, remaining bigint, used bigint, expired bigint, revoked bigint, moved bigint,
    frozen boolean, open boolean
);
