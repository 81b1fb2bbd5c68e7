"""Months: the periods that are closed and reported, in UTC."""

import re
from datetime import UTC, datetime
from typing import Final, NamedTuple

from billing.core.refusals import Invalid

MONTH: Final = "^(19[7-9][0-9]|2[0-9]{3})-(0[1-9]|1[0-2])$"
_MONTH = re.compile(MONTH.strip("^$"))


class Month(NamedTuple):
    """`name` is YYYY-MM; it begins with `starts_at` and ends before `ends_at`."""

    name: str
    starts_at: datetime
    ends_at: datetime

    @classmethod
    def of(cls, name: str, field: str = "period") -> "Month":
        """Raises Invalid."""
        if _MONTH.fullmatch(name) is None:
            raise Invalid.of(field, "must be a month such as 2026-01")
        year, number = int(name[:4]), int(name[5:])
        after = (year + 1, 1) if number == 12 else (year, number + 1)
        return cls(name, datetime(year, number, 1, tzinfo=UTC), datetime(*after, 1, tzinfo=UTC))

    @classmethod
    def begun(cls, name: str, now: datetime) -> "Month":
        """A month that has begun by `now`. Raises Invalid."""
        month = cls.of(name)
        if month.starts_at > now:
            raise Invalid.of("period", "lies in the future")
        return month

    @classmethod
    def containing(cls, moment: datetime) -> "Month":
        return cls.of(f"{moment.astimezone(UTC):%Y-%m}")

    @property
    def following(self) -> "Month":
        return Month.containing(self.ends_at)
