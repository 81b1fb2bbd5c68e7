"""The bench: each figure beside its floor, in the same run, taking turns with it. Never a timed test."""

from billing.bench.options import Options
from billing.bench.run import run

__all__ = ["Options", "run"]
