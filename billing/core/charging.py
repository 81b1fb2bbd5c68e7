"""Charging: a charge from its authorization to its bill."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from billing.core.announcements import SETTLED
from billing.core.answers import ChargeAnswer
from billing.core.charges import (
    FORCED,
    LATE,
    LATE_SETTLE,
    OVERDRAWN,
    Charge,
    Output,
    Reported,
    bill,
    same_report,
    settled,
    union_of_flags,
)
from billing.core.commands import Authorize, Settle, Void
from billing.core.content import must_agree
from billing.core.grants import Debt, Draw, Grant, take
from billing.core.ledger import settlement_digest
from billing.core.prices import ModelPrices, PriceBooks
from billing.core.refusals import AccountSuspended, ChargeNotFound, ChargeNotOpen, InsufficientCredits, PriceChanged
from billing.core.wallet import Wallet

_ASKED = (
    "model", "operation", "mode", "n", "size", "quality", "hold_seconds", "api_key_id", "end_user",
)  # fmt: skip


def authorize(wallet: Wallet, command: Authorize, books: PriceBooks, now: datetime) -> ChargeAnswer:
    """Reserves the quoted cost; with outputs, bills them at once.

    Raises IdReused, AccountSuspended, UnknownModel, SizeNotAllowed, SizeNotPriced, QualityNotSupported,
    PriceChanged, InsufficientCredits.
    """
    settings = wallet.settings
    assert settings is not None
    known = wallet.charges.get(command.request_id)
    if known is not None:
        _must_be_the_same(known, command, wallet.outputs.get(command.request_id, ()))
        return charge_answer(wallet, command.request_id, replayed=True)
    if settings.status == "suspended":
        raise AccountSuspended()
    book = books.at(now)
    quote = book.quote(command.model, command.n, command.size, command.quality, settings.overage)
    if command.price_version is not None and command.price_version != book.version:
        raise PriceChanged(book.version)
    needed = quote.max_credits if settings.hold == "max" else quote.credits
    available = wallet.available
    if available < needed:
        raise InsufficientCredits(available, needed)
    # From here on it must succeed.
    one_step = command.outputs is not None
    charge = Charge(
        account_id=wallet.account_id,
        request_id=command.request_id,
        status="authorized",
        model=command.model,
        operation=command.operation,
        mode=command.mode,
        n=command.n,
        size=command.size,
        quality=command.quality,
        billed_quality=quote.billed_quality,
        quoted_tier=quote.size_tier,
        credits_per_image=quote.credits_per_image,
        quoted_credits=quote.credits,
        held_credits=0 if one_step else needed,
        settled_credits=0,
        refunded_credits=0,
        price_version=book.version,
        asked_price_version=command.price_version,
        overage=settings.overage,
        one_step=one_step,
        forced=False,
        flags=(),
        void_reason=None,
        api_key_id=command.api_key_id,
        end_user=command.end_user,
        metadata=command.metadata_json,
        hold_seconds=command.hold_seconds,
        credit_limit=settings.credit_limit,
        available_credits=available,
        authorized_seq=wallet.wallet_seq,
        authorized_at=now,
        expires_at=now + timedelta(seconds=command.hold_seconds),
        resolved_at=None,
        first_seq=None,
        last_seq=None,
        released_at=now if one_step else None,
        corrected_credits=0,
    )
    if command.outputs is None:
        wallet.reserve(charge)
    else:
        _settle(
            wallet,
            charge,
            book.model(command.model),
            command.outputs,
            now,
            spendable=available,
            held_since=None,
        )
    return charge_answer(wallet, command.request_id)


def settle(wallet: Wallet, command: Settle, books: PriceBooks, now: datetime) -> ChargeAnswer:
    """Bills what was delivered and releases the hold. Raises ChargeNotFound, ChargeNotOpen."""
    charge = wallet.charges.get(command.request_id)
    if charge is None:
        raise ChargeNotFound(command.request_id)
    flags: tuple[str, ...] = ()
    spendable = wallet.available
    held_since: datetime | None = None
    match charge.status:
        case "authorized":
            spendable += charge.held_credits
            held_since = charge.authorized_at
        case "expired" if now < charge.expires_at + LATE_SETTLE:
            flags = (LATE,)
        case "expired" | "voided" if command.force:
            flags = (FORCED,)
        case "settled" if charge.forced == command.force and same_report(
            wallet.outputs[command.request_id], command.outputs
        ):
            return charge_answer(wallet, command.request_id, replayed=True)
        case _:
            raise ChargeNotOpen(charge.status)
    prices = books.version(charge.price_version).model(charge.model)
    # From here on it must succeed.
    if held_since is not None:
        wallet.release(charge)
    _settle(
        wallet,
        charge,
        prices,
        command.outputs,
        now,
        spendable,
        held_since,
        flags,
        command.force,
    )
    return charge_answer(wallet, command.request_id)


def void(wallet: Wallet, command: Void, now: datetime) -> ChargeAnswer:
    """Releases the hold; an expired charge can then not be settled late. Raises ChargeNotFound, ChargeNotOpen."""
    charge = wallet.charges.get(command.request_id)
    if charge is None:
        raise ChargeNotFound(command.request_id)
    if charge.status == "voided" and charge.void_reason == command.reason:
        return charge_answer(wallet, command.request_id, replayed=True)
    if charge.status not in ("authorized", "expired"):
        raise ChargeNotOpen(charge.status)
    # From here on it must succeed.
    released_at = charge.released_at
    if charge.status == "authorized":
        wallet.release(charge)
        released_at = now
    wallet.charges[charge.request_id] = charge._replace(
        status="voided", void_reason=command.reason, resolved_at=now, released_at=released_at
    )
    if wallet.early_holds is not None:
        wallet.expire_lapsed(now, now)
    return charge_answer(wallet, command.request_id)


def charge_answer(wallet: Wallet, request_id: str, *, replayed: bool = False) -> ChargeAnswer:
    return ChargeAnswer(replayed, wallet.charges[request_id], wallet.outputs.get(request_id, ()), wallet.balance)


def draw(
    wallet: Wallet,
    kind: str,
    request_id: str,
    drawn: Sequence[tuple[Grant, int]],
    debt: int,
    now: datetime,
    digest: bytes | None = None,
) -> list[Draw]:
    """Posts what is `drawn` of grants for a bill, one transfer for each, and one for debt; for nothing, one of 0."""
    draws = []
    for grant, part in drawn:
        wallet.grants[grant.grant_id] = grant.use(part)
        seq = wallet.post(kind, part, now, request_id=request_id, grant_id=grant.grant_id, digest=digest)
        draws.append(Draw(grant.grant_id, part, seq))
    if debt or not drawn:
        seq = wallet.post(kind, debt, now, request_id=request_id, digest=digest)
        if debt:
            draws.append(Draw(None, debt, seq))
            wallet.debts[seq] = Debt(wallet.account_id, seq, request_id, debt, debt)
            wallet.debt += debt
    return draws


def _settle(
    wallet: Wallet,
    charge: Charge,
    prices: ModelPrices,
    reported: Sequence[Reported],
    now: datetime,
    spendable: int,
    held_since: datetime | None,
    flags: tuple[str, ...] = (),
    forced: bool = False,
) -> None:
    """Posts the bill: one transfer for each grant drawn on, one for debt; a bill of 0 leaves one of 0.

    `spendable` is what is available with the charge's own hold released. A bill above it is posted all the
    same, because the images were delivered.
    """
    outputs = bill(charge, prices, reported)
    credits = sum([output.credits for output in outputs])
    drawn = take(wallet.burn_order, credits, now, held_since)
    debt = credits - sum([part for _, part in drawn])
    first = wallet.wallet_seq + 1
    if credits > spendable:
        flags = (*flags, OVERDRAWN)
    last = first + max(len(drawn) + (debt > 0), 1) - 1
    released_at = charge.released_at if held_since is None else now
    flags = union_of_flags(outputs, *flags)
    charge = settled(charge, "settled", credits, flags, forced, now, first, last, released_at)
    digest = settlement_digest(charge, outputs)
    wallet.draws[charge.request_id] = draw(wallet, "settle", charge.request_id, drawn, debt, now, digest)
    wallet.charges[charge.request_id] = charge
    wallet.outputs[charge.request_id] = outputs
    wallet.effects.tally.bill(charge, outputs, now)
    if wallet.tells_settled:
        wallet.announce(
            SETTLED,
            now,
            request_id=charge.request_id,
            model=charge.model,
            quoted_credits=charge.quoted_credits,
            settled_credits=credits,
            flags=charge.flags,
            images=sum(output.status == "succeeded" for output in outputs),
            api_key_id=charge.api_key_id,
            end_user=charge.end_user,
            balance={"posted": wallet.posted, "held": wallet.held, "available": wallet.available},
        )
    if wallet.early_holds is not None:  # what this hold leaves of a lapsed grant has expired
        wallet.expire_lapsed(now, now)


def _must_be_the_same(known: Charge, command: Authorize, outputs: Sequence[Output]) -> None:
    """Raises IdReused."""
    delivered = command.outputs is not None
    reported = known.one_step == delivered and (command.outputs is None or same_report(outputs, command.outputs))
    must_agree(
        command.request_id,
        {
            **{name: (getattr(known, name), getattr(command, name)) for name in _ASKED},
            "metadata": (known.metadata, command.metadata_json),
            "price_version": (known.asked_price_version, command.price_version),
            "outputs": (True, reported),
        },
    )
