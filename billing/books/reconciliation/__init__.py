"""Reconciliation: what was delivered beside what was charged.

found, replayed = await reconcile(dsn, Manifest(file, "march.csv", "csv"), ComparisonTerms("march", "key_1"), books)
await Application(work, posting, approval_credits=10_000).apply("march", "key_1", "provider's list of march")
"""
