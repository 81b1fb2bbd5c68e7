"""The one posting path: group commit over lanes."""

from billing.posting.expiry import Expiry
from billing.posting.lane import Lane
from billing.posting.posting import Posting

__all__ = ["Expiry", "Lane", "Posting"]
