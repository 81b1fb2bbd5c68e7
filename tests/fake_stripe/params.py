"""Which parameters each request takes: a part of what Stripe takes, and nothing that Stripe does not.

`test_library.py` holds them against the installed library. What stands not here is refused as parameter_unknown, so
whoever starts to use a parameter adds it, together with what it does.
"""

from .kinds import (
    Kind,
    Required,
    amount,
    at_most,
    boolean,
    currency,
    integer,
    limit,
    metadata,
    one_of,
    period,
    quantity,
    text,
    unit_amount,
    url,
)

Specification = dict[str, Kind]

EXPAND: Specification = {"expand": [text]}
_PAGE: Specification = {"limit": limit, "starting_after": text, "ending_before": text, **EXPAND}

RETRIEVE = EXPAND
LINE_ITEMS: Specification = {"limit": limit, "starting_after": text, "ending_before": text, **EXPAND}

CUSTOMER_CREATE: Specification = {
    "description": text,
    "email": text,
    "metadata": metadata,
    "name": text,
    "phone": text,
    **EXPAND,
}

_METHOD_TYPE = one_of("card", "us_bank_account", "sepa_debit", "link", "boleto")
PAYMENT_METHOD_LIST: Specification = {"customer": Required(text), "type": _METHOD_TYPE, **_PAGE}
CUSTOMER_PAYMENT_METHOD_LIST: Specification = {"type": _METHOD_TYPE, **_PAGE}
PAYMENT_METHOD_ATTACH: Specification = {"customer": Required(text), **EXPAND}
PAYMENT_METHOD_DETACH = EXPAND

_CAPTURE = one_of("automatic", "automatic_async")
_FUTURE_USAGE = one_of("off_session", "on_session")

SESSION_CREATE: Specification = {
    "allow_promotion_codes": boolean,
    "allowed_payment_method_types": [_METHOD_TYPE],
    "billing_address_collection": one_of("auto", "required"),
    "cancel_url": url,
    "client_reference_id": at_most(200),
    "customer": text,
    "customer_creation": one_of("always", "if_required"),
    "customer_email": text,
    "expires_at": integer,
    "line_items": Required(
        [
            {
                "price_data": Required(
                    {
                        "currency": Required(currency),
                        "product_data": Required({"name": Required(text), "description": text, "metadata": metadata}),
                        "tax_behavior": one_of("exclusive", "inclusive", "unspecified"),
                        "unit_amount": Required(unit_amount),
                    }
                ),
                "quantity": Required(quantity),
            }
        ]
    ),
    "locale": text,
    "metadata": metadata,
    "mode": Required(one_of("payment")),
    "payment_intent_data": {
        "capture_method": _CAPTURE,
        "description": text,
        "metadata": metadata,
        "receipt_email": text,
        "setup_future_usage": _FUTURE_USAGE,
        "statement_descriptor": at_most(22),
        "statement_descriptor_suffix": at_most(22),
    },
    "saved_payment_method_options": {
        "allow_redisplay_filters": [one_of("always", "limited", "unspecified")],
        "payment_method_remove": one_of("disabled", "enabled"),
        "payment_method_save": one_of("disabled", "enabled"),
    },
    "submit_type": one_of("auto", "book", "donate", "pay"),
    "success_url": Required(url),
    **EXPAND,
}
SESSION_LIST: Specification = {
    "created": period,
    "customer": text,
    "payment_intent": text,
    "status": one_of("complete", "expired", "open"),
    **_PAGE,
}
SESSION_EXPIRE = EXPAND

PAYMENT_INTENT_CREATE: Specification = {
    "allowed_payment_method_types": [_METHOD_TYPE],
    "amount": Required(amount),
    "automatic_payment_methods": {"allow_redirects": one_of("always", "never"), "enabled": Required(boolean)},
    "capture_method": _CAPTURE,
    "confirm": boolean,
    "currency": Required(currency),
    "customer": text,
    "description": text,
    "metadata": metadata,
    "off_session": boolean,
    "payment_method": text,
    "receipt_email": text,
    "return_url": url,
    "setup_future_usage": _FUTURE_USAGE,
    "statement_descriptor": at_most(22),
    "statement_descriptor_suffix": at_most(22),
    **EXPAND,
}
PAYMENT_INTENT_CONFIRM: Specification = {"off_session": boolean, "payment_method": text, "return_url": url, **EXPAND}
PAYMENT_INTENT_CANCEL: Specification = {
    "cancellation_reason": one_of("abandoned", "duplicate", "fraudulent", "requested_by_customer"),
    **EXPAND,
}
PAYMENT_INTENT_LIST: Specification = {"created": period, "customer": text, **_PAGE}

CHARGE_LIST: Specification = {"created": period, "customer": text, "payment_intent": text, **_PAGE}

REFUND_CREATE: Specification = {
    "amount": amount,
    "charge": text,
    "metadata": metadata,
    "payment_intent": text,
    "reason": one_of("duplicate", "fraudulent", "requested_by_customer"),
    **EXPAND,
}
REFUND_LIST: Specification = {"charge": text, "created": period, "payment_intent": text, **_PAGE}

DISPUTE_LIST: Specification = {"charge": text, "created": period, "payment_intent": text, **_PAGE}

BALANCE_TRANSACTION_LIST: Specification = {
    "created": period,
    "currency": currency,
    "payout": text,
    "source": text,
    "type": text,
    **_PAGE,
}

PAYOUT_CREATE: Specification = {
    "amount": Required(amount),
    "currency": Required(currency),
    "description": text,
    "metadata": metadata,
    "statement_descriptor": at_most(22),
    **EXPAND,
}
PAYOUT_LIST: Specification = {
    "arrival_date": period,
    "created": period,
    "status": text,
    **_PAGE,
}

EVENT_LIST: Specification = {"created": period, "type": text, "types": [text], **_PAGE}
