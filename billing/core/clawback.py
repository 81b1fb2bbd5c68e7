"""Clawback: credits whose money went back to the card, by a refund or a lost dispute; and given back, where it came back.

Of N credits that were paid for, ⌈N·m/paid⌉ are taken back when m in all has been returned: those still unspent first;
those that expired are gone already; those that were used are owed, and what is owed is drawn from other grants
before it is debt. A bonus stands and falls with what was paid for it. Of a payment that was returned twice, by a
refund and a dispute, or with a loss by exchange, there are no more credits than it brought.
"""

from datetime import datetime

from billing.core.answers import TopupAnswer
from billing.core.funding_commands import ReportCardRefund
from billing.core.grants import DEFAULT_PRIORITY, Grant
from billing.core.issuing import add_grant, owe, pay_debts
from billing.core.payments import CardRefund, Clawed, Dispute, Topup
from billing.core.refusals import TopupNotFound, TopupNotPaid
from billing.core.topups import still_stopped, stop
from billing.core.wallet import Wallet


def report_card_refund(wallet: Wallet, command: ReportCardRefund, now: datetime) -> TopupAnswer:
    """Money back to the card, once; or, after all, not. Raises TopupNotFound, TopupNotPaid."""
    topup = paid_topup(wallet, command.topup_id)
    known = wallet.payments.get(CardRefund, command.card_refund_id)
    if known is not None:
        if command.status == known.status or known.status == "failed":
            return TopupAnswer(True, topup)
        return _undo_card_refund(wallet, topup, known, now)
    amount, back = command.amount_micros, command.status == "failed"
    if problem := _cannot_be(wallet, topup, amount, command.currency, undone=back):
        return stop(wallet, topup, f"refund {command.card_refund_id} {problem}", now)
    # From here on it must succeed.
    deferred = 0
    clawed: Clawed = ()
    if not back:
        topup, deferred, clawed = claw_back(wallet, topup, amount, command.card_refund_id, now)
    rest = amount - deferred
    post_money(wallet, now, topup, command.card_refund_id, card_refund_deferred=deferred, card_refund=rest)
    if back:  # it went and came back before we heard of it: no credit was ever touched
        _post_return(wallet, now, topup, command.card_refund_id, deferred, rest)
    problem = still_stopped(topup, f"refund {command.card_refund_id}")
    topup = topup._replace(status=standing(wallet, topup), problem=problem, changed_at=now)
    wallet.payments.put(topup)
    wallet.payments.put(
        CardRefund(
            wallet.account_id,
            command.card_refund_id,
            topup.topup_id,
            command.status,
            command.amount_micros,
            deferred,
            clawed,
            now,
            now,
        )
    )
    return TopupAnswer(False, topup)


def freeze(wallet: Wallet, topup: Topup, now: datetime) -> None:
    """What is left of the top-up's grants cannot be spent, and does not expire, until `thaw`."""
    for grant in grants_of(wallet, topup):
        if not grant.frozen and not grant.lapsed_at(now):
            _freeze(wallet, grant)


def _freeze(wallet: Wallet, grant: Grant) -> None:
    wallet.grants[grant.grant_id] = grant._replace(frozen=True)
    wallet.frozen += grant.remaining


def thaw(wallet: Wallet, topup: Topup, now: datetime) -> None:
    """What is left is spendable again: debts first. Past its expiry it expires now, but for what open holds draw on."""
    for grant in grants_of(wallet, topup):
        if grant.frozen:
            thawed = wallet.grants[grant.grant_id] = grant._replace(frozen=False)
            wallet.frozen -= grant.remaining
            wallet.fall_due(grant.expires_at)
            if not thawed.lapsed_at(now):
                _pay_from(wallet, thawed, grant.remaining, grant.seq)
    wallet.expire_lapsed(now, now)


def claw_back(
    wallet: Wallet, topup: Topup, amount_micros: int, external_id: str, now: datetime
) -> tuple[Topup, int, Clawed]:
    """Takes the credits back. The second of the three is how much of the money had not been recognised as revenue:
    the cost basis of what is revoked in all, as far as earlier returns have not used it up.

    By what the grant has come to at this instant, not by what a recognition run has posted: so that the answer does
    not depend on when it ran.
    """
    before, topup = topup, topup._replace(returned_micros=topup.returned_micros + amount_micros)
    taken: list[tuple[Grant, int, int]] = []
    for grant in grants_of(wallet, topup)[: topup.bought]:
        lapsed = _lapsed(grant, before)
        wanted = max(_share(grant, topup) - lapsed - grant.clawed, 0)
        unspent = min(wanted, grant.remaining)
        owed = wanted - unspent - min(wanted - unspent, grant.expired - lapsed)
        taken.append((grant, unspent, owed))
    for grant, unspent, _ in taken:
        if unspent:
            wallet.grants[grant.grant_id] = grant.revoke(unspent)
            if grant.frozen:
                wallet.frozen -= unspent
            wallet.post("revoke", unspent, now, grant_id=grant.grant_id, external_id=external_id)
    for grant, _, owed in taken:
        if owed:
            wallet.grants[grant.grant_id] = wallet.grants[grant.grant_id].claw(owed)
            owe(wallet, owed, wallet.post("revoke", owed, now, external_id=external_id), now)
    revoked_micros = wallet.grants[topup.grant_id(1)].revoked_micros
    deferred = min(amount_micros, revoked_micros - topup.returned_deferred_micros)
    topup = topup._replace(returned_deferred_micros=topup.returned_deferred_micros + deferred)
    clawed = tuple((grant.grant_id, unspent, owed) for grant, unspent, owed in taken if unspent or owed)
    return topup, deferred, clawed


def give_back(wallet: Wallet, topup: Topup, micros: int, deferred: int, external_id: str, now: datetime) -> Topup:
    """The inverse: `micros` of what was returned are ours again, `deferred` of them in deferred revenue, and their
    credits the customer's.

    What stays clawed back is what the other returns come to. Those that were owed, which may have been paid for
    meanwhile, come back as a grant of their own that cost nothing; unspent ones go back to their grant.
    """
    before = topup
    topup = topup._replace(
        returned_micros=topup.returned_micros - micros,
        returned_deferred_micros=topup.returned_deferred_micros - deferred,
        changed_at=now,
    )
    given: list[tuple[Grant, int, int]] = []
    for grant in grants_of(wallet, topup)[: topup.bought]:
        stays = max(_share(grant, topup) - _lapsed(grant, before), 0)
        surplus = max(grant.clawed - stays, 0)
        # As many stay revoked as are needed to be worth what other returns took out of deferred revenue.
        unspent = min(surplus, max(grant.revoked - _worth(grant, topup.returned_deferred_micros), 0))
        given.append((grant, unspent, min(surplus - unspent, grant.clawed - grant.revoked)))
    for grant, unspent, owed in given:
        if owed:
            restored = add_grant(
                wallet,
                now,
                transfer="restore",
                grant_id=topup.grant_id(1 + len(grants_of(wallet, topup))),
                kind="adjustment",
                credits=owed,
                expires_at=None,
                priority=DEFAULT_PRIORITY["adjustment"],
                origin_grant_id=grant.grant_id,
                external_id=external_id,
            )
            if disputes_of(wallet, topup, "open"):
                _freeze(wallet, restored)
        if unspent or owed:
            wallet.grants[grant.grant_id] = wallet.grants[grant.grant_id].claw(-unspent - owed)
    for grant, unspent, _ in given:
        if unspent:
            _restore(wallet, wallet.grants[grant.grant_id], unspent, external_id, now)
    wallet.expire_lapsed(now, now)
    return topup


def _undo_card_refund(wallet: Wallet, topup: Topup, known: CardRefund, now: datetime) -> TopupAnswer:
    """The card did not take the money back."""
    deferred = known.deferred_micros
    _post_return(wallet, now, topup, known.card_refund_id, deferred, known.amount_micros - deferred)
    topup = give_back(wallet, topup, known.amount_micros, deferred, known.card_refund_id, now)
    topup = topup._replace(status=standing(wallet, topup))
    wallet.payments.put(topup)
    wallet.payments.put(known._replace(status="failed", changed_at=now))
    return TopupAnswer(False, topup)


def _restore(wallet: Wallet, grant: Grant, credits: int, external_id: str, now: datetime) -> None:
    """Unspent credits back into their grant. What is owed comes first, as with every credit that comes in."""
    seq = wallet.post("restore", credits, now, grant_id=grant.grant_id, external_id=external_id)
    grant = wallet.grants[grant.grant_id] = grant.restore(credits)
    if grant.frozen:
        wallet.frozen += credits - _pay_from(wallet, grant, credits, seq)
        return
    wallet.fall_due(grant.expires_at)
    if not grant.lapsed_at(now):
        _pay_from(wallet, grant, credits, seq)


def _post_return(wallet: Wallet, now: datetime, topup: Topup, external_id: str, deferred: int, rest: int) -> None:
    """The money of a card refund that failed is back."""
    post_money(wallet, now, topup, external_id, card_refund_deferred_failed=deferred, card_refund_failed=rest)


def _pay_from(wallet: Wallet, grant: Grant, credits: int, brought_by: int) -> int:
    """Pays what is owed with up to `credits` of a grant; returns how many that were."""
    if paid := min(credits, wallet.debt):
        pay_debts(wallet, grant.grant_id, paid, brought_by)
        wallet.grants[grant.grant_id] = grant.use(paid)
    return paid


def _share(grant: Grant, topup: Topup) -> int:
    """⌈N·m/paid⌉ of the grant's N credits, for the m that were returned: no more than all."""
    return -(-grant.granted * min(topup.returned_micros, topup.price_micros) // topup.price_micros)


def _lapsed(grant: Grant, topup: Topup) -> int:
    """Of what was returned, how many credits have not been taken because they had expired."""
    return min(max(_share(grant, topup) - grant.clawed, 0), grant.expired)


def _worth(grant: Grant, micros: int) -> int:
    """The fewest credits of the grant whose cost basis, rounded up, comes to `micros`."""
    return grant.granted * (micros - 1) // grant.paid_micros + 1 if grant.paid_micros and micros else 0


def post_money(wallet: Wallet, now: datetime, topup: Topup, external_id: str, **amounts: int) -> None:
    for kind, amount in amounts.items():
        if amount:
            wallet.post(kind, amount, now, asset=topup.currency, grant_id=topup.grant_id(1), external_id=external_id)


def _cannot_be(wallet: Wallet, topup: Topup, amount_micros: int, currency: str, *, undone: bool) -> str | None:
    """Refunds return no more than was paid, whatever was disputed; one `undone` in the same report takes nothing of it."""
    refunded = sum(
        one.amount_micros
        for one in wallet.payments.all(CardRefund).values()
        if one.topup_id == topup.topup_id and one.status == "succeeded"
    )
    left = topup.price_micros - (0 if undone else refunded)
    if currency != topup.currency:
        return f"is in {currency}, the payment was in {topup.currency}"
    if amount_micros > left:
        return f"is of {amount_micros} micros {currency}, but only {left} are left of the payment"
    return None


def standing(wallet: Wallet, topup: Topup) -> str:
    """Disputed as long as a dispute is open or lost, whatever else is reported and in whatever order."""
    if disputes_of(wallet, topup, "open", "lost"):
        return "disputed"
    return "refunded" if topup.returned_micros >= topup.price_micros else "paid"


def disputes_of(wallet: Wallet, topup: Topup, *statuses: str) -> list[Dispute]:
    disputes = wallet.payments.all(Dispute).values()
    return [one for one in disputes if one.topup_id == topup.topup_id and one.status in statuses]


def grants_of(wallet: Wallet, topup: Topup) -> list[Grant]:
    """The top-up's grants, what was paid for first."""
    found: list[Grant] = []
    while grant := wallet.grants.get(topup.grant_id(len(found) + 1)):
        found.append(grant)
    return found


def paid_topup(wallet: Wallet, topup_id: str) -> Topup:
    topup = wallet.payments.get(Topup, topup_id)
    if topup is None:
        raise TopupNotFound(topup_id)
    if not topup.paid:
        raise TopupNotPaid(topup_id)
    return topup
