"""Refusals of every room: each has a code, a status, facts a program can read and a sentence a person can act on."""

import importlib
import pkgutil
from collections.abc import Iterator

import pytest

import billing
from billing.books.payouts import report as payouts
from billing.books.periods import refusals as periods
from billing.books.reconciliation import application
from billing.books.reconciliation import report as reconciliation
from billing.books.reconciliation.forms.rows import ManifestUnreadable
from billing.books.statements import report as statements
from billing.core import refusals as core
from billing.core.refusals import Refusal
from billing.funding import refusals as funding
from billing.http import refusals as http
from billing.http.problems import INTERNAL, STATUS, document
from billing.store import refusals as store
from tests.core.test_refusals import TABLE as OF_THE_CORE

# What the rooms above the core refuse by themselves; the core's own are in tests/core/test_refusals.py.
TABLE = [
    (
        http.Unauthenticated(),
        "unauthenticated",
        {},
        "Send `Authorization: Bearer bk_…` with a key that exists and has not been revoked.",
    ),
    (
        http.Forbidden("gateway"),
        "forbidden",
        {"role": "gateway"},
        "A key of role `gateway` may not call this; use one whose role may.",
    ),
    (
        http.CrossSite(),
        "cross_site",
        {},
        "With a session, what changes anything must come from a page of the dashboard; programs send a key.",
    ),
    (store.KeyNotFound(), "key_not_found", {}, "No such key"),
    (
        funding.TransactionNotFound("txn_1"),
        "transaction_not_found",
        {"transaction_id": "txn_1"},
        "Stripe knows no such balance transaction",
    ),
    (
        funding.TransactionKnown("txn_1", "charge"),
        "transaction_known",
        {"transaction_id": "txn_1", "transaction_type": "charge"},
        "txn_1 is a charge, which is booked with what it belongs to: look for the event that has not arrived "
        "(`billing stripe sync`), or that is dead.",
    ),
    (store.StripeEventNotFound("e"), "stripe_event_not_found", {"event_id": "e"}, "No such event in the inbox"),
    (
        store.WebhookEndpointNotFound("w"),
        "webhook_endpoint_not_found",
        {"endpoint_id": "w"},
        "No such webhook endpoint",
    ),
    (store.WebhookEventNotFound("e"), "webhook_event_not_found", {"event_id": "e"}, "No such event"),
    (http.RouteNotFound(), "route_not_found", {}, "No such route; see /docs"),
    (
        http.MethodNotAllowed(),
        "method_not_allowed",
        {},
        "This route does not answer that method; see /docs",
    ),
    (
        http.TooManyAttempts(),
        "too_many_attempts",
        {"retry_after_seconds": 1},
        "Too many wrong keys came from this address: wait before you try another one. A right key is let in at any time.",
    ),
    (
        http.PayloadTooLarge(1024),
        "payload_too_large",
        {"limit_bytes": 1024},
        "The body may have at most 1024 bytes; send less, or several requests.",
    ),
    (
        http.BodyTooSlow(12, 10),
        "body_too_slow",
        {"received_bytes": 12, "waited_seconds": 10},
        "Of the body, 12 bytes came in 10 seconds. Nothing was recorded: send it again as a whole, with the same id.",
    ),
    (
        funding.SignatureInvalid(),
        "signature_invalid",
        {},
        "Send the body as it came, with its Stripe-Signature header; check STRIPE_WEBHOOK_SECRET and the clock.",
    ),
    (
        funding.CheckoutRefused("No such price."),
        "checkout_refused",
        {"reason": "No such price."},
        "It says: No such price. Nothing was charged.",
    ),
    (
        funding.PaymentsNotConfigured(),
        "payments_not_configured",
        {},
        "The operator has not set STRIPE_API_KEY; credits can be granted by an admin.",
    ),
    (
        store.Overloaded(2),
        "overloaded",
        {"retry_after_seconds": 2},
        "The service has more to do than it can take on: repeat the call with the same id; it takes effect at most once.",
    ),
    (
        funding.ProcessorUnavailable(3),
        "processor_unavailable",
        {"retry_after_seconds": 3},
        "The payment processor cannot be reached: repeat the call with the same id; it takes effect at most once.",
    ),
    (
        store.DatabaseUnavailable(5),
        "database_unavailable",
        {"retry_after_seconds": 5},
        "The database is not available just now: repeat the call with the same id; it takes effect at most once.",
    ),
    (
        store.ClockDoubted(),
        "clock_doubted",
        {"retry_after_seconds": 1},
        "The database's clock is ahead of the time that has passed: nothing was done. It goes back, or an operator confirms "
        "it with `billing clock accept`; then repeat the call.",
    ),
    (
        reconciliation.ReconciliationNotFound("rec"),
        "reconciliation_not_found",
        {"reconciliation_id": "rec"},
        "There is no reconciliation of this id: GET /v1/reconciliations lists them.",
    ),
    (
        ManifestUnreadable(7, "width is -1: send pixels from 1 to 65535."),
        "manifest_unreadable",
        {"line": 7, "problem": "width is -1: send pixels from 1 to 65535."},
        "line 7: width is -1: send pixels from 1 to 65535. Nothing was compared.",
    ),
    (
        ManifestUnreadable(None, "It is empty."),
        "manifest_unreadable",
        {"line": None, "problem": "It is empty."},
        "It is empty. Nothing was compared.",
    ),
    (
        application.SecondKeyNeeded(),
        "second_key_needed",
        {},
        "The key that asked for it cannot approve it too: have it approved with another key.",
    ),
    (
        application.ApprovalNotAwaited("applied"),
        "approval_not_awaited",
        {"state": "applied"},
        "The reconciliation is applied; only one that is awaiting_approval can be approved.",
    ),
    (
        periods.PeriodNotOver("2026-01", "2026-02-01T00:00:00Z"),
        "period_not_over",
        {"period": "2026-01", "ends_at": "2026-02-01T00:00:00Z"},
        "2026-01 can be closed from 2026-02-01T00:00:00Z.",
    ),
    (
        periods.EarlierPeriodOpen("2026-01"),
        "earlier_period_open",
        {"earlier": "2026-01"},
        "Months are closed in order: close 2026-01 first.",
    ),
    (
        periods.PeriodNotClosed("2026-01"),
        "period_not_closed",
        {"period": "2026-01"},
        "2026-01 is open; GET /v1/finance/periods lists what is closed.",
    ),
    (
        periods.LaterPeriodClosed("2026-02"),
        "later_period_closed",
        {"later": "2026-02"},
        "Months are reopened from the last one back: reopen 2026-02 first.",
    ),
    (payouts.PayoutNotFound("p"), "payout_not_found", {"payout_id": "p"}, "No such payout is booked"),
    (
        statements.StatementNotFound("2026-03"),
        "statement_not_found",
        {"first": "2026-03"},
        "The account was opened later: its first statement is that of 2026-03.",
    ),
]
TABLED = {type(row[0]): row[0] for row in [*TABLE, *OF_THE_CORE]}
LATER = {
    "account_suspended", "clock_doubted", "earlier_period_open", "insufficient_credits", "later_period_closed",
    "payments_not_configured", "period_not_closed", "period_not_over", "too_many_attempts", "topup_not_paid",
}  # fmt: skip
ABSTRACT = {core.NotFound, core.Unavailable}  # nobody raises these, only what stands below them


def every_refusal(base: type[Refusal] = Refusal) -> Iterator[type[Refusal]]:
    for kind in base.__subclasses__():
        yield kind
        yield from every_refusal(kind)


def import_every_room() -> None:
    for module in pkgutil.walk_packages(billing.__path__, "billing."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)


import_every_room()
KINDS = sorted(every_refusal(), key=lambda kind: kind.__name__)


@pytest.mark.parametrize(("refusal", "code", "facts", "detail"), TABLE, ids=lambda value: type(value).__name__)
def test_a_refusal_says_what_happened(refusal: Refusal, code: str, facts: dict[str, object], detail: str) -> None:
    assert refusal.code == code
    assert refusal.facts() == facts
    assert str(refusal) == refusal.detail == detail
    assert refusal.title


def test_every_refusal_of_a_room_above_the_core_is_in_the_table() -> None:
    assert {kind for kind in KINDS if kind.__module__ != core.__name__} == {type(row[0]) for row in TABLE}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_refusal_has_a_status(kind: type[Refusal]) -> None:
    assert (kind.code in STATUS) != (kind in ABSTRACT)
    if kind.code in STATUS:
        assert 400 <= STATUS[kind.code] < 600


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ABSTRACT], ids=lambda kind: kind.__name__)
def test_every_refusal_says_whether_a_repeat_can_help(kind: type[Refusal]) -> None:
    """What means "not now" wants a repeat. What the same call cannot change does not."""
    status = STATUS[kind.code]
    assert document(TABLED[kind])["retry"] == kind.retry
    assert (kind.retry == "later") == (kind.code in LATER)
    if status in (408, 429) or status >= 500:
        assert kind.retry in ("later", "same_id")
    else:
        assert kind.retry in ("never", "later")
    if status in (400, 401, 404, 405, 413, 422):
        assert kind.retry == "never"


def test_a_fault_of_ours_asks_for_the_same_call_again() -> None:
    assert INTERNAL["retry"] == "same_id"


def test_codes_are_unique_and_no_other_has_a_status() -> None:
    codes = [kind.code for kind in KINDS]
    assert len(codes) == len(set(codes))
    assert set(STATUS) <= set(codes)
