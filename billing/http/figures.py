"""Figures: what one process has counted, as it can be told, and the sums over all that there are and were.

A process that has ended goes on counting in the sums: no counter ever goes back. What only is so at a moment, a gauge, is
added up over those that live.
"""

from collections import Counter
from collections.abc import Collection, Iterable
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from billing.http.front import Requests
from billing.posting import Posting

Told = dict[str, Any]  # whatever JSON can say

COUNTERS = {
    "billing_posting_batches": "Transactions committed",
    "billing_posting_commands": "Commands decided",
    "billing_posting_retries": "Transactions repeated",
    "billing_posting_bisections": "Batches split to find what broke them",
    "billing_posting_seconds": "Seconds spent in transactions",
    "billing_retention_rows": "Rows past keeping that were deleted",
}
GAUGES = {
    "billing_posting_waiting": "Commands queued or in flight",
    "billing_workers": "Processes that answer",
    "billing_workers_ready": "Processes that can post",
}


def told(requests: Requests, posting: Posting, *, cleared: int, ready: bool) -> Told:
    """What this process has counted. Cheap: it is told every second."""
    tallies = [lane.tally for lane in posting.lanes]
    return {
        "requests": requests.told(),
        "counters": {
            **{
                name: sum(getattr(tally, field) for tally in tallies)
                for name in COUNTERS
                if (field := name.removeprefix("billing_posting_")) != name
            },
            "billing_retention_rows": cleared,
        },
        "gauges": {
            "billing_posting_waiting": posting.waiting,
            "billing_workers": 1,
            "billing_workers_ready": int(ready),
        },
    }


class Sums(Collector):
    """Over processes, each of which has an id that no other ever has."""

    def __init__(self) -> None:
        self._newest: dict[str, Told] = {}
        self._ended_requests = Requests()
        self._ended_counters: Counter[str] = Counter()

    def hear(self, process: str, figures: Told) -> None:
        self._newest[process] = figures

    def keep(self, living: Collection[str]) -> None:
        """Adds the others to those that have ended."""
        for process in self._newest.keys() - living:
            figures = self._newest.pop(process)
            self._ended_requests.add(figures["requests"])
            self._ended_counters.update(figures["counters"])

    def collect(self) -> Iterable[Metric]:
        requests, counters, gauges = Requests(), Counter(self._ended_counters), Counter(dict.fromkeys(GAUGES, 0))
        requests.add(self._ended_requests.told())
        for figures in self._newest.values():
            requests.add(figures["requests"])
            counters.update(figures["counters"])
            gauges.update(figures["gauges"])
        yield from requests.collect()
        for name, text in COUNTERS.items():
            yield CounterMetricFamily(name, text, value=counters[name])
        for name, text in GAUGES.items():
            yield GaugeMetricFamily(name, text, gauges[name])
