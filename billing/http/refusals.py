"""What HTTP refuses before the ledger is asked: keys, roles, routes and bodies."""

from dataclasses import dataclass

from billing.core.refusals import NotFound, Refusal


@dataclass(eq=False)
class Unauthenticated(Refusal):
    code = "unauthenticated"
    title = "Send a valid key"

    @property
    def detail(self) -> str:
        return "Send `Authorization: Bearer bk_…` with a key that exists and has not been revoked."


@dataclass(eq=False)
class TooManyAttempts(Refusal):
    retry_after_seconds: int = 1
    code = "too_many_attempts"
    title = "Too many wrong keys came from this address"
    retry = "later"

    @property
    def detail(self) -> str:
        return f"{self.title}: wait before you try another one. A right key is let in at any time."


@dataclass(eq=False)
class Forbidden(Refusal):
    role: str
    code = "forbidden"
    title = "This key's role may not do that"

    @property
    def detail(self) -> str:
        return f"A key of role `{self.role}` may not call this; use one whose role may."


@dataclass(eq=False)
class CrossSite(Refusal):
    code = "cross_site"
    title = "This call did not come from the dashboard"

    @property
    def detail(self) -> str:
        return "With a session, what changes anything must come from a page of the dashboard; programs send a key."


@dataclass(eq=False)
class RouteNotFound(NotFound):
    code = "route_not_found"
    title = "No such route; see /docs"


@dataclass(eq=False)
class MethodNotAllowed(Refusal):
    code = "method_not_allowed"
    title = "This route does not answer that method; see /docs"


@dataclass(eq=False)
class PayloadTooLarge(Refusal):
    limit_bytes: int
    code = "payload_too_large"
    title = "The body is too large"

    @property
    def detail(self) -> str:
        return f"The body may have at most {self.limit_bytes} bytes; send less, or several requests."


@dataclass(eq=False)
class BodyTooSlow(Refusal):
    received_bytes: int
    waited_seconds: int
    code = "body_too_slow"
    title = "The body did not arrive in time"
    retry = "same_id"

    @property
    def detail(self) -> str:
        return (
            f"Of the body, {self.received_bytes} bytes came in {self.waited_seconds} seconds. "
            "Nothing was recorded: send it again as a whole, with the same id."
        )
