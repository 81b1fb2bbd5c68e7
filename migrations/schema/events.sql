-- What is announced to the outside, written in the transaction in which it happened, and who listens.

-- What the outside is told, written in the transaction in which it happened.
CREATE TABLE outbox (
    account_id       text        NOT NULL,
    created_at       timestamptz NOT NULL,
    position         integer     NOT NULL,
    event_id         text        NOT NULL,
    type             text        NOT NULL,
    data             text        NOT NULL,
    dispatched       boolean     NOT NULL,
    CONSTRAINT outbox_pkey PRIMARY KEY (account_id, created_at, position)
);
CREATE INDEX outbox_waiting ON outbox (created_at) WHERE NOT dispatched;
CREATE INDEX outbox_of_event ON outbox (event_id);
CREATE INDEX outbox_by_time ON outbox (created_at, account_id, position);

CREATE TABLE webhook_endpoint (
    endpoint_id      text        NOT NULL,
    url              text        NOT NULL,
    account_id       text,
    events           text[]      NOT NULL,
    description      text,
    secret           text        NOT NULL,
    previous_secret  text,
    previous_until   timestamptz,
    enabled          boolean     NOT NULL,
    created_at       timestamptz NOT NULL,
    deleted_at       timestamptz,
    content_digest   bytea       NOT NULL,  -- SHA-256 of what its maker asked for: a repeated call must say the same
    CONSTRAINT webhook_endpoint_pkey PRIMARY KEY (endpoint_id),
    CONSTRAINT webhook_endpoint_listens CHECK (cardinality(events) > 0)
);

CREATE TABLE webhook_delivery (
    account_id       text        NOT NULL,
    event_id         text        NOT NULL,
    endpoint_id      text        NOT NULL,
    state            text        NOT NULL,
    attempts         integer     NOT NULL,
    next_attempt_at  timestamptz,
    last_attempt_at  timestamptz,
    last_status      integer,
    problem          text,
    created_at       timestamptz NOT NULL,
    CONSTRAINT webhook_delivery_pkey PRIMARY KEY (account_id, event_id, endpoint_id),
    CONSTRAINT webhook_delivery_state_known CHECK (state IN ('pending', 'delivered', 'dead')),
    CONSTRAINT webhook_delivery_waits_while_pending CHECK ((next_attempt_at IS NOT NULL) = (state = 'pending'))
);
CREATE INDEX webhook_delivery_due ON webhook_delivery (endpoint_id, next_attempt_at) WHERE state = 'pending';
CREATE INDEX webhook_delivery_of_endpoint ON webhook_delivery (endpoint_id, created_at);
CREATE INDEX webhook_delivery_dead ON webhook_delivery (endpoint_id, created_at) WHERE state = 'dead';
