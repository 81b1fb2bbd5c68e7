"""The schema as it was when its first thirteen revisions were put together: `migrations/schema/`, room by room.

Written as the SQL that it is, so that what a table promises can be read in one place. Every table but the reference tables has
`account_id` first in its primary key, so that it can be distributed by account. No foreign keys between them: existence is
proven under the account's lock and checked by `billing verify`. What the service's role may do is granted after every
migration (`billing/store/privileges.py`).

Revision ID: 0013
"""

from collections.abc import Iterator
from pathlib import Path

from alembic import op

revision = "0013"
down_revision = None
branch_labels = None
depends_on = None

SCHEMA = Path(__file__).parents[1] / "schema"
ROOMS = ("ledger", "payments", "reference", "reports", "events")


def upgrade() -> None:
    for room in ROOMS:
        for statement in statements((SCHEMA / f"{room}.sql").read_text()):
            op.get_bind().exec_driver_sql(statement)


def statements(script: str) -> Iterator[str]:
    """asyncpg prepares what it executes: one statement at a time. Each ends a line, but for those between $$."""
    statement, inside = "", False
    for line in script.splitlines(keepends=True):
        inside ^= "$$" in line
        statement += line
        if line.split("--")[0].rstrip().endswith(";") and not inside:
            yield statement
            statement = ""
