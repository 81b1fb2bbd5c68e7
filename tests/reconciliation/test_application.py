"""Applying: once, whoever asks and however often; above a sum only with a second key; after a crash to the end."""

import asyncio

import pytest

from billing.books.reconciliation import application
from billing.books.reconciliation.application import Application, ApprovalNotAwaited, LineResult, SecondKeyNeeded
from billing.books.reconciliation.report import ReconciliationNotFound, reconciliation
from billing.books.verify import verify
from billing.core.commands import Refund, Settle
from billing.core.refusals import IdReused, Invalid
from tests.books.world import LARGE, delivered

from .conftest import MANIFEST

ONE_EACH = """account_id,request_id,index,status,width,height
acme,larger,0,succeeded,2048,2048
acme,smaller,0,succeeded,1024,1024
acme,failed,0,failed,,
acme,failed,1,failed,,
acme,voided,0,succeeded,1024,1024
"""  # 53 more, 53 less, twice 14 less, 14 more
ABSOLUTE = 53 + 53 + 28 + 14


async def spent(ledger) -> int:
    return await ledger.ask("SELECT sum(settled_credits + corrected_credits)::bigint FROM charge")


async def test_above_a_sum_a_second_key_approves(ledger):
    await ledger.compare("r", ONE_EACH)
    before = await spent(ledger)
    desk = ledger.application(ABSOLUTE - 1)
    for _ in range(2):
        waiting, _ = await desk.apply("r", "key_1", "why")
        assert (waiting.state, waiting.asked_by, waiting.posted) == ("awaiting_approval", "key_1", None)
    with pytest.raises(SecondKeyNeeded):
        await desk.approve("r", "key_1", "it was me")
    assert await spent(ledger) == before
    answers = await asyncio.gather(desk.approve("r", "key_2", "looks right"), desk.approve("r", "key_3", "me too"))
    assert {one.state for one, _ in answers} == {"applied"}
    assert len({one.approved_by for one, _ in answers}) == 1
    assert await spent(ledger) == before + 53 - 53 - 28 + 14
    await ledger.compare("again", ONE_EACH)
    with pytest.raises(ApprovalNotAwaited):
        await desk.approve("again", "key_2", "nothing was asked for")
    below, _ = await ledger.compare("below", ONE_EACH.replace("acme,larger,0,succeeded,2048,2048\n", ""))
    assert below.charges_to_post == 0


async def test_a_crash_between_posting_and_writing_it_down(ledger, monkeypatch):
    """It dies with two charges posted and not written down. Who comes next, two at once, brings it to its end."""
    await ledger.compare("r", ONE_EACH)
    before = await spent(ledger)
    monkeypatch.setattr(application, "LINES_AT_ONCE", 3)  # two charges of one line each, and the first of two
    mark, calls = Application.mark, []

    async def dying(*arguments):
        calls.append(arguments)
        if len(calls) > 1:
            raise RuntimeError("killed")
        await mark(*arguments)

    monkeypatch.setattr(Application, "mark", dying)
    with pytest.raises(RuntimeError, match="killed"):
        await ledger.application().apply("r", "key_1", "why")
    assert (await reconciliation(ledger.work, "r")).state == "applying"
    monkeypatch.setattr(Application, "mark", mark)
    results = await asyncio.gather(*(ledger.application().apply("r", "key_9", "again") for _ in range(2)))
    assert {(one.state, one.asked_by, one.reason, replayed) for one, replayed in results} == {
        ("applied", "key_1", "why", True)
    }
    assert results[0][0].posted.charges == 4
    assert results[0][0].posted.credits == 53 - 53 - 28 + 14
    assert await spent(ledger) == before + 53 - 53 - 28 + 14
    assert await ledger.ask("SELECT count(*) FROM correction") == 3
    report = await verify(ledger.dsn)
    assert report.ok, [checked.finding for checked in report.invariants if checked.finding]


async def test_posted_by_one_when_the_other_found_nothing_to_do(ledger, monkeypatch):
    """Two apply at once, and the charge is changed between them: the last to be told is what was posted."""
    await ledger.compare("r", ONE_EACH)
    mark = Application.mark

    async def after_another(desk, name, results):
        nothing = [LineResult(one.line, "nothing", problem="nothing_to_correct", problem_facts="{}") for one in results]
        await mark(desk, name, nothing)
        assert (await desk.finish(name)).state == "applied"
        await mark(desk, name, results)
        await mark(desk, name, nothing)

    monkeypatch.setattr(Application, "mark", after_another)
    applied, _ = await ledger.application().apply("r", "key_1", "why")
    lines = [one for one in await ledger.lines("r") if one.action != "none"]
    assert {(one.outcome, one.problem) for one in lines} == {("posted", None)}
    posted = applied.posted
    assert (posted.charges, posted.credits, posted.unneeded_lines) == (4, 53 - 53 - 28 + 14, 0)


async def test_what_changed_since_it_was_compared(ledger):
    """The ledger has the last word: what it refuses, and what is done already, is written down."""
    await ledger.compare("r", ONE_EACH)
    await ledger.posting.post(Settle("acme", "voided", delivered(LARGE), force=True))
    await ledger.posting.post(Refund("acme", "failed", "r9", "sorry"))
    applied, _ = await ledger.application().apply("r", "key_1", "why")
    lines = {(one.request_id, one.index): one for one in await ledger.lines("r")}
    refused, unneeded = lines["voided", 0], lines["failed", 0]
    assert (refused.outcome, refused.problem, refused.posted_credits) == ("refused", "The charge is settled.", 0)
    assert (unneeded.outcome, unneeded.posted_credits) == ("nothing", 0)
    posted = applied.posted
    assert (posted.charges, posted.refused_lines, posted.unneeded_lines) == (2, 1, 2)


async def test_ids_and_reasons(ledger):
    first, replayed = await ledger.compare("r", ONE_EACH)
    assert not replayed
    assert await ledger.compare("r", ONE_EACH, actor="key_2") == (first, True)
    with pytest.raises(IdReused) as refused:
        await ledger.compare("r", MANIFEST)
    assert refused.value.differs == ["manifest"]
    with pytest.raises(IdReused) as refused:
        await ledger.compare("r", ONE_EACH, account_id="acme")
    assert refused.value.differs == ["account_id"]
    with pytest.raises(ReconciliationNotFound):
        await ledger.application().apply("other", "key_1", "why")
    with pytest.raises(Invalid):
        await ledger.application().apply("r", "key_1", " ")
    period = await ledger.period()
    for wrong in ({"complete": True}, {"starts_at": period["starts_at"]}, {**period, "ends_at": period["starts_at"]}):
        with pytest.raises(Invalid):
            await ledger.compare("q", ONE_EACH, **wrong)
    with pytest.raises(Invalid, match="lies in the future"):
        await ledger.compare("q", ONE_EACH, **period | {"ends_at": period["ends_at"].replace(year=2999)})


async def test_what_may_have_been_delivered_outside_the_period_is_not_given_back(ledger):
    """Charges of which a part, or all, may be in the manifest of the time before or after."""
    period = await ledger.period()
    rows = "account_id,request_id,index\nacme,failed,0\n"  # of two images
    settled = "SELECT resolved_at FROM charge WHERE request_id = $1"

    async def found(name, **more):
        await ledger.compare(name, rows, account_id="acme", **period | more)
        lines = {(one.request_id, one.index): one for one in await ledger.lines(name)}
        assert ("failed", 0) not in lines
        return lines

    # Authorized before it began, and settled in it.
    lines = await found("begins", starts_at=await ledger.ask(settled, "unmeasured"))
    line = lines["unmeasured", 0]
    assert (line.action, line.difference_credits) == ("person", -14)
    assert "before the manifest's time began, or after it ended" in line.explanation
    assert lines["failed", 1].action == "person"  # charged before it began: its second image was in the manifest before
    # Charged in one step, after it was delivered: a moment later, and a hold's time later.
    for seconds, action in ((899, "person"), (900, "correct")):
        moment = f"SELECT authorized_at - interval '{seconds} seconds' FROM charge WHERE request_id = 'unlisted'"
        lines = await found(f"one-step-{seconds}", starts_at=await ledger.ask(moment))
        assert lines["unlisted", 0].action == action
    # Settled when it had ended, one image of two having been delivered in it.
    lines = await found("ends", ends_at=await ledger.ask(settled, "failed"))
    assert lines["failed", 1].action == "person"
    lines = await found("within")
    assert (lines["failed", 1].action, lines["failed", 1].difference_credits) == ("correct", -14)


async def test_a_row_under_the_wrong_account_gives_nothing_back_to_the_right_one(ledger):
    await ledger.compare("w", "account_id,request_id,index\nbeta,unlisted,0\n", **await ledger.period())
    lines = {(one.account_id, one.request_id, one.kind): one for one in await ledger.lines("w")}
    assert lines["beta", "unlisted", "other_account"].action == "person"
    line = lines["acme", "unlisted", "charged_not_delivered"]
    assert (line.action, line.difference_credits) == ("person", -14)
    assert "under account beta, which has no such charge" in line.explanation
    assert lines["acme", "fine", "charged_not_delivered"].action == "correct"


async def test_what_nobody_could_measure_is_not_billed_without_a_look(ledger):
    await ledger.compare("u", "account_id,request_id,index\nacme,recorded-failed,1\nacme,voided,0\n")
    lines = {(one.request_id, one.kind): one for one in await ledger.lines("u")}
    for request_id, credits in (("recorded-failed", 14), ("voided", 14)):
        line = lines[request_id, "delivered_not_charged"]
        assert (line.action, line.difference_credits) == ("person", credits)
        assert line.explanation.endswith("Nobody could measure it: look at it before it is billed.")


async def test_two_that_found_the_same_post_it_once_and_say_so_once(ledger):
    """Both were compared before either was applied."""
    before = await spent(ledger)
    for name in ("one", "two"):
        await ledger.compare(name, ONE_EACH)
    answers = await asyncio.gather(*(ledger.application().apply(name, "key_1", "why") for name in ("one", "two")))
    told = sum(one.posted.credits for one, _ in answers)
    assert told == await spent(ledger) - before == 53 - 53 - 28 + 14
