"""In process: what the posting path does with batches of a thousand commands, beside the floor."""

import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from billing.bench import database
from billing.bench.cpu import Meter
from billing.bench.floor import Floor
from billing.bench.measurement import Measurement, Side, Target, Turn
from billing.bench.options import Options
from billing.bench.posting import PostingSide
from billing.bench.progress import Progress
from billing.bench.workload import BATCH, HOT, Workload, account_ids
from billing.posting import Posting

TakeTurn = Callable[[int, Meter], Awaitable[Turn]]


@dataclass(frozen=True, slots=True)
class PostingCase:
    """One workload and what its rate should be, of the floor's."""

    name: str
    hot: bool
    one_step: bool
    target: float
    stretch: float | None

    def workload(self, accounts: Sequence[str]) -> Workload:
        return Workload([HOT] if self.hot else accounts, self.one_step)


CASES = (
    PostingCase("authorize + settle", hot=False, one_step=False, target=0.30, stretch=0.40),
    PostingCase("one step", hot=False, one_step=True, target=0.48, stretch=0.60),
    PostingCase("one hot account, authorize + settle", hot=True, one_step=False, target=0.35, stretch=None),
    PostingCase("one hot account, one step", hot=True, one_step=True, target=0.55, stretch=None),
)


async def measure(
    case: PostingCase,
    dsn: str,
    posting: Posting,
    postmaster: int,
    options: Options,
    progress: Progress,
    *,
    stored: bool,
) -> Measurement:
    """Floor, ours, floor, ours …; over a full database with a checkpoint in the middle of each side."""
    accounts = account_ids(options.accounts)
    floor = await Floor.open(dsn, case.workload(accounts))
    ours = PostingSide(posting, case.workload(accounts), callers=options.callers)
    meter = Meter(postmaster, os.getpid())
    sides = Side("COPY floor", overall=stored), Side("posting", overall=stored)
    try:
        sizes = [await _warm_up(take, options, meter) for take in (floor.turn, ours.turn)]
        await database.settle_down(dsn)  # only now: what is analyzed empty is planned for as empty
        with progress.step(case.name, total=2 * options.turns) as step:
            for turn in range(options.turns):
                for place, take in enumerate((floor.turn, ours.turn)):
                    if stored and turn == options.turns // 2:
                        await database.checkpoint(dsn)
                    done = await take(sizes[place], meter)
                    sizes[place] = _next_size(done, options)
                    sides[place].turns.append(done)
                    step.advance()
    finally:
        await floor.close()
    found = Measurement(case.name, "charges/s", sides[1], sides[0])
    found.targets = [Target("of the floor", found.ratio or 0.0, at_least=case.target, stretch=case.stretch)]
    return found


async def _warm_up(take: TakeTurn, options: Options, meter: Meter) -> int:
    """Turns that do not count, until one lasts long enough to say how much a turn should hold."""
    charges = BATCH
    while True:
        done = await take(charges, meter)
        if done.seconds >= options.warm_up_seconds / 4:
            return _next_size(done, options)
        charges = int(done.rate * options.warm_up_seconds) + BATCH


def _next_size(done: Turn, options: Options) -> int:
    """As many charges as should fill a turn."""
    return int(done.rate * (options.seconds or 0.0) / options.turns)
