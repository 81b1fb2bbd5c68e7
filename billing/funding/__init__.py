"""Money in: Stripe's checkout, events, and saved cards. The only room that knows Stripe."""

from billing.funding.funding import Funding, Keys, funding

__all__ = ["Funding", "Keys", "funding"]
