"""Disputes: a cardholder complains, the processor withdraws money, and may return it, more than once.

What stands follows from two things, whatever a dispute has been through: from the processor's word for it, and from
what it withdrew and has not returned. As long as it is open, what is left of the grants is frozen. Closed, what is
gone is lost: its credits are clawed back and what was not deferred revenue is a loss, more than was paid included.
Closed with nothing gone: as if it had not been. Each step from one to the other is by transfers of its own, so that
what was decided can be decided otherwise.

    dispute_opened, dispute_won    the money of the balance transactions, out and in
    dispute_lost_deferred          of what is lost: basis not yet recognised
    dispute_lost                   the rest; below zero, what came back beyond what was withdrawn
    …_undone                       the other way round
"""

from datetime import datetime

from billing.core.answers import TopupAnswer
from billing.core.clawback import (
    claw_back,
    disputes_of,
    freeze,
    give_back,
    paid_topup,
    post_money,
    standing,
    thaw,
)
from billing.core.clearing import book, booked
from billing.core.funding_commands import DisputeMovement, ReportDispute
from billing.core.payments import BookedTransaction, Clawed, Dispute, Topup
from billing.core.topups import still_stopped, stop
from billing.core.verdicts import stands
from billing.core.wallet import Wallet


def report_dispute(wallet: Wallet, command: ReportDispute, now: datetime) -> TopupAnswer:
    """Brings the ledger to where the dispute stands, and books its balance transactions.

    The processor was asked how it stands after `seen` was read here. If somebody has reported something else since,
    nobody knows which is newer: then nothing is done, and the processor has to be asked again (`overtaken`).
    Raises TopupNotFound, TopupNotPaid, IdReused (Stripe never says two things).
    """
    topup = paid_topup(wallet, command.topup_id)
    if command.currency != topup.currency:
        problem = f"dispute {command.dispute_id} is in {command.currency}, the payment was in {topup.currency}"
        return stop(wallet, topup, problem, now)
    rows = [_row(wallet, command, movement, now) for movement in command.movements]
    new = [row for row in rows if not booked(wallet, row)]
    known = wallet.payments.get(Dispute, command.dispute_id)
    status = stands(command.stripe_status, command.withdrawn_micros - command.reinstated_micros)
    if known is None and status != "open" and not rows:
        return TopupAnswer(True, topup)  # nothing was ever withdrawn: as if it had not been
    before = known or Dispute(
        wallet.account_id, command.dispute_id, topup.topup_id, "", command.reason, 0, 0, (), now, None
    )
    dispute = before._replace(
        status=status,
        amount_micros=command.amount_micros,
        stripe_status=command.stripe_status,
        withdrawn_micros=command.withdrawn_micros,
        reinstated_micros=command.reinstated_micros,
    )
    if dispute == known and not new:
        return TopupAnswer(True, topup)
    if known != command.seen:
        return TopupAnswer(True, topup, overtaken=True)
    # From here on it must succeed.
    if status != before.status:
        dispute = dispute._replace(closed_at=None if status == "open" else now)
    wallet.payments.put(dispute)
    topup = topup._replace(
        disputed_micros=topup.disputed_micros + dispute.disputed_micros - before.disputed_micros,
        problem=still_stopped(topup, f"dispute {command.dispute_id}"),
        changed_at=now,
    )
    if before.status != "open" and (known is None or status == "open"):
        freeze(wallet, topup, now)
        _announce(wallet, "dispute.opened", topup, dispute._replace(status="open"), now)
    topup, dispute = _settle(wallet, topup, before, dispute, now)
    if not disputes_of(wallet, topup, "open"):
        thaw(wallet, topup, now)
    topup = topup._replace(status=standing(wallet, topup))
    wallet.payments.put(topup)
    for row in new:
        book(wallet, row, now)
    if status not in ("open", before.status):
        _announce(wallet, "dispute.closed", topup, dispute, now)
    return TopupAnswer(False, topup)


def _settle(wallet: Wallet, topup: Topup, before: Dispute, dispute: Dispute, now: datetime) -> tuple[Topup, Dispute]:
    """Credits and money, from where the dispute was to where it is."""
    more = dispute.lost_micros - before.lost_micros
    deferred, clawed = before.deferred_micros, before.clawed
    if more > 0:
        topup, taken, credits = claw_back(wallet, topup, more, dispute.dispute_id, now)
        deferred, clawed = deferred + taken, _added(clawed, credits)
    elif more < 0:
        # The loss first: it was what the credits no longer covered.
        deferred_back = max(-more - (before.lost_micros - before.deferred_micros), 0)
        topup = give_back(wallet, topup, -more, deferred_back, dispute.dispute_id, now)
        deferred -= deferred_back
        dispute = dispute._replace(undone=dispute.undone + 1)
    dispute = dispute._replace(deferred_micros=deferred, clawed=clawed)
    wallet.payments.put(dispute)
    was, comes_to = _money(before), _money(dispute)
    for kind in comes_to:
        change = comes_to[kind] - was[kind]
        post_money(wallet, now, topup, dispute.dispute_id, **{kind if change > 0 else f"{kind}_undone": abs(change)})
    return topup, dispute


def _money(dispute: Dispute) -> dict[str, int]:
    """What a dispute's transfers come to, by kind: what was undone taken off."""
    return {
        "dispute_opened": dispute.withdrawn_micros,
        "dispute_won": dispute.reinstated_micros,
        "dispute_lost_deferred": dispute.deferred_micros,
        "dispute_lost": dispute.lost_micros - dispute.deferred_micros - dispute.gained_micros,
    }


def _row(wallet: Wallet, command: ReportDispute, movement: DisputeMovement, now: datetime) -> BookedTransaction:
    return BookedTransaction(
        wallet.account_id,
        movement.transaction_id,
        "dispute_opened" if movement.amount_micros < 0 else "dispute_won",
        command.dispute_id,
        movement.amount_micros,
        movement.fee_micros,
        command.currency,
        now,
    )


def _added(clawed: Clawed, more: Clawed) -> Clawed:
    """All that was ever taken, by grant."""
    sums: dict[str, tuple[int, int]] = {}
    for grant_id, revoked, owed in (*clawed, *more):
        before = sums.get(grant_id, (0, 0))
        sums[grant_id] = (before[0] + revoked, before[1] + owed)
    return tuple((grant_id, *credits) for grant_id, credits in sums.items())


def _announce(wallet: Wallet, kind: str, topup: Topup, dispute: Dispute, now: datetime) -> None:
    wallet.announce(
        kind,
        now,
        topup_id=topup.topup_id,
        dispute_id=dispute.dispute_id,
        status=dispute.status,
        reason=dispute.reason,
        amount={"micros": dispute.amount_micros, "currency": topup.currency},
        frozen_credits=wallet.frozen,
    )
