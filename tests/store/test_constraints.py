"""The second witness: the database itself refuses what must never be written, whoever writes it."""

import asyncpg
import pytest

from billing.core.charges import Reported
from billing.core.commands import Authorize, Correct, IssueGrant, Refund
from billing.core.funding_commands import OpenTopup, PayTopup, ReportCardRefund, SetAutoRecharge
from billing.core.packs import Pack
from tests.disputes import reported

ONE_K = (Reported(0, "succeeded", 1024, 1024, None),)
BROKEN = {
    "account_held_not_negative": "UPDATE account SET held = -1",
    "account_frozen_not_negative": "UPDATE account SET frozen = -1",
    "account_debt_not_negative": "UPDATE account SET debt = -1",
    "account_credit_limit_not_negative": "UPDATE account SET credit_limit = -1",
    "account_status_known": "UPDATE account SET status = 'closed'",
    "account_overage_known": "UPDATE account SET overage = 'free'",
    "account_hold_known": "UPDATE account SET hold = 'none'",
    "grant_remaining_within_granted": 'UPDATE "grant" SET remaining = -1, used = granted + 1, expired = 0, open = false',
    "grant_parts_not_negative": 'UPDATE "grant" SET used = used + 1, expired = -1',
    "grant_parts_make_the_whole": 'UPDATE "grant" SET used = used + 1',
    "grant_open_while_remaining": 'UPDATE "grant" SET open = false',
    "grant_paid_in_a_currency": 'UPDATE "grant" SET paid_micros = 1, currency = NULL',
    "grant_clawed_within": 'UPDATE "grant" SET clawed = granted + 1',
    "grant_kind_known": "UPDATE \"grant\" SET kind = 'gift'",
    "charge_was_covered": "UPDATE charge SET held_credits = available_credits + 1",
    "charge_refunds_within_bill": "UPDATE charge SET refunded_credits = settled_credits + corrected_credits + 1",
    "charge_status_known": "UPDATE charge SET status = 'paid'",
    "output_failed_costs_nothing": "UPDATE output SET status = 'failed'",
    "output_refunds_within_bill": "UPDATE output SET refunded_credits = credits + corrected_credits + 1",
    "output_measured_or_not": "UPDATE output SET width = NULL",
    "output_status_known": "UPDATE output SET status = 'late', credits = 0, refunded_credits = 0, corrected_credits = 0",
    "hold_not_negative": "UPDATE hold SET credits = -1",
    "transfer_not_negative": "UPDATE transfer SET amount = -1",
    "transfer_between_two": "UPDATE transfer SET debit = credit",
    "transfer_wallet_balance": "UPDATE transfer SET balance_after = NULL",
    "transfer_book_known": "UPDATE transfer SET book = 'shadow'",
    "debt_outstanding_within": "UPDATE debt SET outstanding = credits + 1",
    "usage_bucket_counted": "UPDATE usage_bucket SET requests = -1",
    "fill_positive": "UPDATE fill SET credits = 0",
    "refund_positive": "UPDATE refund SET credits = 0",
    "correction_posted": "UPDATE correction SET last_seq = first_seq - 1",
    "correction_report_status_known": "UPDATE correction_report SET status = 'late'",
    "correction_output_status_known": "UPDATE correction_output SET status_before = 'late'",
    "correction_output_not_negative": "UPDATE correction_output SET credits_after = -1",
    "refund_output_positive": "UPDATE refund_output SET credits = 0",
    "returned_positive": "UPDATE returned SET credits = 0",
    "returned_to_whom": "UPDATE returned SET drawn_from = NULL, returned_to = 'g1'",
    "topup_via_known": "UPDATE topup SET via = 'cash'",
    "topup_status_known": "UPDATE topup SET status = 'lost', paid_at = NULL",
    "topup_paid_when_paid": "UPDATE topup SET paid_at = NULL",
    "topup_returned_within": "UPDATE topup SET returned_deferred_micros = returned_micros + 1",
    "card_refund_status_known": "UPDATE card_refund SET status = 'pending'",
    "card_refund_parts": "UPDATE card_refund SET deferred_micros = amount_micros + 1",
    "clawback_took": "UPDATE clawback SET revoked = 0, owed = 0",
    "dispute_status_known": "UPDATE dispute SET status = 'settled', closed_at = opened_at",
    "dispute_closed_when_closed": "UPDATE dispute SET closed_at = opened_at",
    "dispute_parts": "UPDATE dispute SET deferred_micros = withdrawn_micros + 1",
    "auto_recharge_status_known": "UPDATE auto_recharge SET status = 'paused'",
    "auto_recharge_not_negative": "UPDATE auto_recharge SET declines = -1",
}
PACK = Pack.of("p1", "a pack", 100, 1_000_000, "USD")


@pytest.fixture
def lived(posting, account, run):
    """An account with a row in every table."""

    async def live():
        await posting.post(IssueGrant(account, "g1", "purchase", 20, paid_micros=1, currency="USD"))
        await posting.post(Authorize(account, "r1", "gpt-image-2", outputs=(Reported(0, "succeeded", 3840, 16, None),)))
        await posting.post(IssueGrant(account, "g2", "promotion", 300))
        await posting.post(Authorize(account, "r2", "gpt-image-2"))
        await posting.post(Refund(account, "r1", "f1", "sorry", credits=1))
        found = (Reported(0, "succeeded", 1024, 16, None),)
        await posting.post(Correct(account, "c1", "r1", found, "measured", "finance"))
        await posting.post(OpenTopup(account, "t1", "p1", PACK, "https://a.example", "https://a.example"))
        await posting.post(PayTopup(account, "t1", "pi_1", 1_000_000, "USD"))
        await posting.post(ReportCardRefund(account, "t1", "re_1", 10_000, "USD", "succeeded"))
        await posting.post(reported(account, "t1", "du_1", 10_000, "open"))
        await posting.post(SetAutoRecharge(account, 1, "p1", PACK, 100))

    run(live())
    return account


@pytest.mark.parametrize("constraint", sorted(BROKEN))
async def test_the_database_refuses(owner, lived, constraint):
    statement = f"{BROKEN[constraint]} WHERE account_id = $1"
    with pytest.raises(asyncpg.CheckViolationError) as refused:
        await owner.execute(statement, lived)
    assert refused.value.constraint_name == constraint


async def test_every_check_of_the_ledger_is_tried_here(owner):
    query = """
        SELECT conname FROM pg_constraint WHERE contype = 'c' AND connamespace = 'public'::regnamespace
        AND conrelid::regclass::text = ANY($1)"""
    tables = [
        "account",
        '"grant"',
        "charge",
        "output",
        "hold",
        "transfer",
        "debt",
        "fill",
        "refund",
        "correction",
        "topup",
        "card_refund",
    ]
    tables += [
        "refund_output",
        "returned",
        "correction_report",
        "correction_output",
        "clawback",
        "dispute",
        "auto_recharge",
        "usage_bucket",
    ]
    assert {row[0] for row in await owner.fetch(query, tables)} == set(BROKEN)


async def test_a_seq_is_given_once(owner, lived):
    with pytest.raises(asyncpg.UniqueViolationError):
        await owner.execute("INSERT INTO transfer SELECT * FROM transfer WHERE account_id = $1", lived)
