"""What was recognised of each grant, and how far into an account's wallet book.

Revision ID: 0006
"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

STATEMENTS = (
    # How far into the wallet book everything was looked at, and when nothing was missing. What changed since: last_at.
    "ALTER TABLE account ADD COLUMN recognised_seq bigint NOT NULL DEFAULT 0, ADD COLUMN recognised_at timestamptz",
    """
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
    ) WITH (fillfactor = 70)""",
    # Debts that were paid since, however old they are.
    "CREATE INDEX fill_by_payment ON fill (account_id, paid_by_seq)",
    # Revenue is summed from money transfers alone, which are few among those of the wallets.
    """
    CREATE INDEX transfer_money ON transfer (effective_at) INCLUDE (posted_at, kind, asset, amount, account_id)
        WHERE book = 'money'""",
    "GRANT SELECT, INSERT, UPDATE ON recognition TO billing_service",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP INDEX transfer_money, fill_by_payment")
    op.execute("DROP TABLE recognition")
    op.execute("ALTER TABLE account DROP COLUMN recognised_seq, DROP COLUMN recognised_at")
