"""Top-ups: from the order of a pack to its credits. Credits come with the money, once, or not at all."""

from datetime import datetime, timedelta

from billing.core.answers import TopupAnswer
from billing.core.content import must_agree
from billing.core.funding_commands import FailTopup, OpenTopup, PayTopup, RecordCheckout
from billing.core.grants import DEFAULT_PRIORITY
from billing.core.issuing import add_grant
from billing.core.payments import StripeObject, Topup
from billing.core.recharging import recharge_ended
from billing.core.refusals import PackNotFound, TopupNotFound
from billing.core.wallet import Wallet


def open_topup(wallet: Wallet, command: OpenTopup, now: datetime) -> TopupAnswer:
    """Commits the intent; the processor is asked afterwards. Raises IdReused, PackNotFound, Invalid."""
    known = wallet.payments.get(Topup, command.topup_id)
    if known is not None:
        said = {
            name: (getattr(known, name), getattr(command, name)) for name in ("pack_id", "success_url", "cancel_url")
        }
        must_agree(command.topup_id, said)
        return TopupAnswer(True, known)
    if command.pack is None:
        raise PackNotFound(command.pack_id)
    wallet.check_room(command.pack.credits + command.pack.bonus_credits, "pack_id")
    # From here on it must succeed.
    topup = Topup.of(
        wallet.account_id,
        command.topup_id,
        "checkout",
        command.pack,
        now,
        success_url=command.success_url,
        cancel_url=command.cancel_url,
    )
    wallet.payments.put(topup)
    return TopupAnswer(False, topup)


def record_checkout(wallet: Wallet, command: RecordCheckout, now: datetime) -> TopupAnswer:
    """Where the customer pays. The first checkout stays: a customer is shown one only. Raises TopupNotFound."""
    topup = _topup(wallet, command.topup_id)
    if topup.checkout_id is not None:
        return TopupAnswer(True, topup)
    topup = topup._replace(checkout_id=command.checkout_id, checkout_url=command.checkout_url, changed_at=now)
    wallet.payments.put(topup)
    wallet.payments.put(StripeObject(command.checkout_id, wallet.account_id, topup.topup_id))
    return TopupAnswer(False, topup)


def pay_topup(wallet: Wallet, command: PayTopup, now: datetime) -> TopupAnswer:
    """Money in, credits in: the grant, its bonus and the books, together.

    What was paid must be what was asked, and once: anything else stops the top-up, with a `problem` to be looked at.
    Money that comes after the top-up was given up is money all the same. Raises TopupNotFound, Invalid.
    """
    topup = _topup(wallet, command.topup_id)
    if topup.paid and topup.payment_id == command.payment_id:
        return TopupAnswer(True, topup)
    if topup.paid:
        return stop(wallet, topup, f"paid again, by {command.payment_id}: return that payment", now)
    if (command.amount_micros, command.currency) != (topup.price_micros, topup.currency):
        paid, asked = _amount(command.amount_micros, command.currency), _amount(topup.price_micros, topup.currency)
        return stop(wallet, topup, f"payment {command.payment_id} is of {paid}, not of {asked}", now)
    wallet.check_room(topup.credits + topup.bonus_credits, "credits")
    # From here on it must succeed.
    diluted = topup.bonus == "dilutes"
    expires_at = None if topup.expires_in_days is None else now + timedelta(days=topup.expires_in_days)
    topup = topup._replace(
        status="paid", payment_id=command.payment_id, paid_at=now, changed_at=now, failure=None, problem=None
    )
    add_grant(
        wallet,
        now,
        grant_id=topup.grant_id(1),
        kind="purchase",
        credits=topup.credits + (topup.bonus_credits if diluted else 0),
        expires_at=expires_at,
        priority=DEFAULT_PRIORITY["purchase"],
        paid_micros=topup.price_micros,
        currency=topup.currency,
        funding="stripe_clearing",
        reference=command.payment_id,
    )
    if topup.bonus_credits and not diluted:
        add_grant(
            wallet,
            now,
            grant_id=topup.grant_id(2),
            kind="promotion",
            credits=topup.bonus_credits,
            expires_at=expires_at,
            priority=DEFAULT_PRIORITY["promotion"],
            paid_micros=0,
            currency=topup.currency,
            reference=command.payment_id,
        )
    wallet.payments.put(topup)
    wallet.payments.put(StripeObject(command.payment_id, wallet.account_id, topup.topup_id))
    recharge_ended(wallet, topup, now)
    wallet.announce(
        "topup.paid",
        now,
        topup_id=topup.topup_id,
        via=topup.via,
        pack_id=topup.pack_id,
        credits=topup.credits,
        bonus_credits=topup.bonus_credits,
        price={"micros": topup.price_micros, "currency": topup.currency},
        balance={"posted": wallet.posted, "available": wallet.available},
    )
    return TopupAnswer(False, topup)


def fail_topup(wallet: Wallet, command: FailTopup, now: datetime) -> TopupAnswer:
    """No money came. A top-up that is paid stays so. Raises TopupNotFound."""
    topup = _topup(wallet, command.topup_id)
    if topup.status != "pending":
        return TopupAnswer(True, topup)
    topup = topup._replace(status=command.status, failure=command.reason, changed_at=now)
    wallet.payments.put(topup)
    recharge_ended(wallet, topup, now, final=command.final)
    wallet.announce(
        "topup.failed",
        now,
        topup_id=topup.topup_id,
        via=topup.via,
        pack_id=topup.pack_id,
        status=topup.status,
        reason=topup.failure,
    )
    return TopupAnswer(False, topup)


def stop(wallet: Wallet, topup: Topup, problem: str, now: datetime) -> TopupAnswer:
    """What the processor reports cannot be: nothing is posted, and the top-up says so until somebody has looked."""
    if topup.problem != problem:
        topup = topup._replace(problem=problem, changed_at=now)
        wallet.payments.put(topup)
    return TopupAnswer(True, topup, problem)


def still_stopped(topup: Topup, what: str) -> str | None:
    """The top-up's problem once `what` could be booked after all: it stopped for nothing else than its last one."""
    return None if topup.problem is not None and topup.problem.startswith(f"{what} ") else topup.problem


def _topup(wallet: Wallet, topup_id: str) -> Topup:
    topup = wallet.payments.get(Topup, topup_id)
    if topup is None:
        raise TopupNotFound(topup_id)
    return topup


def _amount(micros: int, currency: str) -> str:
    return f"{micros // 1_000_000}.{micros % 1_000_000:06d} {currency}"
