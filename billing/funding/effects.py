"""Effects: what an event of Stripe's means to the ledger. One function for each kind of object, named by it.

Events come twice, late and in any order. So each is read as a report of how its object stood, and the core brings the
ledger there, once; what is older than what is known has no effect. Disputes go to and fro, so that nobody could say what
is older: there an event says only that something has happened, and Stripe is asked how the dispute stands.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from billing.core.answers import TopupAnswer
from billing.core.clearing import FEE, POSTED
from billing.core.commands import HOUSE, Command
from billing.core.funding_commands import (
    BookTransaction,
    DisputeMovement,
    FailTopup,
    PayTopup,
    ReportCardRefund,
    ReportDispute,
)
from billing.core.money import micros_of_stripe
from billing.core.refusals import AccountNotFound, TopupNotFound
from billing.core.verdicts import STAGES
from billing.funding.balance import TYPES, meaning
from billing.funding.processor import FINAL_DECLINES, MARK, MARK_TOPUP, BalanceTransaction, NoSuchThing, Processor
from billing.posting import Posting
from billing.store.engine import Engine
from billing.store.topups import booked, keep_payout_items, owner_of, topup

Object = Mapping[str, Any]


class NotOurs(Exception):
    """The object was made by something else that uses the same Stripe account."""


class TooEarly(Exception):
    """What the event builds on has not come yet; its message says what."""


class Unexplained(TooEarly):
    """A balance transaction that only a person can say the meaning of: it waits for one."""

    def __init__(self, movement: BalanceTransaction) -> None:
        super().__init__(
            f"{movement.transaction_id} is a {movement.type}: say what it is, by "
            f"`billing stripe book {movement.transaction_id} --to … --reason …`"
        )


class Stopped(Exception):
    """What Stripe reports cannot be: nothing was posted, and somebody has to look."""


@dataclass(frozen=True, slots=True)
class Owner:
    account_id: str
    topup_id: str


class Effects:
    """Acts on events. `work` is a pool for writing beside the ledger."""

    def __init__(self, processor: Processor, posting: Posting, engine: Engine, work: Engine) -> None:
        self._processor = processor
        self._posting = posting
        self._engine = engine
        self._work = work

    async def act(self, kind: str, thing: Object) -> str | None:
        """Brings the ledger to where an event of `kind` says that `thing` stands; returns whose it is.

        Raises NotOurs, TooEarly, Stopped; refusals of the posting path; ProcessorUnavailable.
        """
        return await HANDLERS[kind](self, thing)

    async def checkout(self, session: Object) -> str:
        """A checkout that was completed, has been paid since, or will not be."""
        owner = await self._owner(session, session.get("id"))
        match session.get("payment_status"), session.get("status"):
            case "paid", _:
                await self._report(self._payment(owner, session, "amount_total", _id(session["payment_intent"])))
            case _, "expired":
                await self._report(FailTopup(owner.account_id, owner.topup_id, "expired", "the checkout expired"))
        return owner.account_id  # completed and unpaid: a delayed payment method, of which we shall hear

    async def failed_checkout(self, session: Object) -> str:
        """A delayed payment that failed after its checkout was completed."""
        owner = await self._owner(session, session.get("id"))
        await self._report(FailTopup(owner.account_id, owner.topup_id, "failed", "the payment failed"))
        return owner.account_id

    async def payment(self, intent: Object) -> str:
        """A PaymentIntent: where it is paid the money is there, whichever event says so first."""
        owner = await self._owner(intent, intent.get("id"))
        if intent["status"] == "succeeded":
            await self._report(self._payment(owner, intent, "amount_received", str(intent["id"])))
        elif owner.topup_id.startswith("recharge:") and intent["status"] in ("requires_payment_method", "canceled"):
            # In a checkout the customer may try another card; nobody is there to do so here.
            error = intent.get("last_payment_error") or {}
            reason = str(error.get("decline_code") or error.get("code") or intent["status"])
            # The event may be here before the answer to the payment: whoever reports first decides about the next.
            await self._report(
                FailTopup(owner.account_id, owner.topup_id, "failed", reason[:200], reason in FINAL_DECLINES)
            )
        return owner.account_id

    async def charge(self, charge: Object) -> str:
        """A charge's balance transaction may come with it or later: it says what Stripe keeps of the payment."""
        owner = await self._owner(charge, charge.get("payment_intent"))
        if charge.get("status") == "succeeded" and charge.get("balance_transaction"):
            await self._book(await self._movement(charge["balance_transaction"]))
        return owner.account_id

    async def refund(self, refund: Object) -> str:
        """Money back to the card, in full or in part; or, after all, not."""
        owner = await self._owner(refund, refund.get("payment_intent"))
        status: dict[str, Literal["succeeded", "failed"] | None] = {
            "pending": None,  # another event will say what came of it
            "requires_action": None,
            "succeeded": "succeeded",
            "failed": "failed",
            "canceled": "failed",
        }
        if refund["status"] not in status:
            raise Stopped(f"{refund['id']} is {refund['status']}, which the ledger does not know")
        stands = status[refund["status"]]
        if stands is None:
            return owner.account_id
        amount, currency = _money(refund, "amount")
        await self._report(
            ReportCardRefund(owner.account_id, owner.topup_id, str(refund["id"]), amount, currency, stands)
        )
        for name, event in (("balance_transaction", "refund"), ("failure_balance_transaction", "refund_failed")):
            if refund.get(name) and (event == "refund" or stands == "failed"):
                await self._book(await self._movement(refund[name]))
        return owner.account_id

    async def dispute(self, dispute: Object) -> str:
        """A cardholder complains, or what became of that. How it stands is asked: it goes to and fro."""
        owner = await self._owner(dispute, dispute.get("payment_intent"))
        await self._bring(owner, str(dispute["id"]))
        return owner.account_id

    async def payout(self, payout: Object) -> str:
        """Money to the bank, and every balance transaction that it consists of; a payout that failed comes back."""
        payout_id = str(payout["id"])
        # One that failed may never have been reported as paid: it left before it came back.
        for name in ("balance_transaction", "failure_balance_transaction"):
            if payout.get(name):
                await self._book(await self._movement(payout[name]))
        if not payout.get("automatic"):
            return HOUSE  # nobody says what a payout made by hand consists of
        try:
            items = [movement async for movement in self._processor.movements_of_payout(payout_id)]
        except NoSuchThing as error:
            raise TooEarly(f"Stripe does not know {payout_id} yet") from error
        known = await booked(self._engine, [movement.transaction_id for movement in items])
        missing: list[str] = []
        unexplained: list[Unexplained] = []
        stopped: list[Stopped] = []
        for movement in items:
            if movement.transaction_id not in known:
                try:
                    await self._book(movement)
                except Unexplained as reason:
                    unexplained.append(reason)
                except (NotOurs, TooEarly, AccountNotFound, TopupNotFound):
                    missing.append(movement.transaction_id)
                except Stopped as reason:  # no reason to keep back what else was paid out
                    stopped.append(reason)
        # The payout is one of them, and takes what the others come to.
        off = sum(movement.net_micros for movement in items)
        if off or not any(movement.source_id == payout_id for movement in items):
            raise TooEarly(
                f"the {len(items)} items of {payout_id} are off by {off} micros: not all of them are listed yet"
            )
        # Kept once what can be booked is: from then on `billing verify` holds the ledger against them.
        await keep_payout_items(
            self._work,
            payout_id,
            [(m.transaction_id, m.type, m.amount_micros, m.fee_micros, m.currency) for m in items],
        )
        if stopped:
            raise stopped[0]
        if missing:
            raise TooEarly(f"the payout contains {', '.join(missing[:5])}, of which the ledger knows nothing")
        if unexplained:
            raise unexplained[0]
        return HOUSE

    async def _bring(self, owner: Owner, dispute_id: str) -> None:
        """Brings the ledger to where Stripe says that the dispute stands now. Raises TooEarly, Stopped."""
        story = await topup(self._engine, owner.account_id, owner.topup_id)
        seen = next((one for one in story.disputes if one.dispute_id == dispute_id), None)
        try:
            found = await self._processor.dispute(dispute_id)
        except NoSuchThing as error:
            raise TooEarly(f"Stripe does not know {dispute_id} yet") from error
        if found.status not in STAGES:
            raise Stopped(f"{dispute_id} is {found.status}, which the ledger does not know")
        for movement in found.movements:
            if movement.currency != story.topup.currency:
                raise Stopped(
                    f"{movement.transaction_id} settles in {movement.currency}, the payment was in {story.topup.currency}"
                )
        # A fee is no money in dispute: it is booked as every other, whoever tells of it first.
        fees = [movement for movement in found.movements if TYPES.get(movement.type) == FEE]
        moved = [movement for movement in found.movements if movement not in fees]
        signs = {movement.amount_micros > 0 for movement in moved if movement.amount_micros}
        if found.status == "won" and signs == {False}:
            # The verdict is told before the money: to take the credits until it is there would be to charge for a win.
            raise TooEarly(f"{dispute_id} is won, and of what was withdrawn nothing has come back yet")
        answer = await self._report(
            ReportDispute(
                owner.account_id,
                owner.topup_id,
                dispute_id,
                found.amount_micros,
                found.currency,
                found.status,
                tuple(DisputeMovement(m.transaction_id, m.amount_micros, m.fee_micros) for m in moved),
                found.reason,
                seen,
            )
        )
        if answer.overtaken:
            raise TooEarly(f"{dispute_id} changed while it was looked at")
        for movement in fees:
            await self._book(movement)

    async def _report(self, command: Command[TopupAnswer]) -> TopupAnswer:
        answer = await self._posting.post(command)
        if answer.problem is not None:
            raise Stopped(answer.problem)
        return answer

    def _payment(self, owner: Owner, thing: Object, field: str, payment_id: str | None) -> PayTopup:
        amount, currency = _money(thing, field)
        if payment_id is None or amount <= 0:
            raise Stopped(f"{thing.get('id')} is paid without a payment")
        return PayTopup(owner.account_id, owner.topup_id, payment_id, amount, currency)

    async def _book(self, movement: BalanceTransaction) -> None:
        """Books a balance transaction by what it is. Raises NotOurs, TooEarly, Unexplained, Stopped."""
        event = meaning(movement)
        if event is None:
            raise Unexplained(movement)
        if event == FEE:  # charged to us, not to a payment: all of it is a fee
            await self._enter(
                HOUSE,
                movement.transaction_id,
                FEE,
                movement.transaction_id,
                0,
                movement.fee_micros - movement.amount_micros,
                movement.currency,
            )
            return
        if event in POSTED:
            of_a_payout = event in ("payout", "payout_failed") and movement.source_id
            booked_as = movement.source_id if of_a_payout else None
            await self._enter_movement(HOUSE, movement, event, booked_as or movement.transaction_id)
            return
        found = await owner_of(self._engine, movement.payment_id)
        if found is None:
            raise TooEarly(f"{movement.transaction_id} belongs to {movement.payment_id}, which is not paid yet")
        if event == "dispute":
            await self._bring(Owner(*found), str(movement.source_id))
            if not await booked(self._engine, [movement.transaction_id]):
                raise TooEarly(f"{movement.source_id} does not list {movement.transaction_id} yet")
            return
        carried = movement.payment_id if event == "payment" else movement.source_id
        story = await topup(self._engine, *found)
        effective = {
            "payment": story.topup.payment_id == movement.payment_id,
            "refund": any(one.card_refund_id == carried for one in story.card_refunds),
            "refund_failed": any(
                one.card_refund_id == carried and one.status == "failed" for one in story.card_refunds
            ),
        }
        if not effective[event]:
            raise TooEarly(f"{movement.transaction_id} belongs to {carried}, of which the ledger has not heard")
        if movement.currency != story.topup.currency:
            raise Stopped(
                f"{movement.transaction_id} settles in {movement.currency}, the payment was in {story.topup.currency}"
            )
        await self._enter_movement(found[0], movement, event, str(carried))

    async def _enter_movement(self, account_id: str, movement: BalanceTransaction, event: str, booked_as: str) -> None:
        m = movement
        await self._enter(account_id, m.transaction_id, event, booked_as, m.amount_micros, m.fee_micros, m.currency)

    async def _enter(self, *facts: Any) -> None:
        await self._posting.post(BookTransaction(*facts))

    async def _movement(self, transaction: Any) -> BalanceTransaction:
        try:
            return await self._processor.movement(str(_id(transaction)))
        except NoSuchThing as error:
            raise TooEarly(f"Stripe does not know {_id(transaction)} yet") from error

    async def _owner(self, thing: Object, *object_ids: Any) -> Owner:
        """Whose `thing` is: by an object that we know, or else by the marks that we gave it. Raises NotOurs, TooEarly."""
        known = await owner_of(self._engine, *(_id(object_id) for object_id in object_ids))
        if known is not None:
            return Owner(*known)
        marks = thing.get("metadata") or {}
        if thing.get("object") in ("refund", "dispute"):  # they carry no marks, but their payment does
            marks = await self._marks_of(_id(thing.get("payment_intent")))
        account_id, topup_id = marks.get(MARK), marks.get(MARK_TOPUP)
        if isinstance(account_id, str) and isinstance(topup_id, str):
            return Owner(account_id, topup_id)
        raise NotOurs()

    async def _marks_of(self, payment_id: str | None) -> Object:
        if payment_id is None:
            return {}  # made without a PaymentIntent, and so not by us
        try:
            return await self._processor.marks_of(payment_id)
        except NoSuchThing as error:
            raise TooEarly(f"Stripe does not know {payment_id} yet") from error


Handler = Callable[[Effects, Object], Awaitable[str | None]]
HANDLERS: Final[dict[str, Handler]] = {
    "checkout.session.completed": Effects.checkout,
    "checkout.session.async_payment_succeeded": Effects.checkout,
    "checkout.session.async_payment_failed": Effects.failed_checkout,
    "checkout.session.expired": Effects.checkout,
    "payment_intent.succeeded": Effects.payment,
    "payment_intent.payment_failed": Effects.payment,
    "payment_intent.canceled": Effects.payment,
    "charge.succeeded": Effects.charge,
    "charge.updated": Effects.charge,
    "refund.created": Effects.refund,
    "refund.updated": Effects.refund,
    "refund.failed": Effects.refund,
    "charge.dispute.created": Effects.dispute,
    "charge.dispute.updated": Effects.dispute,
    "charge.dispute.closed": Effects.dispute,
    "charge.dispute.funds_withdrawn": Effects.dispute,
    "charge.dispute.funds_reinstated": Effects.dispute,
    "payout.paid": Effects.payout,
    "payout.failed": Effects.payout,
    "payout.canceled": Effects.payout,
    "payout.reconciliation_completed": Effects.payout,
}
"""What the webhook endpoint at Stripe should be subscribed to."""


def _id(reference: Any) -> str | None:
    """The id of a field that holds one, or the whole object."""
    if isinstance(reference, Mapping):
        reference = reference.get("id")
    return reference if isinstance(reference, str) else None


def _money(thing: Object, field: str) -> tuple[int, str]:
    """(micros, currency). Raises KeyError, TypeError where Stripe's object is none."""
    currency = str(thing["currency"]).upper()
    if type(thing[field]) is not int:
        raise TypeError(f"{field} must be an integer")
    return micros_of_stripe(thing[field], currency), currency
