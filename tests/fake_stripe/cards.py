"""Test payment methods by the names that Stripe's documentation gives them, and how each one behaves.

A name stands for a new payment method each time it is used, as with Stripe; the payment method remembers its name.
"""

from dataclasses import dataclass

from .refusals import no_such


@dataclass(frozen=True)
class Decline:
    """`code` and `decline_code` as in the error; `decline_code` is None where Stripe gives none."""

    code: str
    decline_code: str | None
    message: str


@dataclass(frozen=True)
class Card:
    """`authentication`: never, always, or once (off-session payments pass when it was saved with the customer there).

    `refund` is the status in which refunds begin; `dispute` is the status in which payments are disputed at once.
    """

    brand: str = "visa"
    last4: str = "4242"
    funding: str = "credit"
    decline: Decline | None = None
    authentication: str = "never"
    dispute: str | None = None
    refund: str = "succeeded"
    bank_debit: bool = False  # paid days later, or not
    type: str = "card"


def _declined(decline_code: str) -> Decline:
    return Decline("card_declined", decline_code, "Your card was declined.")


GENERIC = _declined("generic_decline")
INSUFFICIENT = Decline("card_declined", "insufficient_funds", "Your card has insufficient funds.")
UNAUTHENTICATED = Decline(
    "authentication_required",
    "authentication_required",
    "Your card was declined. This transaction requires authentication.",
)
FAILED_AUTHENTICATION = Decline(
    "payment_intent_authentication_failure",
    None,
    "We are unable to authenticate your payment method. Please choose a different payment method and try again.",
)
BANK_INSUFFICIENT = Decline(
    "payment_method_customer_decline",
    None,
    "The customer's account has insufficient funds to cover this payment.",
)

CARDS = {
    "pm_card_visa": Card(),
    "pm_card_visa_debit": Card(last4="5556", funding="debit"),
    "pm_card_mastercard": Card(brand="mastercard", last4="4444"),
    "pm_card_amex": Card(brand="amex", last4="0005"),
    "pm_card_chargeDeclined": Card(last4="0002", decline=GENERIC),
    "pm_card_chargeDeclinedInsufficientFunds": Card(last4="9995", decline=INSUFFICIENT),
    "pm_card_chargeDeclinedLostCard": Card(last4="9987", decline=_declined("lost_card")),
    "pm_card_chargeDeclinedStolenCard": Card(last4="9979", decline=_declined("stolen_card")),
    "pm_card_chargeDeclinedExpiredCard": Card(
        last4="0069", decline=Decline("expired_card", None, "Your card has expired.")
    ),
    "pm_card_chargeDeclinedIncorrectCvc": Card(
        last4="0127", decline=Decline("incorrect_cvc", None, "Your card's security code is incorrect.")
    ),
    "pm_card_chargeDeclinedProcessingError": Card(
        last4="0119",
        decline=Decline("processing_error", None, "An error occurred while processing your card. Try again later."),
    ),
    # Can be saved; each payment with it is declined.
    "pm_card_chargeCustomerFail": Card(last4="0341", decline=GENERIC),
    "pm_card_authenticationRequired": Card(last4="3184", authentication="always"),
    "pm_card_authenticationRequiredOnSetup": Card(last4="3155", authentication="once"),
    "pm_card_createDispute": Card(last4="0259", dispute="needs_response"),
    "pm_card_createDisputeInquiry": Card(last4="1976", dispute="warning_needs_response"),
    "pm_card_pendingRefund": Card(last4="7726", refund="pending"),
    "pm_usBankAccount": Card(last4="6789", bank_debit=True, refund="pending", type="us_bank_account"),
    "pm_sepaDebit": Card(last4="3000", bank_debit=True, refund="pending", type="sepa_debit"),
    "pm_link": Card(type="link"),
    # Saved like the others, but its holder pays each time.
    "pm_boleto": Card(type="boleto"),
}
CARDS |= {
    name.replace("pm_card_", "pm_card_visa_", 1): card for name, card in CARDS.items() if "chargeDeclined" in name
}


def card_named(name: str) -> Card:
    """Raises InvalidRequest for a name that is none of these."""
    if name not in CARDS:
        raise no_such("PaymentMethod", name, "payment_method")
    return CARDS[name]
