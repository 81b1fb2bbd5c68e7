"""What customers, banks, and Stripe itself do, on order: each public method is a route `POST /_fake/<name>` as well.

A "payment" is named by the id of its session, PaymentIntent or charge. Amounts are in minor units. What cannot be is
refused with InvalidRequest (over HTTP: 400), a wrong argument with TypeError, ValueError or LookupError (400, too).
"""

from collections.abc import Sequence
from typing import Any

from . import balance, cards, charges, disputes, intents, payment_methods, payouts, refunds, sessions
from .deliveries import MODES, Deliveries, Policy, signed
from .endpoints import matches
from .gate import Gate
from .refusals import InvalidRequest
from .world import Object, World


class Control:
    def __init__(self, world: World, gate: Gate, deliveries: Deliveries) -> None:
        self._world = world
        self._gate = gate
        self._deliveries = deliveries

    # the customer

    def pay(
        self,
        session: str,
        card: str = "pm_card_visa",
        save: bool | None = None,
        amount: int | None = None,
        currency: str | None = None,
    ) -> Object:
        """Pays an open session on its page. A card that is declined leaves it open; one that must be authenticated
        waits for `authenticate`; a bank debit completes it unpaid, until `settle` or `bounce`.

        `save` attaches the card or does not, against what the session asked for. `amount` and `currency` are charged
        instead of what the session asked for, and the session tells them.
        """
        found = self._session(session)
        sessions.pay(self._world, found, card, save=save, amount=amount, currency=currency)
        return self._world.shown(found)

    def authenticate(self, payment: str, succeed: bool = True) -> Object:
        """3-D Secure, passed or failed."""
        found, intent = self._payment(payment)
        if found:
            sessions.authenticate(self._world, found, succeed=succeed)
        else:
            intents.authenticate(self._world, intent, succeed=succeed)
        return self._world.shown(found or intent)

    def expire(self, session: str) -> Object:
        """An open session, before its time."""
        return self._world.shown(sessions.expire(self._world, self._session(session)))

    def save_card(self, customer: str, card: str = "pm_card_visa") -> Object:
        """A payment method of the customer's, as if saved in a session."""
        method = payment_methods.make(self._world, card)
        payment_methods.attach(self._world, method, customer)
        return self._world.shown(method)

    def default_method(self, customer: str, payment_method: str) -> Object:
        """What the customer's invoices are paid by."""
        found = self._world.named("customer", customer, "customer")
        settings = {**found["invoice_settings"], "default_payment_method": payment_method}
        self._world.change(found, invoice_settings=settings)
        return self._world.shown(found)

    def change_card(self, payment_method: str, card: str) -> Object:
        """From now on the saved card behaves as `card` does: it ran out of money, say."""
        cards.card_named(card)
        method = self._world.named("payment_method", payment_method, "payment_method")
        method["_name"] = card
        return self._world.shown(method)

    def remove_card(self, payment_method: str) -> Object:
        method = self._world.named("payment_method", payment_method, "payment_method")
        payment_methods.detach(self._world, method)
        return self._world.shown(method)

    # the bank

    def settle(self, payment: str) -> Object:
        """A delayed payment is paid."""
        found, intent = self._payment(payment)
        if found:
            sessions.settle(self._world, found)
        else:
            intents.settle(self._world, intent)
        return self._world.shown(found or intent)

    def bounce(self, payment: str) -> Object:
        """A delayed payment is not paid."""
        found, intent = self._payment(payment)
        if found:
            sessions.bounce(self._world, found, cards.BANK_INSUFFICIENT)
        else:
            intents.bounce(self._world, intent, cards.BANK_INSUFFICIENT)
        return self._world.shown(found or intent)

    def refund(self, payment: str, amount: int | None = None, reason: str | None = None) -> Object:
        """Somebody refunds it in Stripe's dashboard: in full, or `amount` of it."""
        return self._world.shown(
            refunds.make(self._world, charges.of(self._world, payment), amount=amount, reason=reason)
        )

    def settle_refund(self, refund: str) -> Object:
        return self._done(refunds.settle, "refund", refund)

    def fail_refund(self, refund: str, reason: str = "lost_or_stolen_card") -> Object:
        """A pending or succeeded refund comes back."""
        return self._done(refunds.fail, "refund", refund, reason)

    def dispute(
        self,
        payment: str,
        amount: int | None = None,
        reason: str = "fraudulent",
        inquiry: bool = False,
        withdraw: bool = True,
        again: bool = False,
    ) -> Object:
        """All of it or `amount`. An inquiry moves no money, nor does one without `withdraw`. `again`: beside another."""
        charge = charges.of(self._world, payment)
        made = disputes.open_(
            self._world, charge, amount=amount, reason=reason, inquiry=inquiry, withdraw=withdraw, again=again
        )
        return self._world.shown(made)

    def review_dispute(self, dispute: str) -> Object:
        """Evidence was sent."""
        return self._done(disputes.review, "dispute", dispute)

    def escalate_dispute(self, dispute: str) -> Object:
        """The inquiry becomes a chargeback."""
        return self._done(disputes.escalate, "dispute", dispute)

    def win_dispute(self, dispute: str, amount: int | None = None) -> Object:
        """The money comes back, or `amount` of it, the fee does not; an inquiry is closed."""
        return self._done(disputes.win, "dispute", dispute, amount)

    def lose_dispute(self, dispute: str) -> Object:
        return self._done(disputes.lose, "dispute", dispute)

    def prevent_dispute(self, dispute: str, returned: bool = False) -> Object:
        """It never becomes a chargeback; what was withdrawn stays so unless it is `returned`."""
        found = self._world.named("dispute", dispute, "dispute")
        disputes.prevent(self._world, found, returned=returned)
        return self._world.shown(found)

    def appeal_dispute(self, dispute: str, withdraw: bool = False) -> Object:
        """Another round after a verdict; `withdraw`: the money goes again."""
        found = self._world.named("dispute", dispute, "dispute")
        disputes.appeal(self._world, found, withdraw=withdraw)
        return self._world.shown(found)

    # Stripe

    def pay_out(self, currency: str = "usd", arrive: bool = True, listed: bool = True) -> Object:
        """An automatic payout of everything not paid out yet; with `arrive` it is paid at once. Unless it is `listed`,
        the list of what it contains is not whole before `reconcile`."""
        payout = payouts.take_all(self._world, currency)
        if arrive:
            payouts.arrive(self._world, payout, listed=listed)
        return self._world.shown(payout)

    def reconcile(self, payout: str) -> Object:
        """What a payout contains can be listed whole."""
        return self._done(payouts.reconcile, "payout", payout)

    def move(self, type: str, amount: int, currency: str = "usd", fee: int = 0) -> Object:
        """A movement of Stripe's own, signed as it signs them. Returns the balance transaction."""
        return self._world.shown(balance.move(self._world, type, amount, currency, fee))

    def arrive(self, payout: str) -> Object:
        return self._done(payouts.arrive, "payout", payout)

    def fail_payout(self, payout: str, code: str = "account_closed") -> Object:
        """In transit or paid; the money waits for the next payout."""
        return self._done(payouts.fail, "payout", payout, code)

    def stripe_fee(self, amount: int, currency: str = "usd", description: str | None = None) -> Object:
        """Stripe takes `amount` (positive) for itself. Returns the balance transaction."""
        return self._world.shown(balance.stripe_fee(self._world, amount, currency, description))

    def late_balance_transactions(self, late: bool = True) -> None:
        """From now on charges succeed without a balance transaction, until `book`; not those of capture_method
        `automatic`."""
        self._world.late_balance_transactions = late

    def book(self, payment: str | None = None) -> list[Object]:
        """The late balance transactions come, of one payment or of all: `charge.updated`. Returns the charges."""
        if payment:
            late = [charges.of(self._world, payment)]
        else:
            late = [one for one in reversed(self._world.every("charge")) if charges.awaits_booking(one)]
        for charge in late:
            charges.book(self._world, charge)
        return [self._world.shown(charge) for charge in late]

    def advance(self, seconds: int) -> int:
        """Moves the clock; open sessions expire when their time has come. Returns the time."""
        self._world.clock.advance(seconds)
        sessions.expire_overdue(self._world)
        return self._world.clock.now()

    # webhooks

    def add_endpoint(self, url: str, secret: str | None = None, types: Sequence[str] = ("*",)) -> Object:
        """A webhook endpoint. Returns id, url, secret (made up if not given) and types (`charge.*` matches many)."""
        endpoint = self._deliveries.add(url, secret, types)
        return {"id": endpoint.id, "url": endpoint.url, "secret": endpoint.secret, "types": list(endpoint.types)}

    def remove_endpoint(self, endpoint: str) -> None:
        self._deliveries.remove(endpoint)

    def deliver(
        self, mode: str = "immediately", times: int = 1, types: Sequence[str] = ("*",), together: bool = False
    ) -> None:
        """What becomes of new events of these types: sent `immediately`, on `hold` until `release`, or `drop`ped; each
        `times` times, one after the other or `together`. The latest order that matches counts."""
        if mode not in MODES:
            raise ValueError(f"{mode}: not one of {', '.join(MODES)}")
        policy = Policy(mode, times, tuple(types), together)
        if "*" in types:
            self._deliveries.policies.clear()
        self._deliveries.policies.append(policy)

    def release(self, order: str | Sequence[str] = "in order") -> list[Object]:
        """Sends what is on hold: `in order`, `reversed`, or the events (ids or types) that a list names, in its
        order; the others stay. Returns them."""
        return self._deliveries.release(order)

    def resend(self, event: str, endpoint: str | None = None) -> Object:
        """Once more, as somebody does in the dashboard; whatever the policy."""
        found = self._world.shown(self._world.named("event", event, "event"))
        self._deliveries.send(found, endpoint_id=endpoint)
        return found

    def emit(self, type: str, object: str, **instead: Any) -> Object:
        """An event of any type about an object, with some fields replaced in its snapshot only."""
        about = self._world.objects[object]
        kept = dict(self._world.tampered)
        try:
            self._world.tampered[object] = {**kept.get(object, {}), **instead}
            return self._world.shown(self._world.emit(type, about))
        finally:
            self._world.tampered = kept

    def signed(self, event: str, secret: str) -> dict[str, Any]:
        """Body (text) and headers of a delivery, for who delivers by hand."""
        body, headers = signed(self._world.shown(self._world.named("event", event, "event")), secret)
        return {"body": body.decode(), "headers": headers}

    def deliveries(self) -> list[Object]:
        """Every try so far: event, type, endpoint, number, status, error."""
        return self._deliveries.shown()

    def held(self) -> list[Object]:
        """Events on hold."""
        return list(self._deliveries.held)

    def under_way(self) -> int:
        """Deliveries that are neither taken nor given up; what is on hold does not count."""
        return self._deliveries.under_way

    # trouble

    def fault(self, kind: str, times: int = 1, method: str | None = None, path: str = "/v1") -> None:
        """The next `times` requests of `method` whose path begins with `path` meet with `kind`: 429, 500, 500_after,
        500_kept, timeout, timeout_after, reset, reset_after, hold (see `faults.py`). Ordered ones apply one after the
        other."""
        self._gate.faults.add(str(kind), times, method, path)

    def clear_faults(self) -> None:
        self._gate.faults.clear()
        self._gate.release()

    def release_requests(self) -> int:
        """Lets go on what the fault `hold` stopped. Returns how many they were."""
        count = len(self._gate.held)
        self._gate.release()
        return count

    def tamper(self, object: str, **fields: Any) -> Object:
        """From now on the object is told with these fields instead: in answers, lists and new events' snapshots."""
        if object not in self._world.objects:
            raise LookupError(object)
        self._world.tampered.setdefault(object, {}).update(fields)
        return self._world.shown(self._world.objects[object])

    def restore(self, object: str) -> Object:
        """Undoes `tamper`."""
        self._world.tampered.pop(object, None)
        return self._world.shown(self._world.objects[object])

    # looking

    def requests(self, method: str | None = None, path: str = "/v1") -> list[Object]:
        """Requests to the API, oldest first: id, method, path, params (nested, values as text), idempotency_key,
        version, status, replayed, fault."""
        return self._gate.log.shown(method, path)

    def clear_requests(self) -> None:
        self._gate.log.requests.clear()

    def events(self, type: str = "*") -> list[Object]:
        """Oldest first."""
        found = reversed(self._world.every("event"))
        return [self._world.shown(one) for one in found if matches(one["type"], (type,))]

    def object(self, id: str) -> Object:
        """Any object, as the API would show it."""
        return self._world.shown(self._world.objects[id])

    def objects(self, kind: str) -> list[Object]:
        """All of a kind (`charge`, `checkout.session`, …), oldest first."""
        return [self._world.shown(one) for one in reversed(self._world.every(kind))]

    def now(self) -> int:
        return self._world.clock.now()

    def clear(self) -> None:
        """Forgets everything: objects, endpoints, policies, faults, idempotency keys, requests. Not the clock."""
        self._world.clear()
        self._gate.clear()
        self._deliveries.clear()

    def _session(self, session: str) -> Object:
        return self._world.named("checkout.session", session, "session")

    def _payment(self, payment: str) -> tuple[Object | None, Object]:
        """The session, if one is behind it, and the PaymentIntent."""
        found = self._world.find("checkout.session", payment)
        intent = self._world.find("payment_intent", found["payment_intent"] if found else payment)
        if not intent:
            raise InvalidRequest(f"{payment} has no PaymentIntent")
        return found or self._world.find("checkout.session", intent.get("_session")), intent

    def _done(self, act: Any, kind: str, object_id: str, *more: Any) -> Object:
        found = self._world.named(kind, object_id, kind)
        act(self._world, found, *more)
        return self._world.shown(found)


ORDERS = [name for name in vars(Control) if not name.startswith("_")]
