"""Price books and quotes."""

from typing import Annotated, Any

from fastapi import Path, Response

from billing.core.refusals import PriceBookNotFound, QualityNotSupported, SizeNotAllowed, SizeNotPriced, UnknownModel
from billing.http.auth import Admin, Reading
from billing.http.models.common import Page
from billing.http.models.prices import NewPriceBook, NewQuote, PriceBookShown, QuoteShown
from billing.http.pages import Keyset
from billing.http.parameters import Cursor, Limit, answered
from billing.http.problems import responses
from billing.http.route import Router
from billing.store.clock import database_time
from billing.store.price_books import publish

router = Router(prefix="/v1", tags=["prices"])
BY_VERSION = Keyset(version=int)


@router.get("/price-books", response_model=Page[PriceBookShown], responses=responses())
async def list_price_books(caller: Reading, cursor: Cursor = None, limit: Limit = 50) -> Any:
    """Every published version, oldest first."""
    await caller.service.refresh_books()
    after = BY_VERSION.after(cursor) or 0
    return BY_VERSION.page([book for book in caller.service.books if book.version > after], limit)


@router.get("/price-books/current", response_model=PriceBookShown, responses=responses())
async def current_price_book(caller: Reading) -> Any:
    """The version in force."""
    return caller.service.books.at(await database_time(caller.service.engine))


@router.get("/price-books/{version}", response_model=PriceBookShown, responses=responses(PriceBookNotFound))
async def get_price_book(
    version: Annotated[int, Path(ge=0, le=2**31 - 1, description="of the price book, from 1")], caller: Reading
) -> Any:
    """One version; versions never change."""
    await caller.service.refresh_books()
    return caller.service.books.version(version)


@router.post("/price-books", status_code=201, response_model=PriceBookShown, responses=responses(again=PriceBookShown))
async def publish_price_book(body: NewPriceBook, response: Response, caller: Admin) -> Any:
    """Publishes a new version of all prices. Charges that are open keep theirs."""
    book, new = await publish(caller.service.work, body.effective_from, body.models, caller.key.key_id)
    await caller.service.refresh_books()
    answered(response, not new)
    return book


@router.post(
    "/quotes",
    response_model=QuoteShown,
    responses=responses(UnknownModel, SizeNotAllowed, SizeNotPriced, QualityNotSupported),
)
async def quote(body: NewQuote, caller: Reading) -> Any:
    """What a request would cost now. Writes nothing and promises nothing: send `price_version` along to bind it."""
    book = caller.service.books.at(await database_time(caller.service.engine))
    return book.quote(body.model, body.n, body.size, body.quality, body.overage)
