"""What the store refuses: it cannot be asked, or has not what was asked for beside the ledger."""

from dataclasses import dataclass

from billing.core.refusals import NotFound, Unavailable


@dataclass(eq=False)
class Overloaded(Unavailable):
    code = "overloaded"
    title = "The service has more to do than it can take on"


@dataclass(eq=False)
class DatabaseUnavailable(Unavailable):
    """It cannot be reached, did not answer in time, or cannot do its work for now. What was asked may take effect yet."""

    code = "database_unavailable"
    title = "The database is not available just now"


@dataclass(eq=False)
class ClockDoubted(Unavailable):
    """What depends on the time alone is not done while nobody knows it. Charges go on."""

    code = "clock_doubted"
    title = "The database's clock is ahead of the time that has passed"
    retry = "later"

    @property
    def detail(self) -> str:
        return (
            f"{self.title}: nothing was done. It goes back, or an operator confirms it with `billing clock accept`; "
            "then repeat the call."
        )


@dataclass(eq=False)
class KeyNotFound(NotFound):
    code = "key_not_found"
    title = "No such key"


@dataclass(eq=False)
class StripeEventNotFound(NotFound):
    event_id: str
    code = "stripe_event_not_found"
    title = "No such event in the inbox"


@dataclass(eq=False)
class WebhookEndpointNotFound(NotFound):
    endpoint_id: str
    code = "webhook_endpoint_not_found"
    title = "No such webhook endpoint"


@dataclass(eq=False)
class WebhookEventNotFound(NotFound):
    event_id: str
    code = "webhook_event_not_found"
    title = "No such event"
