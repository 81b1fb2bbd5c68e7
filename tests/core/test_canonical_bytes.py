"""The canonical form, recomputed by an encoder that knows nothing but the words of the ledger's docstring."""

from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.core.charges import Charge, Output
from billing.core.ledger import GENESIS, ROUTES, Transfer, canonical_bytes, chained, microseconds, settlement_digest

from .examples import Account, failed, large, small, unmeasured


def encode(*fields: Any) -> bytes:
    """Fields as the docstring writes them. A list is a list; a tuple is one item of a list, its fields in order."""
    return b"".join(
        _field(field) + b"\n" if not isinstance(field, list | tuple) else _fields(field) for field in fields
    )


def _fields(value: list[Any] | tuple[Any, ...]) -> bytes:
    return (b"l%d\n" % len(value) if isinstance(value, list) else b"") + encode(*value)


def _field(value: Any) -> bytes:
    if value is None:
        return b"-"
    if isinstance(value, str):
        return b"%d:%s" % (len(value.encode()), value.encode())
    if isinstance(value, bytes):
        return b"x" + "".join(f"{byte:02x}" for byte in value).encode()
    if isinstance(value, datetime):
        since = value - datetime(1970, 1, 1, tzinfo=UTC)
        value = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    assert type(value) is int
    return b"i" + str(value).encode()


def encode_settlement(charge: Charge, outputs: list[Output]) -> bytes:
    return encode(
        "billing.settlement.1",
        charge.account_id,
        charge.request_id,
        charge.model,
        charge.operation,
        charge.mode,
        charge.n,
        charge.size,
        charge.quality,
        charge.billed_quality,
        charge.quoted_tier,
        charge.quoted_credits,
        charge.price_version,
        charge.settled_credits,
        list(charge.flags),
        charge.authorized_at,
        charge.resolved_at,
        [
            (one.index, one.status, one.width, one.height, one.size_tier, one.credits, list(one.flags))
            for one in outputs
        ],
    )


# The test vector. Whoever writes a verifier of their own can begin with these.

SETTLED = Charge(
    account_id="acc-1",
    request_id="req-7",
    status="settled",
    model="gpt-image-2",
    operation="generation",
    mode="sync",
    n=2,
    size="3840x2160",
    quality="auto",
    billed_quality="high",
    quoted_tier="4K",
    credits_per_image=133,
    quoted_credits=266,
    held_credits=266,
    settled_credits=67,
    refunded_credits=0,
    price_version=1,
    asked_price_version=None,
    overage="bill",
    one_step=False,
    forced=False,
    flags=("late", "overdrawn"),
    void_reason=None,
    api_key_id=None,
    end_user=None,
    metadata=None,
    hold_seconds=900,
    credit_limit=0,
    available_credits=300,
    authorized_seq=1,
    authorized_at=datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
    expires_at=datetime(2026, 1, 2, 3, 19, 5, 678901, tzinfo=UTC),
    resolved_at=datetime(2026, 1, 2, 3, 30, 0, tzinfo=UTC),
    first_seq=2,
    last_seq=2,
    released_at=datetime(2026, 1, 2, 3, 19, 5, 678901, tzinfo=UTC),
    corrected_credits=0,
)
OUTPUTS = [
    Output("acc-1", "req-7", 0, "succeeded", 1672, 941, "2K", 67, 0, ("capped", "unpriced_size"), None, 0),
    Output("acc-1", "req-7", 1, "failed", None, None, None, 0, 0, (), "not_reported", 0),
]
SETTLEMENT_DIGEST = "2dd95eaf86cf113ae8ce3c17c80859548049c0466f3c8e9e65a0f4bd82d3c53e"
FIELDS: tuple[Any, ...] = (
    "acc-1",
    "wallet",
    2,
    "settle",
    "wallet",
    "consumed",
    "CREDIT",
    67,
    -42,
    "req-7",
    None,
    None,
    "",
    datetime(2026, 1, 2, 3, 30, 0, tzinfo=UTC),
    datetime(2026, 1, 2, 3, 30, 0, 1, tzinfo=UTC),
    bytes.fromhex(SETTLEMENT_DIGEST),
)
CANONICAL = (
    b"18:billing.transfer.1\n5:acc-1\n6:wallet\ni2\n6:settle\n6:wallet\n8:consumed\n6:CREDIT\ni67\ni-42\n5:req-7\n"
    b"-\n-\n0:\ni1767324600000000\ni1767324600000001\nx" + SETTLEMENT_DIGEST.encode() + b"\n"
)
HASH_AFTER_GENESIS = "a139f7c38c8ecb965314d09a01399c985d6b154eafacec819e096fe00d0d3143"


def test_the_vector_of_a_transfer() -> None:
    assert canonical_bytes(*FIELDS) == CANONICAL == encode("billing.transfer.1", *FIELDS)
    assert chained(GENESIS, *FIELDS).hex() == HASH_AFTER_GENESIS
    assert sha256(bytes(32) + CANONICAL).hexdigest() == HASH_AFTER_GENESIS


def test_the_vector_of_a_settlement() -> None:
    assert settlement_digest(SETTLED, OUTPUTS).hex() == SETTLEMENT_DIGEST
    assert sha256(encode_settlement(SETTLED, OUTPUTS)).hexdigest() == SETTLEMENT_DIGEST
    assert encode_settlement(SETTLED, OUTPUTS) == (
        b"20:billing.settlement.1\n5:acc-1\n5:req-7\n11:gpt-image-2\n10:generation\n4:sync\ni2\n9:3840x2160\n4:auto\n"
        b"4:high\n2:4K\ni266\ni1\ni67\nl2\n4:late\n9:overdrawn\ni1767323045678901\ni1767324600000000\n"
        b"l2\ni0\n9:succeeded\ni1672\ni941\n2:2K\ni67\nl2\n6:capped\n13:unpriced_size\ni1\n6:failed\n-\n-\n-\ni0\nl0\n"
    )


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        (datetime(1970, 1, 1, tzinfo=UTC), 0),
        (datetime(1970, 1, 1, 0, 0, 0, 1, tzinfo=UTC), 1),
        (datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC), -1),
        (datetime(2026, 1, 1, tzinfo=UTC), 1_767_225_600_000_000),
        (datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=1))), 1_767_225_600_000_000),
        (datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC), 253_402_300_799_999_999),
    ],
)
def test_times_are_whole_microseconds(moment: datetime, expected: int) -> None:
    assert microseconds(moment) == expected


ids = st.text("abcXYZ019_.:-", min_size=1, max_size=64)
texts = st.text(max_size=20)
moments = st.datetimes(datetime(1970, 1, 1), datetime(9000, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
amounts = st.integers(-(2**63), 2**63 - 1)


@given(
    ids,
    st.sampled_from(sorted(ROUTES)),
    st.integers(1, 2**63 - 1),
    st.sampled_from(["CREDIT", "USD"]),
    amounts,
    st.none() | amounts,
    st.tuples(st.none() | ids, st.none() | ids, st.none() | ids),
    st.none() | texts,
    moments,
    moments,
    st.none() | st.binary(min_size=32, max_size=32),
    st.binary(min_size=32, max_size=32),
)
def test_any_transfer_can_be_encoded_by_the_docstring_alone(
    account_id: str,
    kind: str,
    seq: int,
    asset: str,
    amount: int,
    balance_after: int | None,
    names: tuple[str | None, str | None, str | None],
    external_id: str | None,
    effective_at: datetime,
    posted_at: datetime,
    digest: bytes | None,
    previous: bytes,
) -> None:
    book, debit, credit = ROUTES[kind]
    row = (
        account_id, book, seq, kind, debit, credit, asset, amount, balance_after, *names, external_id,
        effective_at, posted_at, digest,
    )  # fmt: skip
    encoded = encode("billing.transfer.1", *row)
    assert canonical_bytes(*row) == encoded
    assert chained(previous, *row) == sha256(previous + encoded).digest()


outputs = st.builds(
    Output,
    st.just("acc-1"),
    st.just("req-7"),
    st.integers(0, 9),
    st.sampled_from(["succeeded", "failed"]),
    st.none() | st.integers(1, 9999),
    st.none() | st.integers(1, 9999),
    st.none() | texts,
    st.integers(0, 2**63 - 1),
    st.just(0),
    st.lists(texts, max_size=3).map(tuple),
    st.none() | texts,
)


@given(
    st.tuples(texts, texts, texts, texts, texts, texts, texts),
    st.lists(texts, max_size=3).map(tuple),
    moments,
    st.none() | moments,
    st.lists(outputs, max_size=4),
)
def test_any_settlement_can_be_encoded_by_the_docstring_alone(
    words: tuple[str, ...],
    flags: tuple[str, ...],
    authorized_at: datetime,
    resolved_at: datetime | None,
    billed: list[Output],
) -> None:
    named = ("model", "operation", "mode", "size", "quality", "billed_quality", "quoted_tier")
    charge = SETTLED._replace(
        flags=flags, authorized_at=authorized_at, resolved_at=resolved_at, **dict(zip(named, words, strict=True))
    )
    assert settlement_digest(charge, billed) == sha256(encode_settlement(charge, billed)).digest()


BEYOND_THE_DIGEST = {
    "status", "credits_per_image", "held_credits", "refunded_credits", "asked_price_version", "overage", "one_step",
    "forced", "void_reason", "api_key_id", "end_user", "metadata", "hold_seconds", "credit_limit",
    "available_credits", "authorized_seq", "expires_at", "first_seq", "last_seq",
    "released_at", "corrected_credits",
}  # fmt: skip


@pytest.mark.parametrize("name", Charge._fields)
def test_the_digest_covers_what_was_settled_and_nothing_that_changes_later(name: str) -> None:
    old = getattr(SETTLED, name)
    new = old + timedelta(1) if isinstance(old, datetime) else old + 1 if type(old) is int else ("x",)
    other = SETTLED._replace(**{name: new if not isinstance(old, str) else old + "x"})
    assert (settlement_digest(other, OUTPUTS) == settlement_digest(SETTLED, OUTPUTS)) == (name in BEYOND_THE_DIGEST)


def test_nothing_is_not_the_empty_text_and_no_text_can_pass_for_another() -> None:
    def with_ids(request_id: str | None, grant_id: str | None) -> bytes:
        return canonical_bytes(*FIELDS[:9], request_id, grant_id, *FIELDS[11:])

    encodings = [
        with_ids(*names) for names in [(None, None), ("", None), (None, ""), ("", ""), ("-", None), ("a\n-", None),
                                       ("a", None), ("ab", "c"), ("a", "bc"), ("a\n1:b", "c"), ("a", "b\n1:c")]
    ]  # fmt: skip
    assert len(set(encodings)) == len(encodings)


def recomputed(transfers: list[Transfer]) -> list[bytes]:
    head, heads = bytes(32), []
    for transfer in transfers:
        head = sha256(head + encode("billing.transfer.1", *transfer[:-1])).digest()
        heads.append(head)
    return heads


def a_busy_account() -> Account:
    account = Account(credit_limit=50)
    account.grant("g1", 30, paid_micros=30_000_000, currency="USD", reference="Rechnung № 7 ü")
    account.grant("g2", 5, "promotion", expires_at=account.now.replace(hour=18), paid_micros=1, currency="EUR")
    account.authorize("r1", 10, 2)
    account.settle("r1", large(), failed(1))
    account.charge("r2", unmeasured(), small(1), quality=20, n=2)
    account.refund("r2", "f1", credits=7)
    account.authorize("r3", 5)
    account.wait(timedelta(hours=7))
    account.settle("r3", small())
    return account


@pytest.mark.parametrize("book", ["wallet", "money"])
def test_a_stranger_can_recompute_both_chains(book: str) -> None:
    account = a_busy_account()
    transfers = [transfer for transfer in account.journal if transfer.book == book]
    heads = recomputed(transfers)
    assert heads == [transfer.hash for transfer in transfers]
    assert heads[-1] == (account.wallet.wallet_head if book == "wallet" else account.wallet.money_head)
    assert [transfer.seq for transfer in transfers] == list(range(1, len(heads) + 1))


@pytest.mark.parametrize("field", [name for name in Transfer._fields if name != "hash"])
def test_no_field_of_a_transfer_can_be_changed_unseen(field: str) -> None:
    journal = [transfer for transfer in a_busy_account().journal if transfer.book == "wallet"]
    old = getattr(journal[0], field)
    new = old + timedelta(0, 0, 1) if isinstance(old, datetime) else old + 1 if type(old) is int else "forged"
    forged = [journal[0]._replace(**{field: new}), *journal[1:]]
    assert not set(recomputed(forged)) & {transfer.hash for transfer in journal}


def test_settlement_transfers_carry_the_digest_of_what_was_settled() -> None:
    account = a_busy_account()
    settlements = [transfer for transfer in account.journal if transfer.kind == "settle"]
    assert settlements
    for transfer in settlements:
        charge = account.wallet.charges[transfer.request_id or ""]
        as_settled = [
            one._replace(refunded_credits=0, corrected_credits=0) for one in account.wallet.outputs[charge.request_id]
        ]
        assert transfer.digest == sha256(encode_settlement(charge, as_settled)).digest()
    assert {transfer.digest for transfer in account.journal if transfer.kind != "settle"} == {None}


def test_every_event_has_its_debit_and_its_credit() -> None:
    """The ledger's table in the domain, event by event; what the other way round is the same row mirrored."""
    assert ROUTES == {
        "grant": ("wallet", "issued", "wallet"),
        "settle": ("wallet", "wallet", "consumed"),
        "refund": ("wallet", "consumed", "wallet"),
        # Corrections of a bill, up and down.
        "supplement": ("wallet", "wallet", "consumed"),
        "reduction": ("wallet", "consumed", "wallet"),
        "expire": ("wallet", "wallet", "expired"),
        # Clawback, for a card refund or a lost dispute; and where the card did not take the money after all.
        "revoke": ("wallet", "wallet", "revoked"),
        "restore": ("wallet", "revoked", "wallet"),
        # Revenue as credits are used or expire; where that is undone, the other way round.
        "recognise_usage": ("money", "deferred_revenue", "revenue_usage"),
        "recognise_breakage": ("money", "deferred_revenue", "revenue_breakage"),
        "reverse_usage": ("money", "revenue_usage", "deferred_revenue"),
        "reverse_breakage": ("money", "revenue_breakage", "deferred_revenue"),
        # A purchase by its funding: by wire, or by Stripe.
        "purchase_bank": ("money", "bank", "deferred_revenue"),
        "purchase_stripe_clearing": ("money", "stripe_clearing", "deferred_revenue"),
        # A card refund: basis not yet recognised, then the rest; and both back.
        "card_refund_deferred": ("money", "deferred_revenue", "stripe_clearing"),
        "card_refund": ("money", "refunds", "stripe_clearing"),
        "card_refund_deferred_failed": ("money", "stripe_clearing", "deferred_revenue"),
        "card_refund_failed": ("money", "stripe_clearing", "refunds"),
        # A dispute is opened; won it is the reverse; lost it is a card refund out of what is disputed.
        "dispute_opened": ("money", "disputed", "stripe_clearing"),
        "dispute_won": ("money", "stripe_clearing", "disputed"),
        "dispute_lost_deferred": ("money", "deferred_revenue", "disputed"),
        "dispute_lost": ("money", "dispute_losses", "disputed"),
        # And each of these the other way round, for it may be decided otherwise.
        "dispute_opened_undone": ("money", "stripe_clearing", "disputed"),
        "dispute_won_undone": ("money", "disputed", "stripe_clearing"),
        "dispute_lost_deferred_undone": ("money", "disputed", "deferred_revenue"),
        "dispute_lost_undone": ("money", "disputed", "dispute_losses"),
        # What the processor keeps, and what it pays out; and either back.
        "fee": ("money", "processor_fees", "stripe_clearing"),
        "fee_returned": ("money", "stripe_clearing", "processor_fees"),
        "payout": ("money", "bank", "stripe_clearing"),
        "payout_failed": ("money", "stripe_clearing", "bank"),
        # What it keeps back for a while, what came from the bank, and what belongs to other books.
        "reserve_held": ("money", "stripe_reserve", "stripe_clearing"),
        "reserve_released": ("money", "stripe_clearing", "stripe_reserve"),
        "balance_funded": ("money", "stripe_clearing", "bank"),
        "balance_funding_returned": ("money", "bank", "stripe_clearing"),
        "other_business_out": ("money", "other_business", "stripe_clearing"),
        "other_business_in": ("money", "stripe_clearing", "other_business"),
    }
