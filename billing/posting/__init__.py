"""The one posting path: group commit over lanes."""

from billing.posting.expiry import Expiry, ExpiryNotices
from billing.posting.lane import Lane
from billing.posting.posting import Posting
from billing.posting.retention import Retention

__all__ = ["Expiry", "ExpiryNotices", "Lane", "Posting", "Retention"]
