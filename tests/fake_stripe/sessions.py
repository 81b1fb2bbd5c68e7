"""Checkout Sessions in mode payment: open ─▶ complete (paid, or unpaid until a bank debit settles) | expired."""

from typing import Any

from . import customers, disputes, intents, payment_methods
from .cards import Decline
from .ids import new_id
from .refusals import InvalidRequest
from .world import Object, World

_LEAST_SECONDS, _MOST_SECONDS = 30 * 60, 24 * 60 * 60


def create(world: World, values: dict[str, Any]) -> Object:
    """Raises InvalidRequest for what Stripe would not sell: nothing, two currencies, too little."""
    customer = _customer(world, values)
    items = [_item(world, line, number) for number, line in enumerate(values["line_items"])]
    if not items:
        raise InvalidRequest("You must provide at least one line item.", code="parameter_missing", param="line_items")
    currency = items[0]["currency"]
    if any(item["currency"] != currency for item in items):
        raise InvalidRequest("All line items must have the same currency.", param="line_items")
    total = sum(item["amount_total"] for item in items)
    if total < intents.LEAST_AMOUNT:
        raise InvalidRequest(
            "The Checkout Session's total amount due must add up to at least $0.50 usd", code="amount_too_small"
        )
    expires_at = _expiry(world, values)
    session = world.new(
        "checkout.session",
        {
            "_line_items": items,
            "_payment": values.get("payment_intent_data", {}),
            "adaptive_pricing": {"enabled": False},
            "after_expiration": None,
            "allow_promotion_codes": values.get("allow_promotion_codes"),
            "allowed_payment_method_types": values.get("allowed_payment_method_types"),
            "amount_subtotal": total,
            "amount_total": total,
            "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
            "billing_address_collection": values.get("billing_address_collection"),
            "cancel_url": values.get("cancel_url"),
            "client_reference_id": values.get("client_reference_id"),
            "client_secret": None,
            "collected_information": None,
            "consent": None,
            "consent_collection": None,
            "currency": currency,
            "currency_conversion": None,
            "custom_fields": [],
            "custom_text": {
                "after_submit": None,
                "shipping_address": None,
                "submit": None,
                "terms_of_service_acceptance": None,
            },
            "customer": customer["id"] if customer else None,
            "customer_creation": None if customer else values.get("customer_creation", "if_required"),
            "customer_details": _details(customer["email"], customer["name"]) if customer else None,
            "customer_email": values.get("customer_email"),
            "discounts": [],
            "expires_at": expires_at,
            "invoice": None,
            "invoice_creation": None,
            "locale": values.get("locale"),
            "metadata": values.get("metadata", {}),
            "mode": "payment",
            "origin_context": None,
            "payment_intent": None,
            "payment_link": None,
            "payment_method_collection": "if_required",
            "payment_method_configuration_details": None,
            "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
            "payment_method_types": values.get("allowed_payment_method_types", payment_methods.TYPES),
            "payment_status": "unpaid",
            "permissions": None,
            "phone_number_collection": {"enabled": False},
            "recovered_from": None,
            "saved_payment_method_options": _saving(values, customer),
            "setup_intent": None,
            "shipping_address_collection": None,
            "shipping_cost": None,
            "shipping_options": [],
            "status": "open",
            "submit_type": values.get("submit_type"),
            "subscription": None,
            "success_url": values["success_url"],
            "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
            "ui_mode": "hosted_page",
            "wallet_options": None,
        },
    )
    session["url"] = f"{world.base_url}/c/pay/{session['id']}"
    return session


def _customer(world: World, values: dict[str, Any]) -> Object | None:
    if "customer" not in values:
        return None
    for other in ("customer_email", "customer_creation"):
        if other in values:
            raise InvalidRequest(f"You may only specify one of these parameters: customer, {other}.", param="customer")
    return world.named("customer", values["customer"], "customer")


def _expiry(world: World, values: dict[str, Any]) -> int:
    now = world.clock.now()
    expires_at = values.get("expires_at", now + _MOST_SECONDS)
    # The second in which the caller computed it may have passed, so both ends give way by a minute.
    if not now + _LEAST_SECONDS - 60 <= expires_at <= now + _MOST_SECONDS + 60:
        raise InvalidRequest(
            "The `expires_at` timestamp must be between 30 minutes and 24 hours from Checkout Session creation.",
            param="expires_at",
        )
    return expires_at


def _item(world: World, line: dict[str, Any], number: int) -> Object:
    price, count = line["price_data"], line["quantity"]
    total = price["unit_amount"] * count
    return {
        "id": new_id("item"),
        "object": "item",
        "adjustable_quantity": None,
        "amount_discount": 0,
        "amount_subtotal": total,
        "amount_tax": 0,
        "amount_total": total,
        "currency": price["currency"],
        "description": price["product_data"]["name"],
        "metadata": {},
        "price": {
            "id": new_id("price"),
            "object": "price",
            "active": False,
            "billing_scheme": "per_unit",
            "created": world.clock.now(),
            "currency": price["currency"],
            "custom_unit_amount": None,
            "livemode": False,
            "lookup_key": None,
            "metadata": {},
            "nickname": None,
            "product": new_id("product"),
            "recurring": None,
            "tax_behavior": price.get("tax_behavior", "unspecified"),
            "tiers_mode": None,
            "transform_quantity": None,
            "type": "one_time",
            "unit_amount": price["unit_amount"],
            "unit_amount_decimal": str(price["unit_amount"]),
        },
        "quantity": count,
    }


def _details(email: str | None, name: str | None) -> Object:
    nothing = {"address": None, "business_name": None, "individual_name": None, "phone": None, "tax_ids": []}
    return {**nothing, "email": email, "name": name, "tax_exempt": "none"}


def _saving(values: dict[str, Any], customer: Object | None) -> Object | None:
    if not customer:
        return None
    asked = values.get("saved_payment_method_options", {})
    return {
        "allow_redisplay_filters": asked.get("allow_redisplay_filters", ["always"]),
        "payment_method_remove": asked.get("payment_method_remove", "disabled"),
        "payment_method_save": asked.get("payment_method_save"),
    }


def pay(
    world: World, session: Object, card: str, *, save: bool | None, amount: int | None, currency: str | None
) -> Decline | None:
    """The customer pays on the hosted page. Returns why not: then the session stays open for another try.

    `save` attaches the card to the customer, or not, whatever the session asked for. `amount` and `currency` are what
    is really charged, where that is not what was asked. Raises InvalidRequest if the session is not open.
    """
    _refuse_unless_open(session)
    if amount is not None or currency is not None:
        total = session["amount_total"] if amount is None else amount
        session.update(amount_total=total, amount_subtotal=total, currency=currency or session["currency"])
    method = payment_methods.make(world, card)
    payment_methods.refuse_unless_allowed(method, session["payment_method_types"])
    intent = _intent(world, session, save)
    if decline := intents.attempt(world, intent, method, off_session=False):
        return decline
    _go_on(world, session, intent)
    return None


def _intent(world: World, session: Object, save: bool | None) -> Object:
    """The session's PaymentIntent, made at the first try, and what this try changes in it."""
    asked = session["_payment"]
    usage = asked.get("setup_future_usage")
    if save is not None:
        usage = (usage or "on_session") if save else None
    if usage or session["customer_creation"] == "always":
        _have_customer(world, session)
    values = {
        **asked,
        "amount": session["amount_total"],
        "currency": session["currency"],
        "customer": session["customer"],
        "allowed_payment_method_types": session["payment_method_types"],
    }
    intent = world.find("payment_intent", session["payment_intent"])
    if intent is None:
        intent = intents.make(world, values)
        intent["_session"] = session["id"]
        session["payment_intent"] = intent["id"]
    intent.update(
        setup_future_usage=usage, amount=values["amount"], currency=values["currency"], customer=values["customer"]
    )
    return intent


def _have_customer(world: World, session: Object) -> None:
    if session["customer"] is None:
        session["customer"] = customers.create(world, {"email": session["customer_email"]})["id"]


def _go_on(world: World, session: Object, intent: Object) -> None:
    """What follows for the session once its PaymentIntent was tried with success, or is under way."""
    if intent["status"] not in ("succeeded", "processing"):
        return
    customer = world.find("customer", session["customer"]) or {"email": None, "name": None}
    email = customer["email"] or session["customer_email"] or "payer@example.com"
    world.change(
        session,
        status="complete",
        payment_status="paid" if intent["status"] == "succeeded" else "unpaid",
        customer_details=_details(email, customer["name"] or "Jenny Rosen"),
        url=None,
    )
    world.emit("checkout.session.completed", session)
    disputes.at_once(world, intent)


def authenticate(world: World, session: Object, *, succeed: bool) -> Decline | None:
    """3-D Secure, passed or failed. Returns why it was not paid."""
    intent = _intent_of(world, session)
    decline = intents.authenticate(world, intent, succeed=succeed)
    _go_on(world, session, intent)
    return decline


def settle(world: World, session: Object) -> None:
    """The bank debit was paid."""
    intent = _intent_of(world, session)
    intents.settle(world, intent)
    world.change(session, payment_status="paid")
    world.emit("checkout.session.async_payment_succeeded", session)


def bounce(world: World, session: Object, decline: Decline) -> None:
    """The bank debit was not paid: the session stays complete, and unpaid."""
    intents.bounce(world, _intent_of(world, session), decline)
    world.emit("checkout.session.async_payment_failed", session)


def expire(world: World, session: Object) -> Object:
    """Raises InvalidRequest if it is not open."""
    _refuse_unless_open(session)
    if intent := world.find("payment_intent", session["payment_intent"]):
        intents.end(world, intent, "automatic")
    world.change(session, status="expired", url=None)
    world.emit("checkout.session.expired", session)
    return session


def expire_overdue(world: World) -> None:
    now = world.clock.now()
    for session in reversed(world.every("checkout.session")):
        if session["status"] == "open" and session["expires_at"] <= now:
            expire(world, session)


def success_url(session: Object) -> str:
    return session["success_url"].replace("{CHECKOUT_SESSION_ID}", session["id"])


def _intent_of(world: World, session: Object) -> Object:
    if not (intent := world.find("payment_intent", session["payment_intent"])):
        raise InvalidRequest(f"Nobody has tried to pay {session['id']}")
    return intent


def _refuse_unless_open(session: Object) -> None:
    if session["status"] != "open":
        raise InvalidRequest(
            'Only Checkout Sessions with a status in ["open"] can be expired or paid. This Checkout Session has a '
            f"status of {session['status']}.",
        )
