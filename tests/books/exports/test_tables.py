"""Tables read back by others: DuckDB, Python's own CSV and JSON, openpyxl."""

import csv
import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import duckdb
import openpyxl
import pytest

from billing.books.exports.checking import NoExport, check_file
from billing.books.exports.pieces import pieces
from billing.books.exports.question import COLUMNS, ExportQuestion
from billing.core.cells import harmless, plain
from billing.core.instants import instant_text
from billing.core.refusals import AccountNotFound, Invalid
from billing.store.engine import Engine
from billing.store.snapshot import snapshot

from .conftest import ODD, TEXTS, Export, shown_at

OnBooks = Callable[[Callable[[Engine], Awaitable[Any]]], Any]
JOURNAL = "account_id, book, seq, kind, debit, credit, asset, amount, balance_after, request_id, grant_id, refund_id, external_id"


def rows(on_books: OnBooks, query: str) -> list[Any]:
    async def fetched(engine: Engine) -> list[Any]:
        async with snapshot(engine) as connection:
            return [tuple(row) for row in await connection.fetch(query)]

    found: list[Any] = on_books(fetched)
    return found


def cells(path: Any) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file, strict=True))


def lines(path: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().split("\n")[:-1]]


def test_the_journal_in_every_table_is_the_journal(export: Export, on_books: OnBooks) -> None:
    transfers = rows(
        on_books, f"SELECT {JOURNAL}, posted_at, encode(hash, 'hex') FROM transfer ORDER BY account_id, book, seq"
    )
    as_csv, as_json, as_parquet = (export("journal", format) for format in ("csv", "jsonl", "parquet"))
    assert as_csv.totals.rows == as_json.totals.rows == as_parquet.totals.rows == len(transfers)

    *documents, last = lines(as_json.path)
    names = JOURNAL.split(", ")
    assert [tuple(one[name] for name in names) for one in documents] == [row[:13] for row in transfers]
    assert last == {"control_totals": as_json.totals.document()}
    assert [one["posted_at"] for one in documents] == [instant_text(row[13]) for row in transfers]
    assert [one["hash"] for one in documents] == [row[14] for row in transfers]

    for one, row in zip(documents, cells(as_csv.path), strict=True):
        for column in COLUMNS["journal"]:
            value, cell = one[column.name], row[column.name]
            if column.kind in ("identifier", "text"):
                assert cell == ("" if value is None else harmless(value))
            else:
                assert cell == ("" if value is None else str(value))

    parquet = duckdb.sql(f"SELECT {JOURNAL}, hash FROM '{as_parquet.path}'").fetchall()
    assert parquet == [(*row[:13], row[14]) for row in transfers]
    one, other = (
        duckdb.sql(f"SELECT asset, debit, sum(amount), count(*) FROM '{path}' GROUP BY 1, 2 ORDER BY 1, 2").fetchall()
        for path in (as_parquet.path, as_csv.path)
    )
    assert one == other
    assert duckdb.sql(f"SELECT typeof(posted_at), typeof(amount) FROM '{as_parquet.path}' LIMIT 1").fetchall() == [
        ("TIMESTAMP WITH TIME ZONE", "BIGINT")
    ]


def test_instants_are_of_one_width_so_that_who_reads_the_first_reads_all(export: Export) -> None:
    """pandas takes a column's form from its first row; a second with no decimals, or with three, stopped it."""
    at_once = """strptime("{}", '%Y-%m-%dT%H:%M:%S.%fZ')"""
    for report, names in (("journal", ["accounted_at", "effective_at", "posted_at"]), ("usage", ["at"])):
        as_csv, as_json = (export(report, format) for format in ("csv", "jsonl"))
        documents = [*cells(as_csv.path), *lines(as_json.path)[:-1]]
        told = [one[name] for one in documents for name in names]
        assert any(at.endswith(".000000Z") for at in told)
        assert [at for at in told if re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", at) is None] == []
        read = ", ".join(f"count({at_once.format(name)})" for name in names)
        rows = duckdb.sql(f"SELECT {read} FROM read_csv('{as_csv.path}', all_varchar = true)").fetchall()
        assert rows == [(as_csv.totals.rows,) * len(names)]
        totals = as_csv.totals.document() | export(report, "csv", period="2026-10").totals.document()
        assert {len(totals[name]) for name in ("as_of", "start", "end")} == {27}


def test_no_cell_is_a_formula_and_text_comes_back(export: Export) -> None:
    written = cells(export("journal", "csv").path)
    for row in written:
        for name, cell in row.items():
            if name not in ("amount", "balance_after", "seq"):
                assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")), (name, cell)
    assert any(row["balance_after"].startswith("-") for row in written)  # numbers are what they are
    assert {
        plain(row["external_id"]) for row in written if row["account_id"] == f"'{ODD}" and row["external_id"]
    } == set(TEXTS)


def test_usage_is_what_usage_counts(export: Export, on_books: OnBooks) -> None:
    counted = rows(
        on_books,
        """SELECT account_id, model, size_tier, quality, sum(requests)::int, sum(images)::int, sum(failed_images)::int, sum(credits)::int
           FROM usage_bucket GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4""",
    )
    as_parquet, as_csv, as_json = (export("usage", format) for format in ("parquet", "csv", "jsonl"))
    found = duckdb.sql(f"""
        SELECT account_id, model, coalesce(size_tier, ''), quality, sum(requests), sum(images), sum(failed_images), sum(credits)
        FROM '{as_parquet.path}' GROUP BY ALL ORDER BY ALL""").fetchall()
    assert found == counted
    assert {row["event"] for row in cells(as_csv.path)} == {"settle", "refund", "correction"}
    *documents, last = lines(as_json.path)
    assert (
        sum(one["credits"] for one in documents) == last["control_totals"]["credits"] == sum(row[-1] for row in counted)
    )
    assert [one["request_id"] for one in documents] == [plain(row["request_id"]) for row in cells(as_csv.path)]
    assert "=end" in {one["end_user"] for one in documents}


def test_costs_are_what_was_paid_and_what_was_used(export: Export, on_books: OnBooks) -> None:
    as_csv, as_parquet = export("costs", "csv"), export("costs", "parquet")
    documents = lines(export("costs", "jsonl").path)[:-1]
    found = cells(as_csv.path)
    assert len(found) == len(documents) == as_csv.totals.rows
    bought = {
        row[0]: row[1]
        for row in rows(
            on_books, "SELECT asset, sum(amount)::bigint FROM transfer WHERE kind LIKE 'purchase%' GROUP BY 1"
        )
    }
    for currency, micros in bought.items():
        billed = [
            Decimal(row["BilledCost"])
            for row in found
            if row["BillingCurrency"] == currency and row["ChargeDescription"] == "Credits bought"
        ]
        assert sum(billed) == Decimal(micros).scaleb(-6)
    credits = rows(on_books, "SELECT sum(credits)::bigint FROM usage_bucket")[0][0]
    assert sum(Decimal(row["PricingCurrencyEffectiveCost"]) for row in found) == credits
    for row in found:
        assert row["ChargeCategory"] in ("Usage", "Purchase")
        assert Decimal(row["EffectiveCost" if row["ChargeCategory"] == "Purchase" else "BilledCost"]) == 0
        for name in (
            "BillingCurrency",
            "ChargePeriodStart",
            "ListCost",
            "ContractedCost",
            "ServiceName",
            "ProviderName",
        ):
            assert row[name]
    # What one grant paid for: 14 credits twice and 67 for one, of grants of 10 at some 12 cents a credit each.
    odd = [row for row in found if row["BillingAccountId"] == f"'{ODD}" and row["ChargeCategory"] == "Usage"]
    assert sum(Decimal(row["EffectiveCost"]) for row in odd) > 0
    assert {row["BillingAccountName"] for row in odd} == {"'=1+1"}
    total = duckdb.sql(f"""SELECT sum("EffectiveCost") FROM '{as_parquet.path}'""").fetchall()
    assert total == [(sum(Decimal(row["EffectiveCost"]) for row in found),)]


def test_the_workbook(export: Export, on_books: OnBooks) -> None:
    written = export("workbook", "xlsx")
    book = openpyxl.load_workbook(written.path)
    assert book.sheetnames == ["Trial balance", "Revenue", "Journal by day", "Usage", "Control totals"]
    trial = list(book["Trial balance"].values)[1:]
    assert {(row[1], row[2]) for row in trial} == {(one.ledger_account, one.asset) for one in written.totals.ledger}
    wallet = next(row for row in trial if row[1] == "wallet")
    assert -wallet[6] == rows(on_books, "SELECT sum(posted)::bigint FROM account")[0][0]
    by_day = list(book["Journal by day"].values)[1:]
    assert sum(row[4] for row in by_day if row[2] == "CREDIT") == sum(row[5] for row in by_day if row[2] == "CREDIT")
    assert (
        sum(row[7] for row in list(book["Usage"].values)[1:])
        == rows(on_books, "SELECT sum(credits)::bigint FROM usage_bucket")[0][0]
    )
    assert any(row[0] for row in list(book["Revenue"].values)[1:])
    assert export("workbook", "xlsx", "again.xlsx", as_of=shown_at(written)).sha256 == written.sha256


def test_parts_of_the_books(export: Export, on_books: OnBooks) -> None:
    one = export("journal", "csv", account_id=ODD)
    assert {row["account_id"] for row in cells(one.path)} == {f"'{ODD}"}
    assert one.totals.document()["seqs"][0]["first"] == 1
    now = shown_at(one)
    begins = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    months = [
        export("journal", "csv", f"{start}.csv", start=start, end=end, as_of=now)
        for start, end in ((None, begins), (begins, None))
    ]
    whole = export("journal", "csv", as_of=now)
    assert all(month.totals.rows for month in months)
    assert sum(month.totals.rows for month in months) == whole.totals.rows
    for written in months:
        periods = {row["period"] for row in cells(written.path)}
        assert (f"{now:%Y-%m}" in periods) is (written.asked.start is not None)


@pytest.mark.parametrize(
    ("report", "format"),
    [("journal", "csv"), ("journal", "jsonl"), ("journal", "parquet"), ("journal", "beancount"), ("journal", "hledger"),
     ("usage", "csv"), ("usage", "jsonl"), ("usage", "parquet"), ("costs", "csv"), ("costs", "jsonl"), ("workbook", "xlsx")],
)  # fmt: skip
def test_files_are_checked_without_a_database(export: Export, report: str, format: str) -> None:
    written = export(report, format)
    checked = check_file(written.path)
    assert (checked.ok, checked.rows) == (True, written.totals.rows)
    beside = written.path.with_name(f"{written.path.name}.totals.json")
    if format in ("csv", "jsonl", "beancount", "hledger"):
        content = written.path.read_bytes()
        cut = content.rfind(b"\n", 0, len(content) // 2) + 1
        written.path.write_bytes(content[:cut] + content[content.index(b"\n", cut) + 1 :])
    else:
        beside.write_text(beside.read_text().replace('"sha256": "', '"sha256": "0'))
    found = check_file(written.path)
    assert not found.ok
    if format in ("csv", "jsonl"):
        written.path.write_bytes(content[: cut + 5])
        assert not check_file(written.path).ok  # half a row
    if format in ("jsonl", "beancount", "hledger"):  # by what stands in the file itself
        written.path.write_bytes(content)
        beside.unlink()
        renamed = written.path.rename(written.path.with_suffix(".journal" if format == "hledger" else f".{format}"))
        found = check_file(renamed)
        assert found.ok
        assert found.alone
        if (report, format) == ("journal", "jsonl"):
            renamed.write_bytes(content.replace(b'"ledger":[{"book"', b'"ledger":[{"b"'))
            assert not check_file(renamed).ok
    if format == "csv":
        beside.unlink()
        with pytest.raises(NoExport):
            check_file(written.path)


def test_what_is_streamed_is_bytes(on_books: OnBooks) -> None:
    """HTTP sends nothing else."""

    async def kinds(engine: Engine) -> set[type]:
        asked = [ExportQuestion(report, format) for report in COLUMNS for format in ("csv", "jsonl", "parquet")]
        now = datetime.now(UTC)
        return {type(piece.content) for one in asked async for piece in pieces(engine, one, now)}

    assert on_books(kinds) == {bytes}


def test_what_cannot_be_asked(export: Export, on_books: OnBooks, tmp_path: Any) -> None:
    for report, format, more in (
        ("nothing", "csv", {}),
        ("usage", "beancount", {}),
        ("journal", "csv", {"period": "2026-13"}),
        ("journal", "csv", {"per_account": True}),
        ("journal", "quickbooks", {}),
    ):
        with pytest.raises(Invalid):
            export(report, format, **more)
    with pytest.raises(AccountNotFound):
        export("journal", "csv", account_id="nobody")
    assert list(tmp_path.iterdir()) == []


def test_the_database_disagrees(export: Export, exported: str, tmp_path: Any) -> None:
    """Rows that vanish while they are read are noticed."""
    from billing.books.exports import file as files
    from billing.books.exports.report import OutOfControl

    whole = files.control_totals

    async def more(*asked: Any) -> Any:
        totals = await whole(*asked)
        return replace(totals, rows=totals.rows + 1)

    files.control_totals = more  # type: ignore[assignment]
    try:
        with pytest.raises(OutOfControl):
            export("journal", "csv")
    finally:
        files.control_totals = whole
    assert list(tmp_path.iterdir()) == []
