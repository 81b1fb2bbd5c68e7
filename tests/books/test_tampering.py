"""Books that somebody with the owner's rights has spoiled: the invariant that breaks, and the row that is named."""

import asyncio
from collections.abc import Callable

import asyncpg
import pytest
from pydantic_core import to_jsonable_python
from rich.console import Console

from billing.books.verify import Verification, verify
from billing.books.verify.command import show
from billing.core.ledger import GENESIS, chained
from billing.store.rows import TRANSFER

Spoil = Callable[..., None]
ACME = "account_id = 'acme' AND book = 'wallet'"

# What was done; then, for each invariant that must name it, the table, the key and words of the problem. Other
# invariants may break as well: one lie has many witnesses.
TAMPERINGS = {
    "a grant made larger": (
        ["""UPDATE "grant" SET granted = 120, remaining = 20 WHERE grant_id = 'paid'"""],
        {
            "I1": ("grant", "acme/paid", "granted is 120, but transfer 2 is a grant of 100 credits to grant paid"),
            "I6": (
                "grant",
                "acme/paid",
                "granted is 120, but 20 remaining, 100 used, 0 expired, 0 revoked and 0 moved make 120, closed",
            ),
        },
    ),
    "a grant that was never issued": (
        [
            """INSERT INTO "grant" SELECT account_id, 'gift', 'promotion', 9, 9, 0, 0, 0, 0, 10, NULL, false, true, NULL,
               NULL, NULL, NULL, NULL, 99, created_at, 0 FROM account WHERE account_id = 'idle'"""
        ],
        {
            "I1": ("grant", "idle/gift", "granted is 9, but transfer 99 is not there"),
            "I6": ("account", "idle", "posted is 0, debt 0 and frozen 0, but grants have 9 remaining"),
        },
    ),
    "a grant taken away": (
        ["""DELETE FROM "grant" WHERE grant_id = 'paid'"""],
        {
            "I1": ("transfer", "acme/wallet/2", "it issues 100 credits as grant paid, but there is no such grant"),
            "I6": ("transfer", "acme/money/1", "it names grant paid, which is not there"),
        },
    ),
    "a refund that says less than it returned": (
        ["UPDATE refund SET credits = 1 WHERE refund_id = 'r-part'"],
        {
            "I1": (
                "refund",
                "acme/r-part",
                "it returns 1 credits by transfers 8 to 8, but its transfers are 8 to 8, of 2",
            ),
            "I5": ("refund", "acme/r-part", "it returns 1 credits, but of its outputs 2"),
        },
    ),
    "a refund forgotten": (
        [
            "DELETE FROM refund WHERE refund_id = 'r-into-debt'",
            "DELETE FROM refund_output WHERE refund_id = 'r-into-debt'",
            "DELETE FROM returned WHERE account_id = 'acme' AND seq BETWEEN 12 AND 13",
        ],
        {
            "I1": (
                "refund",
                "acme/r-into-debt",
                "transfers 12 to 13 return 67 credits for it, but there is no such refund",
            ),
            "I5": ("charge", "acme/larger", "refunded is 67, its refunds return 0 and its outputs 67"),
            "I6": ("grant", "acme/promo", "20 used"),
        },
    ),
    "a transfer turned round": (
        [
            "UPDATE transfer SET debit = 'consumed', credit = 'wallet' WHERE account_id = 'acme' AND book = 'wallet' AND seq = 7"
        ],
        {
            "I1": ("transfer", "acme/wallet/7", "goes from wallet to consumed, but this one from consumed to wallet"),
            "I2": ("transfer", "acme/wallet/7", "balance_after is 34, but 35 before it and 1 by it make 36"),
            "I10": ("transfer", "acme/wallet/7", "its hash is"),
        },
    ),
    "a charge's bill changed": (
        ["UPDATE charge SET settled_credits = 2 WHERE request_id = 'late'"],
        {
            "I1": (
                "account",
                "acme",
                "consumed is 148 by its transfers, but 149 by its charges, refunds and corrections",
            ),
            "I9": (
                "charge",
                "acme/late",
                "its bill is 2 by transfers 7 to 7, but its outputs cost 1 and its 1 transfers",
            ),
            "I10": ("charge", "acme/late", "transfer 7 sealed"),
        },
    ),
    "a balance changed": (
        ["UPDATE account SET posted = posted + 1000 WHERE account_id = 'acme'"],
        {
            "I2": ("account", "acme", "posted is 1386, but its transfers sum to 386"),
            "I6": ("account", "acme", "posted is 1386, debt 0 and frozen 0, but grants have 386 remaining"),
        },
    ),
    "an account of another asset": (
        ["UPDATE account SET asset = 'GOLD' WHERE account_id = 'acme'"],
        {"I2": ("account", "acme", "asset is GOLD, but its last wallet transfer is of CREDIT")},
    ),
    "a transfer deleted": (
        ["DELETE FROM transfer WHERE account_id = 'acme' AND book = 'wallet' AND seq = 7"],
        {
            "I2": ("transfer", "acme/wallet/7", "there is no such transfer: after 6 comes 8"),
            "I9": (
                "charge",
                "acme/late",
                "its bill is 1 by transfers 7 to 7, but its outputs cost 1 and its 0 transfers sum to 0",
            ),
            "I10": ("transfer", "acme/wallet/8", "its hash is"),
        },
    ),
    "the last transfer deleted": (
        ["DELETE FROM transfer WHERE account_id = 'acme' AND book = 'wallet' AND seq = 22"],
        {
            "I2": ("account", "acme", "wallet_seq is 22, but its last wallet transfer is 21"),
            "I10": ("account", "acme", "but the hash of transfer 22 is not there"),
        },
    ),
    "a money transfer deleted": (
        ["DELETE FROM transfer WHERE account_id = 'acme' AND book = 'money'"],
        {
            "I12": ("grant", "acme/paid", "9990000 micros USD were paid for it, but no transfer says so"),
            "I2": ("account", "acme", "money_seq is 1, but its last money transfer is 0"),
            "I10": ("account", "acme", "money_head is"),
        },
    ),
    "an account deleted": (
        ["DELETE FROM account WHERE account_id = 'acme'"],
        {
            "I2": ("account", "acme", "there is no such account, but it has 23 transfers"),
            "I3": ("account", "acme", "there is no such account, but its holds are 56 credits"),
        },
    ),
    "a running balance changed": (
        ["UPDATE transfer SET balance_after = 40 WHERE account_id = 'acme' AND book = 'wallet' AND seq = 7"],
        {
            "I2": ("transfer", "acme/wallet/7", "balance_after is 40, but 35 before it and -1 by it make 34"),
            "I10": ("transfer", "acme/wallet/7", "its hash is"),
        },
    ),
    "a stray hold": (
        ["INSERT INTO hold SELECT account_id, last_at, 'ghost', created_at, 5 FROM account WHERE account_id = 'idle'"],
        {"I3": ("hold", "ghost", "it holds 5 credits, but there is no authorized charge ghost")},
    ),
    "a stray hold that the account knows of": (
        [
            "INSERT INTO hold SELECT account_id, last_at, 'ghost', created_at, 5 FROM account WHERE account_id = 'idle'",
            "UPDATE account SET held = 5, due_at = last_at WHERE account_id = 'idle'",
        ],
        {"I3": ("hold", "ghost", "it holds 5 credits, but there is no authorized charge ghost")},
    ),
    "a stray hold of nothing": (
        ["INSERT INTO hold VALUES ('idle', '2026-01-02 03:04:05.000006+00', 'ghost', '2026-01-02 03:00:00+00', 0)"],
        {
            "I3": (
                "hold",
                "idle/2026-01-02T03:04:05.000006Z/ghost",
                "it holds 0 credits, but there is no authorized charge",
            )
        },
    ),
    "a hold lost": (
        ["DELETE FROM hold WHERE request_id = 'second'", "UPDATE account SET held = 0 WHERE account_id = 'beta'"],
        {"I3": ("hold", "second", "charge second is authorized and holds 14 credits, but has no such hold")},
    ),
    "a hold made smaller": (
        ["UPDATE hold SET credits = 1 WHERE request_id = 'second'"],
        {"I3": ("hold", "second", "it holds 1 credits")},
    ),
    "held changed": (
        ["UPDATE account SET held = 0 WHERE account_id = 'beta'"],
        {"I3": ("account", "beta", "held is 0, but its holds are 14 and its authorized charges hold 14")},
    ),
    "a hold that nobody will look for": (
        ["UPDATE account SET due_at = NULL WHERE account_id = 'beta'"],
        {"I3": ("account", "beta", "due_at is never, but its next hold falls due at")},
    ),
    "a hold ended before its time": (
        [
            "UPDATE charge SET status = 'expired', resolved_at = expires_at WHERE request_id = 'second'",
            "DELETE FROM hold WHERE request_id = 'second'",
            "UPDATE account SET held = 0 WHERE account_id = 'beta'",
        ],
        {"I3": ("charge", "beta/second", "it expired at")},
    ),
    "a hold above what was available": (
        ["UPDATE charge SET available_credits = 13 WHERE request_id = 'second'"],
        {"I4": ("charge", "beta/second", "quoted 14 credits, held 14, when 13 were available")},
    ),
    "available credits that were not there": (
        [
            "UPDATE charge SET held_credits = 500, available_credits = 500 WHERE request_id = 'second'",
            "UPDATE hold SET credits = 500 WHERE request_id = 'second'",
            "UPDATE account SET held = 500 WHERE account_id = 'beta'",
        ],
        {
            "I4": (
                "charge",
                "beta/second",
                "500 credits needed and 500 available on record, but -14 posted, at least 0 held",
            ),
            "I9": ("charge", "beta/second", "held 500, but its quote is 14 and at most 133"),
        },
    ),
    "a hold beside one that took everything": (
        # The first takes all that the second was granted: each alone is covered, both together are not.
        [
            """INSERT INTO charge SELECT (jsonb_populate_record(c, jsonb_build_object('request_id', 'before', 'held_credits', 86,
                   'available_credits', 86, 'authorized_at', c.authorized_at - interval '1 microsecond'))).*
               FROM charge c WHERE request_id = 'second'"""
        ],
        {
            "I4": (
                "charge",
                "beta/second",
                "14 credits needed and 86 available on record, but -14 posted, at least 86 held",
            )
        },
    ),
    "peers that together took too much": (
        [
            """INSERT INTO charge SELECT (jsonb_populate_record(c, jsonb_build_object('request_id', 'peer', 'held_credits', 80,
                   'quoted_credits', 80))).* FROM charge c WHERE request_id = 'second'"""
        ],
        {"I4": ("charge", "beta/peer", "80 credits needed and 86 available on record")},
    ),
    "a charge in one step without its quote": (
        ["UPDATE charge SET available_credits = 0 WHERE request_id = 'first'"],
        {"I4": ("charge", "beta/first", "quoted 14 credits, held 0, when 0 were available, in one step")},
    ),
    "an authorization moved to richer times": (
        ["UPDATE charge SET authorized_seq = 2 WHERE request_id = 'capped'"],
        {"I4": ("charge", "acme/capped", "after transfer 2, but that was posted at")},
    ),
    "figures at the end of 64 bits": (
        [
            "UPDATE charge SET authorized_seq = 9223372036854775807, held_credits = 9223372036854775807, "
            "available_credits = 9223372036854775807, credit_limit = 9223372036854775807 WHERE request_id = 'second'",
            "UPDATE charge SET first_seq = -9223372036854775808, last_seq = 9223372036854775807, "
            "settled_credits = 9223372036854775807, refunded_credits = -9223372036854775808 WHERE request_id = 'first'",
            """UPDATE "grant" SET used = 9223372036854775807, moved = 9223372036854775807 WHERE grant_id = 'plan'""",
            f"UPDATE transfer SET amount = 9223372036854775807, balance_after = -9223372036854775808 WHERE {ACME}",
            "UPDATE account SET posted = 9223372036854775807, held = 9223372036854775807, debt = 9223372036854775807 "
            "WHERE account_id IN ('acme', 'beta')",
        ],
        {
            "I1": ("grant", "acme/promo", "granted is 20, but transfer 1 is a grant of 9223372036854775807 credits"),
            "I2": ("transfer", "acme/wallet/1", "balance_after is -9223372036854775808, but 0 before it"),
            "I3": ("account", "acme", "held is 9223372036854775807, but its holds are 56"),
            "I4": ("charge", "acme/one-step", "but -9223372036854775808 posted"),
            "I5": ("charge", "beta/first", "refunded is -9223372036854775808"),
            "I9": ("charge", "acme/one-step", "its 1 transfers sum to 9223372036854775807"),
            "I10": ("transfer", "acme/wallet/1", "its hash is"),
        },
    ),
    "a credit limit that was never in force": (
        ["UPDATE charge SET credit_limit = 5000, available_credits = 4986 WHERE request_id = 'second'"],
        {"I4": ("charge", "beta/second", "with a credit limit of 5000, which was not in force then")},
    ),
    "a credit limit raised without a record": (
        ["UPDATE account SET credit_limit = 5000 WHERE account_id = 'beta'"],
        {"I4": ("account", "beta", "credit_limit is 5000, but its last recorded change made it 100")},
    ),
    "a settled charge opened again": (
        [
            "UPDATE charge SET status = 'voided', settled_credits = 0, first_seq = NULL, last_seq = NULL WHERE request_id = 'late'"
        ],
        {
            "I5": ("transfer", "acme/wallet/7", "it settles charge late, but that is voided"),
            "I9": ("output", "acme/late/0", "its charge is voided, not settled"),
        },
    ),
    "a charge settled twice": (
        ["UPDATE transfer SET request_id = 'late' WHERE account_id = 'acme' AND book = 'wallet' AND seq = 22"],
        {
            "I5": ("transfer", "acme/wallet/22", "it settles charge late, but that is settled by transfers 7 to 7"),
            "I9": ("charge", "acme/late", "its 2 transfers sum to 1"),
        },
    ),
    "a voided charge with a bill": (
        ["UPDATE charge SET settled_credits = 14 WHERE request_id = 'voided'"],
        {"I5": ("charge", "acme/voided", "it is voided with a bill of 14, transfers none to none")},
    ),
    "a refund above its bill": (
        [
            "UPDATE charge SET refunded_credits = 500 WHERE request_id = 'late'",
            "UPDATE output SET refunded_credits = 500 WHERE request_id = 'late'",
        ],
        {
            "I5": (
                "charge",
                "acme/late",
                "it is settled with a bill of 1, corrected by 0, refunded is 500, its refunds return 0 and its outputs 500",
            )
        },
    ),
    "a correction forgotten": (
        [
            "DELETE FROM returned WHERE account_id = 'mended' AND seq BETWEEN (SELECT first_seq FROM correction WHERE "
            "correction_id = 'k-down') AND (SELECT last_seq FROM correction WHERE correction_id = 'k-down')",
            *(
                f"DELETE FROM {table} WHERE correction_id = 'k-down'"
                for table in ("correction", "correction_report", "correction_output")
            ),
        ],
        {
            "I1": ("transfer", "mended/wallet/7", "it corrects charge grew, but belongs to no correction"),
            "I6": ("grant", "mended/short", "and 14 moved, but by transfers, fills and refunds 0, 14, 0, 0 and 0"),
            "I9": ("charge", "mended/grew", "corrected by -14 credits, but its corrections come to 53"),
        },
    ),
    "a correction that says more than it moved": (
        [
            "UPDATE correction SET credits = 54 WHERE correction_id = 'k-up'",
            "UPDATE correction_output SET credits_after = 68 WHERE correction_id = 'k-up'",
        ],
        {
            "I1": (
                "correction",
                "mended/k-up",
                "by 54 credits with transfers 4 to 5, but its transfers are 2 supplements, of 53",
            ),
            "I9": ("charge", "mended/grew", "corrected by -14 credits, but its corrections come to -13"),
        },
    ),
    "a correction that moved too much, and another that gave it back": (
        [
            "UPDATE correction SET credits = 54 WHERE correction_id = 'k-up'",
            "UPDATE correction_output SET credits_after = 68 WHERE correction_id = 'k-up'",
            "UPDATE correction SET credits = -68 WHERE correction_id = 'k-down'",
            "UPDATE correction_output SET credits_before = 68 WHERE correction_id = 'k-down'",
            "UPDATE returned SET credits = 14 WHERE account_id = 'mended' AND credits = 13",
        ],
        {
            "I6": ("debt", "mended/5", "of 13 credits 0 are outstanding, but grants filled 0 and refunds forgave 14"),
            "I9": ("correction", "mended/k-up", "14 → 68 credits; price book 1 makes output 0 succeeded of 2048x2048"),
        },
    ),
    "outputs of a correction that never was": (
        ["UPDATE correction_output SET correction_id = 'ghost' WHERE correction_id = 'k-up'"],
        {"I9": ("correction", "mended/ghost", "there is no such correction")},
    ),
    "a report of a correction that never was": (
        ["INSERT INTO correction_report VALUES ('mended', 'ghost', 0, 'failed', NULL, NULL, NULL)"],
        {"I9": ("correction", "mended/ghost", "there is no such correction")},
    ),
    "a correction without a report": (
        ["DELETE FROM correction_report WHERE correction_id = 'k-up'"],
        {"I9": ("correction", "mended/k-up", "it cannot be priced")},
    ),
    "a correction of what was never reported": (
        ["UPDATE correction_report SET status = 'late' WHERE correction_id = 'k-up'"],
        {"I9": ("correction", "mended/k-up", "it cannot be priced")},
    ),
    "a correction whose outputs change otherwise": (
        ["UPDATE correction_output SET credits_before = 68 WHERE correction_id = 'k-down'"],
        {"I9": ("correction", "mended/k-down", "it changes the bill by -67 credits, but its outputs by -68")},
    ),
    "a correction of something else than was reported": (
        ["UPDATE correction_report SET width = 1024, height = 1024 WHERE correction_id = 'k-up'"],
        {"I9": ("correction", "mended/k-up", "14 → 67 credits; price book 1 makes nothing more of it")},
    ),
    "a correction of a tier that never was": (
        ["UPDATE correction_output SET size_tier = '9K' WHERE correction_id = 'k-up'"],
        {"I9": ("correction", "mended/k-up", "in tier 9K")},
    ),
    "an output corrected without a correction": (
        ["UPDATE output SET corrected_credits = 3 WHERE request_id = 'late'"],
        {
            "I9": (
                "charge",
                "acme/late",
                "corrected by 0 credits, but its corrections come to 0 and those of its outputs to 3",
            )
        },
    ),
    "a correction moved between outputs": (
        [
            "UPDATE output SET corrected_credits = corrected_credits + 4 - 8 * index WHERE request_id = 'mixed' AND index < 2"
        ],
        {"I9": ("output", "mended/mixed/0", "it was corrected by 0 credits, but corrections change it by -4")},
    ),
    "a supplement that became a settlement": (
        ["UPDATE transfer SET kind = 'settle' WHERE account_id = 'mended' AND kind = 'supplement' AND amount = 13"],
        {
            "I1": ("correction", "mended/k-up", "but its transfers are 1 supplements, of 40 credits"),
            "I5": ("transfer", "mended/wallet/5", "it settles charge grew, but that is settled by transfers 2 to 2"),
        },
    ),
    "a refund moved between outputs": (
        ["UPDATE refund_output SET index = 1 WHERE refund_id = 'r-part'"],
        {"I5": ("output", "acme/one-step/0", "it costs 4 credits and 2 were refunded, but refunds return 0 of it")},
    ),
    "a refund of more than it says of its outputs": (
        ["UPDATE refund_output SET credits = 3 WHERE refund_id = 'r-part'"],
        {"I5": ("refund", "acme/r-part", "it returns 2 credits, but of its outputs 3")},
    ),
    "outputs of a refund that never was": (
        ["UPDATE refund_output SET refund_id = 'ghost' WHERE refund_id = 'r-part'"],
        {"I5": ("refund", "acme/ghost", "there is no such refund, but 2 credits of outputs are returned by it")},
    ),
    "a refund in another tier than the output stood in": (
        ["UPDATE refund_output SET size_tier = '4K' WHERE refund_id = 'r-part'"],
        {
            "I5": ("refund", "acme/r-part", "of output 0 in tier 4K, but that stood in tier 1K"),
            "I11": ("usage_bucket", None, "are counted"),
        },
    ),
    "a refund whose credits nobody had drawn": (
        ["DELETE FROM returned WHERE account_id = 'acme' AND seq = 8"],
        {"I6": ("grant", None, "but by transfers, fills and refunds")},
    ),
    "credits returned for another charge": (
        ["UPDATE returned SET request_id = 'late' WHERE account_id = 'acme' AND seq = 8"],
        {"I6": ("returned", "acme/8", "it returns 2 credits of charge late")},
    ),
    "credits returned to another grant": (
        ["UPDATE returned SET returned_to = NULL WHERE account_id = 'acme' AND seq = 8"],
        {"I6": ("grant", None, "but by transfers, fills and refunds")},
    ),
    "a refund of no charge": (
        ["UPDATE refund SET request_id = 'ghost' WHERE refund_id = 'r-part'"],
        {"I5": ("charge", "acme/ghost", "there is no such charge, but refunds of it return 2 credits")},
    ),
    "a grant's parts changed": (
        ["""UPDATE "grant" SET used = 27, expired = 1 WHERE grant_id = 'plan'"""],
        {
            "I1": ("account", "acme", "expired is 36 by its transfers, but 37 by its grants"),
            "I6": ("grant", "acme/plan", "but by transfers, fills and refunds 372, 28, 0, 0 and 0"),
        },
    ),
    "a grant's parts that do not make the whole": (
        ["""UPDATE "grant" SET remaining = 373 WHERE grant_id = 'plan'"""],
        {
            "I6": (
                "grant",
                "acme/plan",
                "granted is 400, but 373 remaining, 28 used, 0 expired, 0 revoked and 0 moved make 401",
            )
        },
    ),
    "a fill changed": (
        ["UPDATE fill SET credits = 17 WHERE grant_id = 'promo'"],
        {
            "I6": (
                "fill",
                "acme/11/13",
                "transfer 13 pays 17 credits of debts by grant promo in all, but it is a refund of 16",
            )
        },
    ),
    "fills changed so that they make the same sum": (
        [
            "UPDATE fill SET credits = 17 WHERE grant_id = 'promo'",
            "UPDATE fill SET credits = 50 WHERE grant_id = 'paid'",
        ],
        {
            "I6": (
                "fill",
                "acme/11/12",
                "transfer 12 pays 50 credits of debts by grant paid in all, but it is a refund of 51",
            )
        },
    ),
    "a fill by another's grant": (
        ["UPDATE fill SET grant_id = 'paid' WHERE grant_id = 'plan'"],
        {"I6": ("fill", "acme/11/15", "but it is a grant of 400 credits to grant plan")},
    ),
    "a fill of a transfer that is not there": (
        ["UPDATE fill SET paid_by_seq = 99 WHERE grant_id = 'plan'"],
        {"I6": ("fill", "acme/11/99", "but it is not there")},
    ),
    "a fill lost": (
        ["DELETE FROM fill WHERE grant_id = 'promo'"],
        {
            "I6": (
                "grant",
                "acme/promo",
                "20 used, 0 expired, 0 revoked and 0 moved, but by transfers, fills and refunds 16, 4,",
            )
        },
    ),
    "a fill of another's debt": (
        ["UPDATE fill SET seq = 10 WHERE grant_id = 'promo'"],
        {"I6": ("fill", "acme/10/13", "it pays 16 credits of debt 10 with grant promo, but there is no such debt")},
    ),
    "a debt forgiven by hand": (
        [
            "UPDATE debt SET outstanding = 0 WHERE account_id = 'beta'",
            "UPDATE account SET debt = 0, posted = 0 WHERE account_id = 'beta'",
        ],
        {
            "I2": ("account", "beta", "posted is 0, but its transfers sum to -14"),
            "I6": ("debt", "beta/1", "of 14 credits 0 are outstanding, but grants filled 0 and refunds forgave 0"),
        },
    ),
    "a debt lost": (
        ["DELETE FROM debt WHERE account_id = 'beta'"],
        {"I6": ("debt", "beta/1", "transfer 1 draws 14 credits from no grant for first, but there is no such debt")},
    ),
    "a grant frozen without the account knowing": (
        ["""UPDATE "grant" SET frozen = true WHERE grant_id = 'plan'"""],
        {"I6": ("account", "acme", "frozen 0, but grants have 386 remaining, 372 of it frozen")},
    ),
    "credits beside a debt": (
        # Nothing else is wrong: the plan went to the debt in part only, and the rest stayed spendable.
        [
            "UPDATE fill SET credits = credits - 3 WHERE grant_id = 'plan'",
            """UPDATE "grant" SET remaining = remaining + 3, used = used - 3 WHERE grant_id = 'plan'""",
            "UPDATE debt SET outstanding = 3 WHERE account_id = 'acme'",
            "UPDATE account SET debt = 3 WHERE account_id = 'acme'",
        ],
        {"I6": ("grant", "acme/plan", "375 credits remain, but the account owes 3")},
    ),
    "a grant that nobody will look for": (
        ["UPDATE account SET due_at = '2100-01-01' WHERE account_id = 'acme'"],
        {"I6": ("account", "acme", "due_at is 2100-01-01 00:00:00+00, but its next grant expires at")},
    ),
    "a failed output that costs": (
        ["UPDATE output SET credits = 4 WHERE request_id = 'one-step' AND index = 1"],
        {
            "I9": ("output", "acme/one-step/1", "it failed, but costs 4 credits"),
            "I10": ("charge", "acme/one-step", "transfer 3 sealed"),
        },
    ),
    "an output's credits changed": (
        ["UPDATE output SET credits = 13 WHERE request_id = 'first'"],
        {
            "I9": ("charge", "beta/first", "its bill is 14 by transfers 1 to 1, but its outputs cost 13"),
            "I10": ("charge", "beta/first", "transfer 1 sealed"),
        },
    ),
    "credits moved between outputs": (
        [
            "UPDATE output SET credits = 0 WHERE request_id = 'capped' AND index = 0",
            "UPDATE output SET credits = 14 WHERE request_id = 'capped' AND index = 2",
        ],
        {
            "I9": ("output", "acme/capped/0", "billed 0, 4K, capped, but price book 1 makes it 14, 4K, capped"),
            "I10": ("charge", "acme/capped", "transfer 21 sealed"),
        },
    ),
    "an output measured again": (
        ["UPDATE output SET width = 2048, height = 2048 WHERE request_id = 'first'"],
        {"I9": ("output", "beta/first/0", "billed 14, 1K, but price book 1 makes it 67, 2K")},
    ),
    "an output lost": (
        ["DELETE FROM output WHERE request_id = 'one-step' AND index = 1"],
        {"I9": ("output", "acme/one-step/1", "it is not there, but the charge was for 2 images")},
    ),
    "an output of no charge": (
        ["INSERT INTO output VALUES ('idle', 'ghost', 0, 'failed', NULL, NULL, NULL, 0, 0, '{}', NULL)"],
        {"I9": ("output", "idle/ghost/0", "it has no charge")},
    ),
    "a quote changed": (
        ["UPDATE charge SET quoted_credits = 10 WHERE request_id = 'second'"],
        {"I9": ("charge", "beta/second", "quoted 10, 14, high, 1K, but price book 1 quotes 14, 14, high, 1K")},
    ),
    "a price book changed": (
        ["""UPDATE price_book SET models = replace(models, '"1K": 14', '"1K": 15')"""],
        {"I9": ("charge", "acme/all-failed", "but price book 1 quotes 15, 15, high, 1K")},
    ),
    "a price book lost": (
        ["DELETE FROM price_book"],
        {"I9": ("charge", "acme/all-failed", "price book 1 has no price for it")},
    ),
    "a price book that came later": (
        ["INSERT INTO price_book SELECT 2, now() - interval '1 hour', models, now(), 'ops' FROM price_book"],
        {"I9": ("charge", "acme/all-failed", "priced by book 1, but at")},
    ),
    "a flag taken off": (
        ["UPDATE charge SET flags = ARRAY['capped'] WHERE request_id = 'capped'"],
        {"I9": ("charge", "acme/capped", "its flags are capped, but its outputs make them capped, unrequested")},
    ),
    "a hash changed": (
        [
            "UPDATE transfer SET hash = set_byte(hash, 0, get_byte(hash, 0) # 1) WHERE account_id = 'acme' AND book = 'wallet' AND seq = 5"
        ],
        {"I10": ("transfer", "acme/wallet/5", "its hash is")},
    ),
    "the last hash changed": (
        ["UPDATE transfer SET hash = set_byte(hash, 0, get_byte(hash, 0) # 1) WHERE account_id = 'beta'"],
        {"I10": ("transfer", "beta/wallet/1", "its hash is")},
    ),
    "a head changed": (
        [
            "UPDATE account SET money_head = set_byte(money_head, 31, get_byte(money_head, 31) # 1) WHERE account_id = 'idle'"
        ],
        {"I10": ("account", "idle", "money_head is")},
    ),
    "two transfers swapped": (
        [
            "UPDATE transfer SET seq = 100 WHERE account_id = 'acme' AND book = 'wallet' AND seq = 6",
            "UPDATE transfer SET seq = 6 WHERE account_id = 'acme' AND book = 'wallet' AND seq = 7",
            "UPDATE transfer SET seq = 7 WHERE account_id = 'acme' AND book = 'wallet' AND seq = 100",
        ],
        {
            "I2": ("transfer", "acme/wallet/6", "balance_after is 34, but 49 before it and -1 by it make 48"),
            "I5": ("transfer", "acme/wallet/6", "it settles charge late, but that is settled by transfers 7 to 7"),
            "I10": ("transfer", "acme/wallet/6", "its hash is"),
        },
    ),
    "a charge's terms changed": (
        ["UPDATE charge SET operation = 'edit' WHERE request_id = 'first'"],
        {"I10": ("charge", "beta/first", "transfer 1 sealed")},
    ),
    "a digest changed": (
        [
            "UPDATE transfer SET digest = set_byte(digest, 0, get_byte(digest, 0) # 1) WHERE account_id = 'acme' AND seq = 5"
        ],
        {"I10": ("transfer", "acme/wallet/5", "its hash is")},
    ),
    "a charge deleted": (
        ["DELETE FROM charge WHERE request_id = 'late'"],
        {
            "I1": (
                "account",
                "acme",
                "consumed is 148 by its transfers, but 147 by its charges, refunds and corrections",
            ),
            "I9": ("output", "acme/late/0", "it has no charge"),
            "I10": ("transfer", "acme/wallet/7", "it settles charge late, which is not there"),
        },
    ),
    "credits clawed back that no return claims": (
        ["""UPDATE "grant" SET clawed = 502 WHERE grant_id = 'pack:own:1'"""],
        {
            "I1": ("account", "payer", "revoked is 1653 by its transfers, but 1654 by its grants"),
            "I6": (
                "grant",
                "payer/pack:own:1",
                "clawed is 502, but card refunds and disputes took 601 and gave back 100",
            ),
            "I12": (
                "grant",
                "payer/pack:own:1",
                "clawed is 502 of 1000 credits and 0 expired, but 5001000 of 10000000 micros were returned, which is 501",
            ),
        },
    ),
    "credits left to somebody whose money went back": (
        ["""UPDATE "grant" SET clawed = 79 WHERE grant_id = 'pack:complained:2'"""],
        {
            "I6": ("grant", "payer/pack:complained:2", "0 moved make 100, closed; clawed is 79"),
            "I12": (
                "grant",
                "payer/pack:complained:2",
                "clawed is 79 of 100 credits and 0 expired, but 8000000 of 10000000 micros were returned, which is 80",
            ),
        },
    ),
    "more revoked than clawed back": (
        ["""UPDATE "grant" SET clawed = 0 WHERE grant_id = 'pack:complained:1'"""],
        {"I6": ("grant", "payer/pack:complained:1", "800 revoked and 0 moved make 1000, open; clawed is 0")},
    ),
    "a clawback of a grant that is not there": (
        ["""DELETE FROM "grant" WHERE grant_id = 'pack:spent:1'"""],
        {"I6": ("transfer", "owing/money/1", "it names grant pack:spent:1, which is not there")},
    ),
    "revoked credits turned into used ones": (
        ["""UPDATE "grant" SET revoked = revoked - 100, used = used + 100 WHERE grant_id = 'pack:complained:1'"""],
        {
            "I6": (
                "grant",
                "payer/pack:complained:1",
                "200 remaining, 100 used, 0 expired, 700 revoked and 0 moved, but by transfers, fills and refunds 200, 0, 0, 800",
            ),
            "I12": (
                "grant",
                "payer/pack:complained:1",
                "of which 700 are revoked: that is 7000000, but 8000000 were returned out of deferred revenue",
            ),
        },
    ),
    "a card refund that says less than it revoked": (
        ["UPDATE clawback SET revoked = 499 WHERE external_id = 're-half' AND grant_id = 'pack:own:1'"],
        {
            "I1": (
                "card_refund",
                "payer/re-half",
                "it revokes 499 of pack:own:1, 50 that were used, but its transfers 500 of pack:own:1, 50 that were used",
            ),
            "I6": ("grant", "payer/pack:own:1", "clawed is 501, but card refunds and disputes took 600"),
        },
    ),
    "a dispute that says less than it revoked": (
        ["DELETE FROM clawback WHERE external_id = 'du-lost' AND grant_id = 'pack:complained:2'"],
        {
            "I1": (
                "dispute",
                "payer/du-lost",
                "it revokes 800 of pack:complained:1, but its transfers 800 of pack:complained:1, 80 of pack:complained:2",
            )
        },
    ),
    "credits taken for nothing": (
        ["INSERT INTO clawback VALUES ('payer', 're-ghost', 'pack:own:1', 1, 0)"],
        {
            "I1": (
                "clawback",
                "payer/re-ghost/pack:own:1",
                "took 1 credits of grant pack:own:1, but there is no such card refund",
            ),
            "I6": ("grant", "payer/pack:own:1", "clawed is 501, but card refunds and disputes took 602"),
        },
    ),
    "an open dispute that took credits": (
        ["INSERT INTO clawback VALUES ('payer', 'du-open', 'pack:frozen:1', 1, 0)"],
        {"I1": ("clawback", "payer/du-open/pack:frozen:1", "the dispute is open, and was never lost")},
    ),
    "a failed card refund that succeeded after all": (
        ["UPDATE card_refund SET status = 'succeeded' WHERE card_refund_id = 're-failed'"],
        {
            "I1": ("transfer", "payer/wallet/13", "for re-failed, but that is succeeded, and of top-up own"),
            "I12": (
                "card_refund",
                "payer/re-failed",
                "transfer money/7 moves 1000000 micros USD as card_refund_deferred_failed for it, but it is succeeded",
            ),
        },
    ),
    "a card refund forgotten": (
        ["DELETE FROM card_refund WHERE card_refund_id = 're-full'"],
        {
            "I1": (
                "transfer",
                "payer/wallet/9",
                "it is a revoke of grant pack:diluted:1 for re-full, but there is no such card refund or dispute",
            ),
            "I12": ("card_refund", "payer/re-full", "for it, but it is not there"),
        },
    ),
    "a card refund of spent credits forgotten": (
        ["DELETE FROM card_refund WHERE card_refund_id = 're-spent'"],
        {
            "I1": (
                "transfer",
                "owing/wallet/3",
                "it is a revoke of grant none for re-spent, but there is no such card refund or dispute",
            )
        },
    ),
    "a card refund of another top-up": (
        ["UPDATE card_refund SET topup_id = 'own' WHERE card_refund_id = 're-full'"],
        {
            "I1": ("transfer", "payer/wallet/9", "for re-full, but that is succeeded, and of top-up own"),
            "I12": ("card_refund", "payer/re-full", "of grant pack:own:1, but by 1 transfers"),
        },
    ),
    "a restored grant that came from nowhere": (
        ["""UPDATE "grant" SET origin_grant_id = NULL WHERE grant_id = 'pack:own:3'"""],
        {
            "I1": ("grant", "payer/pack:own:3", "of 10 credits to grant pack:own:3"),
            "I12": ("grant", "payer/pack:own:3", "but no top-up that is paid brings it"),
        },
    ),
    "a restored grant that a refund made": (
        [
            """UPDATE transfer SET kind = 'refund', debit = 'consumed' WHERE book = 'wallet' AND kind = 'restore'
               AND grant_id = 'pack:own:3'"""
        ],
        {"I1": ("grant", "payer/pack:own:3", "is a refund of 10 credits to grant pack:own:3")},
    ),
    "a clawback's debt lost": (
        ["DELETE FROM debt WHERE account_id = 'owing'", "DELETE FROM fill WHERE account_id = 'owing'"],
        {
            "I6": (
                "debt",
                "owing/3",
                "transfer 3 draws 14 credits from no grant for a clawback, but there is no such debt",
            )
        },
    ),
    "a fill of more than a grant ever had": (
        ["UPDATE fill SET credits = 200 WHERE grant_id = 'sorry'"],
        {"I6": ("fill", "owing/3/5", "it is a grant of 5 credits to grant sorry")},
    ),
    "a fill of more than was restored": (
        [
            """UPDATE fill SET credits = 101, paid_by_seq = (SELECT seq FROM transfer WHERE kind = 'restore'
               AND grant_id = 'pack:own:1') WHERE account_id = 'payer' AND seq = 6"""
        ],
        {"I6": ("fill", "payer/6/14", "it is a restore of 100 credits to grant pack:own:1")},
    ),
    "credit for the house": (
        ["UPDATE account SET credit_limit = 5 WHERE account_id = '_house'"],
        {"I4": ("account", "_house", "credit_limit is 5")},
    ),
    "a lost dispute passed over": (
        ["UPDATE topup SET status = 'paid' WHERE topup_id = 'complained'"],
        {"I12": ("topup", "payer/complained", "8000000 returned and 0 disputed, with 1 lost or open disputes")},
    ),
    "a refunded top-up that seems paid": (
        ["UPDATE topup SET status = 'paid' WHERE topup_id = 'diluted'"],
        {"I12": ("topup", "payer/diluted", "of 9000000 micros 9000000 returned and 0 disputed")},
    ),
    "a paid top-up without a payment": (
        ["UPDATE topup SET status = 'paid' WHERE topup_id = 'left'"],
        {"I12": ("topup", "payer/left", "it is paid, paid at no time by no payment")},
    ),
    "a payment of a top-up that was given up": (
        ["UPDATE topup SET payment_id = 'pi-left' WHERE topup_id = 'left'"],
        {"I12": ("topup", "payer/left", "it is expired, paid at no time by pi-left")},
    ),
    "money back of a top-up that was given up": (
        ["UPDATE topup SET returned_micros = 5 WHERE topup_id = 'left'"],
        {"I12": ("topup", "payer/left", "it is expired, paid at no time by no payment, of 10000000 micros 5 returned")},
    ),
    "more deferred revenue back than was paid": (
        ["UPDATE topup SET returned_micros = 20000000, returned_deferred_micros = 10000001 WHERE topup_id = 'own'"],
        {"I12": ("topup", "payer/own", "of 10000000 micros 20000000 returned and 0 disputed")},
    ),
    "money without credits": (
        ["UPDATE topup SET status = 'paid', paid_at = created_at, payment_id = 'pi-left' WHERE topup_id = 'left'"],
        {
            "I12": (
                "grant",
                "payer/pack:left:1",
                "there is no such grant, but top-up left is paid and brings 1000 credits for 10000000 micros USD",
            )
        },
    ),
    "credits without money": (
        ["UPDATE topup SET status = 'pending', paid_at = NULL, payment_id = NULL WHERE topup_id = 'recharge:1'"],
        {
            "I12": (
                "grant",
                "payer/recharge:1:1",
                "it is 14 credits for 140000 micros USD, but no top-up that is paid brings it",
            )
        },
    ),
    "a bonus changed": (
        ["UPDATE topup SET bonus_credits = 60 WHERE topup_id = 'diluted'"],
        {
            "I12": (
                "grant",
                "payer/pack:diluted:1",
                "it is a purchase of 150 credits for 9000000 micros EUR by pi-diluted, but its top-up brings a purchase of 160",
            )
        },
    ),
    "a bonus that cost something": (
        ["UPDATE topup SET bonus = 'dilutes' WHERE topup_id = 'frozen'"],
        {"I12": ("grant", "payer/pack:frozen:1", "but its top-up brings a purchase of 1100 for 10000000 micros USD")},
    ),
    "a payment made smaller": (
        ["UPDATE transfer SET amount = 1 WHERE account_id = 'acme' AND book = 'money'"],
        {
            "I12": (
                "grant",
                "acme/paid",
                "9990000 micros USD were paid for it into bank by wire 1, but 1 transfers pay 1 micros USD as purchase_bank",
            )
        },
    ),
    "a payment that nobody remembers": (
        ["""UPDATE "grant" SET paid_micros = NULL, currency = NULL WHERE grant_id = 'paid'"""],
        {
            "I12": (
                "grant",
                "acme/paid",
                "transfer money/1 pays 9990000 micros USD for it, but there is no such paid grant",
            )
        },
    ),
    "a payment in another currency": (
        ["""UPDATE "grant" SET currency = 'EUR' WHERE grant_id = 'paid'"""],
        {"I12": ("grant", "acme/paid", "9990000 micros EUR were paid for it into bank")},
    ),
    "a top-up paid by another payment": (
        ["UPDATE topup SET payment_id = 'pi-other' WHERE topup_id = 'recharge:1'"],
        {"I12": ("grant", "payer/recharge:1:1", "USD by pi-recharge, but its top-up brings a purchase of 14")},
    ),
    "a top-up in another currency": (
        ["UPDATE topup SET currency = 'EUR' WHERE topup_id = 'recharge:1'"],
        {"I12": ("grant", "payer/recharge:1:1", "brings a purchase of 14 for 140000 micros EUR by pi-recharge")},
    ),
    "more taken back than the money that went back": (
        ["""UPDATE "grant" SET clawed = 801 WHERE grant_id = 'pack:complained:1'"""],
        {"I12": ("grant", "payer/pack:complained:1", "clawed is 801 of 1000 credits and 0 expired")},
    ),
    "a payment by another name": (
        ["""UPDATE "grant" SET reference = 'wire 2' WHERE grant_id = 'paid'"""],
        {
            "I12": (
                "grant",
                "acme/paid",
                "into bank by wire 2, but 1 transfers pay 9990000 micros USD as purchase_bank by wire 1",
            )
        },
    ),
    "credits of a top-up that were a present": (
        ["""UPDATE "grant" SET kind = 'promotion' WHERE grant_id = 'recharge:1:1'"""],
        {"I12": ("grant", "payer/recharge:1:1", "it is a promotion of 14 credits")},
    ),
    "credits of a top-up that were paid by wire": (
        ["""UPDATE "grant" SET funding = 'bank' WHERE grant_id = 'recharge:1:1'"""],
        {
            "I12": (
                "grant",
                "payer/recharge:1:1",
                "it is a purchase of 14 credits for 140000 micros USD by pi-recharge, but",
            )
        },
    ),
    "money paid into another account than the grant says": (
        ["""UPDATE "grant" SET funding = 'stripe_clearing' WHERE grant_id = 'paid'"""],
        {"I12": ("grant", "acme/paid", "were paid for it into stripe_clearing by wire 1, but 1 transfers pay")},
    ),
    "a deferred part that is less than nothing": (
        ["UPDATE dispute SET deferred_micros = -1 WHERE dispute_id = 'du-lapsed'"],
        {"I12": ("dispute", "payer/du-lapsed", "it is lost, but took -1 of 1000000 micros out of deferred revenue")},
    ),
    "a payout's item in another currency": (
        ["UPDATE payout_item SET currency = 'EUR'"],
        {"I13": ("payout_item", "po-1/txn-payout", "its net is -4620000 micros EUR, but as payout it is booked with")},
    ),
    "an open dispute that took deferred revenue": (
        ["UPDATE dispute SET deferred_micros = 5 WHERE dispute_id = 'du-open'"],
        {"I12": ("dispute", "payer/du-open", "it is open, but took 5 of 10000000 micros out of deferred revenue")},
    ),
    "a card refund made larger": (
        ["UPDATE card_refund SET amount_micros = amount_micros + 1 WHERE card_refund_id = 're-half'"],
        {
            "I12": (
                "card_refund",
                "payer/re-half",
                "it is succeeded, but no transfer moves 1 micros as card_refund",
            )
        },
    ),
    "a card refund in another currency": (
        ["UPDATE transfer SET asset = 'EUR' WHERE account_id = 'payer' AND book = 'money' AND seq = 2"],
        {
            "I12": (
                "card_refund",
                "payer/re-half",
                "as card_refund_deferred it moves 5000000 micros USD of grant pack:own:1, but by 1 transfers 5000000 micros EUR",
            )
        },
    ),
    "a dispute won on paper": (
        ["UPDATE dispute SET status = 'won', closed_at = opened_at WHERE dispute_id = 'du-open'"],
        {
            "I12": (
                "dispute",
                "payer/du-open",
                "it is won (needs_response), but of 10000000 micros withdrawn 0 were returned",
            )
        },
    ),
    "a dispute lost before its verdict": (
        ["UPDATE dispute SET stripe_status = 'under_review' WHERE dispute_id = 'du-lost'"],
        {
            "I12": (
                "dispute",
                "payer/du-lost",
                "it is lost (under_review), but of 8000000 micros withdrawn 0 were returned",
            )
        },
    ),
    "a dispute that moves more on paper": (
        [
            """UPDATE dispute SET withdrawn_micros = withdrawn_micros + 5, reinstated_micros = reinstated_micros + 5
               WHERE dispute_id = 'du-won'"""
        ],
        {
            "I12": (
                "dispute",
                "payer/du-won",
                "as dispute_opened it moves 10000005 micros USD of grant pack:complained:1",
            )
        },
    ),
    "a dispute that was never lost, and gave back": (
        ["UPDATE dispute SET undone = 0 WHERE dispute_id = 'du-appealed'"],
        {
            "I1": (
                "clawback",
                "payer/du-appealed/pack:appealed:1",
                "took 14 credits of grant pack:appealed:1, but the dispute is open",
            )
        },
    ),
    "a reserve that Stripe holds for nobody": (
        ["DELETE FROM stripe_transaction WHERE transaction_id = 'txn-held'"],
        {"I13": ("transfer", "_house/money/6", "it is a reserve_held of 700000 micros EUR by txn-held, but no such")},
    ),
    "a reserve that Stripe makes smaller": (
        ["UPDATE stripe_transaction SET amount_micros = -600000 WHERE transaction_id = 'txn-held'"],
        {"I13": ("stripe_transaction", "_house/txn-held", "as reserve by txn-held it is -600000 micros EUR")},
    ),
    "returned money forgotten": (
        ["UPDATE topup SET returned_micros = returned_micros - 1 WHERE topup_id = 'lapsed'"],
        {
            "I12": (
                "topup",
                "payer/lapsed",
                "returned is 6999999, 0 of it deferred, and disputed 0, but its card refunds and disputes make 7000000, 0 and 0",
            )
        },
    ),
    "more taken out of deferred revenue than was returned": (
        ["UPDATE topup SET returned_deferred_micros = 1 WHERE topup_id = 'recharge:1'"],
        {"I12": ("topup", "payer/recharge:1", "it is paid, paid at")},
    ),
    "deferred revenue from elsewhere": (
        ["UPDATE transfer SET credit = 'deferred_revenue' WHERE kind = 'fee_returned'"],
        {
            "I1": ("transfer", "payer/money/12", "goes from stripe_clearing to processor_fees"),
            "I12": (
                "account",
                "payer",
                "deferred revenue is 41679000 micros USD by its transfers, but 26679000 by its grants, card refunds and disputes",
            ),
        },
    ),
    "disputed money from elsewhere": (
        ["UPDATE transfer SET debit = 'disputed' WHERE kind = 'fee' AND external_id = 'txn-own'"],
        {
            "I12": (
                "account",
                "payer",
                "disputed is 10470000 micros USD by its transfers, but 10150000 by its open disputes",
            )
        },
    ),
    "a transaction that no transfer carries": (
        ["UPDATE stripe_transaction SET booked_as = 're-none' WHERE transaction_id = 'txn-half'"],
        {
            "I13": (
                "stripe_transaction",
                "payer/txn-half",
                "as refund by re-none it is -5000000 micros USD, but the transfers that carry it sum to 0",
            )
        },
    ),
    "a payment that Stripe makes smaller": (
        ["UPDATE stripe_transaction SET amount_micros = 8999999 WHERE transaction_id = 'txn-diluted'"],
        {
            "I13": (
                "stripe_transaction",
                "payer/txn-diluted",
                "as payment by pi-diluted it is 8999999 micros EUR, but the transfers that carry it sum to 9000000",
            )
        },
    ),
    "one payment reported twice": (
        [
            """INSERT INTO stripe_transaction SELECT (jsonb_populate_record(s, '{"transaction_id": "txn-again", "fee_micros": 0}')).*
               FROM stripe_transaction s WHERE transaction_id = 'txn-diluted'"""
        ],
        {"I13": ("stripe_transaction", "payer/txn-again", "it is 18000000 micros EUR, but the transfers")},
    ),
    "a payout turned round": (
        ["UPDATE stripe_transaction SET amount_micros = 8500000 WHERE transaction_id = 'txn-bounced'"],
        {"I13": ("stripe_transaction", "_house/txn-bounced", "as payout_failed by po-2 it is 17000000 micros EUR")},
    ),
    "a fee changed": (
        ["UPDATE stripe_transaction SET fee_micros = 250001 WHERE transaction_id = 'txn-diluted'"],
        {
            "I13": (
                "stripe_transaction",
                "payer/txn-diluted",
                "its fee is 250001 micros EUR, but its transfers make it 250000",
            )
        },
    ),
    "a fee that nobody charged": (
        ["DELETE FROM stripe_transaction WHERE transaction_id = 'txn-diluted'"],
        {
            "I13": (
                "transfer",
                "payer/money/40",
                "it is a fee of 250000 micros EUR by txn-diluted, but no such transaction is booked",
            )
        },
    ),
    "a payout that Stripe does not know": (
        ["DELETE FROM stripe_transaction WHERE transaction_id = 'txn-bounced'"],
        {
            "I13": (
                "transfer",
                "_house/money/4",
                "it is a payout of 8500000 micros EUR by po-2, but no such transaction is booked",
            )
        },
    ),
    "a payout to a customer": (
        [
            "UPDATE transfer SET account_id = 'idle' WHERE account_id = '_house' AND seq = 4",
            "UPDATE stripe_transaction SET account_id = 'idle' WHERE transaction_id = 'txn-bounced'",
        ],
        {"I13": ("transfer", "idle/money/4", "by po-2, but such belong to the house")},
    ),
    "a payout's items changed so that they make the same sum": (
        [
            "UPDATE payout_item SET amount_micros = amount_micros + 1 WHERE transaction_id = 'txn-half'",
            "UPDATE payout_item SET fee_micros = fee_micros + 1 WHERE transaction_id = 'txn-radar'",
        ],
        {
            "I13": (
                "payout_item",
                "po-1/txn-radar",
                "its net is -60001 micros USD, but as fee it is booked with -60000 micros USD",
            )
        },
    ),
    "a transaction booked for two": (
        [
            """INSERT INTO stripe_transaction SELECT (jsonb_populate_record(s,
                   '{"account_id": "idle", "amount_micros": 0, "fee_micros": 0}')).*
               FROM stripe_transaction s WHERE transaction_id = 'txn-diluted'"""
        ],
        {"I13": ("stripe_transaction", "idle/txn-diluted", "it is booked 2 times, the last time for payer")},
    ),
    "a payout of what is not booked": (
        [
            """INSERT INTO payout_item VALUES ('po-1', 'txn-x', 'charge', 5, 0, 'USD'),
                   ('po-1', 'txn-y', 'refund', -5, 0, 'USD')"""
        ],
        {"I13": ("payout_item", "po-1/txn-x", "a charge of 5 micros USD was paid out, but is not booked")},
    ),
    "a payout paid twice": (
        [
            """INSERT INTO payout_item SELECT (jsonb_populate_record(i, '{"payout_id": "po-3"}')).*
               FROM payout_item i"""
        ],
        {"I13": ("payout_item", "po-3/txn-half", "it was paid out by po-1 already")},
    ),
    "a payout that does not add up": (
        ["DELETE FROM payout_item WHERE transaction_id = 'txn-radar'"],
        {
            "I13": (
                "payout_item",
                "po-1/txn-half",
                "the 3 items of its payout come to 60000 micros USD, the payout itself included",
            )
        },
    ),
    "the service may change the journal": (
        ["GRANT UPDATE ON transfer TO billing_service"],
        {
            "I10": (
                "transfer",
                "billing_service",
                "the role should have SELECT and INSERT only, but has UPDATE on transfer",
            )
        },
    ),
    "the service may change a column of the journal": (
        ["GRANT UPDATE (amount) ON transfer TO billing_service"],
        {"I10": ("transfer", "billing_service", "has UPDATE on transfer")},
    ),
    "everybody may delete from the journal": (
        ["GRANT DELETE ON transfer TO PUBLIC"],
        {"I10": ("transfer", "billing_service", "has DELETE on transfer")},
    ),
    "the service may empty the journal": (
        ["GRANT TRUNCATE ON transfer TO billing_service"],
        {"I10": ("transfer", "billing_service", "has TRUNCATE on transfer")},
    ),
    "the service owns the journal": (
        ["GRANT CREATE ON SCHEMA public TO billing_service", "ALTER TABLE transfer OWNER TO billing_service"],
        {"I10": ("transfer", "billing_service", "on transfer")},
    ),
    "the service may change what Stripe said": (
        ["GRANT UPDATE ON stripe_transaction TO billing_service"],
        {"I10": ("stripe_transaction", "billing_service", "has UPDATE on stripe_transaction")},
    ),
    "the service may change who paid what": (
        ["GRANT UPDATE ON fill TO billing_service"],
        {"I10": ("fill", "billing_service", "has UPDATE on fill")},
    ),
    "the service may change the record of settings": (
        ["GRANT DELETE ON account_change TO billing_service"],
        {"I10": ("account_change", "billing_service", "has DELETE on account_change")},
    ),
}


@pytest.mark.parametrize("name", TAMPERINGS)
def test_tampering_is_found_and_the_row_is_named(healthy: str, spoil: Spoil, name: str) -> None:
    statements, expected = TAMPERINGS[name]
    spoil(*statements)
    report = asyncio.run(verify(healthy))
    assert not report.ok
    found = _found(report)
    for invariant, (table, key, words) in expected.items():
        assert invariant in found, found
        assert found[invariant][0] == table, found
        assert (
            key is None or found[invariant][1] == key or (table == "hold" and found[invariant][1].endswith(f"/{key}"))
        ), found
        assert words in found[invariant][2], found


def test_a_row_hashed_again_after_it_was_changed(healthy: str, spoil: Spoil) -> None:
    """Its own hash is right then; the next transfer does not follow from it, and the balance does not add up."""
    spoil(f"UPDATE transfer SET amount = 0 WHERE {ACME} AND seq = 7")
    asyncio.run(_hash_again(healthy, "seq = 7"))
    found = _found(asyncio.run(verify(healthy)))
    assert found["I10"][:2] == ("transfer", "acme/wallet/8")
    assert found["I2"][:2] == ("transfer", "acme/wallet/7")
    assert "balance_after is 34, but 35 before it and 0 by it make 35" in found["I2"][2]


def test_the_last_row_hashed_again_after_it_was_changed(healthy: str, spoil: Spoil) -> None:
    spoil("UPDATE transfer SET external_id = 'x' WHERE account_id = 'acme' AND book = 'wallet' AND seq = 22")
    asyncio.run(_hash_again(healthy, "seq = 22"))
    found = _found(asyncio.run(verify(healthy)))
    assert list(found) == ["I10"]
    assert found["I10"][:2] == ("account", "acme")
    assert "but the hash of transfer 22 is" in found["I10"][2]


def test_a_whole_chain_hashed_again_after_a_digest_was_changed(healthy: str, spoil: Spoil) -> None:
    """The chain alone would believe it; that a settlement's transfers seal the same does not."""
    spoil(f"UPDATE transfer SET digest = sha256('x') WHERE {ACME} AND seq = 5")
    asyncio.run(_hash_again(healthy, "true"))
    spoil(
        f"UPDATE account SET wallet_head = (SELECT hash FROM transfer WHERE {ACME} AND seq = 22) WHERE account_id = 'acme'"
    )
    found = _found(asyncio.run(verify(healthy)))
    assert list(found) == ["I10"]
    assert found["I10"][:2] == ("transfer", "acme/wallet/5")
    assert "but transfer 4 of the same settlement says" in found["I10"][2]


def test_one_account_limits_it(healthy: str, spoil: Spoil) -> None:
    spoil("UPDATE account SET posted = 5 WHERE account_id = 'beta'")
    assert asyncio.run(verify(healthy, "acme")).ok
    assert _found(asyncio.run(verify(healthy, "beta")))["I2"][1] == "beta"


def test_one_account_cannot_prove_what_a_payout_comes_to(healthy: str, spoil: Spoil) -> None:
    spoil(
        "DELETE FROM payout_item WHERE transaction_id = 'txn-radar'",
        "INSERT INTO payout_item VALUES ('po-1', 'txn-x', 'charge', 5, 0, 'USD')",
    )
    assert "I13" in _found(asyncio.run(verify(healthy)))
    for account in ("payer", "_house"):
        assert asyncio.run(verify(healthy, account)).ok


def test_one_account_proves_what_is_booked_for_it(healthy: str, spoil: Spoil) -> None:
    spoil("UPDATE payout_item SET amount_micros = 1 WHERE transaction_id = 'txn-half'")
    assert _found(asyncio.run(verify(healthy, "payer")))["I13"][:2] == ("payout_item", "po-1/txn-half")
    assert asyncio.run(verify(healthy, "_house")).ok
    assert asyncio.run(verify(healthy, "owing")).ok


def test_the_first_account_is_named(healthy: str, spoil: Spoil) -> None:
    """Checks find rows of several accounts: the one of the first account is reported, whichever check it was."""
    spoil(
        "UPDATE transfer SET balance_after = 0 WHERE account_id = 'beta'",
        "UPDATE account SET posted = 5 WHERE account_id = 'acme'",
    )
    assert _found(asyncio.run(verify(healthy)))["I2"][:2] == ("account", "acme")


def test_a_finding_is_shown_as_it_is(healthy: str, spoil: Spoil) -> None:
    spoil(
        """UPDATE charge SET request_id = '[red]x[/red]' WHERE request_id = 'voided'""",
        "UPDATE charge SET settled_credits = 14 WHERE status = 'voided'",
    )
    report = asyncio.run(verify(healthy))
    console = Console(record=True, width=80)
    show(report, console)
    shown = console.export_text()
    assert "charge acme/[red]x[/red]: it is voided with a bill of 14" in shown
    assert "BROKEN" in shown
    assert "of 8 accounts, 25 charges and 156 transfers." in shown
    document = to_jsonable_python(report)
    assert not document["ok"]
    assert document["invariants"][4]["finding"]["key"] == "acme/[red]x[/red]"


def _found(report: Verification) -> dict[str, tuple[str, str, str]]:
    return {
        checked.name: (checked.finding.table, checked.finding.key, checked.finding.problem)
        for checked in report.invariants
        if checked.finding
    }


async def _hash_again(dsn: str, where: str) -> None:
    """Gives acme's wallet transfers that are `where` the hashes that their fields make."""
    connection = await asyncpg.connect(dsn)
    try:
        head = GENESIS
        again = {row[0] for row in await connection.fetch(f"SELECT seq FROM transfer WHERE {ACME} AND {where}")}
        for row in await connection.fetch(f"SELECT {TRANSFER} FROM transfer t WHERE {ACME} ORDER BY seq"):
            *fields, known = row
            head = chained(head, *fields) if row["seq"] in again else known
            await connection.execute(f"UPDATE transfer SET hash = $1 WHERE {ACME} AND seq = $2", head, row["seq"])
    finally:
        await connection.close()
