"""What the journal says of a bill: grants drawn on and why in that order, debt and who paid it, refunds, corrections."""

from collections.abc import Iterator
from typing import Any

from billing.books.explain.bill import place
from billing.books.explain.evidence import Evidence
from billing.books.explain.step import Phrase, StepFacts, StepKind
from billing.core.charges import Charge, Delivered
from billing.core.grants import Fill, Grant
from billing.core.instants import instant_text
from billing.core.ledger import Transfer
from billing.core.prices import ModelPrices
from billing.core.sizes import Size
from billing.core.wallet import CorrectionRow, RefundRow, Return


def posted(c: Charge, prices: ModelPrices, found: Evidence) -> Iterator[StepFacts]:
    """The steps of a settled charge from its transfers on, to what it cost in the end."""
    assert c.first_seq is not None
    assert c.last_seq is not None
    settlement = found.between(c.first_seq, c.last_seq)
    yield from _drawn("transfer", settlement, found.grants)
    yield StepFacts("balance", ("balance",), _balance(settlement))
    yield from _afterwards(c, prices, settlement, found)
    if found.refunds or found.corrections:
        facts = {
            "billed_credits": c.settled_credits,
            "corrected_credits": c.corrected_credits,
            "difference": abs(c.corrected_credits),
            "refunded_credits": c.refunded_credits,
            "credits": c.settled_credits + c.corrected_credits - c.refunded_credits,
        }
        yield StepFacts("net", (_net(c, found),), facts)


def _net(c: Charge, found: Evidence) -> Phrase:
    if not found.corrections:
        return "net"
    if not found.refunds:
        return "net_raised" if c.corrected_credits >= 0 else "net_lowered"
    return "net_raised_and_refunded" if c.corrected_credits >= 0 else "net_lowered_and_refunded"


def _drawn(kind: StepKind, transfers: list[Transfer], grants: dict[str, Grant]) -> Iterator[StepFacts]:
    """The draws of a settlement or a supplement, each with why its grant came before the next."""
    drawn = [grants[transfer.grant_id] for transfer in transfers if transfer.grant_id is not None]
    short = len(drawn) > 0 and transfers[-1].grant_id is None
    for rank, transfer in enumerate(transfers):
        if transfer.grant_id is None:
            nothing: Phrase = "nothing_due" if kind == "transfer" else "nothing_moves"
            yield StepFacts(kind, ("owed" if transfer.amount else nothing,), _of_transfer(transfer))
            continue
        grant = drawn[rank]
        facts = _of_transfer(transfer) | {
            "kind": grant.kind,
            "priority": grant.priority,
            "expires_at": instant_text(grant.expires_at),
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
                "next_expires_at": instant_text(then.expires_at),
            }
            says.append(_before(grant, then))
        else:
            whole: Phrase = "covers_all" if kind == "transfer" else "covers_difference"
            says.append("exhausted" if short else "covers_rest" if rank else whole)
        yield StepFacts(kind, tuple(says), facts | {"why": says[-1]})


def _before(grant: Grant, then: Grant) -> Phrase:
    """By which rule of the burn order `grant` comes before `then`."""
    if grant.priority != then.priority:
        return "before_by_priority"
    return "before_by_expiry" if grant.expires_at != then.expires_at else "before_by_age"


def _afterwards(c: Charge, prices: ModelPrices, settlement: list[Transfer], found: Evidence) -> Iterator[StepFacts]:
    """Payments of the bill's debts, refunds and corrections, in the order of the journal, and what is still owed."""
    owed = _debts(settlement)
    later: list[Fill | RefundRow | CorrectionRow] = [*found.fills, *found.refunds, *found.corrections]
    for event in sorted(later, key=_in_order):
        if isinstance(event, Fill):
            owed[event.seq] -= event.credits
            yield _payment(event, owed[event.seq], found)
            continue
        if isinstance(event, RefundRow):
            yield from _refund(event, found)
        else:
            yield from _correction(c, prices, event, found)
            owed |= _debts([] if event.credits < 0 else found.between(event.first_seq, event.last_seq))
        _forgive(owed, event.returns)
    for seq, credits in owed.items():
        if credits:
            yield StepFacts("debt", ("still_owed",), {"seq": seq, "credits": credits})


def _in_order(event: Fill | RefundRow | CorrectionRow) -> tuple[int, ...]:
    """A debt may be paid by a grant that came before it, which was under dispute then."""
    if isinstance(event, Fill):
        return max(event.paid_by_seq, event.seq), 1, event.paid_by_seq, event.seq
    return event.first_seq, 0


def _debts(transfers: list[Transfer]) -> dict[int, int]:
    return {transfer.seq: transfer.amount for transfer in transfers if transfer.grant_id is None}


def _forgive(owed: dict[int, int], returns: tuple[Return, ...]) -> None:
    """Takes what was forgiven off the debts, the last one first."""
    for drawn_from, credits, _ in returns:
        if drawn_from is None:
            seq = max(seq for seq, left in owed.items() if left)
            owed[seq] -= credits


def _payment(fill: Fill, left: int, found: Evidence) -> StepFacts:
    brought = found.transfers[fill.paid_by_seq]
    facts = {
        "seq": fill.seq,
        "credits": fill.credits,
        "grant_id": fill.grant_id,
        "kind": found.grants[fill.grant_id].kind,
        "paid_by_seq": fill.paid_by_seq,
        "refund_id": brought.refund_id,
        "paid_by_request_id": brought.request_id,
        "paid_at": instant_text(brought.effective_at),
        "outstanding_credits": left,
    }
    says: Phrase = "debt_paid"
    if brought.request_id is not None:  # it paid for another charge before
        says = "debt_paid_by_refund" if brought.refund_id is not None else "debt_paid_by_correction"
    return StepFacts("debt_paid", (says, "debt_left" if left else "debt_cleared"), facts)


def _refund(r: RefundRow, found: Evidence) -> Iterator[StepFacts]:
    transfers = found.between(r.first_seq, r.last_seq)
    facts = {
        "refund_id": r.refund_id,
        "credits": r.credits,
        "reason": r.reason,
        "outputs": [{"index": index, "credits": credits} for index, credits, _ in r.outputs],
        "created_at": instant_text(r.created_at),
        "first_seq": r.first_seq,
        "last_seq": r.last_seq,
    }
    yield StepFacts("refund", ("refund", "balance"), facts | _balance(transfers))
    yield from _returned(transfers, r.returns, found)


def _returned(transfers: list[Transfer], returns: tuple[Return, ...], found: Evidence) -> Iterator[StepFacts]:
    for transfer, (drawn_from, _, to) in zip(transfers, returns, strict=True):
        successor = found.grants[to] if to is not None and to != drawn_from else None
        yield StepFacts(
            "returned",
            (_return(drawn_from, to),),
            _of_transfer(transfer)
            | {
                "from_grant_id": drawn_from,
                "to_grant_id": to,
                "to_expires_at": instant_text(successor.expires_at) if successor else None,
            },
        )


def _correction(c: Charge, prices: ModelPrices, k: CorrectionRow, found: Evidence) -> Iterator[StepFacts]:
    transfers = found.between(k.first_seq, k.last_seq)
    facts = {
        "correction_id": k.correction_id,
        "corrected_credits": k.credits,
        "credits": abs(k.credits),
        "reason": k.reason,
        "created_at": instant_text(k.created_at),
        "first_seq": k.first_seq,
        "last_seq": k.last_seq,
    }
    says: Phrase = "correction_up" if k.credits > 0 else "correction_down" if k.credits < 0 else "correction_even"
    yield StepFacts("correction", (says, "balance"), facts | _balance(transfers))
    for one in k.outputs:
        yield _delivered(c, prices, one)
    if k.credits < 0:
        yield from _returned(transfers, k.returns, found)
    else:
        yield from _drawn("supplement", transfers, found.grants)


def _delivered(c: Charge, prices: ModelPrices, one: Delivered) -> StepFacts:
    """How an output was really delivered, and what it costs since."""
    facts: dict[str, Any] = one._asdict() | {"billed_quality": c.billed_quality, "price_version": c.price_version}
    if one.status == "failed":
        return StepFacts("corrected", ("not_delivered", "costs_since"), facts)
    if one.width is None or one.height is None:
        return StepFacts("corrected", ("unmeasured", "costs_since"), facts)
    where, pixels = place(prices.tiers, Size(one.width, one.height))
    return StepFacts("corrected", ("measured", *where, "costs_since"), facts | pixels)


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
