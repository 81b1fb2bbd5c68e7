"""Funds: credits coming in. A new grant pays what is owed first, oldest debt first."""

from dataclasses import replace
from datetime import datetime

from billing.core.answers import GrantAnswer
from billing.core.commands import IssueGrant
from billing.core.grants import Fill, Grant
from billing.core.refusals import IdReused, Invalid
from billing.core.wallet import Wallet


def issue_grant(wallet: Wallet, command: IssueGrant, now: datetime) -> GrantAnswer:
    """Credits into the wallet and, where they were paid for, money into the books, together.

    Raises IdReused, Invalid (an expiry that has passed, a balance past 64 bits).
    """
    known = wallet.grants.get(command.grant_id)
    if known is not None:
        if not _same(known, command):
            raise IdReused(command.grant_id)
        return GrantAnswer(True, replace(known), wallet.balance)
    if command.expires_at is not None and command.expires_at <= now:
        raise Invalid.of("expires_at", "has passed")
    wallet.check_room(command.credits, "credits")
    # From here on it must succeed.
    seq = wallet.post("grant", command.credits, now, grant_id=command.grant_id)
    grant = Grant(
        account_id=wallet.account_id,
        grant_id=command.grant_id,
        kind=command.kind,
        granted=command.credits,
        remaining=command.credits,
        used=0,
        expired=0,
        revoked=0,
        moved=0,
        priority=command.priority or 0,
        expires_at=command.expires_at,
        frozen=False,
        open=True,
        paid_micros=command.paid_micros,
        currency=command.currency,
        funding=command.funding,
        reference=command.reference,
        origin_grant_id=None,
        seq=seq,
        created_at=now,
    )
    wallet.add_grant(grant)
    if command.paid_micros:
        wallet.post(
            f"purchase_{command.funding}",
            command.paid_micros,
            now,
            asset=command.currency,
            grant_id=command.grant_id,
            external_id=command.reference,
        )
    owed = min(grant.remaining, wallet.debt)
    if owed:
        pay_debts(wallet, grant.grant_id, owed, seq)
        grant.use(owed)
    if wallet.early_holds is not None:  # open holds draw on it before they draw on what was kept for them
        wallet.expire_lapsed(now, now)
    return GrantAnswer(False, replace(grant), wallet.balance)  # a copy: the batch goes on with its own


def pay_debts(wallet: Wallet, grant_id: str, credits: int, paid_by_seq: int) -> None:
    """Pays debts, oldest first, with `credits` of a grant, which are no more than is owed.

    `paid_by_seq` is the transfer that brought them. Each payment leaves a fill, so that refunds and recognition know
    whose credits paid for what was delivered.
    """
    for debt in wallet.debts:
        if not credits:
            break
        if part := min(credits, debt.outstanding):
            credits -= part
            debt.outstanding -= part
            wallet.debt -= part
            wallet.changed_debts.add(debt.seq)
            wallet.paid.setdefault(debt.seq, []).append((grant_id, part))
            wallet.fills.append(Fill(wallet.account_id, debt.seq, paid_by_seq, grant_id, part))


def _same(known: Grant, command: IssueGrant) -> bool:
    return (
        known.kind == command.kind
        and known.granted == command.credits
        and known.expires_at == command.expires_at
        and known.priority == command.priority
        and known.paid_micros == command.paid_micros
        and known.currency == command.currency
        and known.funding == command.funding
        and known.reference == command.reference
    )
