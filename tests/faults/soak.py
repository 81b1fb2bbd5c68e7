"""Mixes faults for as many minutes as one has: `make soak MINUTES=n`.

Shows each as it happens, and the figures so far. Ends with 1 at the first answer that is lost, given twice or wrong,
and names the seed that chose the faults. `--json` prints the figures for programs.
"""

import argparse
import json
import random
import sys
import time

from tests.faults.journal import Figures
from tests.faults.mix import FAULTS, World

ANSWERS = (20, 400)  # between two faults


def soak(minutes: float, seed: int, only: list[str] | None = None, *, quiet: bool = False) -> Figures:
    chance, names = random.Random(seed), sorted(only or FAULTS)
    began = time.monotonic()
    with World() as world:
        while time.monotonic() - began < minutes * 60:
            name = chance.choice(names)
            before = time.monotonic()
            world.breaks(name, chance.randint(*ANSWERS))
            if not quiet:
                now = time.monotonic()
                print(
                    f"{now - began:7.0f} s  {name:<20} {now - before:5.1f} s   "
                    f"{world.journal.figures.acknowledged:>9,} acknowledged",
                    flush=True,
                )
    return world.figures


def main() -> int:
    parser = argparse.ArgumentParser(prog="make soak MINUTES=n", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--only", action="append", choices=sorted(FAULTS), help="these faults; repeat it for more")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    try:
        figures = soak(chosen.minutes, chosen.seed, chosen.only, quiet=chosen.json)
    except AssertionError as failed:
        print(f"{failed}\nfailed with --seed {chosen.seed}", file=sys.stderr)
        return 1
    print(json.dumps({"seed": chosen.seed} | figures.as_json()) if chosen.json else figures.line())
    return 0


if __name__ == "__main__":
    sys.exit(main())
