"""Columns of exports: what stands in them, in SQL."""

from typing import Literal, NamedTuple

# identifier: 1-64 of A-Z a-z 0-9 _ . : -; word: one of ours; text: anybody's; labels: a list of words; price: a decimal
# that is multiplied.
Kind = Literal["identifier", "word", "text", "integer", "decimal", "price", "time", "hex", "labels"]


class Column(NamedTuple):
    """`sql` gives the value; `written`, if given, a time's text, where that is had for less."""

    name: str
    kind: Kind
    sql: str
    optional: bool = False
    written: str | None = None


def instant_text(moment: str) -> str:
    """SQL: an instant as `billing.core.instants` writes it."""
    return f"""to_char({moment} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""
