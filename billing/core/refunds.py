"""Refunds: credits of a bill back to whom they came from.

What a bill drew is undone in reverse order. A part drawn as debt that is still owed is forgiven; credits of
a grant first pay what the account owes and then go back to the grant; one that has ended meanwhile gets a
successor, because credits that were paid for must stay spendable.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from billing.core.answers import RefundAnswer
from billing.core.charges import Output
from billing.core.commands import Refund
from billing.core.funds import pay_debts
from billing.core.grants import DEFAULT_PRIORITY, REFUND_GRANT_LIFETIME, Draw, Grant
from billing.core.refusals import ChargeNotFound, ChargeNotOpen, IdReused, Invalid, RefundExceedsBill
from billing.core.wallet import RefundRow, Return, Wallet


def refund(wallet: Wallet, command: Refund, now: datetime) -> RefundAnswer:
    """Returns all or part of a bill. Raises ChargeNotFound, IdReused, Invalid, ChargeNotOpen, RefundExceedsBill."""
    known = wallet.refunds.get(command.refund_id)
    if known is not None and not _same(known, command):
        raise IdReused(command.refund_id)
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
    returns = _undo(wallet, command, credits, now)
    row = RefundRow(
        wallet.account_id,
        command.refund_id,
        command.request_id,
        command.credits,
        command.outputs,
        command.reason,
        credits,
        tuple(parts),
        tuple(returns),
        now,
        first,
        wallet.wallet_seq,
    )
    wallet.refunds[command.refund_id] = row
    wallet.new_refunds.append(row)
    outputs = wallet.outputs[command.request_id] = list(outputs)  # earlier answers of the batch keep theirs
    for index, part in parts:
        place = next(place for place, output in enumerate(outputs) if output.index == index)
        outputs[place] = outputs[place]._replace(refunded_credits=outputs[place].refunded_credits + part)
        wallet.tally.refund(charge, outputs[place], part, now)
        wallet.refunded_outputs.add((command.request_id, index))
    charge = charge._replace(refunded_credits=charge.refunded_credits + credits)
    wallet.replace_charge(charge)
    if wallet.early_holds is not None:
        wallet.expire_lapsed(now, now)
    return RefundAnswer(False, row, charge, outputs, wallet.balance)


def outstanding_draws(
    settled: Sequence[Draw], fills: Mapping[int, Sequence[tuple[str, int]]], returned: Sequence[Return]
) -> list[Draw]:
    """What a bill still draws on, in order of drawing, after debts were paid by grants and refunds returned some.

    `settled`: its settlement transfers. `fills`: by the debt's seq, the grants that paid it and how much.
    `returned`: the draws of its earlier refunds.
    """
    draws = []
    for draw in settled:
        if draw.grant_id is not None:
            draws.append(draw)
            continue
        owed = draw.credits
        for grant_id, paid in fills.get(draw.seq, ()):
            draws.append(Draw(grant_id, paid, draw.seq))
            owed -= paid
        if owed:
            draws.append(Draw(None, owed, draw.seq))
    gone: dict[str | None, int] = {}
    for source, credits, _ in returned:
        gone[source] = gone.get(source, 0) + credits
    left = []
    for draw in reversed(draws):
        part = min(draw.credits, gone.get(draw.grant_id, 0))
        if part:
            gone[draw.grant_id] -= part
        if draw.credits > part:
            left.append(draw._replace(credits=draw.credits - part))
    return left[::-1]


def _parts(outputs: Sequence[Output], command: Refund) -> list[tuple[int, int]]:
    """(index, credits) to return of each output. By credits: last output first. Raises Invalid, RefundExceedsBill."""
    left = {output.index: output.credits - output.refunded_credits for output in outputs}
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


def _undo(wallet: Wallet, command: Refund, credits: int, now: datetime) -> list[Return]:
    """Returns `credits` to where the bill drew them from, last first; one transfer for each destination."""
    earlier = wallet.returned.setdefault(command.request_id, [])
    returns: list[Return] = []
    for draw in reversed(outstanding_draws(wallet.draws[command.request_id], wallet.paid, earlier)):
        part = min(credits, draw.credits)
        if part == 0:
            break
        credits -= part
        returns += _return(wallet, command, draw, part, now)
    earlier += returns
    return returns


def _return(wallet: Wallet, command: Refund, draw: Draw, credits: int, now: datetime) -> list[Return]:
    def post(amount: int, grant_id: str | None) -> int:
        return wallet.post(
            "refund",
            amount,
            now,
            request_id=command.request_id,
            grant_id=grant_id,
            refund_id=command.refund_id,
        )

    if draw.grant_id is None:
        debt = next(debt for debt in wallet.debts if debt.seq == draw.seq)
        debt.outstanding -= credits
        wallet.debt -= credits
        wallet.changed_debts.add(debt.seq)
        post(credits, None)
        return [(None, credits, None)]
    returns: list[Return] = []
    paid = min(credits, wallet.debt)
    if paid:
        # The grant's credits stay used: they now pay for another bill.
        pay_debts(wallet, draw.grant_id, paid, post(paid, None))
        returns.append((draw.grant_id, paid, None))
    if rest := credits - paid:
        grant = wallet.grants[draw.grant_id]
        if grant.withdrawn or grant.lapsed_at(now):
            grant = _succeed(wallet, command, grant, rest, post, now)
        else:
            grant.give_back(rest)
            wallet.changed_grants.add(grant.grant_id)
            wallet.fall_due(grant.expires_at)
            if grant.frozen:
                wallet.frozen += rest
            post(rest, grant.grant_id)
        returns.append((draw.grant_id, rest, grant.grant_id))
    return returns


def _succeed(
    wallet: Wallet,
    command: Refund,
    ended: Grant,
    credits: int,
    post: Callable[[int, str], int],
    now: datetime,
) -> Grant:
    """A new grant for credits of one that has ended, worth the revenue that the refund reverses."""
    refund_name = f"refund:{command.refund_id}"  # a refund id may hold colons: `refund:f:1` is also a refund's name
    k = 1 + sum(known.rpartition(":")[0] == refund_name for known in wallet.grants)
    grant_id = f"{refund_name}:{k}"
    reversed_micros = ended.move_out(credits)
    wallet.changed_grants.add(ended.grant_id)
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


def _same(known: RefundRow, command: Refund) -> bool:
    return (
        known.request_id == command.request_id
        and known.asked_credits == command.credits
        and known.asked_outputs == command.outputs
        and known.reason == command.reason
    )
