"""Charges: one attempt to take the money of a PaymentIntent, and what becomes of it."""

from . import balance
from .cards import Decline
from .payment_methods import BILLING_DETAILS, CHECKS, card_of
from .refusals import InvalidRequest
from .world import Object, World


def make(world: World, intent: Object, method: Object) -> Object:
    """An attempt whose outcome is still to come: `succeed`, `fail`, or `pend`."""
    bank_debit = card_of(method).bank_debit
    return world.new(
        "charge",
        {
            "_booked": False,
            "amount": intent["amount"],
            "amount_captured": 0,
            "amount_refunded": 0,
            "application": None,
            "application_fee": None,
            "application_fee_amount": None,
            "balance_transaction": None,
            "billing_details": BILLING_DETAILS,
            "calculated_statement_descriptor": "FAKE STRIPE",
            "captured": False,
            "currency": intent["currency"],
            "customer": intent["customer"],
            "description": intent["description"],
            "disputed": False,
            "failure_balance_transaction": None,
            "failure_code": None,
            "failure_message": None,
            "fraud_details": {},
            "metadata": dict(intent["metadata"]),
            "on_behalf_of": None,
            "outcome": None,
            "paid": False,
            "payment_intent": intent["id"],
            "payment_method": method["id"],
            "payment_method_details": _details(method),
            "radar_options": {},
            "receipt_email": intent["receipt_email"],
            "receipt_number": None,
            "receipt_url": None,
            "refunded": False,
            "review": None,
            "shipping": None,
            "source_transfer": None,
            "statement_descriptor": intent["statement_descriptor"],
            "statement_descriptor_suffix": intent["statement_descriptor_suffix"],
            "status": "pending",
            "transfer_data": None,
            "transfer_group": None,
        },
        shape="payment" if bank_debit else "charge",
    )


def _details(method: Object) -> Object:
    if method["type"] == "link":
        return {"type": "link", "link": {"country": "US"}}
    if method["type"] == "boleto":
        return {"type": "boleto", "boleto": dict(method["boleto"])}
    if method["type"] == "sepa_debit":
        shown = ("bank_code", "branch_code", "country", "fingerprint", "last4")
        account = {name: method["sepa_debit"][name] for name in shown}
        return {"type": "sepa_debit", "sepa_debit": {**account, "mandate": None}}
    if method["type"] == "us_bank_account":
        shown = ("account_holder_type", "account_type", "bank_name", "fingerprint", "last4", "routing_number")
        account = {name: method["us_bank_account"][name] for name in shown}
        return {"type": "us_bank_account", "us_bank_account": {**account, "mandate": None, "payment_reference": None}}
    shown = ("brand", "country", "exp_month", "exp_year", "fingerprint", "funding", "last4", "wallet")
    card = {name: method["card"][name] for name in shown}
    more = {"checks": CHECKS, "installments": None, "mandate": None, "network": method["card"]["brand"]}
    return {"type": "card", "card": {**card, **more, "three_d_secure": None}}


def succeed(world: World, charge: Object, *, late: bool) -> None:
    """The money is here. If `late`, its balance transaction comes with a `charge.updated` of its own: see `book`."""
    world.change(
        charge,
        amount_captured=charge["amount"],
        captured=True,
        paid=True,
        status="succeeded",
        outcome=_outcome("authorized", "approved_by_network", None, "Payment complete."),
        receipt_url=f"{world.base_url}/receipts/{charge['id']}",
    )
    if not late:
        charge["balance_transaction"] = _booked(world, charge)
    world.emit("charge.succeeded", charge)


def book(world: World, charge: Object) -> None:
    """The balance transaction of a charge that had none yet. Raises InvalidRequest if there is none to come."""
    if not awaits_booking(charge):
        raise InvalidRequest(f"{charge['id']} awaits no balance transaction")
    previous = world.change(charge, balance_transaction=_booked(world, charge))
    world.emit("charge.updated", charge, previous)


def awaits_booking(charge: Object) -> bool:
    return charge["status"] == "succeeded" and charge["balance_transaction"] is None


def _booked(world: World, charge: Object) -> str:
    transaction = balance.book(
        world,
        "payment" if charge["id"].startswith("py_") else "charge",
        charge["amount"],
        charge["currency"],
        source=charge["id"],
        fee=balance.fee_of(charge["amount"]),
        category="charge",
        description=charge["description"],
    )
    return transaction["id"]


def pend(world: World, charge: Object) -> None:
    world.emit("charge.pending", charge)


def fail(world: World, charge: Object, decline: Decline) -> None:
    world.change(
        charge,
        status="failed",
        failure_code=decline.code,
        failure_message=decline.message,
        outcome=_outcome(
            "issuer_declined",
            "declined_by_network",
            decline.decline_code,
            "The bank did not return any further details.",
        ),
    )
    world.emit("charge.failed", charge)


def _outcome(kind: str, network_status: str, reason: str | None, message: str) -> Object:
    return {
        "advice_code": None,
        "network_advice_code": None,
        "network_decline_code": None,
        "network_status": network_status,
        "reason": reason,
        "risk_level": "normal",
        "risk_score": 12,
        "seller_message": message,
        "type": kind,
    }


def of(world: World, reference: str) -> Object:
    """The latest charge of a session, a PaymentIntent, or itself, by id. Raises InvalidRequest if there is none."""
    known = world.objects.get(reference)
    if known and known["object"] == "checkout.session":
        known = world.find("payment_intent", known["payment_intent"])
    if known and known["object"] == "payment_intent":
        known = world.find("charge", known["latest_charge"])
    if not known or known["object"] != "charge":
        raise InvalidRequest(f"No charge of {reference}")
    return known
