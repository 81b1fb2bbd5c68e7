"""A Stripe of our own, for tests and the demo: see README.md."""

from .cards import CARDS
from .fake import KEY, FakeStripe

__all__ = ["CARDS", "KEY", "FakeStripe"]
