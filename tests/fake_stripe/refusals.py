"""What Stripe says instead of doing it: `{"error": {"type": …, "code": …, "message": …, "param": …}}`.

Refusal
├── Unauthorized     401  no key, or the wrong one
├── InvalidRequest   400  a parameter, or a state that forbids it
│   └── Missing      404  the object in the path; one named in a parameter is an InvalidRequest
├── Declined         402  the card
├── KeyReused        400  an idempotency key, with other parameters
├── KeyInUse         409  an idempotency key whose first request is still running
├── TooMany          429
└── Broken           500
"""

from typing import Any


class Refusal(Exception):
    """`facts` stand in the body beside the message; those that are None are left out."""

    status = 400
    type = "invalid_request_error"
    retry: bool | None = None  # the header `Stripe-Should-Retry`

    def __init__(self, message: str, **facts: Any) -> None:
        super().__init__(message)
        self.facts = {name: fact for name, fact in facts.items() if fact is not None}

    @property
    def document(self) -> dict[str, Any]:
        return {"error": {"type": self.type, "message": str(self), **self.facts}}


class Unauthorized(Refusal):
    status = 401


class InvalidRequest(Refusal):
    pass


class Missing(InvalidRequest):
    status = 404

    def __init__(self, kind: str, object_id: str, param: str) -> None:
        super().__init__(f"No such {kind}: '{object_id}'", code="resource_missing", param=param)


class Declined(Refusal):
    status = 402
    type = "card_error"


class KeyReused(Refusal):
    type = "idempotency_error"

    def __init__(self, key: str) -> None:
        super().__init__(
            "Keys for idempotent requests can only be used with the same parameters they were first used with. "
            f"Try using a key other than '{key}' if you meant to execute a different request."
        )


class KeyInUse(Refusal):
    status = 409
    type = "idempotency_error"
    retry = True

    def __init__(self, key: str) -> None:
        super().__init__(
            f"There is currently another in-progress request using this Idempotent Key ({key}).",
            code="idempotency_key_in_use",
        )


class TooMany(Refusal):
    status = 429

    def __init__(self) -> None:
        super().__init__("Request rate limit exceeded.", code="rate_limit")


class Broken(Refusal):
    status = 500
    type = "api_error"

    def __init__(self) -> None:
        super().__init__("An unknown error occurred.")


def no_such(kind: str, object_id: str, param: str) -> InvalidRequest:
    """An object that a parameter names is not there: 400, whereas one in the path is 404."""
    return InvalidRequest(f"No such {kind}: '{object_id}'", code="resource_missing", param=param)
