"""What is true of an account after every step, whatever happened to it."""

from collections import Counter

from billing.core.charges import Reported, bill
from billing.core.ledger import GENESIS, ROUTES, chained
from billing.core.payments import BookedTransaction, CardRefund, Dispute, Topup
from billing.core.refunds import outstanding_draws

from .examples import Account


def check(account: Account) -> None:
    journal_balances(account)
    figures_follow_from_rows(account)
    grants_hold_every_credit_once(account)
    charges_are_billed_and_refunded_rightly(account)
    every_bill_is_drawn_from_somewhere(account)
    money_follows_its_topups(account)


def journal_balances(account: Account) -> None:
    """I1, I2, I10: gap-free chains whose every row moves between the accounts of its route."""
    wallet = account.wallet
    last = {"wallet": (0, GENESIS), "money": (0, GENESIS)}
    posted = 0
    for transfer in account.journal:
        assert (transfer.book, transfer.debit, transfer.credit) == ROUTES[transfer.kind]
        assert transfer.amount >= 0
        assert transfer.effective_at <= transfer.posted_at
        seq, head = last[transfer.book]
        assert transfer.seq == seq + 1
        assert transfer.hash == chained(head, *transfer[:-1])
        last[transfer.book] = (transfer.seq, transfer.hash)
        if transfer.book == "wallet":
            assert transfer.asset == "CREDIT"
            posted += transfer.amount if transfer.credit == "wallet" else -transfer.amount
            assert transfer.balance_after == posted
        else:
            assert transfer.balance_after is None
    assert last == {
        "wallet": (wallet.wallet_seq, wallet.wallet_head),
        "money": (wallet.money_seq, wallet.money_head),
    }
    assert wallet.posted == posted
    total: Counter[str] = Counter()
    for transfer in account.journal:
        total[transfer.kind] += transfer.amount
    grants = wallet.grants.values()
    assert total["grant"] == sum(grant.granted for grant in grants if grant.origin_grant_id is None)
    corrections = [correction.credits for correction in wallet.corrections.values()]
    assert total["supplement"] == sum(credits for credits in corrections if credits > 0)
    assert total["reduction"] == -sum(credits for credits in corrections if credits < 0)
    assert total["settle"] == sum(charge.settled_credits for charge in wallet.charges.values())
    assert total["refund"] == sum(refund.credits for refund in wallet.refunds.values())
    assert total["expire"] == sum(grant.expired for grant in grants)
    # What was clawed back, with what was owed for it, less what failed refunds brought back.
    assert total["revoke"] - total["restore"] == sum(grant.clawed for grant in grants)
    assert total["purchase_bank"] + total["purchase_stripe_clearing"] == sum(
        grant.paid_micros or 0 for grant in grants if grant.origin_grant_id is None
    )


def figures_follow_from_rows(account: Account) -> None:
    """I3, I6."""
    wallet = account.wallet
    assert wallet.settings is not None
    grants = wallet.grants.values()
    assert wallet.held == sum(
        charge.held_credits for charge in wallet.charges.values() if charge.status == "authorized"
    )
    assert wallet.frozen == sum(grant.remaining for grant in grants if grant.frozen)
    assert wallet.debt == sum(debt.outstanding for debt in account.debts.values())
    assert sum(grant.remaining for grant in grants) - wallet.debt == wallet.posted
    spendable = [grant for grant in grants if grant.remaining and not grant.frozen and not grant.lapsed_at(account.now)]
    assert not (wallet.debt and spendable)
    assert wallet.available == wallet.posted - wallet.held - wallet.frozen + wallet.settings.credit_limit
    # Of a lapsed grant nothing is left but what open holds from before would draw.
    early = [
        charge.held_credits
        for charge in wallet.charges.values()
        if charge.status == "authorized"
        and any(grant.expires_at and charge.authorized_at < grant.expires_at for grant in grants)
    ]
    assert sum(grant.remaining for grant in grants if grant.lapsed_at(account.now)) <= sum(early)


def grants_hold_every_credit_once(account: Account) -> None:
    for grant in account.wallet.grants.values():
        places = (grant.remaining, grant.used, grant.expired, grant.revoked, grant.moved)
        assert min(places) >= 0
        assert sum(places) == grant.granted
        assert grant.open == (grant.remaining > 0)
        successors = [
            one for one in account.wallet.grants.values() if one.grant_id.startswith(("refund:", "correction:"))
        ]
        moved_to = [one for one in successors if one.origin_grant_id == grant.grant_id]
        assert grant.revoked <= grant.clawed <= grant.granted
        assert sum(one.granted for one in moved_to) == grant.moved


def charges_are_billed_and_refunded_rightly(account: Account) -> None:
    """I4, I5, I9."""
    wallet = account.wallet
    for charge in wallet.charges.values():
        outputs = wallet.outputs.get(charge.request_id, [])
        refunds = [refund for refund in wallet.refunds.values() if refund.request_id == charge.request_id]
        assert charge.available_credits >= max(charge.held_credits, charge.quoted_credits)
        assert charge.settled_credits == sum(one.credits for one in outputs)
        assert charge.refunded_credits == sum(one.refunded_credits for one in outputs)
        assert charge.refunded_credits == sum(refund.credits for refund in refunds)
        assert all(0 <= one.refunded_credits <= one.credits + one.corrected_credits for one in outputs)
        assert all(one.credits == 0 for one in outputs if one.status == "failed")
        assert (charge.status == "settled") == (charge.first_seq is not None) == bool(outputs)
        posted = [row for row in account.journal if row.kind == "settle" and row.request_id == charge.request_id]
        assert [row.seq for row in posted] == (
            list(range(charge.first_seq, charge.last_seq + 1)) if charge.first_seq and charge.last_seq else []
        )
        assert sum(row.amount for row in posted) == charge.settled_credits
        assert charge.corrected_credits == sum(one.corrected_credits for one in outputs)
        if charge.status == "settled":
            costs_what_was_delivered(account, charge.request_id)
    for refund in wallet.refunds.values():
        rows = [row for row in account.journal if row.refund_id == refund.refund_id]
        assert [row.seq for row in rows] == list(range(refund.first_seq, refund.last_seq + 1))
        assert [row.amount for row in rows] == [credits for _, credits, _ in refund.returns]
        assert [row.grant_id for row in rows] == [to for _, _, to in refund.returns]
        assert sum(part.credits for part in refund.outputs) == refund.credits == sum(row.amount for row in rows)

    for correction in wallet.corrections.values():
        rows = [row for row in account.journal if row.kind in ("supplement", "reduction")]
        rows = [row for row in rows if correction.first_seq <= row.seq <= correction.last_seq]
        assert len(rows) == correction.last_seq - correction.first_seq + 1
        assert {row.kind for row in rows} == {"reduction" if correction.credits < 0 else "supplement"}
        assert {(row.request_id, row.posted_at) for row in rows} == {(correction.request_id, correction.created_at)}
        assert sum(row.amount for row in rows) == abs(correction.credits)
        assert sum(one.credits_after - one.credits_before for one in correction.outputs) == correction.credits
        assert sum(part for _, part, _ in correction.returns) == max(-correction.credits, 0)


def costs_what_was_delivered(account: Account, request_id: str) -> None:
    """Each output costs its price as it is known to be now, or what of it had been refunded."""
    wallet = account.wallet
    charge, standing = wallet.charges[request_id], wallet.standing(request_id)
    prices = account.books.version(charge.price_version).model(charge.model)
    reported = [Reported(one.index, one.status, one.width, one.height, one.reason) for one in standing]
    for one, priced in zip(standing, bill(charge, prices, reported), strict=True):
        costs = one.credits + one.corrected_credits
        assert costs == priced.credits or priced.credits < costs == one.refunded_credits
        assert one.size_tier == priced.size_tier


def every_bill_is_drawn_from_somewhere(account: Account) -> None:
    """What bills still draw on grants is what the grants say was used; what they draw as debt is owed."""
    wallet = account.wallet
    paid: dict[int, list[tuple[str, int]]] = {}
    for (seq, grant_id), credits in account.fills.items():
        paid.setdefault(seq, []).append((grant_id, credits))
    owed = {debt.seq: debt.outstanding for debt in account.debts.values()}
    drawn: Counter[str | None] = Counter()
    for request_id, draws in wallet.draws.items():
        left = outstanding_draws(draws, paid, owed, wallet.returned.get(request_id, []))
        charge = wallet.charges[request_id]
        costs = charge.settled_credits + charge.corrected_credits
        assert sum(draw.credits for draw in left) == costs - charge.refunded_credits
        for draw in left:
            drawn[draw.grant_id] += draw.credits
    for debt in account.debts.values():
        if debt.request_id is None:  # a clawback's: nothing gives it back
            fills = paid.get(debt.seq, [])
            assert sum(credits for _, credits in fills) == debt.credits - debt.outstanding
            drawn[None] += debt.outstanding
            for grant_id, credits in fills:
                drawn[grant_id] += credits
    assert drawn.pop(None, 0) == wallet.debt
    assert +drawn == +Counter({grant.grant_id: grant.used for grant in wallet.grants.values()})


def money_follows_its_topups(account: Account) -> None:
    """I12 and the clawback rule: what was returned took its credits, and deferred revenue covers what is left."""
    wallet = account.wallet
    deferred = 0
    for grant in wallet.grants.values():
        if grant.origin_grant_id is None:
            deferred += grant.paid_micros or 0
    clearing = Counter({row.kind: 0 for row in account.journal})
    for row in account.journal:
        clearing[row.kind] += row.amount
    for topup in wallet.payments.all(Topup).values():
        refunds = [one for one in wallet.payments.all(CardRefund).values() if one.topup_id == topup.topup_id]
        disputes = [one for one in wallet.payments.all(Dispute).values() if one.topup_id == topup.topup_id]
        gone = [one.amount_micros for one in refunds if one.status == "succeeded"]
        assert sum(gone) <= topup.price_micros
        gone += [one.withdrawn_micros - one.reinstated_micros for one in disputes if one.status == "lost"]
        assert topup.returned_micros == sum(gone)
        assert topup.returned_deferred_micros == sum(
            one.deferred_micros for one in (*refunds, *disputes) if one.status != "failed"
        )
        assert topup.disputed_micros == sum(
            max(one.withdrawn_micros - one.reinstated_micros, 0) for one in disputes if one.status == "open"
        )
        for one in disputes:
            dispute_follows_its_transactions(account, one)
        if not topup.paid:
            assert topup.grant_id(1) not in wallet.grants
            assert not refunds
            assert not disputes
            continue
        grant = wallet.grants[topup.grant_id(1)]
        # Whatever is used or expires from now on can be recognised, and deferred revenue is there for it.
        ahead = topup.price_micros * (grant.granted - grant.revoked) // grant.granted
        assert 0 <= topup.returned_deferred_micros <= topup.price_micros - ahead
        for one in (grant, wallet.grants.get(topup.grant_id(2))):
            if one is None or (one is not grant and topup.bought == 1):
                continue
            share = -(-one.granted * min(topup.returned_micros, topup.price_micros) // topup.price_micros)
            assert one.clawed <= share <= one.clawed + one.expired
            if any(dispute.status == "open" for dispute in disputes):
                assert one.frozen or one.expires_at is not None
            else:
                assert not one.frozen
    returned = sum(topup.returned_deferred_micros for topup in wallet.payments.all(Topup).values())
    assert (
        clearing["card_refund_deferred"]
        - clearing["card_refund_deferred_failed"]
        + clearing["dispute_lost_deferred"]
        - clearing["dispute_lost_deferred_undone"]
        == returned
    )
    balances = account.money()
    assert -balances.get("deferred_revenue", 0) <= deferred
    assert balances.get("disputed", 0) == sum(topup.disputed_micros for topup in wallet.payments.all(Topup).values())
    assert balances.get("refunds", 0) >= 0
    gains = [max(one.reinstated_micros - one.withdrawn_micros, 0) for one in wallet.payments.all(Dispute).values()]
    assert balances.get("dispute_losses", 0) >= -sum(gains)


def dispute_follows_its_transactions(account: Account, dispute: Dispute) -> None:
    """I13, and what stands: open, won and averted leave nothing gone; lost is all that is."""
    moved: Counter[str] = Counter()
    for row in account.journal:
        if row.external_id == dispute.dispute_id and row.book == "money":
            kind = row.kind.removesuffix("_undone")
            moved[kind] += row.amount if kind == row.kind else -row.amount
    gone = dispute.withdrawn_micros - dispute.reinstated_micros
    assert (moved["dispute_opened"], moved["dispute_won"]) == (dispute.withdrawn_micros, dispute.reinstated_micros)
    assert moved["dispute_lost_deferred"] == dispute.deferred_micros
    assert moved["dispute_lost_deferred"] + moved["dispute_lost"] == (
        gone if dispute.status == "lost" else min(gone, 0)
    )
    assert dispute.status == "open" or (gone > 0) == (dispute.status == "lost")
    booked = [
        one for one in account.wallet.payments.all(BookedTransaction).values() if one.booked_as == dispute.dispute_id
    ]
    assert -sum(min(one.amount_micros, 0) for one in booked) == dispute.withdrawn_micros
    assert sum(max(one.amount_micros, 0) for one in booked) == dispute.reinstated_micros
