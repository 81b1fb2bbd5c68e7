"""The wallet: one account as a batch of commands finds it, and as what they come to leaves it.

The store loads it under the account's lock, `billing.core.decide` works on it in memory, and the store writes what
its rows have noted and its effects, each row once. Nobody else sees it, so it is changed in place; a command that is
refused has changed nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from billing.core.amounts import MAX_AMOUNT
from billing.core.announcements import Announcement
from billing.core.charges import Charge, Delivered, Output, Reported, as_delivered
from billing.core.cost_basis import Unrecognised
from billing.core.effects import WalletEffects
from billing.core.grants import Debt, Draw, EarlyHolds, Grant, kept
from billing.core.ledger import GENESIS, MONEY, ROUTES, WALLET, Transfer, chained
from billing.core.noted import Noted
from billing.core.payments import Payments
from billing.core.refusals import Invalid


class Balance(NamedTuple):
    """Credits: `available = posted - held - frozen - lapsed + credit limit`."""

    posted: int
    held: int
    available: int


class Hold(NamedTuple):
    """The memo of what an authorized charge reserves until `expires_at`."""

    account_id: str
    expires_at: datetime
    request_id: str
    authorized_at: datetime
    credits: int


class Return(NamedTuple):
    """Credits of a bill that one transfer gave back: drawn from a grant (None: debt), and where they went (None: debts)."""

    drawn_from: str | None
    credits: int
    returned_to: str | None


class RefundPart(NamedTuple):
    """What a refund returned of an output, and the tier in which that stood then (None where it had failed)."""

    index: int  # type: ignore[assignment]  # the domain's word; nobody searches these tuples
    credits: int
    size_tier: str | None


class RefundRow(NamedTuple):
    """One refund: what was asked (`asked_*`, for retries), what it came to, and whose credits it returned.

    Its transfers are `first_seq` to `last_seq`, one for each of `returns`. Last stand the parts that are rows of their own.
    """

    account_id: str
    refund_id: str
    request_id: str
    asked_credits: int | None
    asked_outputs: tuple[int, ...] | None
    reason: str
    credits: int
    created_at: datetime
    first_seq: int
    last_seq: int
    outputs: tuple[RefundPart, ...]
    returns: tuple[Return, ...]


class CorrectionRow(NamedTuple):
    """One correction: what was reported (`asked`), who asked, and what it came to.

    `credits` is what the bill rose by, or fell: below 0, with `returns` as a refund has them. `outputs` are those that
    stand otherwise since. Its transfers are `first_seq` to `last_seq`; where ups and downs make 0, one of 0.
    """

    account_id: str
    correction_id: str
    request_id: str
    reason: str
    actor: str
    credits: int
    created_at: datetime
    first_seq: int
    last_seq: int
    asked: tuple[Reported, ...]
    outputs: tuple[Delivered, ...]
    returns: tuple[Return, ...]


class AccountSettings(NamedTuple):
    """What the operator decides about an account. `credit_limit` and `low_balance`, the levels told, in credits."""

    asset: str
    name: str | None
    status: str
    credit_limit: int
    overage: str
    hold: str
    metadata: str | None
    created_at: datetime
    low_balance: tuple[int, ...] | None = None

    @property
    def content(self) -> dict[str, object]:
        """What a caller asks for when opening an account: a repeated call must say the same."""
        return {name: getattr(self, name) for name in ("asset", "name", "credit_limit", "overage", "hold", "metadata")}


@dataclass(slots=True)
class Wallet:
    """An account's figures and whatever of its rows the batch names. Credits throughout.

    `now` is the database's clock, never below the account's last row. `due_at` is a lower bound of when
    something falls due. `wallet_head` and `money_head` are the chains' last hashes.
    """

    account_id: str
    settings: AccountSettings | None = None
    opening_digest: bytes = b""
    posted: int = 0
    held: int = 0
    frozen: int = 0
    debt: int = 0
    wallet_seq: int = 0
    wallet_head: bytes = GENESIS
    money_seq: int = 0
    money_head: bytes = GENESIS
    last_at: datetime | None = None
    due_at: datetime | None = None
    recharge_below: int | None = None
    tells_settled: bool = False  # somebody wants to hear of every settled charge

    # What the store loaded of its rows, as far as the batch's commands need them, and as they have become.
    charges: Noted[str, Charge] = field(default_factory=Noted)
    outputs: Noted[str, Sequence[Output]] = field(default_factory=Noted)  # of settled charges
    grants: Noted[str, Grant] = field(default_factory=Noted)
    debts: Noted[int, Debt] = field(default_factory=Noted)  # by seq, oldest first
    refunds: Noted[str, RefundRow] = field(default_factory=Noted)
    corrections: Noted[str, CorrectionRow] = field(default_factory=Noted)
    draws: dict[str, list[Draw]] = field(default_factory=dict)  # of a bill, as it was settled and supplemented
    paid: dict[int, list[tuple[str, int]]] = field(default_factory=dict)  # by a debt's seq: grants that paid it
    returned: dict[str, list[Return]] = field(default_factory=dict)  # of a bill, by refunds and corrections
    delivered: dict[str, list[Delivered]] = field(default_factory=dict)  # of a bill, by its corrections in their order
    early_holds: EarlyHolds | None = None
    next_hold_at: datetime | None = None
    unrecognised: Unrecognised | None = None

    effects: WalletEffects = field(default_factory=WalletEffects)
    _found_settings: AccountSettings | None = field(init=False)
    _found_due_at: datetime | None = field(init=False)
    _found_recharge_below: int | None = field(init=False)
    _burn_order: list[str] | None = None
    _payments: Payments | None = None

    def __post_init__(self) -> None:
        self._found_settings = self.settings
        self._found_due_at = self.due_at
        self._found_recharge_below = self.recharge_below

    @property
    def available(self) -> int:
        """What a new hold may take. Nothing is lapsed here: what was due has been posted."""
        return self.posted - self.held - self.frozen + (self.settings.credit_limit if self.settings else 0)

    @property
    def balance(self) -> Balance:
        return Balance(self.posted, self.held, self.available)

    @property
    def payments(self) -> Payments:
        """The account's payments; most batches name none."""
        if self._payments is None:
            self._payments = Payments()
        return self._payments

    @property
    def pays(self) -> bool:
        """Whether the batch has put any."""
        return self._payments is not None and any(rows.written for rows in self._payments.rows.values())

    @property
    def burn_order(self) -> list[Grant]:
        if len(self.grants) == 1:  # as most have
            return list(self.grants.values())
        if self._burn_order is None:
            in_order = sorted(self.grants.values(), key=lambda grant: grant.burn_key)
            self._burn_order = [grant.grant_id for grant in in_order]
        return [self.grants[grant_id] for grant_id in self._burn_order]

    @property
    def opened(self) -> bool:
        """Whether the batch has opened the account."""
        return self._found_settings is None and self.settings is not None

    @property
    def amended(self) -> bool:
        """Whether the batch has changed its settings."""
        return self._found_settings is not None and self.settings is not self._found_settings

    @property
    def watched_otherwise(self) -> bool:
        """Whether the batch has changed at which levels of credits the outside is told, or a recharge is due."""
        return self.amended or self.recharge_below != self._found_recharge_below

    @property
    def plain(self) -> bool:
        """Whether there is no more to write than nearly every batch has: charges, outputs, transfers, grants drawn on."""
        effects = self.effects
        return not (
            self.outputs.before
            or self.debts.added
            or self.debts.before
            or self.refunds.added
            or self.corrections.added
            or effects.fills
            or effects.changes
            or effects.announcements
            or effects.recharge_due
            or self._payments is not None
            or self.unrecognised is not None
            or self.settings is not self._found_settings
        )

    @property
    def changed(self) -> bool:
        """Whether there is anything to write. Whatever else a batch changes, it changes one of these too."""
        return bool(
            self.charges.added
            or self.charges.before
            or self.effects.transfers
            or self.pays
            or self.settings is not self._found_settings
            or self.due_at != self._found_due_at
            or (self.unrecognised is not None and self.unrecognised.changed)
        )

    def standing(self, request_id: str) -> list[Output]:
        """A settled charge's outputs as they were delivered, as far as is known by now."""
        return as_delivered(self.outputs[request_id], self.delivered.get(request_id, ()))

    def add_grant(self, grant: Grant) -> None:
        self.grants[grant.grant_id] = grant
        self.fall_due(grant.expires_at)
        self._burn_order = None

    def fall_due(self, moment: datetime | None) -> None:
        """Something falls due at `moment`, or never."""
        if moment is not None and (self.due_at is None or moment < self.due_at):
            self.due_at = moment

    def check_room(self, credits: int, field: str) -> None:
        """Raises Invalid where `credits` more would leave 64 bits."""
        limit = self.settings.credit_limit if self.settings else 0
        if max(self.posted + credits, 0) + limit > MAX_AMOUNT:
            raise Invalid.of(field, "would take the balance past 2^63 - 1")

    def post(
        self,
        kind: str,
        amount: int,
        now: datetime,
        *,
        asset: str | None = None,
        request_id: str | None = None,
        grant_id: str | None = None,
        refund_id: str | None = None,
        external_id: str | None = None,
        effective_at: datetime | None = None,
        digest: bytes | None = None,
    ) -> int:
        """Appends one transfer to its book's chain; returns its seq."""
        book, debit, credit = ROUTES[kind]
        balance_after: int | None = None
        if book == WALLET:
            self.posted += amount if credit == WALLET else -amount
            self.wallet_seq = seq = self.wallet_seq + 1
            balance_after, previous = self.posted, self.wallet_head
        else:
            self.money_seq = seq = self.money_seq + 1
            previous = self.money_head
        fields = (
            self.account_id, book, seq, kind, debit, credit, asset or "CREDIT", amount, balance_after,
            request_id, grant_id, refund_id, external_id, effective_at or now, now, digest,
        )  # fmt: skip
        head = chained(previous, *fields)
        if book == MONEY:
            self.money_head = head
        else:
            self.wallet_head = head
        self.effects.transfers.append(Transfer(*fields, head))
        return seq

    def announce(self, kind: str, now: datetime, **data: Any) -> None:
        """Tells the outside, in the transaction that writes what it is about."""
        told = self.effects.announcements
        told.append(Announcement.of(self.account_id, now, len(told), kind, data))

    def fell(self, before: int, now: datetime) -> None:
        """Tells which levels `available` has fallen below, from `before`, and whether a recharge is due."""
        after = self.available
        if after <= 0 < before:
            self.announce("balance.depleted", now, available=after, posted=self.posted, held=self.held)
        for level in (self.settings.low_balance if self.settings else None) or ():
            if after < level <= before:
                self.announce("balance.low", now, threshold=level, available=after, posted=self.posted, held=self.held)
        if self.recharge_below is not None and after < self.recharge_below <= before:
            self.effects.recharge_due = True

    def reserve(self, charge: Charge) -> None:
        """Opens the hold of a charge that was authorized."""
        self.charges[charge.request_id] = charge
        self.held += charge.held_credits
        self.fall_due(charge.expires_at)

    def release(self, charge: Charge) -> None:
        """Ends the hold of a charge, once: it is not authorized any more."""
        self.held -= charge.held_credits
        if self.early_holds is not None:
            self.early_holds.end(charge.authorized_at, charge.held_credits)

    def lapse(self, due: Sequence[Charge], now: datetime) -> None:
        """Posts what fell due by `now`, in the order in which it did: holds, and grants past their expiry.

        A hold and a grant due at the same instant: the hold first, for it was not open any more.
        """
        before = self.available
        holds = [(charge.expires_at, 0, charge) for charge in due]
        grants = [(g.expires_at, 1, None) for g in self.grants.values() if g.open and g.expires_at and g.lapsed_at(now)]
        for moment, _, charge in sorted([*holds, *grants], key=lambda event: event[:2]):
            if charge is not None:
                self.release(charge)
                self.charges[charge.request_id] = charge.as_of(now)
            self.expire_lapsed(moment, now)
        # Grants of which something is kept stay due: whoever comes next must look at them again.
        moments = [g.expires_at for g in self.grants.values() if g.open and g.expires_at and not g.frozen]
        if self.next_hold_at:
            moments.append(self.next_hold_at)
        self.due_at = min(moments, default=None)
        self.fell(before, now)

    def expire_lapsed(self, at: datetime, now: datetime) -> None:
        """Expires of the grants lapsed by `at` whatever the holds still open would not draw."""
        for grant, keep in kept(self.burn_order, self.early_holds or (), at):
            if excess := grant.remaining - keep:
                self.grants[grant.grant_id] = grant.expire(excess)
                self.post("expire", excess, now, grant_id=grant.grant_id, effective_at=at)


def hold_of(charge: Charge) -> Hold:
    return Hold(charge.account_id, charge.expires_at, charge.request_id, charge.authorized_at, charge.held_credits)


def opened_holds(new: Iterable[Charge]) -> list[Hold]:
    """The holds of charges that the batch has made."""
    return [hold_of(charge) for charge in new if charge.status == "authorized"]


def ended_holds(changed: Iterable[tuple[Charge, Charge]]) -> list[Hold]:
    """The holds of charges that were there before it."""
    return [hold_of(was) for was, charge in changed if was.status == "authorized" and charge.status != "authorized"]
