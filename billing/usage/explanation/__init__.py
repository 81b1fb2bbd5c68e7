"""Explain: why a charge costs what it costs, from the request down to the journal.

Every step is a sentence for a person and facts for a program; the figures come from what is stored and
from the charge's own price book, never from what is in force today.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from billing.core.charges import CAPPED, UNMEASURED, UNPRICED_SIZE, UNREQUESTED, Charge, Output
from billing.core.grants import Grant
from billing.core.ledger import Transfer
from billing.core.prices import ModelPrices, PriceBooks
from billing.core.refusals import ChargeNotFound
from billing.core.sizes import Size
from billing.core.wallet import RefundRow
from billing.store.engine import Engine
from billing.store.explanation import Evidence, evidence


@dataclass(frozen=True, slots=True)
class Step:
    """`kind` says what the step is about; `facts` are its figures by name (credits, pixels, seqs)."""

    kind: str
    text: str
    facts: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Explained:
    charge: Charge
    steps: list[Step]


async def explain(engine: Engine, books: PriceBooks, account_id: str, request_id: str) -> Explained:
    """The steps of one charge, in order. Raises AccountNotFound, ChargeNotFound."""
    found = await evidence(engine, account_id, request_id)
    if found.charge is None:
        raise ChargeNotFound(request_id)
    prices = books.version(found.charge.price_version).model(found.charge.model)
    return Explained(found.charge, list(_steps(found, found.charge, prices)))


def _steps(found: Evidence, c: Charge, prices: ModelPrices) -> Iterator[Step]:
    yield Step(
        "asked",
        f"{c.n} × {c.model}, size {c.size}, quality {c.quality}, {c.operation}, {c.mode}",
        {
            "model": c.model,
            "operation": c.operation,
            "mode": c.mode,
            "n": c.n,
            "size": c.size,
            "quality": c.quality,
        },
    )
    quality = (
        f"quality {c.quality} is billed as {c.billed_quality}"
        if c.quality != c.billed_quality
        else f"quality is billed as asked: {c.quality}"
    )
    size = (
        f"size {c.size} is quoted in tier {c.quoted_tier}"
        if c.size != c.quoted_tier
        else f"size is the tier {c.size} itself"
    )
    yield Step("read", f"{quality}; {size}", {"billed_quality": c.billed_quality, "quoted_tier": c.quoted_tier})
    yield Step(
        "quoted",
        f"{c.credits_per_image} credits × {c.n} = {c.quoted_credits} under price version {c.price_version}",
        {
            "credits_per_image": c.credits_per_image,
            "n": c.n,
            "credits": c.quoted_credits,
            "price_version": c.price_version,
        },
    )
    yield Step(
        "authorized",
        f"{c.available_credits} credits were available; {'charged in one step' if c.one_step else f'{c.held_credits} were held until {_time(c.expires_at)}'}",
        {
            "available_credits": c.available_credits,
            "credit_limit": c.credit_limit,
            "held_credits": c.held_credits,
            "one_step": c.one_step,
            "authorized_at": _time(c.authorized_at),
            "expires_at": _time(c.expires_at),
        },
    )
    if c.status != "settled":
        yield _open_or_released(c)
        return
    for output in found.outputs:
        yield _output(c, prices, output)
    how = [text for flag, text in _CHARGE_FLAGS.items() if flag in c.flags]
    yield Step(
        "billed",
        " + ".join(str(o.credits) for o in found.outputs)
        + f" = {c.settled_credits} credits"
        + "".join(f"; {text}" for text in how),
        {"credits": c.settled_credits, "flags": list(c.flags), "resolved_at": _time(c.resolved_at)},
    )
    for transfer in found.settlement:
        yield _drawn(transfer, found.grants)
    first, last = found.settlement[0], found.settlement[-1]
    before, after = (first.balance_after or 0) + first.amount, last.balance_after
    yield Step("balance", f"posted {before} → {after}", {"posted_before": before, "posted_after": after})
    for refund in found.refunds:
        yield _refunded(refund)


_CHARGE_FLAGS = {
    "late": "settled after its hold had expired",
    "forced": "settled although it was voided or long expired, because it was delivered",
    "overdrawn": "more than was available, posted all the same because it was delivered",
}


def _open_or_released(c: Charge) -> Step:
    facts = {"status": c.status, "resolved_at": _time(c.resolved_at), "credits": 0}
    if c.status == "authorized":
        return Step("open", "nothing is billed yet: the hold is released when the charge is settled or voided", facts)
    if c.status == "voided":
        return Step(
            "voided",
            f"the hold was released and nothing billed{f': {c.void_reason}' if c.void_reason else ''}",
            facts,
        )
    return Step("expired", "the hold was released when its time was over and nothing billed", facts)


def _output(c: Charge, prices: ModelPrices, o: Output) -> Step:
    facts: dict[str, Any] = {
        "index": o.index,
        "status": o.status,
        "width": o.width,
        "height": o.height,
        "size_tier": o.size_tier,
        "credits": o.credits,
        "price_version": c.price_version,
        "flags": list(o.flags),
    }
    name = f"output {o.index}"
    if o.status == "failed":
        return Step("output", f"{name} failed ({o.reason or 'no reason given'}): 0 credits", facts)
    if UNMEASURED in o.flags or o.width is None or o.height is None:
        text = f"{name} was not measured: billed in the quoted tier {o.size_tier}, {o.credits} credits"
    else:
        edge = Size(o.width, o.height).long_edge
        tier = prices.tiers.named(o.size_tier or "") or prices.tiers.last
        facts |= {"long_edge": edge, "tier_max_edge": tier.max_edge, "distance_to_edge": tier.max_edge - edge}
        price = prices.prices[c.billed_quality][tier.name]
        facts["tier_credits"] = price
        text = f"{name} measured {o.width}×{o.height}: long edge {edge} px"
        if UNPRICED_SIZE in o.flags:
            text += (
                f" is {edge - tier.max_edge} px past the last tier {tier.name}, whose price applies: {price} credits"
            )
        else:
            text += f" ≤ {tier.max_edge} px, tier {tier.name} with {tier.max_edge - edge} px to spare: {c.billed_quality} costs {price} credits"
        if CAPPED in o.flags:
            text += f"; capped at the quoted {c.credits_per_image}"
    if UNREQUESTED in o.flags:
        text += f"; beyond the {c.n} that were asked for, so 0 credits"
    return Step("output", text, facts)


def _drawn(t: Transfer, grants: dict[str, Grant]) -> Step:
    facts: dict[str, Any] = {
        "seq": t.seq,
        "credits": t.amount,
        "grant_id": t.grant_id,
        "balance_after": t.balance_after,
    }
    if t.grant_id is None:
        if t.amount == 0:
            return Step("transfer", f"journal row {t.seq}: a bill of 0 credits", facts)
        return Step("transfer", f"journal row {t.seq}: {t.amount} credits that no grant covered are owed", facts)
    grant = grants[t.grant_id]
    expiry = "never expires" if grant.expires_at is None else f"expires {_time(grant.expires_at)}"
    facts |= {"priority": grant.priority, "expires_at": _time(grant.expires_at), "kind": grant.kind}
    return Step(
        "transfer",
        f"journal row {t.seq}: {t.amount} credits from grant {t.grant_id} ({grant.kind}, priority {grant.priority}, {expiry}): "
        "lowest priority first, then earliest expiry, then oldest",
        facts,
    )


def _refunded(r: RefundRow) -> Step:
    where = ", ".join(
        f"{credits} to pay what is owed" if to is None else f"{credits} to grant {to}" for _, credits, to in r.returns
    )
    return Step(
        "refund",
        f"refund {r.refund_id}: {r.credits} credits ({r.reason}): {where}",
        {"refund_id": r.refund_id, "credits": r.credits, "first_seq": r.first_seq, "last_seq": r.last_seq},
    )


def _time(moment: Any) -> str | None:
    return None if moment is None else moment.isoformat().replace("+00:00", "Z")
