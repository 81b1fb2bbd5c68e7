"""Reconciliation: what was delivered beside what was charged.

compared = await reconcile(dsn, Source(file, "march.csv", "csv"), Asked("march", "key_1"), books)
await Application(work, posting, approval_credits=10_000).apply("march", "key_1", "provider's list of march")
"""

from billing.books.reconciliation.application import Application
from billing.books.reconciliation.run import Asked, Compared, reconcile
from billing.books.reconciliation.source import FORMATS, Source, format_of

__all__ = ["FORMATS", "Application", "Asked", "Compared", "Source", "format_of", "reconcile"]
