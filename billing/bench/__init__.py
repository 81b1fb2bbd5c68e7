"""The bench: each figure beside its floor, in the same run, taking turns with it. Never a timed test."""

from billing.bench.options import Options

__all__ = ["Options", "run"]


def run(options: Options) -> int:
    """Measures, prints, and writes JSON where asked. Returns 0: a target that is missed is no failure."""
    # Not above: the load generator, a process of its own, must start without all of this.
    from billing.bench.bench import measure

    return measure(options)
