"""Ids as Stripe writes them: a prefix that tells the kind, then letters and digits."""

import secrets
import string

_ALPHABET = string.ascii_letters + string.digits

# Kind of object (its `object` field) → prefix and how many random characters follow.
SHAPES = {
    "checkout.session": ("cs_test_a1", 56),
    "item": ("li_1", 23),
    "price": ("price_1", 23),
    "product": ("prod_", 14),
    "payment_intent": ("pi_3", 23),
    "charge": ("ch_3", 23),
    "payment": ("py_3", 23),  # a charge of anything but a card
    "refund": ("re_3", 23),
    "payment_refund": ("pyr_1", 23),  # a refund of a `py_`
    "dispute": ("du_1", 23),
    "balance_transaction": ("txn_3", 23),
    "payout": ("po_1", 23),
    "event": ("evt_1", 23),
    "customer": ("cus_", 14),
    "payment_method": ("pm_1", 23),
    "webhook_endpoint": ("we_1", 23),
    "request": ("req_", 14),
}


def new_id(kind: str) -> str:
    prefix, length = SHAPES[kind]
    return prefix + characters(length)


def characters(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))
