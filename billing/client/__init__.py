"""The gateway's Python client; needs httpx, and nothing of the server."""

from billing.client.answer import AnswerReader, Whole
from billing.client.charging import Charging
from billing.client.client import BillingClient, SyncBillingClient
from billing.client.data import data_of
from billing.client.events import Comment, Event, EventReader, EventTooLong, Reading, json_of, read_events
from billing.client.hearing import Told
from billing.client.items import is_preview
from billing.client.outcome import NotUnderstood, Outcome, OutcomeUnknown, surely_nothing
from billing.client.output import Output, image_of, read_outputs
from billing.client.problem import AlreadyCharged, ChargeClosed, Problem, Settlement, Unsettled
from billing.client.provider_errors import ProviderError, Whose, provider_error, refusal_in
from billing.client.retry import NO_RETRY, Retry
from billing.client.size import Size, measure
from billing.client.terms import Terms, terms_of
from billing.client.words import untold

__all__ = [
    "NO_RETRY",
    "AlreadyCharged",
    "AnswerReader",
    "BillingClient",
    "ChargeClosed",
    "Charging",
    "Comment",
    "Event",
    "EventReader",
    "EventTooLong",
    "NotUnderstood",
    "Outcome",
    "OutcomeUnknown",
    "Output",
    "Problem",
    "ProviderError",
    "Reading",
    "Retry",
    "Settlement",
    "Size",
    "SyncBillingClient",
    "Terms",
    "Told",
    "Unsettled",
    "Whole",
    "Whose",
    "data_of",
    "image_of",
    "is_preview",
    "json_of",
    "measure",
    "provider_error",
    "read_events",
    "read_outputs",
    "refusal_in",
    "surely_nothing",
    "terms_of",
    "untold",
]
