"""PaymentIntents: from what is wanted to a charge that succeeded.

requires_payment_method ─▶ requires_confirmation ─▶ succeeded | processing | requires_action
          ▲                                              │            │              │
          └────────────── declined ──────────────────────┴────────────┴──────────────┘
"""

from typing import Any

from . import charges, disputes, payment_methods
from .cards import FAILED_AUTHENTICATION, UNAUTHENTICATED, Decline
from .ids import characters
from .refusals import Declined, InvalidRequest
from .world import Object, World

LEAST_AMOUNT = 50
_CANCELABLE = ("requires_payment_method", "requires_confirmation", "requires_action", "processing")


def create(world: World, values: dict[str, Any]) -> Object:
    """With `confirm`, raises Declined if the card is; the PaymentIntent and its failed charge stay."""
    customer = values.get("customer")
    if customer:
        world.named("customer", customer, "customer")
    refuse_small(values["amount"])
    method = None
    if "payment_method" in values:
        method = payment_methods.given(world, values["payment_method"])
        payment_methods.used(world, method, customer)
        payment_methods.refuse_unless_allowed(method, values.get("allowed_payment_method_types"))
    confirm = values.get("confirm", False)
    if "off_session" in values and not confirm:
        raise InvalidRequest("off_session can only be set when confirming a PaymentIntent", param="off_session")
    automatic = _automatic(values)
    if confirm and not values.get("off_session") and "return_url" not in values:
        _refuse_without_return_url(automatic)
    intent = make(world, values, automatic=automatic, method=method)
    if confirm:
        confirmed(world, intent, off_session=values.get("off_session", False))
    return intent


def _automatic(values: dict[str, Any]) -> Object:
    asked = values.get("automatic_payment_methods", {})
    return {"allow_redirects": asked.get("allow_redirects", "always"), "enabled": asked.get("enabled", True)}


def _refuse_without_return_url(automatic: Object | None) -> None:
    if automatic and automatic["enabled"] and automatic["allow_redirects"] == "always":
        raise InvalidRequest(
            "This PaymentIntent is configured to accept payment methods enabled in your Dashboard. Because some of "
            "these payment methods might redirect your customer off of your page, you must provide a `return_url`. If "
            "you don't want to accept redirect-based payment methods, set `automatic_payment_methods[enabled]` to "
            "`true` and `automatic_payment_methods[allow_redirects]` to `never` when creating Setup Intents and "
            "Payment Intents."
        )


def refuse_small(amount: int) -> None:
    if amount < LEAST_AMOUNT:
        raise InvalidRequest("Amount must be at least $0.50 usd", code="amount_too_small", param="amount")


def make(
    world: World, values: dict[str, Any], *, automatic: Object | None = None, method: Object | None = None
) -> Object:
    """A PaymentIntent that nobody has confirmed yet. `values` are those of a creation, and taken as they are."""
    intent = world.new(
        "payment_intent",
        {
            "allowed_payment_method_types": values.get("allowed_payment_method_types"),
            "amount": values["amount"],
            "amount_capturable": 0,
            "amount_details": {"tip": {}},
            "amount_received": 0,
            "application": None,
            "application_fee_amount": None,
            "automatic_payment_methods": automatic,
            "canceled_at": None,
            "cancellation_reason": None,
            "capture_method": values.get("capture_method", "automatic_async"),
            "confirmation_method": "automatic",
            "currency": values["currency"],
            "customer": values.get("customer"),
            "description": values.get("description"),
            "last_payment_error": None,
            "latest_charge": None,
            "metadata": values.get("metadata", {}),
            "next_action": None,
            "on_behalf_of": None,
            "payment_method": method["id"] if method else None,
            "payment_method_configuration_details": None,
            "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
            "payment_method_types": values.get("allowed_payment_method_types", payment_methods.TYPES),
            "processing": None,
            "receipt_email": values.get("receipt_email"),
            "review": None,
            "setup_future_usage": values.get("setup_future_usage"),
            "shipping": None,
            "source": None,
            "statement_descriptor": values.get("statement_descriptor"),
            "statement_descriptor_suffix": values.get("statement_descriptor_suffix"),
            "status": "requires_confirmation" if method else "requires_payment_method",
            "transfer_data": None,
            "transfer_group": None,
        },
    )
    intent["client_secret"] = f"{intent['id']}_secret_{characters(25)}"
    world.emit("payment_intent.created", intent)
    return intent


def confirm(world: World, intent: Object, values: dict[str, Any]) -> Object:
    """Raises Declined, or InvalidRequest if it is not waiting for that."""
    if intent["status"] not in ("requires_payment_method", "requires_confirmation", "requires_action"):
        raise _unexpected(
            intent, f"You cannot confirm this PaymentIntent because it has a status of {intent['status']}."
        )
    if "payment_method" in values:
        method = payment_methods.given(world, values["payment_method"])
        payment_methods.used(world, method, intent["customer"])
        intent["payment_method"] = method["id"]
    if not values.get("off_session") and "return_url" not in values:
        _refuse_without_return_url(intent["automatic_payment_methods"])
    confirmed(world, intent, off_session=values.get("off_session", False))
    return intent


def confirmed(world: World, intent: Object, *, off_session: bool) -> None:
    """Raises Declined. Disputes at once what the card disputes."""
    method = world.find("payment_method", intent["payment_method"])
    if not method:
        raise _unexpected(
            intent,
            "You cannot confirm this PaymentIntent because it's missing a payment method. You can either update the "
            "PaymentIntent with a payment method and then confirm it again, or confirm it again directly with a "
            "payment method or ConfirmationToken.",
        )
    if decline := attempt(world, intent, method, off_session=off_session):
        raise declined(world, intent, decline)
    disputes.at_once(world, intent)


def attempt(world: World, intent: Object, method: Object, *, off_session: bool) -> Decline | None:
    """Tries to take the money. Returns why not; None also if it must be authenticated or comes days later."""
    card = payment_methods.card_of(method)
    intent.update(payment_method=method["id"], last_payment_error=None)
    saved_with_authentication = card.authentication == "once" and method["customer"] is not None
    if card.authentication != "never" and not saved_with_authentication:
        if off_session:
            return _fail(world, intent, method, UNAUTHENTICATED)
        _require_action(world, intent)
        return None
    return take(world, intent, method)


def take(world: World, intent: Object, method: Object) -> Decline | None:
    """Takes the money without asking for authentication. Returns why not."""
    card = payment_methods.card_of(method)
    if card.decline:
        return _fail(world, intent, method, card.decline)
    charge = charges.make(world, intent, method)
    intent["latest_charge"] = charge["id"]
    if card.bank_debit:
        world.change(intent, status="processing", next_action=None)
        charges.pend(world, charge)
        world.emit("payment_intent.processing", intent)
    else:
        _succeed(world, intent, charge)
    return None


def _succeed(world: World, intent: Object, charge: Object) -> None:
    late = world.late_balance_transactions and intent["capture_method"] == "automatic_async"
    if intent["setup_future_usage"] and intent["customer"]:
        method = world.named("payment_method", charge["payment_method"], "payment_method")
        payment_methods.attach(world, method, intent["customer"])
    charges.succeed(world, charge, late=late)
    world.change(intent, status="succeeded", amount_received=intent["amount"], next_action=None)
    world.emit("payment_intent.succeeded", intent)


def _fail(world: World, intent: Object, method: Object, decline: Decline, charge: Object | None = None) -> Decline:
    """The attempt is over; the PaymentIntent waits for another payment method."""
    if charge is None:
        charge = charges.make(world, intent, method)
    charges.fail(world, charge, decline)
    intent["latest_charge"] = charge["id"]
    _back_to_payment_method(world, intent, method, decline)
    return decline


def _back_to_payment_method(world: World, intent: Object, method: Object, decline: Decline) -> None:
    facts = {"code": decline.code, "decline_code": decline.decline_code, "charge": intent["latest_charge"]}
    world.change(
        intent,
        status="requires_payment_method",
        payment_method=None,
        next_action=None,
        last_payment_error={
            "type": "card_error" if method["type"] == "card" else "invalid_request_error",
            "message": decline.message,
            **{name: fact for name, fact in facts.items() if fact is not None},
            "payment_method": world.shown(method),
        },
    )
    world.emit("payment_intent.payment_failed", intent)


def declined(world: World, intent: Object, decline: Decline) -> Declined:
    """The 402 that tells of the failure, with the PaymentIntent as it now is."""
    error = intent["last_payment_error"]
    return Declined(
        decline.message,
        code=decline.code,
        decline_code=decline.decline_code,
        charge=error.get("charge"),
        doc_url=f"https://stripe.com/docs/error-codes/{decline.code.replace('_', '-')}",
        payment_intent=world.shown(intent),
        payment_method=error["payment_method"],
    )


def _require_action(world: World, intent: Object) -> None:
    redirect = {"return_url": None, "url": f"{world.base_url}/3d_secure/{intent['id']}"}
    world.change(intent, status="requires_action", next_action={"redirect_to_url": redirect, "type": "redirect_to_url"})
    world.emit("payment_intent.requires_action", intent)


def authenticate(world: World, intent: Object, *, succeed: bool) -> Decline | None:
    """The customer passes or fails 3-D Secure. Returns why it was not paid. Raises InvalidRequest if nobody asked."""
    if intent["status"] != "requires_action":
        raise _unexpected(intent, f"{intent['id']} does not wait for authentication: it is {intent['status']}")
    method = world.named("payment_method", intent["payment_method"], "payment_method")
    if succeed:
        return take(world, intent, method)
    _back_to_payment_method(world, intent, method, FAILED_AUTHENTICATION)
    return FAILED_AUTHENTICATION


def settle(world: World, intent: Object) -> None:
    """The bank debit that was processing is paid."""
    _refuse_unless_processing(intent)
    _succeed(world, intent, world.named("charge", intent["latest_charge"], "charge"))


def bounce(world: World, intent: Object, decline: Decline) -> None:
    """The bank debit that was processing is not paid."""
    _refuse_unless_processing(intent)
    charge = world.named("charge", intent["latest_charge"], "charge")
    method = world.named("payment_method", charge["payment_method"], "payment_method")
    _fail(world, intent, method, decline, charge)


def _refuse_unless_processing(intent: Object) -> None:
    if intent["status"] != "processing":
        raise _unexpected(intent, f"{intent['id']} is not being processed: it is {intent['status']}")


def cancel(world: World, intent: Object, reason: str | None) -> Object:
    """Raises InvalidRequest if it has succeeded, is canceled, or belongs to a Checkout Session."""
    if intent.get("_session"):
        raise InvalidRequest(
            "You cannot cancel PaymentIntents created by Checkout. To cancel this PaymentIntent, expire the Checkout "
            "Session instead.",
            payment_intent=world.shown(intent),
        )
    return end(world, intent, reason)


def end(world: World, intent: Object, reason: str | None) -> Object:
    if intent["status"] not in _CANCELABLE:
        raise _unexpected(
            intent,
            f"You cannot cancel this PaymentIntent because it has a status of {intent['status']}. Only a "
            "PaymentIntent with one of the following statuses may be canceled: requires_payment_method, "
            "requires_capture, requires_confirmation, requires_action, processing.",
        )
    world.change(intent, status="canceled", canceled_at=world.clock.now(), cancellation_reason=reason, next_action=None)
    world.emit("payment_intent.canceled", intent)
    return intent


def _unexpected(intent: Object, message: str) -> InvalidRequest:
    shown = {name: value for name, value in intent.items() if not name.startswith("_")}
    return InvalidRequest(message, code="payment_intent_unexpected_state", payment_intent=shown)
