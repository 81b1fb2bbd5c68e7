"""Instants as programs read them: RFC 3339 in UTC, with six decimals also where they are nothing.

So all are of one width. Python and PostgreSQL leave out what is zero, and what reads a column by the form of its first
row (pandas does) stops at the first other one.
"""

from datetime import UTC, datetime
from typing import overload


@overload
def instant_text(at: datetime) -> str: ...
@overload
def instant_text(at: None) -> None: ...
def instant_text(at: datetime | None) -> str | None:
    """`2026-11-30T12:00:00.000000Z`; nothing for nothing."""
    return None if at is None else at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
