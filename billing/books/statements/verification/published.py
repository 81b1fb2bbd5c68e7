"""The keys that a service publishes, as whoever verifies a statement holds them: in a file, or at its address."""

import json
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

from billing.books.statements.document.statement import ALGORITHM
from billing.books.statements.signing import decoded, thumbprint

_LARGEST = 1 << 20  # bytes
_SECONDS = 10


class NoKeys(Exception):
    """No keys could be had; says why."""


def published_by(place: str) -> dict[str, str]:
    """The Ed25519 public keys, by their kid, of the JWK set in the file or at the http(s) address `place`.

    Raises NoKeys.
    """
    try:
        document = json.loads(_read(place))
        keys = document["keys"]
        found = {thumbprint(decoded(key["x"])): key["x"] for key in keys if key.get("crv") == ALGORITHM}
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise NoKeys(f"{place} holds no JWK set, such as /.well-known/billing-keys.json is") from None
    if not found:
        raise NoKeys(f"{place} holds no Ed25519 key")
    return found


def _read(place: str) -> bytes:
    try:
        with _opened(place) as opened:
            read: bytes = opened.read(_LARGEST + 1)
    except URLError as error:
        raise NoKeys(f"{place} cannot be fetched: {error.reason}") from None
    except (OSError, ValueError, HTTPException) as error:
        raise NoKeys(f"{place} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if len(read) > _LARGEST:
        raise NoKeys(f"{place} is too large for a set of keys")
    return read


def _opened(place: str) -> Any:
    if place.startswith(("http://", "https://")):
        return urlopen(Request(place, headers={"Accept": "application/json"}), timeout=_SECONDS)
    return Path(place).open("rb")
