"""Corrections: the bill of a settled charge, made what was really delivered costs.

The outputs are priced again as they were when they were settled, with what is known of them now: under the charge's
own price book, quality and overage, the first n successes billed. What a bill has come to beyond its outputs' earlier
price is drawn on grants as a settlement is; what it falls by goes back as a refund does. What was settled stays.
"""

from datetime import datetime

from billing.core.answers import CorrectionAnswer
from billing.core.charges import Charge, Delivered, Output, Reported, bill
from billing.core.charging import draw
from billing.core.commands import Correct
from billing.core.content import must_agree
from billing.core.grants import take
from billing.core.prices import ModelPrices, PriceBooks
from billing.core.refunds import ReturnCause, undo
from billing.core.refusals import ChargeNotFound, ChargeNotOpen, Invalid, NothingToCorrect
from billing.core.wallet import CorrectionRow, Return, Wallet


def correct(wallet: Wallet, command: Correct, books: PriceBooks, now: datetime) -> CorrectionAnswer:
    """Bills a settled charge by what was delivered: the difference is drawn, or returned.

    Raises ChargeNotFound, IdReused, ChargeNotOpen, Invalid, NothingToCorrect.
    """
    known = wallet.corrections.get(command.correction_id)
    if known is not None:
        said = {
            "request_id": (known.request_id, command.request_id),
            "outputs": (known.asked, command.outputs),
            "reason": (known.reason, command.reason),
        }
        must_agree(command.correction_id, said)
    charge = wallet.charges.get(command.request_id)
    if charge is None:
        raise ChargeNotFound(command.request_id)
    if known is not None:
        return CorrectionAnswer(True, known, charge, wallet.outputs[command.request_id], wallet.balance)
    if charge.status != "settled":
        raise ChargeNotOpen(charge.status)
    standing = wallet.standing(command.request_id)
    prices = books.version(charge.price_version).model(charge.model)
    delivered = as_found(charge, prices, standing, command.outputs)
    if all(one.credits_before == one.credits_after for one in delivered):
        raise NothingToCorrect()
    credits = sum(one.credits_after - one.credits_before for one in delivered)
    wallet.check_room(-credits, "outputs")
    # From here on it must succeed.
    first = wallet.wallet_seq + 1
    returns: list[Return] = []
    if credits < 0:
        returns = undo(wallet, ReturnCause("correction", command.request_id, command.correction_id), -credits, now)
    else:
        drawn = take(wallet.burn_order, credits, now, None)
        debt = credits - sum(part for _, part in drawn)
        draws = draw(wallet, "supplement", command.request_id, drawn, debt, now)
        wallet.draws.setdefault(command.request_id, []).extend(draws)
    row = CorrectionRow(
        account_id=wallet.account_id,
        correction_id=command.correction_id,
        request_id=command.request_id,
        reason=command.reason,
        actor=command.actor,
        credits=credits,
        created_at=now,
        first_seq=first,
        last_seq=wallet.wallet_seq,
        asked=command.outputs,
        outputs=tuple(delivered),
        returns=tuple(returns),
    )
    wallet.corrections[command.correction_id] = row
    _mark(wallet, charge, standing, row)
    if wallet.early_holds is not None:
        wallet.expire_lapsed(now, now)
    charge, outputs = wallet.charges[command.request_id], wallet.outputs[command.request_id]
    return CorrectionAnswer(False, row, charge, outputs, wallet.balance)


def as_found(
    charge: Charge, prices: ModelPrices, standing: list[Output], reported: tuple[Reported, ...]
) -> list[Delivered]:
    """The outputs that stand or cost otherwise, now that `reported` is known. Raises Invalid.

    All outputs are priced: one that failed after all may leave its place among the first n to another. What was
    refunded of an output is not given twice.
    """
    known = {one.index: Reported(one.index, one.status, one.width, one.height, one.reason) for one in standing}
    if unknown := [one.index for one in reported if one.index not in known]:
        raise Invalid.of("outputs", f"the charge has no output {unknown[0]}")
    known |= {one.index: one for one in reported}
    delivered = []
    for was, priced in zip(standing, bill(charge, prices, list(known.values())), strict=True):
        costs = max(priced.credits, was.refunded_credits)
        before = was.credits + was.corrected_credits
        seen = (priced.status, priced.width, priced.height, priced.size_tier)
        if costs != before or seen != (was.status, was.width, was.height, was.size_tier):
            delivered.append(Delivered(was.index, *seen, before, costs, was.status, was.size_tier))
    return delivered


def _mark(wallet: Wallet, charge: Charge, standing: list[Output], row: CorrectionRow) -> None:
    """Writes the correction into the charge, its outputs and the account's usage."""
    wallet.delivered.setdefault(charge.request_id, []).extend(row.outputs)
    found = {one.index: one for one in row.outputs}
    outputs = list(wallet.outputs[charge.request_id])
    for place, (was, stands) in enumerate(zip(standing, wallet.standing(charge.request_id), strict=True)):
        one = found.get(was.index)
        if one is None:
            continue
        costs = (one.credits_before, one.credits_after)
        wallet.effects.tally.correct(charge, was, stands, costs, row.created_at)
        corrected = outputs[place].corrected_credits + one.credits_after - one.credits_before
        outputs[place] = outputs[place]._replace(corrected_credits=corrected)
    wallet.outputs[charge.request_id] = outputs
    corrected = charge.corrected_credits + row.credits
    wallet.charges[charge.request_id] = charge._replace(corrected_credits=corrected)
