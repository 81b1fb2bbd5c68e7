"""Words of the API: whatever value it may send where a page shows one, both languages have a word for it."""

import typing

import pytest

from billing.books.explain.step import StepKind
from billing.books.exports.question import FORMS, REPORTS
from billing.books.payouts.report import Payout, PayoutItem
from billing.books.periods.report import Period
from billing.books.reconciliation.answer import ReconciliationState
from billing.books.reconciliation.discrepancy import Action, DiscrepancyKind, LineOutcome
from billing.books.usage.sums import DIMENSIONS
from billing.core.charges import Status
from billing.core.chart import CHART
from billing.core.ledger import ROUTES, WALLET
from billing.core.payments import Via
from billing.core.recharging import AT_LIMIT, NO_CARD
from billing.dashboard.menu import ACCOUNT_PAGES, BOOKS_PAGES, HOUSE_PAGES
from billing.http.models.accounts import Overage
from billing.http.models.funding import AutoRechargeShown, StripeEventShown, TopupShown

from .test_assets import CATALOGS, MODULES
from .test_assets import FILES as ASSETS


def values(model: type, field: str) -> set[str]:
    return set(typing.get_args(typing.get_type_hints(model)[field]))


WORDS = {
    "status": set(typing.get_args(Status)),
    "transfer": {kind for kind, (book, *_) in ROUTES.items() if book == WALLET},
    "event": values(StripeEventShown, "state"),
    "step": set(typing.get_args(StepKind)),
    "topup": values(TopupShown, "status"),
    "via": set(typing.get_args(Via)),
    "recharge": values(AutoRechargeShown, "status"),
    "stopped": {AT_LIMIT, NO_CARD, "pack_withdrawn", "declined"},
    "overage": set(typing.get_args(Overage)),
    "dimension": set(DIMENSIONS),
    "measure": {"requests", "images", "failed_images", "credits"},
    "ledger_account": set(CHART),
    "period_status": values(Period, "status"),
    "payout": values(Payout, "status"),
    "payout_item": values(PayoutItem, "status"),
    "reconciliation_state": set(typing.get_args(ReconciliationState)),
    "reconciliation_kind": set(typing.get_args(DiscrepancyKind)),
    "reconciliation_action": set(typing.get_args(Action)),
    "reconciliation_outcome": set(typing.get_args(LineOutcome)),
    "export": set(REPORTS),
    "export_format": set(FORMS),
    "unpriced": {"unknown_model", "size_not_allowed", "size_not_priced", "quality_not_supported"},
    "flag": {"late", "forced", "overdrawn", "capped", "unmeasured", "unpriced_size", "unrequested"},
    "refusal": {
        "unknown_model", "size_not_priced", "quality_not_supported", "pack_not_found",
        *(f"size_not_allowed.{rule}" for rule in ("format", "listed", "multiple_of", "max_aspect", "min_pixels", "max_pixels")),
    },
}  # fmt: skip
EXPLAINED = ("transfer", "recharge", "flag")


@pytest.mark.parametrize("language", CATALOGS)
@pytest.mark.parametrize("group", WORDS)
def test_every_value_has_a_word(group: str, language: str) -> None:
    assert WORDS[group]
    there = set(CATALOGS[language])
    assert {f"{group}.{value}" for value in WORDS[group]} <= there
    if group in EXPLAINED:
        assert {f"{group}.{value}.meaning" for value in WORDS[group]} <= there


@pytest.mark.parametrize("language", CATALOGS)
def test_the_money_books_kinds_have_words_too(language: str) -> None:
    assert {f"transfer.{kind}" for kind in ROUTES} <= set(CATALOGS[language])


def test_scripts_know_the_kinds_and_states_that_there_are() -> None:
    for name, group in (
        ("transfer.js", "transfer"),
        ("pages/events.js", "event"),
        ("charge.js", "flag"),
        ("reconciliation.js", "reconciliation_kind"),
        ("reconciliation.js", "reconciliation_action"),
        ("reconciliation.js", "reconciliation_outcome"),
    ):
        source = ASSETS[name].decode()
        for value in WORDS[group]:
            assert f'"{value}"' in source, (name, value)


def test_no_page_is_unfinished() -> None:
    assert "state.unfinished" not in CATALOGS["en"]
    for page in (*ACCOUNT_PAGES, *HOUSE_PAGES, *BOOKS_PAGES):
        assert f"pages/{page.name}.js" in MODULES
        assert "state.unfinished" not in ASSETS[f"pages/{page.name}.js"].decode()
