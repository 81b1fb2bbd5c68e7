"""The processor: Stripe, behind one door. Nothing else of the service speaks to it.

Every call that makes something carries an idempotency key of ours, so that it may be repeated; no database
transaction is open while one runs. What comes back is read into plain values here; amounts become micros.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar, cast

import stripe
import structlog

from billing.core.money import micros_of_stripe, stripe_units
from billing.core.payments import Topup
from billing.funding.refusals import CheckoutRefused, ProcessorUnavailable

T = TypeVar("T")
TIMEOUT_SECONDS: Final = 10
NETWORK_RETRIES: Final = 1
PAGE: Final = 100
CLOCKS: Final = timedelta(days=1)  # by how much Stripe's and the database's may differ: more than they ever will
KEYS: Final = 5  # idempotency keys for one thing, each after Stripe has kept a failure under the one before
MARK: Final = "billing_account_id"  # whose an object is, as its metadata says
MARK_TOPUP: Final = "billing_topup_id"
log = structlog.get_logger("billing.funding")

# https://docs.stripe.com/declines/codes, https://docs.stripe.com/error-codes: what another attempt is of no use for.
FINAL_DECLINES: Final = frozenset(
    [
        "account_closed",
        "authentication_required",
        "bank_account_restricted",
        "bank_account_unusable",
        "card_not_supported",
        "debit_not_authorized",
        "expired_card",
        "expired_payment_method",
        "fraudulent",
        "incorrect_number",
        "invalid_account",
        "lost_card",
        "merchant_blacklist",
        "new_account_information_available",
        "no_account",
        "payment_intent_mandate_invalid",
        "payment_method_bank_account_blocked",
        "payment_method_not_available",
        "payment_method_unactivated",
        "pickup_card",
        "restricted_card",
        "revocation_of_all_authorizations",
        "revocation_of_authorization",
        "sepa_unsupported_account",
        "stolen_card",
        "stop_payment_order",
        "transaction_not_allowed",
    ]
)

# Types of payment methods that can be charged while their holder is away: what the library lets us save for that, but
# for those that are saved as another type (bancontact, ideal and sofort as sepa_debit) and vouchers, which their holder
# has to pay each time (boleto). `tests/funding` compares.
OFF_SESSION: Final = frozenset(
    [
        "acss_debit",
        "alipay",
        "amazon_pay",
        "au_becs_debit",
        "bacs_debit",
        "blik",
        "card",
        "cashapp",
        "kakao_pay",
        "klarna",
        "kr_card",
        "link",
        "naver_pay",
        "nz_bank_account",
        "paypal",
        "payto",
        "pix",
        "revolut_pay",
        "satispay",
        "sepa_debit",
        "twint",
        "upi",
        "us_bank_account",
    ]
)


@dataclass(frozen=True, slots=True)
class Payment:
    """How an off-session payment stands: `paid`, `pending` or `failed`, and why; `final`: never try this card again."""

    payment_id: str | None
    state: str
    amount_micros: int = 0
    currency: str = ""
    reason: str = ""
    final: bool = False


@dataclass(frozen=True, slots=True)
class BalanceTransaction:
    """A balance transaction, signed as Stripe signs it: net = amount - fee. `payment_id`: of the charge behind it.

    `source_failed`: what is behind it is a payment that failed after it had been shown on the balance.
    """

    transaction_id: str
    type: str
    amount_micros: int
    fee_micros: int
    currency: str
    source_id: str | None
    source_kind: str | None
    payment_id: str | None
    source_failed: bool = False

    @property
    def net_micros(self) -> int:
        return self.amount_micros - self.fee_micros


@dataclass(frozen=True, slots=True)
class Complaint:
    """A dispute as Stripe has it at this instant, with every balance transaction of its money so far."""

    dispute_id: str
    status: str
    reason: str | None
    amount_micros: int
    currency: str
    payment_id: str | None
    movements: tuple[BalanceTransaction, ...]


class NoSuchThing(Exception):
    """Stripe knows no object of this id."""


class _KeptFailure(Exception):
    """Stripe repeats a 500 that it keeps under an idempotency key, and will for a day."""


class Processor:
    """Stripe's API as this service uses it. Close it in the end.

    Its methods raise ProcessorUnavailable where the outcome is unknown or was not sought, and CheckoutRefused where
    Stripe understood and said no.
    """

    def __init__(self, key: str, api_base: str | None = None, *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._http = stripe.HTTPXClient(timeout=timeout_seconds)
        self._stripe = stripe.StripeClient(
            key,
            base_addresses={"api": api_base} if api_base else None,
            max_network_retries=NETWORK_RETRIES,
            http_client=self._http,
        )

    async def close(self) -> None:
        await self._http.close_async()  # type: ignore[no-untyped-call]

    async def make_customer(self, account_id: str, instead_of: str | None = None) -> str:
        """The id of the account's customer; the same for a day, however often it is asked for.

        `instead_of` is one that was deleted.
        """
        customer = await _made(
            lambda key: self._stripe.v1.customers.create_async(
                {"description": account_id, "metadata": {MARK: account_id}},  # nothing that may change meanwhile
                {"idempotency_key": key},
            ),
            # Keys of top-ups begin with an account's id, and none begins like this.
            f"/customer/{account_id}" + (f"/{instead_of}" if instead_of else ""),
        )
        return customer.id

    async def make_checkout(self, topup: Topup, pack_name: str, customer_id: str) -> tuple[str, str]:
        """(id, address) of the page where the customer pays `topup`; one for each top-up, by its idempotency key."""
        marks = {MARK: topup.account_id, MARK_TOPUP: topup.topup_id}
        success_url, cancel_url = topup.success_url, topup.cancel_url
        assert success_url is not None
        assert cancel_url is not None
        session = await _made(
            lambda key: self._stripe.v1.checkout.sessions.create_async(
                {
                    "mode": "payment",
                    "customer": customer_id,
                    "client_reference_id": topup.account_id,
                    "success_url": success_url,
                    "cancel_url": cancel_url,
                    "metadata": marks,
                    # The card is saved, so that auto-recharge can be set up afterwards.
                    "payment_intent_data": {"metadata": marks, "setup_future_usage": "off_session"},
                    "line_items": [
                        {
                            "quantity": 1,
                            "price_data": {
                                "currency": topup.currency.lower(),
                                "unit_amount": stripe_units(topup.price_micros, topup.currency),
                                "product_data": {"name": pack_name},
                            },
                        }
                    ],
                },
                {"idempotency_key": key},
            ),
            f"{topup.account_id}/{topup.topup_id}",
            lambda: self._find_checkout(topup, customer_id),
        )
        return session.id, session.url or ""

    async def _find_checkout(self, topup: Topup, customer_id: str) -> stripe.checkout.Session | None:
        async for session in self._made_for(topup, customer_id, self._stripe.v1.checkout.sessions.list_async):
            return cast(stripe.checkout.Session, session)
        return None

    async def pay(self, topup: Topup, customer_id: str, payment_method: str, attempt: int) -> Payment:
        """Charges a saved card while its holder is away. The same `attempt` again is the same payment."""
        key = f"{topup.account_id}/{topup.topup_id}" + (f"/{attempt}" if attempt else "")
        try:
            intent = await _asked(
                self._stripe.v1.payment_intents.create_async(
                    {
                        "amount": stripe_units(topup.price_micros, topup.currency),
                        "currency": topup.currency.lower(),
                        "customer": customer_id,
                        "payment_method": payment_method,
                        "off_session": True,
                        "confirm": True,
                        "metadata": {MARK: topup.account_id, MARK_TOPUP: topup.topup_id},
                    },
                    {"idempotency_key": key},
                )
            )
        except stripe.CardError as declined:
            return _declined(declined)
        except CheckoutRefused as refused:
            return Payment(None, "failed", reason=f"refused: {refused.reason}"[:200], final=True)
        return _payment(intent)

    async def find_payment(self, topup: Topup, customer_id: str) -> Payment | None:
        """The payment of `topup`, if Stripe has one: for when nobody wrote down what came of it."""
        found = None
        async for intent in self._made_for(topup, customer_id, self._stripe.v1.payment_intents.list_async):
            payment = _payment(intent)
            if payment.state == "paid":
                return payment
            found = found or payment
        return found

    async def marks_of(self, payment_id: str) -> dict[str, str]:
        """The metadata of a payment, which say whose it is. Raises NoSuchThing."""
        intent = await _asked(self._stripe.v1.payment_intents.retrieve_async(payment_id))
        marks: dict[str, str] | None = intent.to_dict().get("metadata")
        return marks or {}

    async def saved_method(self, customer_id: str) -> str | None:
        """What the customer can be charged by while away: the default, or else what was saved last. Raises NoSuchThing."""
        listed = self._all(self._stripe.v1.payment_methods.list_async({"customer": customer_id, "limit": PAGE}))
        found = [method.id async for method in listed if method.type in OFF_SESSION]
        if len(found) > 1:
            customer = await _asked(self._stripe.v1.customers.retrieve_async(customer_id))
            settings = None if getattr(customer, "deleted", False) else customer.invoice_settings
            if settings is not None and settings.default_payment_method in found:
                return str(settings.default_payment_method)
        return found[0] if found else None

    async def dispute(self, dispute_id: str) -> Complaint:
        """Raises NoSuchThing."""
        found = await _asked(self._stripe.v1.disputes.retrieve_async(dispute_id))
        currency = found.currency.upper()
        return Complaint(
            found.id,
            found.status,
            found.reason[:200] if found.reason else None,
            micros_of_stripe(found.amount, currency),
            currency,
            _payment_of(found),
            tuple(_movement(transaction) for transaction in found.balance_transactions or ()),
        )

    async def movement(self, transaction_id: str) -> BalanceTransaction:
        """Raises NoSuchThing."""
        return _movement(
            await _asked(self._stripe.v1.balance_transactions.retrieve_async(transaction_id, {"expand": ["source"]}))
        )

    async def movements_of_payout(self, payout_id: str) -> AsyncIterator[BalanceTransaction]:
        """What an automatic payout consists of, itself included. Raises NoSuchThing."""
        async for transaction in self._all(
            self._stripe.v1.balance_transactions.list_async(
                {"payout": payout_id, "limit": PAGE, "expand": ["data.source"]}
            )
        ):
            yield _movement(transaction)

    async def events_since(self, since: datetime) -> AsyncIterator[dict[str, Any]]:
        """Events from `since` on, newest first, as plain objects. Stripe keeps them for thirty days."""
        async for event in self._all(
            self._stripe.v1.events.list_async({"created": {"gte": int(since.timestamp())}, "limit": PAGE})
        ):
            yield event.to_dict(for_json=True)  # as Stripe wrote it: decimals are text there

    async def _made_for(
        self, topup: Topup, customer_id: str, list_async: Callable[[Any], Awaitable[Any]]
    ) -> AsyncIterator[Any]:
        """What the customer's list holds that was made for `topup`, newest first."""
        since = int((topup.created_at - CLOCKS).timestamp())
        async for thing in self._all(list_async({"customer": customer_id, "created": {"gte": since}, "limit": PAGE})):
            if _marked(thing) == topup.topup_id:
                yield thing

    async def _all(self, first: Awaitable[Any]) -> AsyncIterator[Any]:
        page = await _asked(first)
        while True:
            for one in page.data:
                yield one
            if not page.has_more:
                return
            page = await _asked(page.next_page_async())


async def _asked(call: Awaitable[T]) -> T:
    """What Stripe answers, or what is the matter in our words. A decline (CardError) is for the caller."""
    try:
        return await call
    except stripe.CardError:
        raise
    except stripe.InvalidRequestError as error:
        if error.http_status == 404 or error.code == "resource_missing":
            raise NoSuchThing(error.param or "object") from error
        raise CheckoutRefused(str(error.user_message or error.code or "invalid request")) from error
    except (stripe.AuthenticationError, stripe.PermissionError) as error:
        log.error("stripe refuses our key: check STRIPE_API_KEY", status=error.http_status)
        raise ProcessorUnavailable(30) from None
    except stripe.IdempotencyError as error:
        raise CheckoutRefused("this id was used with other content.") from error
    except stripe.StripeError as error:
        # Never the error's own text: it may quote what was sent.
        log.warning("stripe did not answer", kind=type(error).__name__, status=error.http_status, code=error.code)
        raise ProcessorUnavailable(2) from None


async def _made(
    make: Callable[[str], Awaitable[T]], key: str, find: Callable[[], Awaitable[T | None]] | None = None
) -> T:
    """What `make` makes under an idempotency key: `key`, unless Stripe keeps a failure under it.

    Then `find` says whether it was made all the same. Where nobody can say, another does no harm: the first one has
    been shown to nobody.
    """
    for attempt in range(KEYS):
        try:
            return await _asked(_unless_kept(make(f"{key}/{attempt}" if attempt else key)))
        except _KeptFailure:
            found = None if find is None else await find()
            if found is not None:
                return found
    raise ProcessorUnavailable(30)


async def _unless_kept(call: Awaitable[T]) -> T:
    try:
        return await call
    except stripe.APIError as error:
        if (error.headers or {}).get("idempotent-replayed") == "true":
            raise _KeptFailure() from None
        raise


def _marked(thing: Any) -> str | None:
    """The top-up that an object was made for. The library's objects are no mappings: `dict` refuses them."""
    found: str | None = (thing.to_dict().get("metadata") or {}).get(MARK_TOPUP)
    return found


def _payment(intent: Any) -> Payment:
    currency = intent.currency.upper()
    amount = micros_of_stripe(intent.amount, currency)
    match intent.status:
        case "succeeded":
            return Payment(intent.id, "paid", amount, currency)
        case "processing" | "requires_capture":
            return Payment(intent.id, "pending", amount, currency)
        case "requires_action" | "requires_confirmation":
            return Payment(intent.id, "failed", amount, currency, "authentication_required", True)
    error = intent.last_payment_error
    code = (error.decline_code or error.code or "declined") if error else intent.cancellation_reason or intent.status
    return Payment(intent.id, "failed", amount, currency, code, code in FINAL_DECLINES)


def _declined(error: stripe.CardError) -> Payment:
    body = error.json_body if isinstance(error.json_body, dict) else {}
    detail = body.get("error") or {}
    code = detail.get("decline_code") if error.code == "card_declined" else error.code
    code = str(code or error.code or "declined")
    intent = detail.get("payment_intent") or {}
    return Payment(intent.get("id"), "failed", reason=code, final=code in FINAL_DECLINES)


def _movement(transaction: Any) -> BalanceTransaction:
    currency = transaction.currency.upper()
    source = transaction.source
    expanded = source is not None and not isinstance(source, str)
    return BalanceTransaction(
        transaction.id,
        transaction.type,
        micros_of_stripe(transaction.amount, currency),
        micros_of_stripe(transaction.fee, currency),
        currency,
        source.id if expanded else source,
        source.object if expanded else None,
        _payment_of(source) if expanded else None,
        expanded and source.object == "charge" and source.status == "failed",
    )


def _payment_of(source: Any) -> str | None:
    """The PaymentIntent behind a charge, a refund or a dispute."""
    intent = getattr(source, "payment_intent", None)
    return intent if intent is None or isinstance(intent, str) else str(intent.id)
