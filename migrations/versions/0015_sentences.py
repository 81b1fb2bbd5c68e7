"""What reconciliations found is kept as sentences' names and facts, and put into words when it is shown.

What was written before stays as it was written: in English.

Revision ID: 0015
"""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

STATEMENTS: tuple[str, ...] = (
    """
    ALTER TABLE reconciliation_line
        ADD COLUMN says           text[],  -- sentences, in order
        ADD COLUMN facts          text,    -- JSON: what they tell beyond the row's other columns
        ADD COLUMN problem_facts  text     -- JSON: what the sentence `problem` tells
    """,
    """
    UPDATE reconciliation_line SET says = '{as_written}', facts = json_build_object('text', explanation)::text,
        problem = CASE WHEN problem IS NOT NULL THEN 'as_written' END,
        problem_facts = CASE WHEN problem IS NOT NULL THEN json_build_object('text', problem)::text END
    """,
    """
    ALTER TABLE reconciliation_line
        ALTER COLUMN says SET NOT NULL,
        ALTER COLUMN facts SET NOT NULL,
        DROP COLUMN explanation,
        ADD CONSTRAINT reconciliation_line_problem CHECK (num_nulls(problem, problem_facts) IN (0, 2))
    """,
    # The titles of kinds are words too.
    """
    UPDATE reconciliation SET totals = jsonb_set(totals::jsonb, '{by_kind}',
        (SELECT coalesce(jsonb_agg(kind - 'title' ORDER BY place), '[]')
         FROM jsonb_array_elements(totals::jsonb -> 'by_kind') WITH ORDINALITY AS each(kind, place)))::text
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
