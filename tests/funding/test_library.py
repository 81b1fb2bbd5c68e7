"""What Stripe's own library lists, and what is made of each: a word that is new there is noticed here."""

import importlib
import inspect
import re
import typing
from typing import Any, Literal

import stripe

from billing.core.verdicts import STAGES, stands
from billing.funding.balance import TYPES
from billing.funding.effects import HANDLERS
from billing.funding.processor import OFF_SESSION
from tests.fake_stripe.annotations import annotations

# Documented as types or reporting categories, but not among the library's.
UNLISTED = {"network_cost"}
# Payment methods that can be saved for later, but not charged later as what they are: see OFF_SESSION.
SAVED_OTHERWISE = {"bancontact", "ideal", "sofort", "boleto"}


def words(owner: type, field: str) -> set[str]:
    """The members of an enumeration that may grow, which the library writes as `Union[Literal[…], str]`."""
    kinds = typing.get_args(annotations(owner)[field])
    (listed,) = [kind for kind in kinds if typing.get_origin(kind) is Literal]
    return set(typing.get_args(listed))


def test_every_type_of_balance_transaction_has_its_place() -> None:
    assert set(TYPES) - UNLISTED == words(stripe.BalanceTransaction, "type")


def test_every_status_of_a_dispute_has_its_stage() -> None:
    assert set(STAGES) == words(stripe.Dispute, "status")


def test_what_stands_follows_from_the_word_and_the_money() -> None:
    told = {word: (stands(word, 0), stands(word, 1)) for word in STAGES}
    asked, is_open, closed = ("averted", "open"), ("open", "open"), ("averted", "lost")
    assert told == {
        "warning_needs_response": asked,
        "warning_under_review": asked,
        "warning_closed": closed,
        "needs_response": is_open,
        "under_review": is_open,
        "appeal_needs_response": is_open,
        "appeal_under_review": is_open,
        "won": ("won", "lost"),
        "lost": closed,
        "prevented": closed,
    }


def test_every_payment_method_that_can_be_saved_for_later_can_be_charged_later() -> None:
    module = importlib.import_module("stripe.params._payment_intent_create_params")
    owners: dict[str, Any] = {
        name.removeprefix("PaymentIntentCreateParamsPaymentMethodOptions"): owner
        for name, owner in vars(module).items()
        if name.startswith("PaymentIntentCreateParamsPaymentMethodOptions")
    }
    saved = {
        re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
        for name, owner in owners.items()
        if "off_session" in str(owner.__annotations__.get("setup_future_usage"))
    }
    assert saved - SAVED_OTHERWISE == OFF_SESSION
    assert saved >= SAVED_OTHERWISE


def test_every_event_that_is_acted_on_is_one_of_stripes() -> None:
    module = importlib.import_module("stripe.params._webhook_endpoint_create_params")
    assert set(HANDLERS) <= set(re.findall(r'"([a-z_.]+)"', inspect.getsource(module)))
