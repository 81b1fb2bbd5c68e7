"""What a provider's errors mean: whose fault, what the customer may be told, whether a repeat helps, and the hold.

A gateway calls the provider with a key of its own, so most of what a provider refuses is none of the customer's business:
its text names our key, our organisation, our limits. Only what is said of the request itself goes on, and no secret.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from functools import cache
from typing import Any

from billing.client.data import data_of
from billing.client.items import error_of, holds_an_image, message_of
from billing.client.outcome import NotUnderstood, is_of_somebody_behind, surely_nothing
from billing.client.shapes import member
from billing.client.words import UNTOLD, has_a_secret, is_about_us


class Whose(Enum):
    """Whose fault an error is, or what it was too much of."""

    CUSTOMERS = auto()
    OURS = auto()
    PROVIDERS = auto()
    TOO_FAST = auto()
    OVERLOADED = auto()
    NOBODY_KNOWS = auto()


# What the customer is told: HTTP status, type, code, message, as OpenAI would.
TOLD = {
    Whose.CUSTOMERS: (400, "invalid_request_error", "invalid_value", "The provider refused the request."),
    Whose.OURS: (502, "server_error", "provider_error", UNTOLD),
    Whose.PROVIDERS: (502, "server_error", "provider_error", UNTOLD),
    Whose.TOO_FAST: (429, "rate_limit_error", "rate_limit_exceeded", "The provider is busy. Try again shortly."),
    Whose.OVERLOADED: (503, "server_error", "provider_overloaded", "The provider is overloaded. Try again shortly."),
    Whose.NOBODY_KNOWS: (502, "server_error", "provider_error", "The provider gave no clear answer."),
}


# Of the picture that was asked for, or what came of it.
CONTENT = (
    *(
        "moderation_blocked",
        "content_policy_violation",
        "content_filter",
        "image_generation_user_error",
        "safety_violations",
    ),
    *("responsible_ai_policy_violation", "data_inspection_failed", "sensitive_words_detected", "nsfw_content_detected"),
    *("input_image_sensitive_content_detected", "output_image_sensitive_content_detected", "invalid_prompt"),
    "input_text_sensitive_content_detected",
)

# By the error's code, then by its type and Google's status; without `_`, `.` and capitals. The first that is known decides.
KNOWN: dict[str, Whose] = {
    **dict.fromkeys(CONTENT, Whose.CUSTOMERS),
    **dict.fromkeys(
        (
            # Parameters and images.
            *("invalid_value", "invalid_type", "invalid_parameter", "missing_required_parameter", "unknown_parameter"),
            *("unsupported_value", "unsupported_parameter", "invalid_size", "string_above_max_length", "empty_string"),
            *("integer_above_max_value", "integer_below_min_value", "array_above_max_length", "invalid_base64"),
            *("invalid_image", "invalid_image_file", "invalid_image_format", "invalid_image_mode", "invalid_image_url"),
            *("image_too_large", "image_too_small", "image_parse_error", "invalid_mask_image_format"),
            *("unsupported_file_mimetype", "file_too_large", "request_too_large", "payload_too_large", "bad_request"),
        ),
        Whose.CUSTOMERS,
    ),
    **dict.fromkeys(
        (
            # Our key.
            *("invalid_api_key", "incorrect_api_key", "authentication_error", "invalid_authentication", "unauthorized"),
            *(
                "unauthenticated",
                "permission_denied",
                "permission_error",
                "forbidden",
                "access_denied",
                "access_terminated",
            ),
            *("missing_scope", "insufficient_permissions", "ip_not_authorized", "ip_not_allowed"),
            # Our account and what is paid for.
            *(
                "billing_hard_limit_reached",
                "billing_not_active",
                "insufficient_quota",
                "quota_exceeded",
                "billing_error",
            ),
            *(
                "insufficient_balance",
                "insufficient_user_quota",
                "account_deactivated",
                "account_suspended",
                "arrearage",
            ),
            *("organization_not_verified", "must_be_verified", "mismatched_organization", "mismatched_project"),
            *("unsupported_country_region_territory", "user_location_invalid"),
            # The model was sold to the customer, and is not to be had with our account.
            *("model_not_found", "model_not_available", "deployment_not_found", "not_found_error", "not_found"),
            *("unknown_url", "model_deprecated"),
        ),
        Whose.OURS,
    ),
    **dict.fromkeys(
        (
            *("rate_limit_exceeded", "rate_limit_error", "rate_limit_reached", "too_many_requests", "throttling"),
            *("requests", "tokens", "images", "resource_exhausted", "throttling_exception", "slow_down"),
            "concurrency_limit_exceeded",
        ),
        Whose.TOO_FAST,
    ),
    **dict.fromkeys(
        (
            *("overloaded", "overloaded_error", "engine_overloaded", "server_overloaded", "service_unavailable"),
            *("unavailable", "model_overloaded", "capacity_exceeded"),
        ),
        Whose.OVERLOADED,
    ),
    **dict.fromkeys(
        (
            *("server_error", "internal_error", "internal_server_error", "api_error", "internal", "generation_failed"),
            *("image_generation_server_error", "image_generation_failed"),
        ),
        Whose.PROVIDERS,
    ),
}
GENERAL = frozenset({"invalid_request_error", "invalid_argument", "validation_error"})
"""Types under which OpenAI and others say nearly everything: our billing limit and the customer's size alike."""

_SHUT = frozenset({*range(300, 400), 401, 402, 403, 404, 405, 406, 410, 411, 421, 426, 451})
"""Statuses that speak of us, whatever their document says beside."""

_BY_STATUS: dict[int, Whose] = {
    **dict.fromkeys((400, 413, 415, 422), Whose.CUSTOMERS),
    **dict.fromkeys(_SHUT, Whose.OURS),
    429: Whose.TOO_FAST,
}

_SPENT = re.compile(r"exceeded your current quota|billing|insufficient (quota|balance|credit)", re.IGNORECASE)
"""Said with 429 of what is paid for, and no pause helps."""


@dataclass(frozen=True, slots=True)
class ProviderError:
    """`made_nothing`: the hold may be freed, for certain. `document` is what the customer is told, with this HTTP
    `status`; as text it is what the provider said, for a log: status, type and code. Neither has a secret in it."""

    whose: Whose
    made_nothing: bool
    status: int
    document: dict[str, Any]
    said: str

    def __str__(self) -> str:
        return f"{self.said} ({self.whose.name.lower().replace('_', ' ')})"

    @property
    def repeat(self) -> bool:
        """Whether the same request may succeed later."""
        return self.whose is not Whose.CUSTOMERS


def provider_error(status: int | None, answer: object) -> ProviderError:
    """What an error means: an answer's HTTP `status` and its parsed JSON (None if it is none), or, without a status, an
    event of a stream."""
    error = error_of(answer)
    sure = _is_sure(status, answer)
    whose = _whose(status, error) if sure else Whose.NOBODY_KNOWS
    told_status, type, code, message = TOLD[whose]
    param = None
    if whose is Whose.CUSTOMERS:
        code = _word(member(error, "code")) or code
        param = _word(member(error, "param"))
        said = member(error, "message") if isinstance(error, Mapping) else error
        message = said if isinstance(said, str) and said and not has_a_secret(said) else message
    words = (str(status or "in its stream"), _word(member(error, "type")), _word(member(error, "code")))
    document = {"error": {"message": message, "type": type, "param": param, "code": code}}
    return ProviderError(whose, sure, told_status, document, " ".join(filter(None, words)))


def refusal_in(document: object) -> ProviderError | None:
    """The error that an answer with 200, or an event of a stream, is; None if it holds images or says nothing of errors.
    One of several images that fails (Seedream's `partial_failed`) is not the end of the others."""
    kind = member(document, "type")
    if (message_of(document) is None and kind != "error") or str(kind).endswith("partial_failed"):
        return None
    try:
        is_error = not data_of(document)
    except NotUnderstood:
        is_error = not holds_an_image(document)
    return provider_error(None, document) if is_error else None


def _is_sure(status: int | None, answer: object) -> bool:
    if status is None or 200 <= status < 300:  # it says itself that it failed
        return not is_of_somebody_behind(error_of(answer))
    return surely_nothing(status, answer)


def _whose(status: int | None, error: object) -> Whose:
    words = [_plain(member(error, name)) for name in ("code", "type", "status")]
    found = next((word for word in words if word in _known()), None)
    if found in {_plain(name) for name in CONTENT}:
        return Whose.CUSTOMERS
    whose = _known().get(found or "")
    if status in _SHUT or whose is None:
        general = Whose.CUSTOMERS if set(map(_plain, GENERAL)).intersection(words) else Whose.PROVIDERS
        whose = general if status is None else _BY_STATUS.get(status, Whose.PROVIDERS)
    said = member(error, "message") if isinstance(error, Mapping) else error
    if not isinstance(said, str):
        return whose
    if whose is Whose.TOO_FAST and _SPENT.search(said):
        return Whose.OURS
    return Whose.OURS if whose is Whose.CUSTOMERS and is_about_us(said) else whose


@cache
def _known() -> dict[str, Whose]:
    return {_plain(name): whose for name, whose in KNOWN.items()}


def _plain(word: object) -> str:
    return re.sub(r"[^a-z0-9]", "", word.lower()) if isinstance(word, str) else ""


def _word(word: object) -> str | None:
    """A code or a name, if it is one and no secret."""
    return (
        word if isinstance(word, str) and re.fullmatch(r"[\w.\[\]-]{1,64}", word) and not has_a_secret(word) else None
    )
