"""Recognition: an account's used and expired credits become revenue, as far as they were paid for.

One transfer is posted for each grant, UTC day and kind, due on that day. What no transfer of the wallet shows counts
from when the grant's payment last changed: debts that it paid when it thawed, and what its card refunds leave.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime

from billing.core.answers import RecogniseAnswer
from billing.core.cost_basis import Recognition, Unrecognised, movements
from billing.core.grants import Grant
from billing.core.payments import Topup
from billing.core.wallet import Wallet


@dataclass(slots=True)
class _Entry:
    """What a day adds to the revenue from a grant, in micros: below 0 it takes away. `at` is the last of its times."""

    grant: Grant
    at: datetime
    usage: int = 0
    breakage: int = 0


def recognise(wallet: Wallet, now: datetime) -> RecogniseAnswer:
    """Posts what is missing of the account's revenue, as far as the store has looked. Nothing missing: no effect."""
    found = wallet.unrecognised
    assert found is not None
    entries: dict[tuple[date, int], _Entry] = {}
    for grant, at, was, comes_to in _steps(wallet, found, now):
        entry = entries.setdefault((at.date(), grant.seq), _Entry(grant, at))
        entry.at = max(entry.at, at)
        entry.usage += comes_to.usage_micros - was.usage_micros
        entry.breakage += comes_to.breakage_micros - was.breakage_micros
    before = wallet.money_seq
    amounts: dict[str, tuple[int, int]] = {}
    for _, entry in sorted(entries.items()):
        currency = entry.grant.currency or ""
        usage, breakage = amounts.get(currency, (0, 0))
        amounts[currency] = (usage + entry.usage, breakage + entry.breakage)
        _post(wallet, "recognise_usage" if entry.usage > 0 else "reverse_usage", entry, entry.usage, now)
        _post(wallet, "recognise_breakage" if entry.breakage > 0 else "reverse_breakage", entry, entry.breakage, now)
    _mark(wallet, found, now)
    return RecogniseAnswer(wallet.money_seq - before, amounts, not found.whole)


def _steps(
    wallet: Wallet, found: Unrecognised, now: datetime
) -> Iterator[tuple[Grant, datetime, Recognition, Recognition]]:
    """Every step from what was recognised to what is to be: the grant, when it was due, before and after."""
    moved = list(found.movements)
    if found.whole:
        new = [transfer for transfer in wallet.effects.transfers if transfer.seq > found.seq]
        moved += movements(new, wallet.effects.fills, wallet.grants)
    for movement in moved:
        grant = wallet.grants[movement.grant_id]
        if grant.paid_micros:
            was = found.known.get(grant.grant_id) or Recognition.none_of(grant)
            yield grant, movement.effective_at, was, _note(found, was.after(grant, movement))
    if found.whole:
        for grant in wallet.grants.values():
            if grant.paid_micros:
                was = found.known.get(grant.grant_id) or Recognition.none_of(grant)
                topup = _topup(wallet, grant)
                comes_to = was.settled(grant, topup.returned_deferred_micros if topup else 0)
                if comes_to != was:
                    yield grant, _changed_at(topup, found, now), was, _note(found, comes_to)


def _topup(wallet: Wallet, grant: Grant) -> Topup | None:
    topup_id = Topup.of_grant(grant.grant_id)
    return None if topup_id is None else wallet.payments.get(Topup, topup_id)


def _changed_at(topup: Topup | None, found: Unrecognised, now: datetime) -> datetime:
    """When the grant's payment last changed, if nobody has seen that yet."""
    if topup is None or (found.recognised_at is not None and topup.changed_at <= found.recognised_at):
        return now
    return topup.changed_at


def _note(found: Unrecognised, comes_to: Recognition) -> Recognition:
    found.known[comes_to.grant_id] = comes_to
    return comes_to


def _post(wallet: Wallet, kind: str, entry: _Entry, micros: int, now: datetime) -> None:
    if micros:
        grant = entry.grant
        wallet.post(kind, abs(micros), now, asset=grant.currency, grant_id=grant.grant_id, effective_at=entry.at)


def _mark(wallet: Wallet, found: Unrecognised, now: datetime) -> None:
    """Has the store write how far this went, if it went any further."""
    reached = wallet.wallet_seq if found.whole else found.until
    unseen = found.recognised_at is None or (wallet.last_at is not None and wallet.last_at > found.recognised_at)
    if found.known.written or reached != found.seq or (found.whole and unseen):
        found.changed = True
    found.seq, found.movements = reached, ()
    if found.whole:
        found.recognised_at = now
        found.nothing_missing = (wallet.wallet_seq, wallet.money_seq)
