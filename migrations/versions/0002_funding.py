"""Funding: packs, top-ups and what Stripe reports about them; what is announced to the outside.

Rows of top-ups, card refunds, disputes, booked transactions and auto-recharge are written in the account's
transaction, under its lock. `pack`, `stripe_object`, `stripe_event`, `payout_item` and `webhook_endpoint` are
reference tables.

Revision ID: 0002
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

STATEMENTS = (
    # Levels of `available` that are announced when it falls below them, and the one that recharges. Null for most.
    "ALTER TABLE account ADD COLUMN low_balance bigint[], ADD COLUMN recharge_below bigint",
    # Credits that card refunds and lost disputes took back: `revoked` of them were unspent, the rest became debt.
    'ALTER TABLE "grant" ADD COLUMN clawed bigint NOT NULL DEFAULT 0',
    'ALTER TABLE "grant" ADD CONSTRAINT grant_clawed_within CHECK (clawed >= revoked AND clawed <= granted)',
    # A clawback's debt belongs to no charge.
    "ALTER TABLE debt ALTER COLUMN request_id DROP NOT NULL",
    """
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
    )""",
    """
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
        CONSTRAINT topup_returned_within CHECK (returned_micros >= 0 AND disputed_micros >= 0 AND returned_deferred_micros >= 0
            AND returned_deferred_micros <= returned_micros AND returned_micros + disputed_micros <= price_micros)
    )""",
    "CREATE INDEX topup_stopped ON topup (account_id) WHERE problem IS NOT NULL",
    "CREATE INDEX topup_by_time ON topup (account_id, created_at, topup_id)",
    """
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
    )""",
    "CREATE INDEX card_refund_of_topup ON card_refund (account_id, topup_id)",
    """
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
        CONSTRAINT dispute_pkey PRIMARY KEY (account_id, dispute_id),
        CONSTRAINT dispute_status_known CHECK (status IN ('open', 'won', 'lost')),
        CONSTRAINT dispute_closed_when_closed CHECK ((closed_at IS NULL) = (status = 'open')),
        CONSTRAINT dispute_parts CHECK (amount_micros > 0 AND deferred_micros BETWEEN 0 AND amount_micros)
    )""",
    "CREATE INDEX dispute_of_topup ON dispute (account_id, topup_id)",
    # Stripe's balance transactions that the ledger has answered for: which transfers carry it, and its fee.
    """
    CREATE TABLE stripe_transaction (
        account_id       text        NOT NULL,
        transaction_id   text        NOT NULL,
        event            text        NOT NULL,
        booked_as        text        NOT NULL,
        amount_micros    bigint      NOT NULL,
        fee_micros       bigint      NOT NULL,
        currency         text        NOT NULL,
        booked_at        timestamptz NOT NULL,
        CONSTRAINT stripe_transaction_pkey PRIMARY KEY (account_id, transaction_id)
    )""",
    # Made and found by Stripe's id: whose it is.
    """
    CREATE TABLE stripe_object (
        object_id        text        NOT NULL,
        account_id       text        NOT NULL,
        topup_id         text,
        CONSTRAINT stripe_object_pkey PRIMARY KEY (object_id)
    )""",
    """
    CREATE TABLE stripe_customer (
        account_id       text        NOT NULL,
        customer_id      text        NOT NULL,
        created_at       timestamptz NOT NULL,
        CONSTRAINT stripe_customer_pkey PRIMARY KEY (account_id)
    )""",
    """
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
    )""",
    "CREATE INDEX stripe_event_dead ON stripe_event (received_at) WHERE state = 'dead'",
    "CREATE INDEX stripe_event_waiting ON stripe_event (next_attempt_at) WHERE state = 'pending'",
    "CREATE INDEX stripe_event_by_time ON stripe_event (received_at, event_id)",
    "CREATE INDEX stripe_event_created ON stripe_event (created_at)",
    # What a payout consists of, as Stripe lists it.
    """
    CREATE TABLE payout_item (
        payout_id        text        NOT NULL,
        transaction_id   text        NOT NULL,
        type             text        NOT NULL,
        amount_micros    bigint      NOT NULL,
        fee_micros       bigint      NOT NULL,
        currency         text        NOT NULL,
        CONSTRAINT payout_item_pkey PRIMARY KEY (payout_id, transaction_id)
    )""",
    """
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
    )""",
    "CREATE INDEX auto_recharge_due ON auto_recharge (due_at) WHERE due_at IS NOT NULL",
    # Grants whose expiry has been announced.
    """
    CREATE TABLE expiry_notice (
        account_id       text        NOT NULL,
        grant_id         text        NOT NULL,
        announced_at     timestamptz NOT NULL,
        CONSTRAINT expiry_notice_pkey PRIMARY KEY (account_id, grant_id)
    )""",
    # What the outside is told, written in the transaction in which it happened.
    """
    CREATE TABLE outbox (
        account_id       text        NOT NULL,
        created_at       timestamptz NOT NULL,
        position         integer     NOT NULL,
        event_id         text        NOT NULL,
        type             text        NOT NULL,
        data             text        NOT NULL,
        dispatched       boolean     NOT NULL,
        CONSTRAINT outbox_pkey PRIMARY KEY (account_id, created_at, position)
    )""",
    "CREATE INDEX outbox_waiting ON outbox (created_at) WHERE NOT dispatched",
    "CREATE INDEX outbox_by_event ON outbox (account_id, event_id)",
    """
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
        CONSTRAINT webhook_endpoint_pkey PRIMARY KEY (endpoint_id),
        CONSTRAINT webhook_endpoint_listens CHECK (cardinality(events) > 0)
    )""",
    """
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
    )""",
    "CREATE INDEX webhook_delivery_waiting ON webhook_delivery (next_attempt_at) WHERE state = 'pending'",
    "CREATE INDEX webhook_delivery_of_endpoint ON webhook_delivery (endpoint_id, created_at)",
    "GRANT SELECT, INSERT ON stripe_object, stripe_transaction, payout_item, expiry_notice TO billing_service",
    """
    GRANT SELECT, INSERT, UPDATE ON pack, topup, card_refund, dispute, stripe_customer, stripe_event, auto_recharge, outbox,
        webhook_endpoint, webhook_delivery TO billing_service""",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("a ledger is not unmade: restore a backup instead")
