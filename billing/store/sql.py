"""The ledger's statements, by name: what a batch loads (`gather`) and what it writes (`apply`).

`EXPLAIN (GENERIC_PLAN)` takes each as it is; `tests/store/test_plans.py` explains all of them.
"""

from collections.abc import Sequence
from typing import Final

from billing.core.announcements import EVERY, SETTLED
from billing.core.charges import Charge, Output
from billing.core.ledger import Transfer
from billing.core.wallet import Hold
from billing.store import rows

# The schema's revision: whoever works on another than its own would write what nobody counts. And the time.
STANDING = "(SELECT version_num FROM alembic_version), clock_timestamp()"
LOADS: Final[dict[str, str]] = {
    "lock": f"""
    WITH locked AS MATERIALIZED (
        SELECT {rows.ACCOUNT} FROM account a WHERE a.account_id = ANY($1::text[])
        ORDER BY a.account_id FOR NO KEY UPDATE)
    SELECT *, (SELECT EXISTS (SELECT FROM webhook_endpoint e WHERE e.enabled AND e.events && '{{{SETTLED},{EVERY}}}')),
        {STANDING}
    FROM locked""",
    "read": f"SELECT {rows.ACCOUNT}, false, {STANDING} FROM account a WHERE a.account_id = ANY($1::text[])",
    "charges": f"""
    SELECT {rows.CHARGE} FROM unnest($1::text[], $2::text[]) k(account_id, request_id)
    JOIN charge c ON c.account_id = k.account_id AND c.request_id = k.request_id""",
    "outputs": f"""
    SELECT {rows.OUTPUT} FROM unnest($1::text[], $2::text[]) k(account_id, request_id)
    JOIN output o ON o.account_id = k.account_id AND o.request_id = k.request_id
    ORDER BY o.account_id, o.request_id, o.index""",
    "open grants": f'SELECT {rows.GRANT} FROM "grant" g WHERE g.account_id = ANY($1::text[]) AND g.open',
    "grants": f"""
    SELECT {rows.GRANT} FROM unnest($1::text[], $2::text[]) k(account_id, grant_id)
    JOIN "grant" g ON g.account_id = k.account_id AND g.grant_id = k.grant_id""",
    "due charges": f"""
    SELECT {rows.CHARGE} FROM unnest($1::text[], $2::timestamptz[]) k(account_id, now)
    JOIN hold h ON h.account_id = k.account_id AND h.expires_at <= k.now
    JOIN charge c ON c.account_id = h.account_id AND c.request_id = h.request_id""",
    "next holds": """
    SELECT k.account_id, (SELECT h.expires_at FROM hold h WHERE h.account_id = k.account_id AND h.expires_at > k.now
                          ORDER BY h.expires_at LIMIT 1)
    FROM unnest($1::text[], $2::timestamptz[]) k(account_id, now)""",
    "early holds": """
    SELECT h.account_id, h.authorized_at, h.credits FROM unnest($1::text[], $2::timestamptz[]) k(account_id, before)
    JOIN hold h ON h.account_id = k.account_id AND h.authorized_at < k.before""",
    "debts": f"""
    SELECT {rows.DEBT} FROM debt d WHERE d.account_id = ANY($1::text[]) AND d.outstanding > 0 ORDER BY d.seq""",
    "refunds": f"""
    SELECT {rows.REFUND} FROM unnest($1::text[], $2::text[]) k(account_id, refund_id)
    JOIN refund r ON r.account_id = k.account_id AND r.refund_id = k.refund_id""",
    "refunds of charges": f"""
    SELECT {rows.REFUND} FROM unnest($1::text[], $2::text[]) k(account_id, request_id)
    JOIN refund r ON r.account_id = k.account_id AND r.request_id = k.request_id ORDER BY r.first_seq""",
    "corrections": f"""
    SELECT {rows.CORRECTION} FROM unnest($1::text[], $2::text[]) k(account_id, correction_id)
    JOIN correction r ON r.account_id = k.account_id AND r.correction_id = k.correction_id""",
    "corrections of charges": f"""
    SELECT {rows.CORRECTION} FROM unnest($1::text[], $2::text[]) k(account_id, request_id)
    JOIN correction r ON r.account_id = k.account_id AND r.request_id = k.request_id ORDER BY r.first_seq""",
    "draws": """
    SELECT t.account_id, t.request_id, t.grant_id, t.amount, t.seq
    FROM unnest($1::text[], $2::bigint[], $3::bigint[]) k(account_id, first_seq, last_seq)
    JOIN transfer t ON t.account_id = k.account_id AND t.book = 'wallet' AND t.seq BETWEEN k.first_seq AND k.last_seq
    WHERE t.amount > 0 ORDER BY t.account_id, t.seq""",
    "last closed": "SELECT max(closed_at) FROM closing",
    "fills": """
    SELECT f.account_id, f.seq, f.grant_id, f.credits FROM unnest($1::text[], $2::bigint[]) k(account_id, seq)
    JOIN fill f ON f.account_id = k.account_id AND f.seq = k.seq ORDER BY f.paid_by_seq""",
}


def _insert(table: str, columns: Sequence[str]) -> str:
    names = ", ".join(f'"{name}"' for name in columns)
    return f"INSERT INTO {table} ({names}) SELECT {names} FROM unnest($1::{table}_row[])"


# What nearly every batch writes, by what it means: its records are $1. All parts of a batch are one statement.
PARTS: Final[dict[str, str]] = {
    "charge": _insert("charge", Charge._fields),
    "hold": _insert("hold", Hold._fields),
    "output": _insert("output", Output._fields),
    "transfer": _insert("transfer", Transfer._fields),
    "usage": """
    INSERT INTO usage_bucket AS b SELECT * FROM unnest($1::usage_bucket_row[])
    ON CONFLICT (account_id, quarter_hour, model, operation, size_tier, quality, api_key_id) DO UPDATE
    SET requests = b.requests + excluded.requests, images = b.images + excluded.images,
        failed_images = b.failed_images + excluded.failed_images, credits = b.credits + excluded.credits""",
    "resolve": """
    UPDATE charge c SET status = u.status, settled_credits = u.settled_credits, refunded_credits = u.refunded_credits,
        forced = u.forced, flags = u.flags, void_reason = u.void_reason, resolved_at = u.resolved_at,
        first_seq = u.first_seq, last_seq = u.last_seq, released_at = u.released_at, corrected_credits = u.corrected_credits
    FROM unnest($1::charge_resolution[]) u WHERE c.account_id = u.account_id AND c.request_id = u.request_id""",
    "end_hold": """
    DELETE FROM hold h USING unnest($1::hold_row[]) u
    WHERE h.account_id = u.account_id AND h.expires_at = u.expires_at AND h.request_id = u.request_id""",
    "draw": """
    UPDATE "grant" g SET remaining = u.remaining, used = u.used, expired = u.expired, revoked = u.revoked, moved = u.moved,
        frozen = u.frozen, open = u.open
    FROM unnest($1::grant_parts[]) u WHERE g.account_id = u.account_id AND g.grant_id = u.grant_id""",
    "standing": """
    UPDATE account a SET posted = u.posted, held = u.held, frozen = u.frozen, debt = u.debt, wallet_seq = u.wallet_seq,
        wallet_head = u.wallet_head, money_seq = u.money_seq, money_head = u.money_head, last_at = u.last_at, due_at = u.due_at
    FROM unnest($1::account_standing[]) u WHERE a.account_id = u.account_id""",
}
# What few batches change.
CHANGES: Final[dict[str, str]] = {
    "settings": """
    UPDATE account a SET name = u.name, status = u.status, credit_limit = u.credit_limit, overage = u.overage, hold = u.hold,
        metadata = u.metadata
    FROM unnest($1::account_settings[]) u WHERE a.account_id = u.account_id""",
    "outputs": """
    UPDATE output o SET refunded_credits = u.refunded, corrected_credits = u.corrected
    FROM unnest($1::text[], $2::text[], $3::integer[], $4::bigint[], $5::bigint[])
        u(account_id, request_id, index, refunded, corrected)
    WHERE o.account_id = u.account_id AND o.request_id = u.request_id AND o.index = u.index""",
    # All parts at once: at no time is more revoked than was clawed back.
    "clawed grants": """
    UPDATE "grant" g SET remaining = u.remaining, used = u.used, expired = u.expired, revoked = u.revoked, moved = u.moved,
        frozen = u.frozen, open = u.open, clawed = u.clawed
    FROM unnest($1::grant_parts[], $2::bigint[])
        u(account_id, grant_id, remaining, used, expired, revoked, moved, frozen, open, clawed)
    WHERE g.account_id = u.account_id AND g.grant_id = u.grant_id""",
    "watched levels": "UPDATE account SET low_balance = $2, recharge_below = $3 WHERE account_id = $1",
    "paid debts": """
    UPDATE debt d SET outstanding = u.outstanding FROM unnest($1::text[], $2::bigint[], $3::bigint[]) u(account_id, seq, outstanding)
    WHERE d.account_id = u.account_id AND d.seq = u.seq""",
}
