"""How far the database's clock is believed: a line for each machine, and who said that it is right after all.

Revision ID: 0013
"""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

STATEMENTS = (
    # A machine from one start to the next: its time since then cannot jump. All its processes measure by the same line.
    """
    CREATE TABLE machine (
        boot_id       text        NOT NULL,  -- as its kernel names this start
        started_at    timestamptz NOT NULL,  -- by the database's clock, as far as that was believed
        believed_at   timestamptz NOT NULL,  -- the newest time that was
        ahead_micros  bigint      NOT NULL,  -- how far the database's clock is ahead of what is believed; 0: it is
        acceptance    bigint      NOT NULL,  -- the last that the line knows of
        CONSTRAINT machine_pkey PRIMARY KEY (boot_id),
        CONSTRAINT machine_doubts CHECK (ahead_micros >= 0)
    )""",
    """
    CREATE TABLE clock_acceptance (
        acceptance    bigint      NOT NULL,  -- from 1
        accepted_at   timestamptz NOT NULL,  -- what the database's clock said
        ahead_micros  bigint      NOT NULL,
        accepted_by   text        NOT NULL,
        reason        text        NOT NULL,
        CONSTRAINT clock_acceptance_pkey PRIMARY KEY (acceptance)
    )""",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE machine, clock_acceptance")
