"""Whether the books can be trusted: the invariants, row by row."""

from billing.books.verify.report import Verification, verify

__all__ = ["Verification", "verify"]
