"""Customers: whose API key it is, and which account pays.

    {"customers": [{"key_sha256": "9f86…", "account_id": "acme", "api_key_id": "acme-web", "callback_secret": "whsec_…"}]}

The file holds keys as hashes only. A key of 128 random bits or more needs no slower hash, nor a slower comparison.
"""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import dataclass, field
from pathlib import Path

from .callbacks import secret_bytes
from .errors import Refused

_log = logging.getLogger("gateway")


@dataclass(frozen=True, slots=True)
class Customer:
    """`account_id` pays; `api_key_id` is what usage is broken down by. Without `callback_secret` no callbacks."""

    account_id: str
    api_key_id: str
    callback_secret: str | None = field(default=None, repr=False)


class Customers:
    """Customers by the SHA-256 of their key. The file is read again when it has changed: a key that is taken out of it
    stops at once; a file that cannot be read changes nothing, and is said in the log."""

    def __init__(self, path: Path) -> None:
        """Raises OSError or ValueError."""
        self._path = path
        self._changed_at = path.stat().st_mtime_ns
        self._by_hash = _read(path)

    def of(self, authorization: str | None) -> Customer:
        """Whose `Authorization` header it is. Raises `Refused`."""
        self._keep_up()
        scheme, _, key = (authorization or "").partition(" ")
        # Headers arrive as Latin-1.
        customer = self._by_hash.get(hashlib.sha256(key.strip().encode("latin-1", "replace")).hexdigest())
        if scheme.lower() != "bearer" or customer is None:
            raise Refused(401, "invalid_request_error", "invalid_api_key", "Incorrect API key provided.")
        return customer

    def _keep_up(self) -> None:
        try:
            changed_at = self._path.stat().st_mtime_ns
            if changed_at != self._changed_at:
                self._by_hash, self._changed_at = _read(self._path), changed_at
        except (OSError, ValueError) as error:
            _log.error("customers: %s", error)


def _read(path: Path) -> dict[str, Customer]:
    try:
        listed = json.loads(path.read_text())["customers"]
        customers = {str(one.pop("key_sha256")).lower(): Customer(**one) for one in listed}
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path.name} is not a list of customers: {error}") from error
    for customer in customers.values():
        if customer.callback_secret is not None:
            secret_bytes(customer.callback_secret)
    return customers
