-- What Stripe's side of an account is made of. Rows of top-ups, card refunds, disputes, booked transactions and auto-recharge
-- are written in the account's transaction, under its lock; `stripe_object`, `stripe_event` and `payout_item` by the processor's ids.

-- A payment may be returned twice, by a refund and by a dispute, or with a loss by exchange.
CREATE TABLE topup (
    account_id       text        NOT NULL,
    topup_id         text        NOT NULL,
    via              text        NOT NULL,
    status           text        NOT NULL,
    pack_id          text        NOT NULL,
    credits          bigint      NOT NULL,
    bonus_credits    bigint      NOT NULL,
    bonus            text        NOT NULL,
    price_micros     bigint      NOT NULL,
    currency         text        NOT NULL,
    expires_in_days  integer,
    success_url      text,
    cancel_url       text,
    payment_method   text,
    checkout_id      text,
    checkout_url     text,
    payment_id       text,
    failure          text,
    problem          text,
    returned_micros  bigint      NOT NULL,
    returned_deferred_micros bigint NOT NULL,
    disputed_micros  bigint      NOT NULL,
    created_at       timestamptz NOT NULL,
    paid_at          timestamptz,
    changed_at       timestamptz NOT NULL,
    CONSTRAINT topup_pkey PRIMARY KEY (account_id, topup_id),
    CONSTRAINT topup_via_known CHECK (via IN ('checkout', 'recharge')),
    CONSTRAINT topup_status_known CHECK (status IN ('pending', 'paid', 'failed', 'expired', 'refunded', 'disputed')),
    CONSTRAINT topup_paid_when_paid CHECK ((paid_at IS NOT NULL) = (status IN ('paid', 'refunded', 'disputed'))),
    CONSTRAINT topup_returned_within CHECK (returned_micros >= 0 AND disputed_micros >= 0
        AND returned_deferred_micros BETWEEN 0 AND returned_micros)
);
CREATE INDEX topup_stopped ON topup (account_id) WHERE problem IS NOT NULL;
CREATE INDEX topup_by_time ON topup (account_id, created_at, topup_id);

CREATE TABLE card_refund (
    account_id       text        NOT NULL,
    card_refund_id   text        NOT NULL,
    topup_id         text        NOT NULL,
    status           text        NOT NULL,
    amount_micros    bigint      NOT NULL,
    deferred_micros  bigint      NOT NULL,
    clawed           text        NOT NULL,  -- JSON: [[grant, credits revoked, credits owed], …]
    created_at       timestamptz NOT NULL,
    changed_at       timestamptz NOT NULL,
    CONSTRAINT card_refund_pkey PRIMARY KEY (account_id, card_refund_id),
    CONSTRAINT card_refund_status_known CHECK (status IN ('succeeded', 'failed')),
    CONSTRAINT card_refund_parts CHECK (amount_micros > 0 AND deferred_micros BETWEEN 0 AND amount_micros)
);
CREATE INDEX card_refund_of_topup ON card_refund (account_id, topup_id);

CREATE TABLE dispute (
    account_id       text        NOT NULL,
    dispute_id       text        NOT NULL,
    topup_id         text        NOT NULL,
    status           text        NOT NULL,
    reason           text,
    amount_micros    bigint      NOT NULL,
    deferred_micros  bigint      NOT NULL,
    clawed           text        NOT NULL,  -- JSON, as a card refund's
    opened_at        timestamptz NOT NULL,
    closed_at        timestamptz,
    stripe_status    text,
    withdrawn_micros bigint      NOT NULL,
    reinstated_micros bigint     NOT NULL,
    undone           integer     NOT NULL,
    CONSTRAINT dispute_pkey PRIMARY KEY (account_id, dispute_id),
    CONSTRAINT dispute_status_known CHECK (status IN ('open', 'won', 'lost', 'averted')),
    CONSTRAINT dispute_closed_when_closed CHECK ((closed_at IS NULL) = (status = 'open')),
    CONSTRAINT dispute_parts CHECK (amount_micros > 0 AND undone >= 0 AND reinstated_micros >= 0
        AND withdrawn_micros >= 0 AND deferred_micros BETWEEN 0 AND greatest(withdrawn_micros - reinstated_micros, 0))
);
CREATE INDEX dispute_of_topup ON dispute (account_id, topup_id);

-- Stripe's balance transactions that the ledger has answered for: which transfers carry it, and its fee.
CREATE TABLE stripe_transaction (
    account_id       text        NOT NULL,
    transaction_id   text        NOT NULL,
    event            text        NOT NULL,
    booked_as        text        NOT NULL,
    amount_micros    bigint      NOT NULL,
    fee_micros       bigint      NOT NULL,
    currency         text        NOT NULL,
    booked_at        timestamptz NOT NULL,
    booked_by        text,                  -- NULL: the service itself
    reason           text,
    CONSTRAINT stripe_transaction_pkey PRIMARY KEY (account_id, transaction_id)
);

-- Payouts beside what is booked of them: from a transaction of Stripe's to the transfers that carry it.
CREATE INDEX stripe_transaction_by_id ON stripe_transaction (transaction_id);

-- Made and found by Stripe's id: whose it is.
CREATE TABLE stripe_object (
    object_id        text        NOT NULL,
    account_id       text        NOT NULL,
    topup_id         text,
    CONSTRAINT stripe_object_pkey PRIMARY KEY (object_id)
);

CREATE TABLE stripe_customer (
    account_id       text        NOT NULL,
    customer_id      text        NOT NULL,
    created_at       timestamptz NOT NULL,
    CONSTRAINT stripe_customer_pkey PRIMARY KEY (account_id)
);

CREATE TABLE stripe_event (
    event_id         text        NOT NULL,
    type             text        NOT NULL,
    created_at       timestamptz NOT NULL,
    received_at      timestamptz NOT NULL,
    received_by      text        NOT NULL,
    payload          text        NOT NULL,
    state            text        NOT NULL,
    attempts         integer     NOT NULL,
    next_attempt_at  timestamptz,
    done_at          timestamptz,
    account_id       text,
    problem          text,
    CONSTRAINT stripe_event_pkey PRIMARY KEY (event_id),
    CONSTRAINT stripe_event_state_known CHECK (state IN ('pending', 'done', 'ignored', 'dead')),
    CONSTRAINT stripe_event_waits_while_pending CHECK ((next_attempt_at IS NOT NULL) = (state = 'pending'))
);
CREATE INDEX stripe_event_dead ON stripe_event (received_at) WHERE state = 'dead';
CREATE INDEX stripe_event_waiting ON stripe_event (next_attempt_at) WHERE state = 'pending';
CREATE INDEX stripe_event_by_time ON stripe_event (received_at, event_id);
CREATE INDEX stripe_event_created ON stripe_event (created_at);

-- What a payout consists of, as Stripe lists it.
CREATE TABLE payout_item (
    payout_id        text        NOT NULL,
    transaction_id   text        NOT NULL,
    type             text        NOT NULL,
    amount_micros    bigint      NOT NULL,
    fee_micros       bigint      NOT NULL,
    currency         text        NOT NULL,
    CONSTRAINT payout_item_pkey PRIMARY KEY (payout_id, transaction_id)
);

CREATE TABLE auto_recharge (
    account_id       text        NOT NULL,
    status           text        NOT NULL,
    threshold        bigint      NOT NULL,
    pack_id          text        NOT NULL,
    monthly_limit    bigint      NOT NULL,
    payment_method   text,
    stopped_reason   text,
    attempts         bigint      NOT NULL,
    topup_id         text,
    declines         integer     NOT NULL,
    month            text        NOT NULL,
    month_credits    bigint      NOT NULL,
    due_at           timestamptz,
    changed_at       timestamptz NOT NULL,
    CONSTRAINT auto_recharge_pkey PRIMARY KEY (account_id),
    CONSTRAINT auto_recharge_status_known CHECK (status IN ('active', 'stopped', 'off')),
    CONSTRAINT auto_recharge_not_negative
        CHECK (threshold >= 0 AND monthly_limit > 0 AND attempts >= 0 AND declines >= 0 AND month_credits >= 0)
);
CREATE INDEX auto_recharge_due ON auto_recharge (due_at) WHERE due_at IS NOT NULL;

-- Grants whose expiry has been announced.
CREATE TABLE expiry_notice (
    account_id       text        NOT NULL,
    grant_id         text        NOT NULL,
    announced_at     timestamptz NOT NULL,
    CONSTRAINT expiry_notice_pkey PRIMARY KEY (account_id, grant_id)
);
