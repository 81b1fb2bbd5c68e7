"""Periods: the UTC months of the books, and which of them a transfer belongs to."""

from typing import Final

# When the transfer `t` counts: when it was due, but never inside a month that was closed when it was posted. Then it
# counts from the first instant that was open. Nothing is due inside a closed month and posted at that same instant,
# because only months that are over can be closed.
ACCOUNTED_AT: Final = """
    CASE WHEN t.effective_at = t.posted_at THEN t.effective_at
         ELSE greatest(t.effective_at, (
             SELECT max(c.ends_at) FROM closing c
             WHERE c.closed_at <= t.posted_at AND (c.reopened_at IS NULL OR c.reopened_at > t.posted_at))) END"""
