"""What funding refuses: orders, reports and bookings that Stripe, or we, do not accept."""

from dataclasses import dataclass

from billing.core.refusals import NotFound, Refusal, Unavailable


@dataclass(eq=False)
class PaymentsNotConfigured(Refusal):
    code = "payments_not_configured"
    title = "This service takes no payments"
    retry = "later"

    @property
    def detail(self) -> str:
        return "The operator has not set STRIPE_API_KEY; credits can be granted by an admin."


@dataclass(eq=False)
class CheckoutRefused(Refusal):
    """The processor does not accept the order; `reason` is its own sentence."""

    reason: str
    code = "checkout_refused"
    title = "The payment processor refuses this order"

    @property
    def detail(self) -> str:
        return f"It says: {self.reason} Nothing was charged."


@dataclass(eq=False)
class SignatureInvalid(Refusal):
    code = "signature_invalid"
    title = "The event's signature is missing, forged or stale"

    @property
    def detail(self) -> str:
        return "Send the body as it came, with its Stripe-Signature header; check STRIPE_WEBHOOK_SECRET and the clock."


@dataclass(eq=False)
class TransactionNotFound(NotFound):
    transaction_id: str
    code = "transaction_not_found"
    title = "Stripe knows no such balance transaction"


@dataclass(eq=False)
class TransactionKnown(Refusal):
    transaction_id: str
    transaction_type: str
    code = "transaction_known"
    title = "The ledger books that by itself"

    @property
    def detail(self) -> str:
        return (
            f"{self.transaction_id} is a {self.transaction_type}, which is booked with what it belongs to: look for the "
            "event that has not arrived (`billing stripe sync`), or that is dead."
        )


@dataclass(eq=False)
class ProcessorUnavailable(Unavailable):
    """Stripe did not answer, or not with an answer: what it has done is found out when the call is repeated."""

    code = "processor_unavailable"
    title = "The payment processor cannot be reached"
