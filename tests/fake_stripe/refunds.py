"""Refunds: they take money out of the balance at once, and give it back if they fail."""

from typing import Any

from . import balance
from .ids import characters
from .payment_methods import card_of
from .refusals import InvalidRequest
from .world import Object, World


def create(world: World, values: dict[str, Any]) -> Object:
    """Of a charge, or of a PaymentIntent's. Raises InvalidRequest if there is not that much to give back."""
    return make(
        world,
        _charge(world, values),
        amount=values.get("amount"),
        reason=values.get("reason"),
        metadata=values.get("metadata", {}),
    )


def _charge(world: World, values: dict[str, Any]) -> Object:
    if "charge" in values and "payment_intent" in values:
        raise InvalidRequest("You may only specify one of these parameters: charge, payment_intent.", param="charge")
    if "charge" in values:
        return world.named("charge", values["charge"], "charge")
    if "payment_intent" not in values:
        raise InvalidRequest(
            "One of the following params should be provided for this request: payment_intent or charge."
        )
    intent = world.named("payment_intent", values["payment_intent"], "payment_intent")
    if not intent["latest_charge"]:
        raise InvalidRequest(f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund.")
    return world.named("charge", intent["latest_charge"], "charge")


def make(
    world: World, charge: Object, *, amount: int | None, reason: str | None = None, metadata: Object | None = None
) -> Object:
    """`amount` in minor units; without it, all that is left."""
    _refuse_unless_refundable(charge)
    left = charge["amount"] - charge["amount_refunded"]
    if left == 0:
        raise InvalidRequest(f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded")
    amount = left if amount is None else amount
    if amount > left:
        raise InvalidRequest(
            f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left})", param="amount"
        )
    card = card_of(world.named("payment_method", charge["payment_method"], "payment_method"))
    refund = world.new(
        "refund",
        {
            "amount": amount,
            "charge": charge["id"],
            "currency": charge["currency"],
            "destination_details": _destination(charge),
            "metadata": metadata or {},
            "payment_intent": charge["payment_intent"],
            "reason": reason,
            "receipt_number": None,
            "source_transfer_reversal": None,
            "status": card.refund,
            "transfer_reversal": None,
        },
        shape="refund" if charge["id"].startswith("ch_") else "payment_refund",
    )
    refund["balance_transaction"] = balance.book(
        world,
        "refund" if charge["id"].startswith("ch_") else "payment_refund",
        -amount,
        charge["currency"],
        source=refund["id"],
        category="refund",
        description="REFUND FOR CHARGE",
    )["id"]
    previous = _refunded(world, charge, charge["amount_refunded"] + amount)
    world.emit("refund.created", refund)
    world.emit("charge.refunded", charge, previous)
    return refund


def _refuse_unless_refundable(charge: Object) -> None:
    if charge["status"] != "succeeded":
        raise InvalidRequest(f"Charge {charge['id']} has not succeeded: there is nothing to refund.")
    if charge["disputed"] and charge.get("_withdrawn"):
        raise InvalidRequest(
            f"Charge {charge['id']} has been charged back; cannot issue a refund.", code="charge_disputed"
        )


def _destination(charge: Object) -> Object:
    if charge["payment_method_details"]["type"] == "us_bank_account":
        return {"type": "us_bank_transfer", "us_bank_transfer": {"reference": None, "reference_status": "pending"}}
    reference = {"reference": characters(15), "reference_status": "pending"}
    return {"card": {**reference, "reference_type": "acquirer_reference_number", "type": "refund"}, "type": "card"}


def settle(world: World, refund: Object) -> None:
    """The pending refund arrived."""
    if refund["status"] != "pending":
        raise InvalidRequest(f"{refund['id']} is {refund['status']}, not pending")
    _updated(world, refund, world.change(refund, status="succeeded"))


def fail(world: World, refund: Object, reason: str) -> None:
    """The bank did not take it: the money is back in the balance, and can be refunded once more."""
    if refund["status"] not in ("pending", "succeeded"):
        raise InvalidRequest(f"{refund['id']} is {refund['status']} already")
    returned = balance.book(
        world,
        "refund_failure" if refund["id"].startswith("re_") else "payment_failure_refund",
        refund["amount"],
        refund["currency"],
        source=refund["id"],
        category="refund_failure",
        description="REFUND FAILURE",
    )
    previous = world.change(refund, status="failed", failure_reason=reason, failure_balance_transaction=returned["id"])
    charge = world.named("charge", refund["charge"], "charge")
    charge_before = _refunded(world, charge, charge["amount_refunded"] - refund["amount"])
    world.emit("refund.failed", refund, previous)
    _updated(world, refund, previous)
    world.emit("charge.updated", charge, charge_before)


def _updated(world: World, refund: Object, previous: Object) -> None:
    world.emit("refund.updated", refund, previous)
    world.emit("charge.refund.updated", refund, previous)


def _refunded(world: World, charge: Object, amount: int) -> Object:
    return world.change(charge, amount_refunded=amount, refunded=amount == charge["amount"])
