"""`GET /metrics`: what a person should be woken for, as Prometheus reads it."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from .unsettled import UnsettledBills


class Metrics(Collector):
    """Counted when it is asked for, in the directory that all gateways share."""

    media_type = CONTENT_TYPE_LATEST

    def __init__(self, unsettled: UnsettledBills) -> None:
        self._unsettled = unsettled
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def text(self) -> bytes:
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        said = "Bills of delivered images that are not posted, by state: waiting to be posted again, or set aside for a person."
        bills = GaugeMetricFamily("gateway_unsettled_bills", said, labels=["state"])
        bills.add_metric(["waiting"], len(self._unsettled.waiting()))
        bills.add_metric(["set_aside"], len(self._unsettled.set_aside()))
        yield bills
