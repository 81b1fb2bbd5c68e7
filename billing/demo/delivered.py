"""What was really delivered, beside what was billed: every image of the story, by the provider's own books."""

import csv
from io import StringIO
from typing import Any

from rich.markup import escape

from billing.demo.scene import headline, table
from billing.demo.stage import Difference, Stage

COLUMNS = ("account_id", "request_id", "index", "status", "width", "height")

REASON = "the provider's books say otherwise"


async def reconcile(stage: Stage) -> None:
    """Finds what the scenes left wrong, all of it and nothing else; corrects it; and then finds nothing."""
    title = f"{stage.next_scene()}. What was really delivered"
    headline(
        stage,
        title,
        "The provider's own books as a manifest: one row for each image of the story, in the pixels it has. It is compared"
        " with what was billed; corrections are posted beside the bills, each once, with who and why.",
    )
    manifest, rows = await _manifest(stage)
    found = await stage.accountant.compare(stage.named("delivered"), manifest)
    path = f"/v1/reconciliations/{found['reconciliation_id']}"
    lines = (await stage.accountant.read(f"{path}/lines", limit=200))["data"]
    applied = await stage.accountant.order(f"{path}/apply", reason=REASON)
    for difference in stage.differences:
        purse = stage.purses[difference.name]
        if difference.charged:
            purse.corrected += difference.credits
        else:
            purse.billed += difference.credits
    await _show(stage, title, lines)

    more, less = _sums(stage)
    wrong = len(stage.differences)
    expected: dict[str, object] = {"rows": rows, "matched_rows": rows - wrong}
    _check(stage, f"{rows} images compared, {wrong} of them billed wrong", expected, found)
    words = f"applied: {more} credits more, {less} less, and nothing left for a person to look at"
    expected = {"supplemented_credits": more, "reduced_credits": less, "for_a_person": 0, "state": "applied"}
    _check(stage, words, expected, applied | (applied["posted"] or {}))
    again = await stage.accountant.order(f"{path}/apply", reason=REASON)
    _check(stage, "applied again: nothing more is posted", {"posted": applied["posted"]}, again)
    again = await stage.accountant.compare(stage.named("delivered-again"), manifest)
    expected = {"matched_rows": rows, "lines": 0, "charges_to_post": 0}
    _check(stage, "the same manifest again: nothing to do", expected, again)


async def _manifest(stage: Stage) -> tuple[str, int]:
    """What the provider made, as CSV, and how many rows that has."""
    answer = await stage.street.provider.get("/stand-in/made")
    answer.raise_for_status()
    text = StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    made: list[Any] = answer.json()
    for one in made:
        writer.writerow([*one["name"].split("/"), *(one[column] for column in COLUMNS[2:])])
    return text.getvalue(), len(made)


def _sums(stage: Stage) -> tuple[int, int]:
    """By hand: what the bills rise by in all, and what they fall by."""
    credits = [difference.credits for difference in stage.differences]
    return sum(amount for amount in credits if amount > 0), -sum(amount for amount in credits if amount < 0)


async def _show(stage: Stage, title: str, lines: list[Any]) -> None:
    """Each line about an output, beside what a scene left there; and the bill that came of it."""
    shown = table("what differs", "delivered", "expected by hand", ">found", ">the bill now", "")
    names = {purse.account_id: name for name, purse in stage.purses.items()}
    left = {(one.request_id, one.index): one for one in stage.differences}
    said: str | None = None
    for line in lines:
        if line["index"] is None:  # the number of images, of which the other lines say which
            continue
        name = names.get(line["account_id"], line["account_id"])
        expected = left.pop((line["request_id"], line["index"]), None)
        what = f"{name}: {line['kind'].replace('_', ' ')}"
        by_hand = None if expected is None else (expected.name, expected.kind, expected.credits)
        agrees = stage.judge(f"{title}: {what}", by_hand, (name, line["kind"], line["difference_credits"]))
        charge = await stage.billing.read_charge(line["account_id"], line["request_id"])
        agrees &= stage.judge(f"{title}: {what}, posted", line["difference_credits"], _posted(expected, charge))
        delivered = f"{line['delivered_width']}x{line['delivered_height']}" if line["delivered_width"] else "failed"
        words = "nothing" if expected is None else f"{expected.credits:+}: {expected.because}"
        bill = f"{charge['settled_credits'] + charge['corrected_credits']}"
        shown.add_row(what, delivered, escape(words), f"{line['difference_credits']:+}", bill, stage.mark(agrees))
        said = line["explanation"] if line["kind"] == "wrong_size_tier" else said
    for lost in left.values():
        stage.judge(f"{title}: {lost.name}: {lost.kind}", lost.credits, "nothing")
        shown.add_row(f"{lost.name}: {lost.kind}", "", f"{lost.credits:+}: {lost.because}", "", "", stage.mark(False))
    stage.console.print(shown)
    if said:
        stage.console.print(f" “{said}”", style="dim", markup=False, highlight=False)


def _posted(expected: Difference | None, charge: Any) -> int:
    """What applying has come to in a charge of which one output was wrong."""
    corrected: int = charge["corrected_credits"]
    settled: int = charge["settled_credits"]
    return corrected if expected is None or expected.charged else settled


def _check(stage: Stage, words: str, expected: dict[str, object], document: Any) -> None:
    stage.note(words, expected, {name: document.get(name) for name in expected})
