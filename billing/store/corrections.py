"""Corrections in SQL: what one counts, and where what it corrected stood afterwards."""

from typing import Final

# What a correction `k` of a charge takes away where its outputs were counted (`sign` -1) and counts where they are (1).
LINES: Final = """
    CROSS JOIN LATERAL jsonb_array_elements(k.outputs::jsonb) part
    CROSS JOIN LATERAL (VALUES (-1, part ->> 7, part ->> 8, (part ->> 5)::bigint),
                               (1, part ->> 1, part ->> 4, (part ->> 6)::bigint)) line(sign, status, size_tier, credits)"""


def tier_when_refunded(correction: str = "correction") -> str:
    """SQL: the size tier in which the output `o` stood when the refund `r` was made; null for none."""
    return f"""CASE WHEN EXISTS (SELECT FROM {correction} k WHERE k.account_id = r.account_id AND k.request_id = r.request_id)
        THEN (SELECT size_tier FROM (
                SELECT found ->> 4 AS size_tier, k.first_seq FROM {correction} k
                CROSS JOIN LATERAL jsonb_array_elements(k.outputs::jsonb) found
                WHERE k.account_id = r.account_id AND k.request_id = r.request_id AND k.first_seq < r.first_seq
                    AND (found ->> 0)::integer = o.index
                UNION ALL SELECT o.size_tier, 0) stood ORDER BY first_seq DESC LIMIT 1)
        ELSE o.size_tier END"""
