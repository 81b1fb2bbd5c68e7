"""One world in which whatever can differ between what was charged and what was delivered does."""

from collections.abc import Iterator
from io import BytesIO
from typing import Any

import asyncpg
import pytest

from billing.books.reconciliation.answer import Reconciliation, ReconciliationLine
from billing.books.reconciliation.application import Application
from billing.books.reconciliation.forms import Manifest
from billing.books.reconciliation.report import LineFilter, lines
from billing.books.reconciliation.run import reconcile
from billing.books.reconciliation.suspects import ComparisonTerms
from billing.core.commands import IssueGrant, OpenAccount, Refund, Settle, Void
from billing.core.languages import ENGLISH, Language
from billing.core.prices import PriceBooks
from billing.posting import Posting
from billing.store.engine import work_engine
from billing.store.price_books import publish_first
from tests.books.world import HUGE, LARGE, SMALL, asked, delivered, end_hold

# Charged at 14 (1K), 67 (2K) and 133 (4K) credits an image, each request by its name.
WORLD = (
    OpenAccount("acme"),
    IssueGrant("acme", "g", "purchase", 1_000, paid_micros=10_000_000, currency="USD"),
    asked("acme", "fine", n=2, outputs=delivered(SMALL, None)),
    asked("acme", "smaller", outputs=delivered(LARGE)),
    asked("acme", "larger", outputs=delivered(SMALL)),
    asked("acme", "pixels", outputs=delivered(SMALL)),
    asked("acme", "failed", n=2, outputs=delivered(SMALL, SMALL)),
    asked("acme", "missing", n=2, outputs=delivered(SMALL, SMALL)),
    asked("acme", "unlisted", outputs=delivered(SMALL)),
    asked("acme", "recorded-failed", n=2, outputs=delivered(SMALL, None)),
    asked("acme", "extra", outputs=delivered(SMALL)),
    asked("acme", "other-book", outputs=delivered(SMALL)),
    asked("acme", "refunded", outputs=delivered(LARGE)),
    Refund("acme", "refunded", "r1", "sorry", credits=60),
    asked("acme", "voided"),
    Void("acme", "voided"),
    asked("acme", "expired"),
    asked("acme", "open"),
    asked("acme", "unmeasured"),
    OpenAccount("beta", overage="cap"),
    IssueGrant("beta", "g", "purchase", 28),
    asked("beta", "capped", outputs=delivered(SMALL)),
    asked("beta", "its-own", outputs=()),
)
MANIFEST = f"""account_id,request_id,index,status,width,height,price_version,provider_request_id
acme,fine,0,succeeded,1024,1024,1,
acme,fine,1,failed,,,,
acme,smaller,0,succeeded,1024,1024,,img-3
acme,larger,0,succeeded,{HUGE[0]},{HUGE[1]},,
acme,pixels,0,succeeded,1024,1536,,
acme,failed,0,succeeded,1024,1024,,
acme,failed,1,failed,,,,
acme,missing,1,succeeded,,,,
acme,recorded-failed,0,succeeded,1024,1024,,
acme,recorded-failed,1,succeeded,{LARGE[0]},{LARGE[1]},,
acme,extra,0,succeeded,1024,1024,,
acme,extra,1,succeeded,1024,1024,,
acme,other-book,0,succeeded,1024,1024,2,
acme,refunded,0,failed,,,,
acme,voided,0,succeeded,{LARGE[0]},{LARGE[1]},,
acme,expired,0,succeeded,1024,1024,,
acme,open,0,succeeded,1024,1024,,
acme,unmeasured,0,succeeded,{LARGE[0]},{LARGE[1]},,
acme,never-heard-of,0,succeeded,1024,1024,,
beta,capped,0,succeeded,{HUGE[0]},{HUGE[1]},,
acme,its-own,0,succeeded,1024,1024,,
nobody,r,0,failed,,,,
nobody,r,1,succeeded,1024,1024,,
"""


class Books:
    """A database in which WORLD has happened, what compares manifests with it, and what applies them."""

    def __init__(self, dsn: str, prices: PriceBooks, run: Any) -> None:
        self.dsn, self.prices, self.run = dsn, prices, run
        self.work = work_engine(dsn, size=2)
        self.posting = Posting(dsn, lambda: prices)

    async def open(self) -> None:
        await publish_first(self.dsn)
        await self.posting.__aenter__()

    async def close(self) -> None:
        await self.posting.__aexit__(None, None, None)
        await self.work.dispose()

    async def happen(self) -> None:
        for result in await self.posting.post_many(WORLD):
            assert not isinstance(result, Exception), result
        owner = await asyncpg.connect(self.dsn)
        await end_hold(owner, "acme", "expired")
        await owner.close()
        (unmeasured,) = delivered(SMALL)
        await self.posting.post(Settle("acme", "unmeasured", (unmeasured._replace(width=None, height=None),)))

    async def compare(
        self, name: str, manifest: str | bytes, form: str = "csv", **more: Any
    ) -> tuple[Reconciliation, bool]:
        file = BytesIO(manifest.encode() if isinstance(manifest, str) else manifest)
        terms = ComparisonTerms(name, more.pop("actor", "key_1"), **more)
        return await reconcile(self.dsn, Manifest(file, f"{name}.{form}", form), terms, self.prices)

    async def period(self) -> dict[str, Any]:
        """All time until now, and a day before."""
        return {"starts_at": await self.ask("SELECT min(created_at) - interval '1 day' FROM account"), "complete": True,
                "ends_at": await self.ask("SELECT clock_timestamp()")}  # fmt: skip

    async def lines(self, name: str, language: Language = ENGLISH) -> list[ReconciliationLine]:
        return await lines(self.work, name, language, LineFilter(), after=0, limit=1_000)

    def application(self, approval_credits: int = 1_000_000) -> Application:
        return Application(self.work, self.posting, approval_credits)

    async def ask(self, query: str, *arguments: Any) -> Any:
        owner = await asyncpg.connect(self.dsn)
        try:
            return await owner.fetchval(query, *arguments)
        finally:
            await owner.close()


@pytest.fixture
def ledger(fresh_database: str, books: PriceBooks, run: Any) -> Iterator[Books]:
    """The world, for a test of its own."""
    there = Books(fresh_database, books, run)
    run(there.open())
    try:
        run(there.happen())
        yield there
    finally:
        run(there.close())
