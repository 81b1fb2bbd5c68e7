"""Providers' words, before they are stored or passed on: whatever they name of ours stays here."""

from __future__ import annotations

import re
from typing import Any

REASON_CHARACTERS = 200
_LONGEST_PROSE = 4_000
"""Characters. What is longer is an image, in which anything may be found."""

UNTOLD = "The provider failed to make an image."
"""What is said in place of words that are about our account."""

_SECRET = re.compile(
    r"\b(sk|rk|pk|bk|sess|org|proj|whsec)[-_][\w*.•…-]{4,}|\b(user|key|token)[-_][\w*-]{16,}|\bAIza[\w-]{10,}|\bBearer\b",
    re.IGNORECASE,
)
# OpenAI says `unsupported_value` of an organisation that is not verified, and `invalid_request_error` of a limit that
# was reached: codes do not tell, words do.
_ABOUT_US = re.compile(
    r"\bapi[ _-]?keys?\b|\borgani[sz]ations?\b|\bbilling\b|\bbilled users\b|\bfree tier\b|\bquota\b"
    r"|\b(credit )?balance\b|\b(enough|insufficient|no|of|remaining) credits?\b|\bmust be verified\b|\byour (account|plan|project|subscription|resource|tier)\b"
    r"|\bcountry, region\b|\blocation is not supported\b|\b(does|do) not have access\b",
    re.IGNORECASE,
)


def has_a_secret(text: str) -> bool:
    """Whether it names a key, an organisation or a project of ours."""
    return _SECRET.search(text) is not None


def is_about_us(text: str) -> bool:
    """Whether it speaks of our account with the provider, which is none of a customer's business."""
    return _ABOUT_US.search(text) is not None


def untold(said: Any, levels: int = 50) -> Any:
    """Parsed JSON without what names something of ours, as it may go on to a customer. Images and addresses stay as they
    are; what is nested deeper than anybody nests it is left out."""
    match said:
        case str():
            is_prose = len(said) <= _LONGEST_PROSE and "://" not in said and not said.startswith("data:")
            return UNTOLD if is_prose and has_a_secret(said) else said
        case dict() | list() if not levels:
            return None
        case dict():
            return {name: untold(value, levels - 1) for name, value in said.items()}
        case list():
            return [untold(value, levels - 1) for value in said]
    return said


def storable(reason: str) -> str:
    """Cut and cleaned: NUL and lone surrogates pass JSON, but a settle that carried them would be refused and what was
    delivered would go unbilled because of an error message. Customers read reasons in their charges."""
    clean = (UNTOLD if has_a_secret(reason) or is_about_us(reason) else reason).replace("\x00", "")
    return clean.encode("utf-8", "ignore").decode("utf-8")[:REASON_CHARACTERS]
