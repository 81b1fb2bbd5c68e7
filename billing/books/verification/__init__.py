"""Verification: whether a database keeps the ledger's invariants, and if not, the first row that is wrong.

report = await verify(dsn, "acme")     # raises AccountNotFound
report.ok, report.invariants
"""

from billing.books.verification.report import Checked, Finding, Report
from billing.books.verification.verification_table import COLUMNS, document, rows, summary
from billing.books.verification.verify import verify

__all__ = ["COLUMNS", "Checked", "Finding", "Report", "document", "rows", "summary", "verify"]
