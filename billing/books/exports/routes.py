"""Exports: the journal, usage and costs as files, streamed."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Annotated, Any

from fastapi import Depends, Path, Query
from fastapi.responses import StreamingResponse

from billing.books.exports.formats.mapping import MappingError, parse_mapping
from billing.books.exports.parts import parts
from billing.books.exports.pieces import Piece, pieces, place_of
from billing.books.exports.question import ACCOUNTING, FORMS, REPORTS, ExportQuestion
from billing.books.exports.report import ControlTotals, ExportReports, control_totals, instant, reports
from billing.books.exports.reports.focus import VERSIONS
from billing.core.instants import instant_text
from billing.core.months import MONTH
from billing.core.refusals import AccountNotFound, Invalid
from billing.http.auth import Overseeing
from billing.http.parameters import End, Moment, OneAccount, Start, clean
from billing.http.problems import responses
from billing.http.route import Router

router = Router(prefix="/v1/finance/exports", tags=["finance"])
Name = Annotated[str, Path(max_length=32, description=", ".join(REPORTS))]
AsOf = Annotated[Moment | None, Query(description="RFC 3339: as it was known then; default: now")]
_FILE: dict[str, Any] = {
    "content": {form.media_type.partition(";")[0]: {"schema": {"type": "string"}} for form in FORMS.values()},
    "description": "The file. `Export-As-Of` is the instant that it shows; `Export-Parts`, in how many parts QuickBooks or "
    "Xero takes it",
}
_EAGER = 8  # pieces: what can go wrong shows in the first that has rows


@router.get("", responses=responses())
async def list_exports(caller: Overseeing) -> ExportReports:
    """Which reports there are, in which formats, and the columns of those that are tables."""
    return reports()


async def _asked(
    report: Name,
    format: Annotated[str, Query(max_length=32, description=", ".join(FORMS))] = "csv",
    period: Annotated[str | None, Query(pattern=MONTH, description="YYYY-MM: what is accounted for in it")] = None,
    start: Start = None,
    end: End = None,
    account_id: OneAccount = None,
    per_account: Annotated[
        bool, Query(description="beancount, hledger: ledger accounts of each customer's own")
    ] = False,
    opening: Annotated[
        bool,
        Query(description="beancount, hledger: begin with what was there before; false: to be read after its file"),
    ] = True,
    book: Annotated[str, Query(max_length=32, description="quickbooks, xero: money or wallet")] = "money",
    currency: Annotated[str | None, Query(max_length=32, description="quickbooks, xero: only this one")] = None,
    part_lines: Annotated[
        int | None, Query(description="quickbooks, xero: lines to a part; default: what each takes at once")
    ] = None,
    focus: Annotated[
        str | None, Query(max_length=32, description=f"costs: the version of FOCUS, {' or '.join(VERSIONS)}")
    ] = None,
    map: Annotated[
        str | None,
        Query(
            max_length=8_192,
            description='quickbooks, xero: JSON such as {"bank": {"account": "1000", "tax_rate": "…", "account_type": "…"}}',
        ),
    ] = None,
) -> ExportQuestion:
    clean(report=report, format=format, book=book, currency=currency, focus=focus, map=map)
    try:
        accounts = {} if map is None else parse_mapping(map, "json")
    except MappingError as error:
        raise Invalid.of("map", str(error)) from None
    return ExportQuestion(
        report, format, period=period, start=start, end=end, account_id=account_id, per_account=per_account, book=book,
        currency=currency, accounts=accounts, focus=focus, opening=opening,
        part_lines=part_lines,
    )  # fmt: skip


Asked = Annotated[ExportQuestion, Depends(_asked)]


@router.get("/{report}", response_class=StreamingResponse, responses={200: _FILE, **responses(AccountNotFound)})
async def get_export(
    asked: Asked,
    caller: Overseeing,
    as_of: AsOf = None,
    after: Annotated[
        str | None,
        Query(max_length=300, description="the last row that came: its part and key, joined by commas; needs as_of"),
    ] = None,
    part: Annotated[
        int | None,
        Query(
            description="quickbooks, xero: only this one, from 1, of the answer's Export-Parts; needs as_of beyond 1"
        ),
    ] = None,
) -> Any:
    """A file, in constant memory. What broke off is continued with `as_of` and `after`, to the same bytes.

    `after` of the journal is `journal,<account_id>,<book>,<seq>` of the last whole row; of usage
    `settle,<account_id>,<request_id>,<index>`, `refund,<account_id>,<event_id>,<index>`, or
    `correction,<account_id>,<event_id>,<index>,<sign>`, the sign being that of the images that the row counts.
    """
    known = None
    if after is not None:
        if not asked.form.resumable or asked.report == "costs":
            raise Invalid.of("after", f"{asked.report} as {asked.format} is only written from its beginning")
        if as_of is None:
            raise Invalid.of("after", "needs as_of, as the first answer's Export-As-Of said it")
        known = place_of(after, asked.report)
    service = caller.service
    at = await instant(service.work, asked, as_of)
    headers = {"Export-As-Of": instant_text(at)}
    name = asked.file_name
    if part is not None and asked.format not in ACCOUNTING:
        raise Invalid.of("part", f"is for {' and '.join(ACCOUNTING)}")
    if asked.format in ACCOUNTING:
        cut = await parts(service.long_reads, asked, at)
        headers["Export-Parts"] = str(len(cut))
        if part is not None:
            if not 1 <= part <= len(cut):
                raise Invalid.of("part", f"must be from 1 to {len(cut)}")
            if part > 1 and as_of is None:
                raise Invalid.of("part", "beyond the first needs as_of, as the first's Export-As-Of said it")
            asked = cut[part - 1]
            name = f"{name.removesuffix('.csv')}-{part}.csv"
    made = pieces(service.long_reads, asked, at, after=known)
    first = []
    async for piece in made:
        first.append(piece)
        if piece.rows or len(first) == _EAGER:
            break
    headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return StreamingResponse(_content(first, made), media_type=asked.form.media_type, headers=headers)


@router.get("/{report}/totals", responses=responses(AccountNotFound))
async def get_export_totals(asked: Asked, caller: Overseeing, as_of: AsOf = None) -> ControlTotals:
    """What the file of the same question and instant must come to: rows, and sums by ledger account or kind."""
    service = caller.service
    at = await instant(service.work, asked, as_of)
    totals = await control_totals(service.long_reads, asked, at)
    if asked.format not in ACCOUNTING:
        return totals
    return replace(totals, parts=len(await parts(service.long_reads, asked, at)))


async def _content(first: list[Piece], rest: AsyncIterator[Piece]) -> AsyncIterator[bytes]:
    for piece in first:
        yield piece.content
    async for piece in rest:
        yield piece.content
