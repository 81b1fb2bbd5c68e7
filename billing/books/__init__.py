"""The books: what is recognised, exported and reconciled from the journal, and whether it can be trusted.

report = await verify(dsn, "acme")     # raises AccountNotFound
report.ok, report.document()
"""

from billing.books.verification.report import Checked, Finding, Report
from billing.books.verification.run import verify
from billing.books.verification.verification_table import progress_of, show

__all__ = ["Checked", "Finding", "Report", "progress_of", "show", "verify"]
