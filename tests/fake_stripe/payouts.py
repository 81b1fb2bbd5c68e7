"""Payouts: what leaves the balance for the bank.

An automatic one takes along every movement of its currency that none took before, and can be asked what it contains.
One made through the API pays an amount out; its own movement waits for the next automatic one.
"""

from typing import Any

from . import balance
from .refusals import InvalidRequest
from .world import Object, World

_BANK = "ba_1FakeStripeBankAccount"


def create(world: World, values: dict[str, Any]) -> Object:
    """Raises InvalidRequest (balance_insufficient) if the balance has not that much."""
    currency = values["currency"]
    if values["amount"] > sum(one["net"] for one in balance.unpaid(world, currency)):
        raise InvalidRequest(
            "You have insufficient funds in your Stripe account for this payout.", code="balance_insufficient"
        )
    payout = _make(world, values, automatic=False)
    _leave(world, payout)
    world.emit("payout.created", payout)
    return payout


def take_all(world: World, currency: str) -> Object:
    """An automatic payout of everything. Raises InvalidRequest if that is not more than nothing."""
    contents = balance.unpaid(world, currency)
    amount = sum(one["net"] for one in contents)
    if amount <= 0:
        raise InvalidRequest(f"The balance holds {amount} {currency}: nothing to pay out")
    payout = _make(world, {"amount": amount, "currency": currency}, automatic=True)
    for one in contents:
        one.update(_payout=payout["id"], status="available")
    _leave(world, payout)
    world.emit("payout.created", payout)
    return payout


def _make(world: World, values: dict[str, Any], *, automatic: bool) -> Object:
    return world.new(
        "payout",
        {
            "amount": values["amount"],
            "application_fee": None,
            "application_fee_amount": None,
            "arrival_date": world.clock.now() // 86_400 * 86_400 + 2 * 86_400,
            "automatic": automatic,
            "balance_transaction": None,
            "currency": values["currency"],
            "description": values.get("description", "STRIPE PAYOUT" if automatic else None),
            "destination": _BANK,
            "failure_balance_transaction": None,
            "failure_code": None,
            "failure_message": None,
            "metadata": values.get("metadata", {}),
            "method": "standard",
            "original_payout": None,
            "payout_method": None,
            "reconciliation_status": "in_progress" if automatic else "not_applicable",
            "reversed_by": None,
            "source_type": "card",
            "statement_descriptor": values.get("statement_descriptor"),
            "status": "in_transit",
            "trace_id": {"status": "pending", "value": None},
            "type": "bank_account",
        },
    )


def _leave(world: World, payout: Object) -> None:
    movement = balance.book(
        world,
        "payout",
        -payout["amount"],
        payout["currency"],
        source=payout["id"],
        description=payout["description"],
        payout=payout["id"] if payout["automatic"] else None,
    )
    payout["balance_transaction"] = movement["id"]


def arrive(world: World, payout: Object, *, listed: bool = True) -> None:
    """The bank has it; what it contains can be listed from now on, if it is an automatic one, or is not `listed` yet:
    then only some of it, until `reconcile`."""
    _refuse_unless(payout, "in_transit", "pending")
    trace = {"status": "supported", "value": f"FAKE{payout['id'][-12:].upper()}"}
    previous = world.change(payout, status="paid", trace_id=trace)
    world.emit("payout.updated", payout, previous)
    payout["_unlisted"] = not listed
    world.emit("payout.paid", payout)
    if payout["automatic"] and listed:
        reconcile(world, payout)


def reconcile(world: World, payout: Object) -> None:
    world.change(payout, reconciliation_status="completed")
    world.emit("payout.reconciliation_completed", payout)


def fail(world: World, payout: Object, code: str) -> None:
    """The bank sends it back, even after it had arrived: the money waits for the next payout."""
    _refuse_unless(payout, "in_transit", "pending", "paid")
    returned = balance.book(
        world,
        "payout_failure",
        payout["amount"],
        payout["currency"],
        source=payout["id"],
        category="payout_reversal",
        description="PAYOUT FAILURE",
    )
    previous = world.change(
        payout,
        status="failed",
        failure_code=code,
        failure_message="The bank account could not be located." if code == "no_account" else f"The bank said: {code}",
        failure_balance_transaction=returned["id"],
    )
    world.emit("payout.failed", payout, previous)
    world.emit("payout.updated", payout, previous)


def contents(world: World, payout: Object) -> list[Object]:
    """Newest first, its own movement included. Raises InvalidRequest for one made by hand."""
    if not payout["automatic"]:
        raise InvalidRequest(
            "Balance transaction history can only be filtered on automatic transfers, not manual.", param="payout"
        )
    found = [one for one in world.every("balance_transaction") if one["_payout"] == payout["id"]]
    return found[:2] if payout.get("_unlisted") and payout["reconciliation_status"] != "completed" else found


def _refuse_unless(payout: Object, *statuses: str) -> None:
    if payout["status"] not in statuses:
        raise InvalidRequest(f"{payout['id']} is {payout['status']}, not {' or '.join(statuses)}")
