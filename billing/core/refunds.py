"""Refunds: credits of a bill back to whom they came from. Corrections that lower a bill return them the same way.

What a bill drew is undone in reverse order. A part drawn as debt that is still owed is forgiven; credits of
a grant first pay what the account owes and then go back to the grant; one that has ended meanwhile gets a
successor, because credits that were paid for must stay spendable.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from billing.core.answers import RefundAnswer
from billing.core.charges import Output
from billing.core.commands import Refund
from billing.core.content import must_agree
from billing.core.grants import DEFAULT_PRIORITY, REFUND_GRANT_LIFETIME, Draw, Grant
from billing.core.issuing import pay_debts
from billing.core.refusals import ChargeNotFound, ChargeNotOpen, Invalid, RefundExceedsBill
from billing.core.wallet import RefundPart, RefundRow, Return, Wallet


def refund(wallet: Wallet, command: Refund, now: datetime) -> RefundAnswer:
    """Returns all or part of a bill. Raises ChargeNotFound, IdReused, Invalid, ChargeNotOpen, RefundExceedsBill."""
    known = wallet.refunds.get(command.refund_id)
    if known is not None:
        said = {
            "request_id": (known.request_id, command.request_id),
            "credits": (known.asked_credits, command.credits),
            "outputs": (known.asked_outputs, command.outputs),
            "reason": (known.reason, command.reason),
        }
        must_agree(command.refund_id, said)
    charge = wallet.charges.get(command.request_id)
    if charge is None:
        raise ChargeNotFound(command.request_id)
    if known is not None:
        return RefundAnswer(True, known, charge, wallet.outputs[command.request_id], wallet.balance)
    if charge.status != "settled":
        raise ChargeNotOpen(charge.status)
    outputs = wallet.outputs[command.request_id]
    parts = _parts(outputs, command)
    credits = sum(part for _, part in parts)
    wallet.check_room(credits, "credits")
    # From here on it must succeed.
    first = wallet.wallet_seq + 1
    source = ReturnCause("refund", command.request_id, command.refund_id, command.refund_id)
    returns = undo(wallet, source, credits, now)
    standing = {output.index: output for output in wallet.standing(command.request_id)}
    row = RefundRow(
        account_id=wallet.account_id,
        refund_id=command.refund_id,
        request_id=command.request_id,
        asked_credits=command.credits,
        asked_outputs=command.outputs,
        reason=command.reason,
        credits=credits,
        created_at=now,
        first_seq=first,
        last_seq=wallet.wallet_seq,
        outputs=tuple(RefundPart(index, part, standing[index].size_tier) for index, part in parts),
        returns=tuple(returns),
    )
    wallet.refunds[command.refund_id] = row
    outputs = list(outputs)
    for index, part in parts:
        place = next(place for place, output in enumerate(outputs) if output.index == index)
        outputs[place] = outputs[place]._replace(refunded_credits=outputs[place].refunded_credits + part)
        wallet.effects.tally.refund(charge, standing[index], part, now)
    wallet.outputs[command.request_id] = outputs
    charge = charge._replace(refunded_credits=charge.refunded_credits + credits)
    wallet.charges[command.request_id] = charge
    if wallet.early_holds is not None:
        wallet.expire_lapsed(now, now)
    return RefundAnswer(False, row, charge, outputs, wallet.balance)


@dataclass(frozen=True, slots=True)
class ReturnCause:
    """What returns credits of the bill `request_id`: a refund, or a correction that lowers it."""

    kind: str
    request_id: str
    name: str
    refund_id: str | None = None

    @property
    def transfer_kind(self) -> str:
        return "refund" if self.kind == "refund" else "reduction"


def outstanding_draws(
    drawn: Sequence[Draw],
    fills: Mapping[int, Sequence[tuple[str, int]]],
    owed: Mapping[int, int],
    returned: Sequence[Return],
) -> list[Draw]:
    """What a bill still draws on, in order of drawing, after debts were paid by grants and some was returned.

    `drawn`: by its settlement and supplements. `fills`: by a debt's seq, the grants that paid it and how much. `owed`:
    what is left of each debt. `returned`: by its refunds and reductions; which debt was forgiven, the debts know.
    """
    draws = []
    for draw in drawn:
        if draw.grant_id is not None:
            draws.append(draw)
            continue
        draws += [Draw(grant_id, paid, draw.seq) for grant_id, paid in fills.get(draw.seq, ())]
        if owing := owed.get(draw.seq, 0):
            draws.append(Draw(None, owing, draw.seq))
    gone: dict[str, int] = {}
    for grant_id, credits, _ in returned:
        if grant_id is not None:
            gone[grant_id] = gone.get(grant_id, 0) + credits
    left = []
    for draw in reversed(draws):
        part = 0 if draw.grant_id is None else min(draw.credits, gone.get(draw.grant_id, 0))
        if draw.grant_id is not None and part:
            gone[draw.grant_id] -= part
        if draw.credits > part:
            left.append(draw._replace(credits=draw.credits - part))
    return left[::-1]


def _parts(outputs: Sequence[Output], command: Refund) -> list[tuple[int, int]]:
    """(index, credits) to return of each output. By credits: last output first. Raises Invalid, RefundExceedsBill."""
    left = {output.index: output.refundable for output in outputs}
    if command.outputs is not None:
        if unknown := [index for index in command.outputs if index not in left]:
            raise Invalid.of("outputs", f"the charge has no output {unknown[0]}")
        parts = [(index, left[index]) for index in command.outputs if left[index]]
        wanted = 0
    else:
        wanted = sum(left.values()) if command.credits is None else command.credits
        parts = []
        for index in sorted(left, reverse=True):
            if part := min(wanted, left[index]):
                parts.append((index, part))
                wanted -= part
    if wanted or not parts:
        raise RefundExceedsBill(
            sum(left.values()) if command.outputs is None else sum(left[index] for index in command.outputs)
        )
    return parts


def undo(wallet: Wallet, source: ReturnCause, credits: int, now: datetime) -> list[Return]:
    """Returns `credits` to where the bill drew them from, last first; one transfer for each destination."""
    earlier = wallet.returned.setdefault(source.request_id, [])
    owed = {debt.seq: debt.outstanding for debt in wallet.debts.values()}
    returns: list[Return] = []
    for draw in reversed(outstanding_draws(wallet.draws[source.request_id], wallet.paid, owed, earlier)):
        part = min(credits, draw.credits)
        if part == 0:
            break
        credits -= part
        returns += _return(wallet, source, draw, part, now)
    earlier += returns
    return returns


def _return(wallet: Wallet, source: ReturnCause, draw: Draw, credits: int, now: datetime) -> list[Return]:
    def post(amount: int, grant_id: str | None) -> int:
        return wallet.post(
            source.transfer_kind,
            amount,
            now,
            request_id=source.request_id,
            grant_id=grant_id,
            refund_id=source.refund_id,
        )

    if draw.grant_id is None:
        debt = wallet.debts[draw.seq]
        wallet.debts[draw.seq] = debt._replace(outstanding=debt.outstanding - credits)
        wallet.debt -= credits
        post(credits, None)
        return [Return(None, credits, None)]
    returns: list[Return] = []
    paid = min(credits, wallet.debt)
    if paid:
        # The grant's credits stay used: they now pay for another bill.
        pay_debts(wallet, draw.grant_id, paid, post(paid, None))
        returns.append(Return(draw.grant_id, paid, None))
    if rest := credits - paid:
        grant = wallet.grants[draw.grant_id]
        if grant.withdrawn or grant.lapsed_at(now):
            grant = _succeed(wallet, source, grant, rest, post, now)
        else:
            wallet.grants[grant.grant_id] = grant.give_back(rest)
            wallet.fall_due(grant.expires_at)
            if grant.frozen:
                wallet.frozen += rest
            post(rest, grant.grant_id)
        returns.append(Return(draw.grant_id, rest, grant.grant_id))
    return returns


def _succeed(
    wallet: Wallet,
    source: ReturnCause,
    ended: Grant,
    credits: int,
    post: Callable[[int, str], int],
    now: datetime,
) -> Grant:
    """A new grant for credits of one that has ended, worth the revenue that is reversed."""
    name = f"{source.kind}:{source.name}"  # a refund's id may hold colons: `refund:f:1` is also a refund's name
    k = 1 + sum(known.rpartition(":")[0] == name for known in wallet.grants)
    grant_id = f"{name}:{k}"
    left = wallet.grants[ended.grant_id] = ended.move_out(credits)
    reversed_micros = ended.recognised_micros - left.recognised_micros
    grant = Grant.issued(
        wallet.account_id,
        grant_id,
        "adjustment",
        credits,
        priority=DEFAULT_PRIORITY["adjustment"],
        expires_at=now + REFUND_GRANT_LIFETIME,
        seq=post(credits, grant_id),
        now=now,
        paid_micros=None if ended.paid_micros is None else 0 if ended.withdrawn else reversed_micros,
        currency=ended.currency,
        origin_grant_id=ended.grant_id,
    )
    wallet.add_grant(grant)
    return grant
