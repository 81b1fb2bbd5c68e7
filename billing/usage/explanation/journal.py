"""What the journal says of a bill: grants drawn on and why in that order, debt and who paid it, refunds."""

from collections.abc import Iterator
from typing import Any

from billing.core.charges import Charge
from billing.core.grants import Fill, Grant
from billing.core.ledger import Transfer
from billing.core.wallet import RefundRow
from billing.store.explanation import Evidence
from billing.usage.explanation.step import Phrase, Step, moment


def posted(c: Charge, found: Evidence) -> Iterator[Step]:
    """The steps of a settled charge from its transfers on, to what it cost in the end."""
    assert c.first_seq is not None
    assert c.last_seq is not None
    settlement = found.between(c.first_seq, c.last_seq)
    yield from _settlement(c, settlement, found.grants)
    yield Step("balance", ("balance",), _balance(settlement))
    yield from _afterwards(settlement, found)
    if found.refunds:
        facts = {
            "billed_credits": c.settled_credits,
            "refunded_credits": c.refunded_credits,
            "credits": c.settled_credits - c.refunded_credits,
        }
        yield Step("net", ("net",), facts)


def _settlement(c: Charge, settlement: list[Transfer], grants: dict[str, Grant]) -> Iterator[Step]:
    drawn = [grants[transfer.grant_id] for transfer in settlement if transfer.grant_id is not None]
    short = len(drawn) > 0 and settlement[-1].grant_id is None
    for rank, transfer in enumerate(settlement):
        if transfer.grant_id is None:
            yield Step("transfer", ("owed" if transfer.amount else "nothing_due",), _of_transfer(transfer))
            continue
        grant = drawn[rank]
        facts = _of_transfer(transfer) | {
            "kind": grant.kind,
            "priority": grant.priority,
            "expires_at": moment(grant.expires_at),
            "rank": rank + 1,
        }
        says: list[Phrase] = ["drawn_lasting" if grant.expires_at is None else "drawn_expiring"]
        if grant.expires_at is not None and grant.expires_at <= transfer.effective_at:
            says.append("kept_for_hold")
        if rank + 1 < len(drawn):
            then = drawn[rank + 1]
            facts |= {
                "next_grant_id": then.grant_id,
                "next_priority": then.priority,
                "next_expires_at": moment(then.expires_at),
            }
            says.append(_before(grant, then))
        else:
            says.append("exhausted" if short else "covers_rest" if rank else "covers_all")
        yield Step("transfer", tuple(says), facts | {"why": says[-1]})


def _before(grant: Grant, then: Grant) -> Phrase:
    """By which rule of the burn order `grant` comes before `then`."""
    if grant.priority != then.priority:
        return "before_by_priority"
    return "before_by_expiry" if grant.expires_at != then.expires_at else "before_by_age"


def _afterwards(settlement: list[Transfer], found: Evidence) -> Iterator[Step]:
    """Payments of the bill's debt and refunds, in the order of the journal, and what is still owed."""
    owed = sum(transfer.amount for transfer in settlement if transfer.grant_id is None)
    later: list[Fill | RefundRow] = [*found.fills, *found.refunds]
    for event in sorted(later, key=lambda event: event.paid_by_seq if isinstance(event, Fill) else event.first_seq):
        if isinstance(event, Fill):
            owed -= event.credits
            yield _payment(event, owed, found)
        else:
            owed -= sum(credits for drawn_from, credits, _ in event.returns if drawn_from is None)
            yield from _refund(event, found)
    if owed:
        yield Step("debt", ("still_owed",), {"seq": settlement[-1].seq, "credits": owed})


def _payment(fill: Fill, left: int, found: Evidence) -> Step:
    brought = found.transfers[fill.paid_by_seq]
    facts = {
        "seq": fill.seq,
        "credits": fill.credits,
        "grant_id": fill.grant_id,
        "kind": found.grants[fill.grant_id].kind,
        "paid_by_seq": fill.paid_by_seq,
        "refund_id": brought.refund_id,
        "paid_at": moment(brought.effective_at),
        "outstanding_credits": left,
    }
    says: Phrase = "debt_paid" if brought.refund_id is None else "debt_paid_by_refund"
    return Step("debt_paid", (says, "debt_left" if left else "debt_cleared"), facts)


def _refund(r: RefundRow, found: Evidence) -> Iterator[Step]:
    transfers = found.between(r.first_seq, r.last_seq)
    facts = {
        "refund_id": r.refund_id,
        "credits": r.credits,
        "reason": r.reason,
        "outputs": [{"index": index, "credits": credits} for index, credits in r.outputs],
        "created_at": moment(r.created_at),
        "first_seq": r.first_seq,
        "last_seq": r.last_seq,
    }
    yield Step("refund", ("refund", "balance"), facts | _balance(transfers))
    for transfer, (drawn_from, _, to) in zip(transfers, r.returns, strict=True):
        successor = found.grants[to] if to is not None and to != drawn_from else None
        yield Step(
            "returned",
            (_return(drawn_from, to),),
            _of_transfer(transfer)
            | {
                "from_grant_id": drawn_from,
                "to_grant_id": to,
                "to_expires_at": moment(successor.expires_at) if successor else None,
            },
        )


def _return(drawn_from: str | None, to: str | None) -> Phrase:
    if to is None:
        return "returned_as_less_debt" if drawn_from is None else "returned_to_debts"
    return "returned_to_grant" if to == drawn_from else "returned_to_successor"


def _of_transfer(t: Transfer) -> dict[str, Any]:
    return {
        "seq": t.seq,
        "debit": t.debit,
        "credit": t.credit,
        "credits": t.amount,
        "grant_id": t.grant_id,
        "balance_after": t.balance_after,
    }


def _balance(transfers: list[Transfer]) -> dict[str, int]:
    """The wallet's posted balance before the first and after the last of `transfers`."""
    first, last = transfers[0], transfers[-1]
    assert first.balance_after is not None
    assert last.balance_after is not None
    back = first.amount if first.debit == "wallet" else -first.amount
    return {"posted_before": first.balance_after + back, "posted_after": last.balance_after}
