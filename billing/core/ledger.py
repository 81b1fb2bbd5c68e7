"""The journal: the chart of accounts, transfers and the hash chains over them.

A transfer moves `amount` from its `debit` to its `credit` ledger account, so the books balance by
construction. It is never updated and never deleted. Each account has two books, `wallet` and `money`,
and each book is a chain of its own: gap-free `seq` from 1, and

    hash(seq) = SHA-256( hash(seq - 1) ‖ canonical bytes of the transfer ),   hash(0) = 32 zero bytes

Canonical bytes (version 1) are UTF-8 text, one field after another, each ended by a line feed:

    text      its length in bytes, a colon, then itself      `5:acc-1`  (empty text is `0:`)
    integer   `i` and the decimal digits                     `i-42`
    time      an integer: microseconds since 1970-01-01T00:00:00Z
    bytes     `x` and lower-case hexadecimal digits
    list      `l`, how many there are, then each item's fields
    nothing   `-`

A transfer's fields in order: `billing.transfer.1` (text), account_id, book, seq, kind, debit, credit, asset,
amount, balance_after, request_id, grant_id, refund_id, external_id, effective_at, posted_at, digest.
A settlement's digest is SHA-256 over `billing.settlement.1` and the fields that `settlement_digest` lists.
`tests/core/test_canonical_bytes.py` holds a test vector.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from billing.core.charges import Charge, Output

Book = Literal["wallet", "money"]
WALLET: Final[Book] = "wallet"
MONEY: Final[Book] = "money"
GENESIS = bytes(32)

# Chart of accounts. Wallet book:
ISSUED, CONSUMED, EXPIRED, REVOKED, ADJUSTED = "issued", "consumed", "expired", "revoked", "adjusted"
# Money book, per currency:
STRIPE_CLEARING, BANK, DEFERRED_REVENUE = "stripe_clearing", "bank", "deferred_revenue"
STRIPE_RESERVE, OTHER_BUSINESS = "stripe_reserve", "other_business"  # kept back for a while; of books kept elsewhere
PROCESSOR_FEES, REFUNDS = "processor_fees", "refunds"
DISPUTED, DISPUTE_LOSSES = "disputed", "dispute_losses"
REVENUE_USAGE, REVENUE_BREAKAGE = "revenue_usage", "revenue_breakage"

# One row per event: kind → (book, debit, credit).
ROUTES: Final[dict[str, tuple[Book, str, str]]] = {
    "grant": (WALLET, ISSUED, WALLET),
    "settle": (WALLET, WALLET, CONSUMED),
    "refund": (WALLET, CONSUMED, WALLET),
    "supplement": (WALLET, WALLET, CONSUMED),  # corrections of a bill, up
    "reduction": (WALLET, CONSUMED, WALLET),  # and down
    "expire": (WALLET, WALLET, EXPIRED),
    "revoke": (WALLET, WALLET, REVOKED),
    "restore": (WALLET, REVOKED, WALLET),  # a card refund that failed after all, a dispute that is lost no more
    "purchase_bank": (MONEY, BANK, DEFERRED_REVENUE),
    "purchase_stripe_clearing": (MONEY, STRIPE_CLEARING, DEFERRED_REVENUE),
    "recognise_usage": (MONEY, DEFERRED_REVENUE, REVENUE_USAGE),
    "recognise_breakage": (MONEY, DEFERRED_REVENUE, REVENUE_BREAKAGE),
    "reverse_usage": (MONEY, REVENUE_USAGE, DEFERRED_REVENUE),
    "reverse_breakage": (MONEY, REVENUE_BREAKAGE, DEFERRED_REVENUE),
    "card_refund_deferred": (MONEY, DEFERRED_REVENUE, STRIPE_CLEARING),
    "card_refund": (MONEY, REFUNDS, STRIPE_CLEARING),
    "card_refund_deferred_failed": (MONEY, STRIPE_CLEARING, DEFERRED_REVENUE),
    "card_refund_failed": (MONEY, STRIPE_CLEARING, REFUNDS),
    "dispute_opened": (MONEY, DISPUTED, STRIPE_CLEARING),  # money was withdrawn for it
    "dispute_opened_undone": (MONEY, STRIPE_CLEARING, DISPUTED),  # or, after all, never was
    "dispute_won": (MONEY, STRIPE_CLEARING, DISPUTED),  # money was returned
    "dispute_won_undone": (MONEY, DISPUTED, STRIPE_CLEARING),
    "dispute_lost_deferred": (MONEY, DEFERRED_REVENUE, DISPUTED),
    "dispute_lost_deferred_undone": (MONEY, DISPUTED, DEFERRED_REVENUE),  # another verdict, or another round
    "dispute_lost": (MONEY, DISPUTE_LOSSES, DISPUTED),
    "dispute_lost_undone": (MONEY, DISPUTED, DISPUTE_LOSSES),
    "fee": (MONEY, PROCESSOR_FEES, STRIPE_CLEARING),
    "fee_returned": (MONEY, STRIPE_CLEARING, PROCESSOR_FEES),
    "payout": (MONEY, BANK, STRIPE_CLEARING),
    "payout_failed": (MONEY, STRIPE_CLEARING, BANK),
    "reserve_held": (MONEY, STRIPE_RESERVE, STRIPE_CLEARING),
    "reserve_released": (MONEY, STRIPE_CLEARING, STRIPE_RESERVE),
    "balance_funded": (MONEY, STRIPE_CLEARING, BANK),  # from the bank into the processor's balance
    "balance_funding_returned": (MONEY, BANK, STRIPE_CLEARING),
    "other_business_out": (MONEY, OTHER_BUSINESS, STRIPE_CLEARING),
    "other_business_in": (MONEY, STRIPE_CLEARING, OTHER_BUSINESS),
}

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Transfer(NamedTuple):
    """One journal row. `amount` ≥ 0 in the asset's smallest unit; `balance_after` on the wallet book only.

    `effective_at` is when the event was due, `posted_at` when it was written: equal but for expiry and recognition.
    """

    account_id: str
    book: Book
    seq: int
    kind: str
    debit: str
    credit: str
    asset: str
    amount: int
    balance_after: int | None
    request_id: str | None
    grant_id: str | None
    refund_id: str | None
    external_id: str | None
    effective_at: datetime
    posted_at: datetime
    digest: bytes | None
    hash: bytes


def chained(previous: bytes, *fields: Any) -> bytes:
    """The hash of the transfer with these `fields` (all but its hash) after `previous`; 32 bytes each."""
    return sha256(previous + canonical_bytes(*fields)).digest()


def canonical_bytes(
    account_id: str,
    book: str,
    seq: int,
    kind: str,
    debit: str,
    credit: str,
    asset: str,
    amount: int,
    balance_after: int | None,
    request_id: str | None,
    grant_id: str | None,
    refund_id: str | None,
    external_id: str | None,
    effective_at: datetime,
    posted_at: datetime,
    digest: bytes | None,
) -> bytes:
    """The canonical bytes of a transfer's fields, as this module's docstring defines them."""
    # One f-string: this runs for every transfer, and identifiers are ASCII, so characters are bytes.
    return (
        f"18:billing.transfer.1\n{len(account_id)}:{account_id}\n{len(book)}:{book}\ni{seq}\n"
        f"{len(kind)}:{kind}\n{len(debit)}:{debit}\n{len(credit)}:{credit}\n{len(asset)}:{asset}\n"
        f"i{amount}\n{_integer(balance_after)}\n{_text(request_id)}\n{_text(grant_id)}\n{_text(refund_id)}\n"
        f"{_text(external_id)}\ni{microseconds(effective_at)}\ni{microseconds(posted_at)}\n"
        f"{'-' if digest is None else f'x{digest.hex()}'}\n"
    ).encode()


def settlement_digest(charge: "Charge", outputs: Iterable["Output"]) -> bytes:
    """SHA-256 over what was settled: the charge's terms and bill, and each output in order of its index.

    Fields: `billing.settlement.1`, account_id, request_id, model, operation, mode, n, size, quality,
    billed_quality, quoted_tier, quoted_credits, price_version, settled_credits, flags (list),
    authorized_at, resolved_at, outputs (list: index, status, width, height, size_tier, credits, flags (list)).
    """
    c = charge
    terms = _terms(
        c.model, c.operation, c.mode, c.n, c.size, c.quality, c.billed_quality, c.quoted_tier, c.quoted_credits,
        c.price_version,
    )  # fmt: skip
    billed = [_output(o.index, o.status, o.width, o.height, o.size_tier, o.credits, o.flags) for o in outputs]
    return sha256(
        (
            f"20:billing.settlement.1\n{len(c.account_id)}:{c.account_id}\n{len(c.request_id)}:{c.request_id}\n{terms}"
            f"i{c.settled_credits}\n{_texts(c.flags)}i{microseconds(c.authorized_at)}\n"
            f"{'-' if c.resolved_at is None else f'i{microseconds(c.resolved_at)}'}\nl{len(billed)}\n{''.join(billed)}"
        ).encode()
    ).digest()


@lru_cache(maxsize=4096)  # most requests are alike
def _terms(
    model: str,
    operation: str,
    mode: str,
    n: int,
    size: str,
    quality: str,
    billed_quality: str,
    quoted_tier: str,
    quoted_credits: int,
    price_version: int,
) -> str:
    return (
        f"{_text(model)}\n{_text(operation)}\n{_text(mode)}\ni{n}\n{_text(size)}\n{_text(quality)}\n"
        f"{_text(billed_quality)}\n{_text(quoted_tier)}\ni{quoted_credits}\ni{price_version}\n"
    )


@lru_cache(maxsize=4096)  # and so are most images
def _output(
    index: int,
    status: str,
    width: int | None,
    height: int | None,
    size_tier: str | None,
    credits: int,
    flags: tuple[str, ...],
) -> str:
    return (
        f"i{index}\n{_text(status)}\n{_integer(width)}\n{_integer(height)}\n{_text(size_tier)}\ni{credits}\n"
        f"{_texts(flags)}"
    )


@lru_cache(maxsize=1024)  # a batch has one clock: most calls ask for the same instant
def microseconds(moment: datetime) -> int:
    """Microseconds since 1970-01-01T00:00:00Z, exactly."""
    return (moment - _EPOCH) // _MICROSECOND


def _text(value: str | None) -> str:
    if value is None:
        return "-"
    return f"{len(value) if value.isascii() else len(value.encode())}:{value}"


def _texts(values: tuple[str, ...]) -> str:
    return "l0\n" if not values else f"l{len(values)}\n" + "".join(f"{_text(value)}\n" for value in values)


def _integer(value: int | None) -> str:
    return "-" if value is None else f"i{value}"
