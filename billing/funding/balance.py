"""The balance: what each type of Stripe's balance transactions is to the ledger.

https://docs.stripe.com/reports/balance-transaction-types. `tests/funding` compares the table with the library's list, so
that a type which is new to the library is noticed here. What the table leaves to a person, and what it has never heard
of, waits for one.
"""

from collections.abc import Mapping
from typing import Final, Literal

from billing.funding.processor import BalanceTransaction

Meaning = Literal[
    "payment",
    "refund",  # or, above zero, a refund that came back
    "adjustment",  # by what is behind it
    "fee",
    "payout",
    "payout_failed",
    "reserve",
    "bank",
    "ask",  # a person: it belongs to a product of Stripe's that the ledger does not keep the books of
]

TYPES: Final[Mapping[str, Meaning]] = {
    # Payments and what became of them.
    "charge": "payment",
    "payment": "payment",
    "refund": "refund",
    "payment_refund": "refund",
    "refund_failure": "refund",
    "adjustment": "adjustment",
    # A payment that was shown on the balance before it failed, and then taken off: it comes to nothing.
    "payment_failure_refund": "reserve",
    "payment_reversal": "ask",
    "payment_unreconciled": "ask",
    # What Stripe and others take for themselves, and give back of it.
    "stripe_fee": "fee",
    "stripe_fx_fee": "fee",
    "tax_fee": "fee",
    "network_cost": "fee",
    "contribution": "fee",
    "climate_order_purchase": "fee",
    "climate_order_refund": "fee",
    "fee_credit_funding": "fee",
    # To the bank and back, and from the bank.
    "payout": "payout",
    "payout_cancel": "payout_failed",
    "payout_failure": "payout_failed",
    "topup": "bank",
    "topup_reversal": "bank",
    "inbound_transfer": "bank",
    "inbound_transfer_reversal": "bank",
    # Kept back and released, or given before it is due and taken again.
    "reserve_hold": "reserve",
    "reserve_release": "reserve",
    "reserve_transaction": "reserve",
    "reserved_funds": "reserve",
    "payment_network_reserve_hold": "reserve",
    "payment_network_reserve_release": "reserve",
    "payout_minimum_balance_hold": "reserve",
    "payout_minimum_balance_release": "reserve",
    "advance": "reserve",
    "advance_funding": "reserve",
    # Loans, taxes held for others, cards that were issued, connected accounts.
    "anticipation_repayment": "ask",
    "obligation_outbound": "ask",
    "obligation_reversal_inbound": "ask",
    "tax_fund": "ask",
    "stripe_balance_payment_debit": "ask",
    "stripe_balance_payment_debit_reversal": "ask",
    "application_fee": "ask",
    "application_fee_refund": "ask",
    "connect_collection_transfer": "ask",
    "transfer": "ask",
    "transfer_cancel": "ask",
    "transfer_failure": "ask",
    "transfer_refund": "ask",
    "issuing_authorization_hold": "ask",
    "issuing_authorization_release": "ask",
    "issuing_dispute": "ask",
    "issuing_dispute_provisional_credit": "ask",
    "issuing_dispute_provisional_credit_reversal": "ask",
    "issuing_transaction": "ask",
}


def meaning(movement: BalanceTransaction) -> str | None:
    """An event of `billing.core.clearing`, or `dispute`; None where a person has to say."""
    found = TYPES.get(movement.type, "ask")
    if movement.source_kind == "dispute" and found != "fee":
        return "dispute"
    match found:
        case "payment":
            return "reserve" if movement.source_failed else "payment"
        case "refund":
            return "refund" if movement.amount_micros < 0 else "refund_failed"
        case "adjustment":
            return "refund_failed" if movement.source_kind == "refund" and movement.amount_micros > 0 else None
        case "ask":
            return None
    return found
