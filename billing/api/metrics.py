"""Metrics for Prometheus: requests, the posting lanes, and the books' totals read from SQL when asked for."""

from collections.abc import Iterable

from fastapi import Request
from fastapi.responses import Response
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from billing.api.parameters import The
from billing.api.route import Router
from billing.posting import Posting
from billing.store.deliveries import Backlog, backlog
from billing.store.inbox import Concerns, concerns
from billing.store.totals import Totals, totals

router = Router(tags=["service"])


class PostingMetrics(Collector):
    """What the lanes have done, read from their tallies."""

    def __init__(self, posting: Posting) -> None:
        self._posting = posting

    def collect(self) -> Iterable[Metric]:
        tallies = [lane.tally for lane in self._posting.lanes]
        yield GaugeMetricFamily("billing_posting_waiting", "Commands queued or in flight", self._posting.waiting)
        for name, text in (
            ("batches", "Transactions committed"),
            ("commands", "Commands decided"),
            ("retries", "Transactions repeated"),
            ("bisections", "Batches split to find what broke them"),
            ("seconds", "Seconds spent in transactions"),
        ):
            value = sum(getattr(tally, name) for tally in tallies)
            yield CounterMetricFamily(f"billing_posting_{name}", text, value=value)


class LedgerMetrics(Collector):
    """The books' totals, in credits."""

    def __init__(self, totals: Totals) -> None:
        self._totals = totals

    def collect(self) -> Iterable[Metric]:
        for name, text in (
            ("accounts", "Accounts"),
            ("posted", "Credits in all wallets"),
            ("held", "Credits reserved by open holds"),
            ("debt", "Credits owed"),
            ("open_holds", "Holds that are open"),
            ("due_holds", "Holds past their time that are not yet posted as expired"),
        ):
            yield GaugeMetricFamily(f"billing_ledger_{name}", text, getattr(self._totals, name))


class OutboxMetrics(Collector):
    """What the outside has not been told."""

    def __init__(self, backlog: Backlog) -> None:
        self._backlog = backlog

    def collect(self) -> Iterable[Metric]:
        for name, text in (
            ("undispatched", "Events whose endpoints have not been looked for"),
            ("waiting", "Deliveries that wait, also for their next attempt"),
            ("dead", "Deliveries that were given up"),
        ):
            yield GaugeMetricFamily(f"billing_webhooks_{name}", text, getattr(self._backlog, name))


class FundingMetrics(Collector):
    """What of Stripe's events waits, and what somebody has to look at."""

    def __init__(self, concerns: Concerns) -> None:
        self._concerns = concerns

    def collect(self) -> Iterable[Metric]:
        for name, text in (
            ("events_pending", "Events of Stripe's that have not taken effect yet"),
            ("events_dead", "Events of Stripe's that were given up: somebody has to look"),
            ("topups_stopped", "Top-ups about which Stripe reports what cannot be: somebody has to look"),
        ):
            yield GaugeMetricFamily(f"billing_stripe_{name}", text, getattr(self._concerns, name))


@router.get("/metrics", response_class=Response)
async def metrics(request: Request, service: The) -> Response:
    """Prometheus text format. Protect it at the network: it needs no key."""
    now = CollectorRegistry()
    now.register(request.app.state.requests)
    now.register(PostingMetrics(service.posting))
    now.register(LedgerMetrics(await totals(service.engine)))
    now.register(OutboxMetrics(await backlog(service.engine)))
    now.register(FundingMetrics(await concerns(service.engine)))
    return Response(generate_latest(now), media_type="text/plain; version=0.0.4")
