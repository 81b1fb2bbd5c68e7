"""Garbage collection, tamed: it was a seventh of the time of a process that posts."""

import gc


def tame_collector() -> None:
    """What start-up made lives for ever and need not be looked at again; the rest is looked at seldom."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(400_000, 20, 100)
