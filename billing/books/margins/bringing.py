"""The provider's side: what it says it delivered and took, and the margins that are left.

report, new = await bring(engine, read("openai", [("usage.json", content)]), "ops")     # raises Invalid
found = await margins(engine, books, start, end)
"""

import secrets

from billing.books.margins.pages import CURRENCY, MOST_BYTES, PROVIDERS, read
from billing.books.margins.provider_reports import Contents, ProviderReport, replace
from billing.books.margins.report import MOST_DAYS, Difference, Margin, Margins, Unattributed, margins
from billing.core.refusals import Invalid
from billing.store.engine import Engine

__all__ = [
    "CURRENCY", "MOST_BYTES", "MOST_DAYS", "PROVIDERS", "Difference", "Margin", "Margins", "Unattributed", "bring",
    "margins", "read",
]  # fmt: skip


async def bring(engine: Engine, contents: Contents, actor: str) -> tuple[ProviderReport, bool]:
    """Imports what `read` found, on a work engine: all of it or nothing; whether it is new. Raises Invalid.

    The same files again, while all that they say still stands, change nothing and record nothing.
    """
    if not contents.usage and not contents.costs:
        raise Invalid.of("data", "has no buckets: there is nothing to import")
    return await replace(engine, f"pr_{secrets.token_hex(12)}", contents, actor)
