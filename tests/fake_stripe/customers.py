"""Customers."""

from typing import Any

from .ids import characters
from .world import Object, World


def create(world: World, values: dict[str, Any]) -> Object:
    customer = world.new(
        "customer",
        {
            "address": None,
            "balance": 0,
            "currency": None,
            "default_source": None,
            "delinquent": False,
            "description": values.get("description"),
            "email": values.get("email"),
            "invoice_prefix": characters(8).upper(),
            "invoice_settings": {
                "custom_fields": None,
                "default_payment_method": None,
                "footer": None,
                "rendering_options": None,
            },
            "metadata": values.get("metadata", {}),
            "name": values.get("name"),
            "next_invoice_sequence": 1,
            "phone": values.get("phone"),
            "preferred_locales": [],
            "shipping": None,
            "tax_exempt": "none",
            "test_clock": None,
        },
    )
    world.emit("customer.created", customer)
    return customer
