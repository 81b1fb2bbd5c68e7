"""Whether the books can be trusted: the invariants, row by row.

report = await verify(dsn, "acme")     # raises AccountNotFound
report.ok, report.document()
"""

from billing.books.verify.report import Checked, Finding, Report
from billing.books.verify.run import verify

__all__ = ["Checked", "Finding", "Report", "verify"]
