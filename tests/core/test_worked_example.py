"""The core's worked example in figures: a few days of one account, as billing/core/README.md shows them.

`.venv/bin/python -m tests.core.test_worked_example` writes the README's block anew.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import billing.core
from billing.core.commands import Authorize, IssueGrant, Refund, Settle
from billing.core.ledger import Transfer

from .examples import DAY, DOLLAR, HOUR, ME, T0, Account, failed, measured
from .invariants import check
from .test_recognition import Books, everything_adds_up

README = Path(billing.core.__file__).with_name("README.md")
BLOCK = re.compile(
    r"(?<=<!-- written by tests/core/test_worked_example.py -->\n```text\n).*?(?=^```$)", re.DOTALL | re.MULTILINE
)
MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)
MIDNIGHT = T0 - 12 * HOUR
RUN = 5 * MINUTE  # the daily recognition, after midnight
PACK_ENDS = T0 + 30 * DAY


class Told:
    """The steps of the story, each with the account before and after, and the transfers that it posted."""

    def __init__(self) -> None:
        self.books = Books(Account())
        self.account = self.books.account
        self.lines: list[str] = []
        self._seen = 0
        self._before = self._figures()

    @contextmanager
    def step(self, at: datetime, said: str, *, writes: bool = True) -> Iterator[None]:
        """What happens at `at`."""
        self.account.now = at
        yield
        if writes:
            check(self.account)
        after, transfers = self._figures(), self.account.journal[self._seen :]
        self._seen = len(self.account.journal)
        self.lines += [f"{at:%Y-%m-%d %H:%M:%S}  {said}", self._row("", {name: name for name in after})]
        if after == self._before:
            self.lines.append(self._row("stays", after))
        else:
            self.lines += [self._row("before", {name: self._before.get(name, "–") for name in after})]
            self.lines += [self._row("after", after)]
        self.lines += [self._moved(one) for one in transfers] or ["  no transfer"]
        if any(one.book == "money" for one in transfers):
            sums = self.account.money()
            stand = [f"{name} {abs(sums[name]):,} {'debit' if sums[name] > 0 else 'credit'}" for name in sorted(sums)]
            self.lines.append(f"  the money book, in micros of USD: {', '.join(stand)}")
        self.lines.append("")
        self._before = after

    @staticmethod
    def _row(name: str, cells: Mapping[str, object]) -> str:
        return f"  {name:8}" + "".join(f"{cell:>11}" for cell in cells.values())

    @staticmethod
    def _moved(one: Transfer) -> str:
        said = f"  {one.book + ' ' + str(one.seq):10}{one.kind:20}{one.debit + ' → ' + one.credit:36}"
        said += f"{one.amount:>10,} {one.asset:8}{one.grant_id}"
        if one.effective_at == one.posted_at:
            return said
        return (
            said + f"\n{'':12}effective_at {one.effective_at:%m-%d %H:%M:%S}, posted_at {one.posted_at:%m-%d %H:%M:%S}"
        )

    def note(self, said: str) -> None:
        """A sentence after the step."""
        self.lines[-1:] = [f"  {said}", ""]

    def _figures(self) -> dict[str, int]:
        wallet = self.account.wallet
        figures = {"posted": wallet.posted, "held": wallet.held, "available": wallet.available}
        return figures | self.account.remaining

    @property
    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self.lines).rstrip() + "\n"


def told() -> Told:
    story = Told()
    account, recognise = story.account, story.books.recognise
    with story.step(T0, "promotion `welcome`, 100 credits; pack `pack-1`, 300 credits for $10.00, for 30 days"):
        account.do(IssueGrant(ME, "welcome", "promotion", 100))
        account.do(IssueGrant(ME, "pack-1", "purchase", 300, PACK_ENDS, paid_micros=10 * DOLLAR, currency="USD"))
    with story.step(T0 + MINUTE, "authorize req-1: four images, 2K, high"):
        account.do(Authorize(ME, "req-1", "gpt-image-2", n=4, size="2K", quality="high"))
    story.note("4 × 67 = 268 are held. A hold is a memo: nothing is posted.")
    with story.step(T0 + MINUTE + 40 * SECOND, "settle req-1: 2048×1152, 1672×941, 1024×1024, and one that failed"):
        delivered = (measured(2048, 1152, 0), measured(1672, 941, 1), measured(1024, 1024, 2), failed(3))
        account.do(Settle(ME, "req-1", delivered))
    story.note("67 + 67 + 14 (1K) + 0 = 148. The hold is gone; promotions burn first (priority 10, purchases 50).")
    with story.step(MIDNIGHT + DAY + RUN, "recognition, the daily run"):
        recognise()
    story.note(
        "⌊10,000,000·48/300⌋ micros, due on the day of the settlement. A promotion was not paid for: no revenue."
    )
    with story.step(MIDNIGHT + DAY + 9 * HOUR, "refund of output 2"):
        account.do(Refund(ME, "req-1", "refund-1", "blurred", outputs=(2,)))
    story.note("To the grant that was drawn on last.")
    with story.step(MIDNIGHT + 2 * DAY + RUN, "recognition"):
        recognise()
    story.note("34 are used: ⌊10,000,000·34/300⌋ = 1,133,333, less the 1,600,000 that were recognised.")
    with story.step(
        PACK_ENDS + 3 * SECOND, "three seconds after pack-1 has ended, a balance is asked for", writes=False
    ):
        asked = account.load()
    story.note(
        f"Its rows still have it, the answer has not: posted {asked.posted}, available {asked.available}. What is due "
        "lapses before anybody looks; a read throws the transfers away."
    )
    with story.step(PACK_ENDS + 5 * SECOND, "expiry, the job"):
        account.lapse()
    story.note("Dated to when it was due, whenever the job came.")
    with story.step(MIDNIGHT + 31 * DAY + RUN, "recognition"):
        recognise()
    usage, breakage = story.books.total("pack-1")
    story.note(
        f"Breakage, in March, by a run in April. {usage:,} + {breakage:,} = {usage + breakage:,}: all that was paid, "
        f"to the micro. Deferred revenue is {-account.money().get('deferred_revenue', 0)}."
    )
    everything_adds_up(story.books)
    return story


def test_the_readme_shows_what_happens() -> None:
    (shown,) = BLOCK.findall(README.read_text())
    assert shown == told().text, "run: .venv/bin/python -m tests.core.test_worked_example"


if __name__ == "__main__":
    README.write_text(BLOCK.sub(lambda _: told().text, README.read_text(), count=1))
    print(f"{README} is written")
