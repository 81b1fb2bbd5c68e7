"""Every kind of difference: found, priced, posted once, and then no more."""

from collections import Counter
from dataclasses import asdict

from billing.books.verify import verify

from .conftest import MANIFEST

FOUND = [
    ("acme", "expired", 0, "delivered_not_charged", "settle", 14),
    ("acme", "extra", None, "count_differs", "none", 0),
    ("acme", "extra", 1, "unrequested", "none", 0),
    ("acme", "failed", None, "count_differs", "none", 0),
    ("acme", "failed", 1, "failed_yet_billed", "correct", -14),
    ("acme", "its-own", 0, "other_account", "person", 0),
    ("acme", "larger", 0, "wrong_size_tier", "correct", 119),
    ("acme", "missing", None, "count_differs", "none", 0),
    ("acme", "missing", 0, "charged_not_delivered", "correct", -14),
    ("acme", "never-heard-of", 0, "delivered_not_charged", "person", 0),
    ("acme", "open", 0, "delivered_not_charged", "person", 14),
    ("acme", "other-book", 0, "other_price_book", "person", 0),
    ("acme", "pixels", 0, "size_differs", "none", 0),
    ("acme", "recorded-failed", None, "count_differs", "none", 0),
    ("acme", "recorded-failed", 1, "delivered_not_charged", "correct", 67),
    ("acme", "refunded", None, "count_differs", "none", 0),
    ("acme", "refunded", 0, "failed_yet_billed", "correct", -7),
    ("acme", "smaller", 0, "wrong_size_tier", "correct", -53),
    ("acme", "unlisted", 0, "charged_not_delivered", "correct", -14),
    ("acme", "unmeasured", 0, "unmeasured_now_measured", "correct", 53),
    ("acme", "voided", 0, "delivered_not_charged", "settle", 67),
    ("beta", "capped", 0, "wrong_size_tier", "none", 0),
    ("nobody", "r", 1, "delivered_not_charged", "person", 0),
]
POSTED = sum(credits for *_, action, credits in FOUND if action in ("correct", "settle"))
ABSOLUTE = sum(abs(credits) for *_, action, credits in FOUND if action in ("correct", "settle"))


async def test_everything_that_differs_is_found_and_posted_once(ledger):
    period = await ledger.period()
    compared, _ = await ledger.compare("march", MANIFEST, **period)
    lines = await ledger.lines("march")
    assert [
        (one.account_id, one.request_id, one.index, one.kind, one.action, one.difference_credits) for one in lines
    ] == FOUND
    assert [one.line for one in lines] == list(range(1, len(lines) + 1))
    totals = {
        "rows": 23, "matched_rows": 7, "charges": 17, "charged_credits": 13 * 14 + 2 * 67, "lines": len(FOUND),
        "charges_to_post": 10, "difference_credits": POSTED, "absolute_credits": ABSOLUTE, "for_a_person": 5,
    }  # fmt: skip
    assert {name: getattr(compared, name) for name in totals} == totals
    assert {one.kind: one.lines for one in compared.by_kind} == Counter(kind for _, _, _, kind, *_ in FOUND)
    told = {(one.request_id, one.index): one for one in lines}
    assert told["smaller", 0].explanation == (
        "Charged 67 credits as 2048×2048, tier 2K, but delivered 1024×1024. Its long edge, 1024 px, is tier 1K (up to 1536 px), "
        "in quality high 14 credits. 53 credits too many were charged."
    )
    assert (told["smaller", 0].manifest_line, told["smaller", 0].provider_request_id) == (4, "img-3")
    assert "60 credits of it were refunded already. 7 credits too many" in told["refunded", 0].explanation
    assert "capped at what was quoted" in told["capped", 0].explanation
    assert "the charge of this id is account beta's" in told["its-own", 0].explanation
    assert await ledger.ask("SELECT count(*) FROM manifest_row") == 0

    before = await ledger.ask("SELECT posted FROM account WHERE account_id = 'acme'")
    applied, replayed = await ledger.application().apply("march", "key_1", "the provider's list")
    assert (applied.state, replayed, applied.asked_by, applied.reason) == (
        "applied",
        False,
        "key_1",
        "the provider's list",
    )
    assert asdict(applied.posted) == {
        "charges": 10, "credits": POSTED, "supplemented_credits": (ABSOLUTE + POSTED) // 2,
        "reduced_credits": (ABSOLUTE - POSTED) // 2, "posted_lines": 10, "refused_lines": 0, "unneeded_lines": 0,
    }  # fmt: skip
    assert await ledger.ask("SELECT posted FROM account WHERE account_id = 'acme'") == before - POSTED
    for one in await ledger.lines("march"):
        if one.action in ("correct", "settle"):
            assert (one.outcome, one.posted_credits) == ("posted", one.difference_credits)
            assert (one.correction_id is None) == (one.action == "settle")
        else:
            assert (one.outcome, one.posted_credits, one.posted_at) == (None, 0, None)
    who = await ledger.ask("SELECT DISTINCT actor || ': ' || reason FROM correction")
    assert who == "key_1: the provider's list"
    report = await verify(ledger.dsn)
    assert report.ok, [checked.finding for checked in report.invariants if checked.finding]

    transfers = await ledger.ask("SELECT count(*) FROM transfer")
    again, replayed = await ledger.application().apply("march", "key_1", "the provider's list")
    assert (again, replayed) == (applied, True)
    second, _ = await ledger.compare("again", MANIFEST, **period)
    assert (second.charges_to_post, second.absolute_credits) == (0, 0)
    assert (await ledger.application().apply("again", "key_1", "once more"))[0].state == "applied"
    assert await ledger.ask("SELECT count(*) FROM transfer") == transfers
