"""Verification: whether a database keeps the ledger's invariants, and if not, the first row that is wrong."""
