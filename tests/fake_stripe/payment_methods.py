"""Payment methods: cards and bank accounts, their attachment to a customer."""

from .cards import CARDS, Card, card_named
from .refusals import InvalidRequest, Missing
from .world import Object, World

TYPES = ["card", "us_bank_account", "sepa_debit", "link", "boleto"]
_NO_ADDRESS = {"city": None, "country": None, "line1": None, "line2": None, "postal_code": None, "state": None}
BILLING_DETAILS: Object = {"address": _NO_ADDRESS, "email": None, "name": None, "phone": None, "tax_id": None}
CHECKS = {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"}


def make(world: World, name: str) -> Object:
    """A new payment method that behaves as `name` says. Raises InvalidRequest for an unknown name."""
    card = card_named(name)
    return world.new(
        "payment_method",
        {
            "_name": name,
            "allow_redisplay": "unspecified",
            "billing_details": BILLING_DETAILS,
            "customer": None,
            "metadata": {},
            **_details(card),
        },
    )


def _details(card: Card) -> Object:
    if card.type == "link":
        return {"type": "link", "link": {"email": "ada@example.com"}}
    if card.type == "boleto":
        return {"type": "boleto", "boleto": {"tax_id": "00000000000"}}
    if card.type == "sepa_debit":
        account = {
            "bank_code": "37040044",
            "branch_code": "",
            "country": "DE",
            "fingerprint": f"sepa{card.last4}",
            "generated_from": {"charge": None, "setup_attempt": None},
            "last4": card.last4,
        }
        return {"type": "sepa_debit", "sepa_debit": account}
    if card.type == "us_bank_account":
        account = {
            "account_holder_type": "individual",
            "account_type": "checking",
            "bank_name": "STRIPE TEST BANK",
            "financial_connections_account": None,
            "fingerprint": f"bank{card.last4}",
            "last4": card.last4,
            "networks": {"preferred": "ach", "supported": ["ach"]},
            "routing_number": "110000000",
            "status_details": {},
        }
        return {"type": "us_bank_account", "us_bank_account": account}
    details = {
        "brand": card.brand,
        "checks": CHECKS,
        "country": "US",
        "display_brand": card.brand,
        "exp_month": 12,
        "exp_year": 2034,
        "fingerprint": f"card{card.last4}",
        "funding": card.funding,
        "generated_from": None,
        "last4": card.last4,
        "networks": {"available": [card.brand], "preferred": None},
        "regulated_status": "unregulated",
        "three_d_secure_usage": {"supported": True},
        "wallet": None,
    }
    return {"type": "card", "card": details}


def card_of(method: Object) -> Card:
    return CARDS[method["_name"]]


def given(world: World, reference: str) -> Object:
    """The payment method that a parameter names: by id, or a new one by a test card's name."""
    if reference in CARDS:
        return make(world, reference)
    return world.named("payment_method", reference, "payment_method")


def at_path(world: World, reference: str) -> Object:
    if reference in CARDS:
        return make(world, reference)
    return world.at_path("payment_method", reference)


def attach(world: World, method: Object, customer_id: str) -> None:
    """Raises InvalidRequest if it belongs to another customer, or did to any."""
    world.named("customer", customer_id, "customer")
    if method["customer"] == customer_id:
        return
    if method["customer"] or method.get("_detached"):
        raise InvalidRequest(
            "The payment method you provided has already been attached to a customer.",
            code="payment_method_unexpected_state",
        )
    world.change(method, customer=customer_id)
    world.emit("payment_method.attached", method)


def detach(world: World, method: Object) -> None:
    """For good: a detached payment method pays for nobody. Raises InvalidRequest if it is attached to nobody."""
    if not method["customer"]:
        raise InvalidRequest(
            "The payment method you provided is not attached to a customer so detachment is impossible.",
            code="payment_method_unexpected_state",
        )
    previous = world.change(method, customer=None)
    method["_detached"] = True
    world.emit("payment_method.detached", method, previous)


def of_customer(world: World, customer_id: str, kind: str | None) -> list[Object]:
    """Newest first."""
    return [
        one
        for one in world.every("payment_method")
        if one["customer"] == customer_id and (kind is None or one["type"] == kind)
    ]


def one_of_customer(world: World, customer_id: str, method_id: str) -> Object:
    method = world.at_path("payment_method", method_id)
    if method["customer"] != customer_id:
        raise Missing("PaymentMethod", method_id, "payment_method")
    return method


def refuse_unless_allowed(method: Object, types: list[str] | None) -> None:
    """Raises InvalidRequest if only other types may pay."""
    if types is not None and method["type"] not in types:
        raise InvalidRequest(
            f"The PaymentMethod provided ({method['type']}) is not allowed for this payment: {', '.join(types)}.",
            param="payment_method",
        )


def used(world: World, method: Object, customer_id: str | None) -> None:
    """Raises InvalidRequest if `method` may not pay for this customer."""
    if method["customer"] and method["customer"] != customer_id:
        whose = f"belongs to the Customer {method['customer']}" if customer_id else "belongs to a Customer"
        raise InvalidRequest(
            f"The provided PaymentMethod ({method['id']}) {whose}. Please include that Customer in the `customer` "
            "parameter on the PaymentIntent.",
            param="payment_method",
        )
    if method.get("_detached"):
        raise InvalidRequest(
            "The provided PaymentMethod was previously used with a PaymentIntent without Customer attachment, shared "
            "with a connected account without Customer attachment, or was detached from a Customer. It may not be used "
            "again. To use a PaymentMethod multiple times, you must attach it to a Customer first.",
            param="payment_method",
        )
