"""Instants as programs write and read them: RFC 3339, written in UTC with six decimals also where they are nothing.

So all are of one width. Python and PostgreSQL leave out what is zero, and what reads a column by the form of its first
row (pandas does) stops at the first other one.
"""

from datetime import UTC, datetime
from typing import Final, overload

_EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)  # there is nothing before it, and arithmetic near year 1 overflows


def instant_of(value: object) -> datetime:
    """The instant that is written so, with its zone. JSON has no times: text, and nothing else. Raises ValueError."""
    try:
        if isinstance(value, str) and len(value) >= len("2026-01-31T12:00:00Z"):
            moment = datetime.fromisoformat(value)
            if moment.tzinfo is not None and moment.astimezone(UTC) >= _EARLIEST:
                return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise ValueError("must be an RFC 3339 time such as 2026-01-31T12:00:00Z")


@overload
def instant_text(at: datetime) -> str: ...
@overload
def instant_text(at: None) -> None: ...
def instant_text(at: datetime | None) -> str | None:
    """`2026-11-30T12:00:00.000000Z`; nothing for nothing."""
    return None if at is None else at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
