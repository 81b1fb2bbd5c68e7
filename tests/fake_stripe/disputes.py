"""Disputes: they take the money and a fee; won, the money comes back, but not the fee.

warning_needs_response (an inquiry: no money moves) ─▶ warning_closed | needs_response
needs_response ─▶ under_review ─▶ won | lost | prevented
won | lost ─▶ appeal_needs_response ─▶ appeal_under_review ─▶ won | lost
"""

from . import balance, charges
from .payment_methods import card_of
from .refusals import InvalidRequest
from .world import Object, World

_RESPONSE_SECONDS = 9 * 86_400
_NO_EVIDENCE = (
    "access_activity_log", "billing_address", "cancellation_policy", "cancellation_policy_disclosure",
    "cancellation_rebuttal", "customer_communication", "customer_email_address", "customer_name",
    "customer_purchase_ip", "customer_signature", "duplicate_charge_documentation", "duplicate_charge_explanation",
    "duplicate_charge_id", "product_description", "receipt", "refund_policy", "refund_policy_disclosure",
    "refund_refusal_explanation", "service_date", "service_documentation", "shipping_address", "shipping_carrier",
    "shipping_date", "shipping_documentation", "shipping_tracking_number", "uncategorized_file", "uncategorized_text",
)  # fmt: skip
_OPEN = ("needs_response", "under_review", "appeal_needs_response", "appeal_under_review")
_REVIEWED = {
    "needs_response": "under_review",
    "warning_needs_response": "warning_under_review",
    "appeal_needs_response": "appeal_under_review",
}


def open_(
    world: World,
    charge: Object,
    *,
    amount: int | None,
    reason: str,
    inquiry: bool,
    withdraw: bool = True,
    again: bool = False,
) -> Object:
    """`amount` in minor units, which exchange rates may make more than the charge's; without it, all of it.

    An inquiry, and one without `withdraw`, takes no money. Raises InvalidRequest.
    """
    amount = charge["amount"] if amount is None else amount
    if charge["status"] != "succeeded" or (charge["disputed"] and not again):
        raise InvalidRequest(f"{charge['id']} cannot be disputed: it is not paid, or is disputed already")
    if amount < 1:
        raise InvalidRequest(f"{amount} is not at least 1", param="amount")
    withdraw = withdraw and not inquiry
    dispute = world.new(
        "dispute",
        {
            "amount": amount,
            "balance_transactions": [],
            "charge": charge["id"],
            "currency": charge["currency"],
            "enhanced_eligibility_types": [],
            "evidence": {**dict.fromkeys(_NO_EVIDENCE), "enhanced_evidence": {}},
            "evidence_details": {
                "due_by": world.clock.now() + _RESPONSE_SECONDS,
                "enhanced_eligibility": {},
                "has_evidence": False,
                "past_due": False,
                "submission_count": 0,
                "submission_method": "not_submitted",
            },
            "is_charge_refundable": inquiry,
            "metadata": {},
            "payment_intent": charge["payment_intent"],
            "reason": reason,
            "status": "warning_needs_response" if inquiry else "needs_response",
            **_method(charge, inquiry),
        },
    )
    previous = world.change(charge, disputed=True)
    if withdraw:
        _withdraw(world, dispute, charge)
    world.emit("charge.dispute.created", dispute)
    if withdraw:
        world.emit("charge.dispute.funds_withdrawn", dispute)
    world.emit("charge.updated", charge, previous)
    return dispute


def at_once(world: World, intent: Object) -> None:
    """What a card does that disputes each payment."""
    if intent["status"] != "succeeded":
        return
    charge = charges.of(world, intent["id"])
    card = card_of(world.named("payment_method", charge["payment_method"], "payment_method"))
    if card.dispute:
        inquiry = card.dispute == "warning_needs_response"
        open_(world, charge, amount=None, reason="fraudulent", inquiry=inquiry)


def _method(charge: Object, inquiry: bool) -> Object:
    if "card" not in charge["payment_method_details"]:
        return {}
    brand = charge["payment_method_details"]["card"]["brand"]
    card = {"brand": brand, "network": brand, "case_type": "inquiry" if inquiry else "chargeback"}
    return {"payment_method_details": {"card": {**card, "network_reason_code": "10.4"}, "type": "card"}}


def _withdraw(world: World, dispute: Object, charge: Object) -> None:
    charge["_withdrawn"] = True
    _book(
        world, dispute, -dispute["amount"], balance.DISPUTE_FEE, "dispute", f"Chargeback withdrawal for {charge['id']}"
    )


def _book(world: World, dispute: Object, amount: int, fee: int, category: str, description: str) -> None:
    transaction = balance.book(
        world,
        "adjustment",
        amount,
        dispute["currency"],
        source=dispute["id"],
        fee=fee,
        category=category,
        description=description,
    )
    dispute["balance_transactions"] = [*dispute["balance_transactions"], world.shown(transaction)]


def escalate(world: World, dispute: Object) -> None:
    """The inquiry became a chargeback: now the money goes."""
    charge = _charge(world, dispute)
    _refuse_unless(dispute, "warning_needs_response", "warning_under_review")
    previous = world.change(dispute, status="needs_response", is_charge_refundable=False)
    before = dispute["balance_transactions"]
    _withdraw(world, dispute, charge)
    world.emit("charge.dispute.funds_withdrawn", dispute)
    world.emit("charge.dispute.updated", dispute, {**previous, "balance_transactions": before})


def review(world: World, dispute: Object) -> None:
    """Evidence was sent; the bank decides."""
    _refuse_unless(dispute, *_REVIEWED)
    status = _REVIEWED[dispute["status"]]
    details = {
        **dispute["evidence_details"],
        "has_evidence": True,
        "submission_count": 1,
        "submission_method": "manual",
    }
    world.emit("charge.dispute.updated", dispute, world.change(dispute, status=status, evidence_details=details))


def win(world: World, dispute: Object, amount: int | None = None) -> None:
    """The money comes back, or `amount` of it; the fee does not. An inquiry that is won is closed, and no money moves."""
    if dispute["status"].startswith("warning_"):
        _close(world, dispute, "warning_closed")
        return
    _refuse_unless(dispute, *_OPEN)
    returned = _reinstate(world, dispute, amount)
    _close(world, dispute, "won")
    if returned:
        world.emit("charge.dispute.funds_reinstated", dispute)


def lose(world: World, dispute: Object) -> None:
    _refuse_unless(dispute, *_OPEN)
    _close(world, dispute, "lost")


def prevent(world: World, dispute: Object, *, returned: bool) -> None:
    """It never becomes a chargeback: what was withdrawn is gone all the same, unless it is `returned`."""
    _refuse_unless(dispute, *_OPEN)
    back = returned and _reinstate(world, dispute, None)
    _close(world, dispute, "prevented")
    if back:
        world.emit("charge.dispute.funds_reinstated", dispute)


def appeal(world: World, dispute: Object, *, withdraw: bool) -> None:
    """Somebody is not content with the verdict: another round, in which the money may be withdrawn again."""
    _refuse_unless(dispute, "won", "lost")
    previous = world.change(dispute, status="appeal_needs_response")
    if withdraw:
        _withdraw(world, dispute, _charge(world, dispute))
        world.emit("charge.dispute.funds_withdrawn", dispute)
    world.emit("charge.dispute.updated", dispute, previous)


def _reinstate(world: World, dispute: Object, amount: int | None) -> bool:
    """Returns what was withdrawn, or `amount` of it. Whether there was anything."""
    gone = -sum(transaction["amount"] for transaction in dispute["balance_transactions"])
    if not gone:
        return False
    charge = _charge(world, dispute)
    charge["_withdrawn"] = False
    back = gone if amount is None else amount
    _book(world, dispute, back, 0, "dispute_reversal", f"Chargeback reversal for {charge['id']}")
    return True


def _close(world: World, dispute: Object, status: str) -> None:
    _refuse_unless(dispute, *_OPEN, "warning_needs_response", "warning_under_review")
    previous = world.change(dispute, status=status)
    world.emit("charge.dispute.closed", dispute, previous)


def _charge(world: World, dispute: Object) -> Object:
    return world.named("charge", dispute["charge"], "charge")


def _refuse_unless(dispute: Object, *statuses: str) -> None:
    if dispute["status"] not in statuses:
        raise InvalidRequest(f"{dispute['id']} is {dispute['status']}, not {' or '.join(statuses)}")
