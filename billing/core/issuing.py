"""Issuing: credits coming in. A new grant pays what is owed first, oldest debt first."""

from datetime import datetime

from billing.core.answers import GrantAnswer, LapseAnswer
from billing.core.commands import IssueGrant
from billing.core.content import must_agree
from billing.core.funding_commands import AnnounceExpiry
from billing.core.grants import Debt, Fill, Grant, take
from billing.core.instants import instant_text
from billing.core.payments import ExpiryNotice
from billing.core.refusals import Invalid
from billing.core.wallet import Wallet


def issue_grant(wallet: Wallet, command: IssueGrant, now: datetime) -> GrantAnswer:
    """Credits into the wallet and, where they were paid for, money into the books, together.

    Raises IdReused, Invalid (an expiry that has passed, a balance past 64 bits).
    """
    known = wallet.grants.get(command.grant_id)
    if known is not None:
        _must_be_the_same(known, command)
        return GrantAnswer(True, known, wallet.balance)
    if command.expires_at is not None and command.expires_at <= now:
        raise Invalid.of("expires_at", "has passed")
    wallet.check_room(command.credits, "credits")
    # From here on it must succeed.
    grant = add_grant(
        wallet,
        now,
        grant_id=command.grant_id,
        kind=command.kind,
        credits=command.credits,
        expires_at=command.expires_at,
        priority=command.priority or 0,
        paid_micros=command.paid_micros,
        currency=command.currency,
        funding=command.funding,
        reference=command.reference,
    )
    return GrantAnswer(False, grant, wallet.balance)


def add_grant(
    wallet: Wallet,
    now: datetime,
    *,
    grant_id: str,
    kind: str,
    credits: int,
    expires_at: datetime | None,
    priority: int,
    paid_micros: int | None = None,
    currency: str | None = None,
    funding: str | None = None,
    reference: str | None = None,
    origin_grant_id: str | None = None,
    external_id: str | None = None,
    transfer: str = "grant",
) -> Grant:
    """Brings a grant in by a transfer of kind `transfer`, its money with it, and pays what is owed. Cannot fail."""
    seq = wallet.post(transfer, credits, now, grant_id=grant_id, external_id=external_id)
    grant = Grant.issued(
        wallet.account_id,
        grant_id,
        kind,
        credits,
        priority=priority,
        expires_at=expires_at,
        seq=seq,
        now=now,
        paid_micros=paid_micros,
        currency=currency,
        funding=funding,
        reference=reference,
        origin_grant_id=origin_grant_id,
    )
    wallet.add_grant(grant)
    if paid_micros:
        wallet.post(f"purchase_{funding}", paid_micros, now, asset=currency, grant_id=grant_id, external_id=reference)
    if owed := min(credits, wallet.debt):
        pay_debts(wallet, grant_id, owed, seq)
        wallet.grants[grant_id] = grant.use(owed)
    if wallet.early_holds is not None:  # open holds draw on it before they draw on what was kept for them
        wallet.expire_lapsed(now, now)
    return wallet.grants[grant_id]


def owe(wallet: Wallet, credits: int, seq: int, now: datetime) -> None:
    """The transfer `seq` took `credits` that no grant of its own had: other grants make them good, the rest is debt."""
    wallet.debts[seq] = Debt(wallet.account_id, seq, None, credits, credits)
    wallet.debt += credits
    for grant, part in take(wallet.burn_order, credits, now, None):
        pay_debts(wallet, grant.grant_id, part, grant.seq)
        wallet.grants[grant.grant_id] = grant.use(part)


def announce_expiry(wallet: Wallet, command: AnnounceExpiry, now: datetime) -> LapseAnswer:
    """Tells, once, that what is left of a grant will expire. Nothing left, or told before: nothing to tell."""
    grant = wallet.grants.get(command.grant_id)
    told = wallet.payments.get(ExpiryNotice, command.grant_id)
    if grant is not None and grant.expires_at is not None and grant.open and not grant.lapsed_at(now) and not told:
        wallet.payments.put(ExpiryNotice(wallet.account_id, grant.grant_id, now))
        wallet.announce(
            "grant.expiring",
            now,
            grant_id=grant.grant_id,
            remaining=grant.remaining,
            expires_at=instant_text(grant.expires_at),
        )
    return LapseAnswer(wallet.balance)


def pay_debts(wallet: Wallet, grant_id: str, credits: int, paid_by_seq: int) -> None:
    """Pays debts, oldest first, with `credits` of a grant, which are no more than is owed.

    `paid_by_seq` is the transfer that brought them. Each payment leaves a fill, so that refunds and recognition know
    whose credits paid for what was delivered.
    """
    for debt in wallet.debts.values():
        if not credits:
            break
        if part := min(credits, debt.outstanding):
            credits -= part
            wallet.debts[debt.seq] = debt._replace(outstanding=debt.outstanding - part)
            wallet.debt -= part
            wallet.paid.setdefault(debt.seq, []).append((grant_id, part))
            wallet.effects.fills.append(Fill(wallet.account_id, debt.seq, paid_by_seq, grant_id, part))


def _must_be_the_same(known: Grant, command: IssueGrant) -> None:
    """Raises IdReused."""
    said = {
        "kind": (known.kind, command.kind),
        "credits": (known.granted, command.credits),
        "expires_at": (known.expires_at, command.expires_at),
        "priority": (known.priority, command.priority),
        "amount_paid.micros": (known.paid_micros, command.paid_micros),
        "amount_paid.currency": (known.currency, command.currency),
        "funding": (known.funding, command.funding),
        "reference": (known.reference, command.reference),
    }
    must_agree(command.grant_id, said)
