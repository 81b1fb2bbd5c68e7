"""Auto-recharge: one payment in flight for each account, a cool-down after a decline, and then an end to it.

Whether a recharge is due is decided under the account's lock, so a hundred charges that cross the threshold at once
open one top-up. A charge only marks the account (`WalletEffects.recharge_due`): it pays for nothing and waits for nobody.
"""

from datetime import datetime, timedelta
from typing import Final

from billing.core.answers import RechargeAnswer
from billing.core.funding_commands import EndAutoRecharge, Recharge, SetAutoRecharge
from billing.core.payments import AutoRecharge, Topup
from billing.core.refusals import AutoRechargeNotFound, Invalid, PackNotFound
from billing.core.wallet import Wallet

DECLINES_MAX: Final = 3
COOL_DOWN: Final = timedelta(hours=1)  # after the first decline; four times as long after the next
# A payment whose outcome nobody wrote down is asked for again; one that takes days (a bank debit) ever more seldom.
RESUME: Final = timedelta(minutes=1)
LOOK_AGAIN: Final = timedelta(hours=1)
AT_LIMIT: Final = "monthly_limit"
NO_CARD: Final = "no_payment_method"


def set_auto_recharge(wallet: Wallet, command: SetAutoRecharge, now: datetime) -> RechargeAnswer:
    """New terms, active from now on; what this month has bought stays counted. Raises PackNotFound, Invalid."""
    known = wallet.payments.get(AutoRecharge, "")
    asked = (command.threshold, command.pack_id, command.monthly_limit, command.payment_method)
    if known and known.status == "active" and asked == known[2:6]:
        return RechargeAnswer(True, known)
    if command.pack is None:
        raise PackNotFound(command.pack_id)
    if command.pack.credits > command.monthly_limit:
        raise Invalid.of("monthly_limit", f"must be at least the pack's {command.pack.credits} credits")
    # From here on it must succeed.
    if known is None:
        known = AutoRecharge(wallet.account_id, "active", *asked, None, 0, None, 0, _month(now), 0, now, now)
    else:
        known = known._replace(
            status="active",
            threshold=command.threshold,
            pack_id=command.pack_id,
            monthly_limit=command.monthly_limit,
            payment_method=command.payment_method,
            stopped_reason=None,
            declines=0,
            due_at=now,
            changed_at=now,
        )
    _put(wallet, known)
    return RechargeAnswer(False, known)


def end_auto_recharge(wallet: Wallet, command: EndAutoRecharge, now: datetime) -> RechargeAnswer:
    """A payment in flight is not called back. Raises AutoRechargeNotFound."""
    known = wallet.payments.get(AutoRecharge, "")
    if known is None:
        raise AutoRechargeNotFound()
    if known.status != "active":
        return RechargeAnswer(True, known)
    if command.reason is not None:
        known = _stop(wallet, known, command.reason, now)
    else:
        known = known._replace(status="off", changed_at=now)
    known = known._replace(due_at=now if known.topup_id else None)
    _put(wallet, known)
    return RechargeAnswer(False, known)


def recharge(wallet: Wallet, command: Recharge, now: datetime) -> RechargeAnswer:
    """Opens a top-up where one is due; the answer names the one in flight.

    Raises AutoRechargeNotFound; Invalid where its credits would leave 64 bits.
    """
    known = wallet.payments.get(AutoRecharge, "")
    if known is None:
        raise AutoRechargeNotFound()
    if known.topup_id is not None:
        in_flight = wallet.payments.get(Topup, known.topup_id)
        since = now - in_flight.created_at if in_flight else RESUME
        known = known._replace(due_at=now + min(max(since, RESUME), LOOK_AGAIN))
        _put(wallet, known)
        return RechargeAnswer(True, known, in_flight)
    topup = None
    if known.status != "active" or wallet.available >= known.threshold:
        known = known._replace(due_at=None)
    elif command.seen is not None and command.seen.attempts != known.attempts:
        pass  # somebody was quicker, and perhaps declined: it is due again when that says so
    elif command.seen is not None and _sought(command.seen) != _sought(known):
        known = known._replace(due_at=now)  # another pack, or a card that nobody needed then: no reason to stop
    elif wallet.settings is None or wallet.settings.status != "active":
        known = known._replace(due_at=now + LOOK_AGAIN)
    elif command.pack is None or command.pack.pack_id != known.pack_id:
        known = _stop(wallet, known, "pack_withdrawn", now)
    elif (card := known.payment_method or command.saved_method) is None:
        known = _stop(wallet, known, NO_CARD, now)
    else:
        if known.month != _month(now):
            reason = None if known.stopped_reason == AT_LIMIT else known.stopped_reason
            known = known._replace(month=_month(now), month_credits=0, stopped_reason=reason)
        if known.month_credits + command.pack.credits > known.monthly_limit:
            if known.stopped_reason != AT_LIMIT:
                _announce_stop(wallet, AT_LIMIT, now)
            known = known._replace(stopped_reason=AT_LIMIT, due_at=_next_month(now))
        else:
            wallet.check_room(command.pack.credits + command.pack.bonus_credits, "pack_id")
            attempts = known.attempts + 1
            topup = Topup.of(
                wallet.account_id,
                f"recharge:{attempts}",
                "recharge",
                command.pack,
                now,
                payment_method=card,
            )
            wallet.payments.put(topup)
            known = known._replace(
                attempts=attempts,
                topup_id=topup.topup_id,
                month_credits=known.month_credits + topup.credits,
                due_at=now + RESUME,
            )
    _put(wallet, known)
    return RechargeAnswer(False, known, topup)


def recharge_ended(wallet: Wallet, topup: Topup, now: datetime, *, final: bool = False) -> None:
    """The outcome of a recharge's payment: paid, or not, and then whether to try again.

    A checkout that was paid saved a card: where only that was missing, auto-recharge begins anew.
    """
    known = wallet.payments.get(AutoRecharge, "")
    if known is None:
        return
    if topup.via != "recharge":
        if topup.paid and (known.status, known.stopped_reason) == ("stopped", NO_CARD):
            _put(wallet, known._replace(status="active", stopped_reason=None, due_at=now, changed_at=now))
        return
    if topup.paid:
        if known.topup_id == topup.topup_id:
            # Perhaps it was not enough: look again at once.
            known = known._replace(topup_id=None, declines=0, due_at=now if known.status == "active" else None)
        elif _month(topup.created_at) == known.month:  # given up, and paid after all
            known = known._replace(month_credits=known.month_credits + topup.credits)
    elif known.topup_id == topup.topup_id:
        counted = topup.credits if _month(topup.created_at) == known.month else 0
        declines = known.declines + 1
        known = known._replace(
            topup_id=None,
            declines=declines,
            month_credits=max(known.month_credits - counted, 0),
            due_at=now + COOL_DOWN * 4 ** (declines - 1) if known.status == "active" else None,
        )
        if known.status == "active" and (final or declines >= DECLINES_MAX):
            known = _stop(wallet, known, topup.failure or "declined", now)
    _put(wallet, known)


def _stop(wallet: Wallet, known: AutoRecharge, reason: str, now: datetime) -> AutoRecharge:
    _announce_stop(wallet, reason, now)
    return known._replace(status="stopped", stopped_reason=reason, due_at=None, changed_at=now)


def _announce_stop(wallet: Wallet, reason: str, now: datetime) -> None:
    wallet.announce("auto_recharge.stopped", now, reason=reason)


def _put(wallet: Wallet, known: AutoRecharge) -> None:
    wallet.payments.put(known)
    wallet.recharge_below = known.threshold if known.status == "active" else None


def _sought(recharge: AutoRecharge) -> tuple[str, str | None, bool]:
    """What decides which pack and card are looked up."""
    return recharge.pack_id, recharge.payment_method, recharge.topup_id is None


def _month(moment: datetime) -> str:
    return f"{moment:%Y-%m}"


def _next_month(moment: datetime) -> datetime:
    return (moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0) + timedelta(days=32)).replace(day=1)
