"""QuickBooks and Xero: what they would book is what the ledger holds, rounded once."""

import asyncio
import csv
import json
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from billing.books.exports import parts as parts_
from billing.books.exports.checking import check_file
from billing.books.exports.formats.accounting import entries
from billing.books.exports.formats.mapping import (
    EXAMPLES,
    MappingError,
    TheirAccount,
    doubts,
    parse_mapping,
    read_mapping,
)
from billing.books.exports.parts import WrittenParts, write_parts
from billing.books.exports.question import ExportQuestion
from billing.core.money import decimals, nearest_minor_units
from billing.core.refusals import Invalid
from billing.store.engine import read_engine, work_engine
from billing.store.refusals import DatabaseUnavailable

from .conftest import Export, shown_at

MAPS = {format: parse_mapping(example, "csv") for format, example in EXAMPLES.items()}
MAP, XERO = MAPS["quickbooks"], MAPS["xero"]


def cells(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file, strict=True))


def test_quickbooks(export: Export) -> None:
    export_ = export("journal", "quickbooks", accounts=MAP)
    rows = cells(export_.path)
    by_entry: dict[str, Decimal] = defaultdict(Decimal)
    by_account: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for row in rows:
        amount = Decimal(row["Debits"] or 0) - Decimal(row["Credits"] or 0)
        assert (row["Debits"] == "") is not (row["Credits"] == "")
        assert amount
        assert -amount.as_tuple().exponent == decimals(row["Currency"])
        by_entry[row["JournalNo"]] += amount
        by_account[row["Description"], row["Currency"]] += amount
        assert row["AccountName"] == MAP[row["Description"]].account
        assert (
            datetime.strptime(row["JournalDate"], "%m/%d/%Y").replace(tzinfo=UTC).strftime("%Y%m%d")
            == row["JournalNo"][:8]
        )
    assert set(by_entry.values()) == {0}
    assert {currency for _, currency in by_account} == {"USD", "EUR", "JPY", "KWD"}
    assert any(row["Description"] == "rounding" for row in rows)
    # However many days there are, each account comes to its balance, rounded once.
    for one in export_.totals.ledger:
        if one.book == "money":
            rounded = Decimal(nearest_minor_units(one.debits - one.credits, one.asset)).scaleb(-decimals(one.asset))
            assert by_account[one.ledger_account, one.asset] == rounded
    assert check_file(export_.path).ok


def test_months_apart_come_to_the_same_as_together(export: Export, on_books: Callable[..., Any]) -> None:
    as_of = shown_at(export("journal", "csv"))
    begins = as_of.replace(day=1, hour=0, minute=0, second=0, microsecond=0)

    async def found(engine: Any, **more: Any) -> list[tuple[date, str, dict[str, int]]]:
        asked = ExportQuestion("journal", "quickbooks", accounts=MAP, **more)
        return [(one.day, one.asset, one.lines) async for one in entries(engine, asked, as_of)]

    whole = on_books(found)
    apart = on_books(lambda engine: found(engine, end=begins)) + on_books(lambda engine: found(engine, start=begins))
    assert whole == apart != []
    assert len({day for day, _, _ in whole}) > 2
    assert [one for one in whole if one[1] == "USD"] == on_books(lambda engine: found(engine, currency="USD"))


def test_xero_knows_one_currency_at_a_time_and_the_wallets_too(export: Export, tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="EUR, JPY, KWD, USD"):
        export("journal", "xero", accounts=XERO)
    with pytest.raises(Invalid, match="currency"):
        export("journal", "xero", accounts=XERO, currency="jpy")
    rows = cells(export("journal", "xero", accounts=XERO, currency="JPY").path)
    by_entry: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for row in rows:
        by_entry[row["*Narration"], row["*Date"]] += Decimal(row["*Amount"])
        assert datetime.strptime(row["*Date"], "%d %b %Y")  # noqa: DTZ007
        assert row["*TaxRate"] == "Tax Exempt"
        assert "." not in row["*Amount"]
    assert rows
    assert set(by_entry.values()) == {0}
    wallets = {name: TheirAccount(name, "None") for name in ("wallet", "issued", "consumed", "expired", "revoked")}
    written_ = export("journal", "xero", accounts=wallets, book="wallet")
    sums: dict[str, int] = defaultdict(int)
    for row in cells(written_.path):
        sums[row["*AccountCode"]] += int(row["*Amount"])
    assert sums == {
        one.ledger_account: balance
        for one in written_.totals.ledger
        if one.book == "wallet" and (balance := one.debits - one.credits)
    }


def test_a_ledger_account_that_is_not_mapped(export: Export, tmp_path: Path) -> None:
    for missing in ("deferred_revenue", "rounding"):
        fewer = {name: named for name, named in MAP.items() if name != missing}
        with pytest.raises(Invalid, match=f"add the line `{missing},<account>`"):
            export("journal", "quickbooks", accounts=fewer)
    with pytest.raises(Invalid, match="tax rate"):
        export(
            "journal",
            "xero",
            accounts={name: TheirAccount(named.account) for name, named in XERO.items()},
            currency="USD",
        )
    assert list(tmp_path.iterdir()) == []


def in_parts(dsn: str, path: Path, format: str, **more: Any) -> WrittenParts:
    async def write() -> WrittenParts:
        engine, work = read_engine(dsn, size=4), work_engine(dsn, size=1)
        try:
            return await write_parts(
                engine,
                work,
                ExportQuestion("journal", format, accounts=MAPS[format], **more),
                path,
                as_of=more.pop("as_of", None),
            )
        finally:
            await engine.dispose()
            await work.dispose()

    return asyncio.run(write())


@pytest.mark.parametrize(("format", "more"), [("quickbooks", {}), ("xero", {"currency": "JPY"})])
def test_long_journals_come_in_parts_that_are_taken_at_once(
    exported: str, export: Export, tmp_path: Path, format: str, more: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "it.csv"
    monkeypatch.setattr("billing.books.exports.question.LEAST_LINES", 1)
    assert [file.path for file in in_parts(exported, path, format, **more).files] == [path]
    lines = max(4, *(len(rows) for rows in by_day(cells(path)).values()))
    whole = in_parts(exported, path, format, part_lines=lines, **more)
    assert [file.path.name for file in whole.files] == [f"it-{number + 1}.csv" for number in range(len(whole.files))]
    assert len(whole.files) > 1
    assert not path.exists()  # it was all of it, and would be booked twice
    found = [cells(file.path) for file in whole.files]
    assert max(map(len, found)) <= lines
    assert all(not set(by_day(one)) & set(by_day(next_)) for one, next_ in pairwise(found))
    alone = export("journal", format, "alone.csv", accounts=MAPS[format], as_of=shown_at(whole), **more)
    assert [row for rows in found for row in rows] == cells(alone.path)
    # Each has its control totals, and they sum to those of the whole, which one file of the same holds too.
    assert check_file(path).ok
    assert json.loads((tmp_path / "it.csv.totals.json").read_text())["ledger"] == alone.totals.document()["ledger"]
    second = whole.files[1].path
    for spoiled in (second.read_bytes()[:-1], whole.files[0].path.read_bytes()):
        kept = second.read_bytes()
        second.write_bytes(spoiled)
        assert not check_file(path).ok
        second.write_bytes(kept)
    # Fewer parts than before leave none of them behind.
    assert in_parts(exported, path, format, **more).files[0].path == path
    assert sorted(one.name for one in tmp_path.glob("it*")) == ["it.csv", "it.csv.totals.json"]


def test_parts_that_were_interrupted_go_on_as_of_the_same_instant(
    exported: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, written = tmp_path / "it.csv", parts_.write_file
    monkeypatch.setattr("billing.books.exports.question.LEAST_LINES", 1)
    in_parts(exported, path, "quickbooks")
    lines = max(len(rows) for rows in by_day(cells(path)).values())

    async def lost(*asked: Any, **more: Any) -> Any:
        if asked[3].name == "it-2.csv":
            raise DatabaseUnavailable
        return await written(*asked, **more)

    monkeypatch.setattr(parts_, "write_file", lost)
    with pytest.raises(DatabaseUnavailable):
        in_parts(exported, path, "quickbooks", part_lines=lines)
    as_of = json.loads((tmp_path / "it-1.csv.totals.json").read_text())["as_of"]
    inode = (tmp_path / "it-1.csv").stat().st_ino
    monkeypatch.setattr(parts_, "write_file", written)
    whole = in_parts(exported, path, "quickbooks", part_lines=lines)
    assert {file.document()["as_of"] for file in whole.files} == {as_of}
    assert (tmp_path / "it-1.csv").stat().st_ino == inode  # it stands, and was not written again
    assert check_file(path).ok
    with pytest.raises(Invalid, match="a day is not cut"):
        in_parts(exported, path, "quickbooks", part_lines=1)


def by_day(rows: list[dict[str, str]]) -> dict[str, list[dict[str, str]]]:
    found: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in rows:
        found[row.get("*Date") or row["JournalDate"]].append(row)
    return found


def test_what_the_other_program_is_known_to_refuse() -> None:
    """Xero takes no bank in a manual journal; QuickBooks Online wants names, and a partner beside receivables."""
    for format, wrong in (
        (
            "xero",
            {
                "bank": TheirAccount("090", "Tax Exempt", "Bank"),
                "refunds": TheirAccount("610", "x", "accounts receivable"),
            },
        ),
        (
            "quickbooks",
            {
                "bank": TheirAccount("Receivables", "", "Accounts receivable (A/R)"),
                "refunds": TheirAccount("Payables", "", "Accounts payable (A/P)"),
            },
        ),
    ):
        with pytest.raises(Invalid) as refused:
            ExportQuestion("journal", format, accounts=MAPS[format] | wrong)
        assert all(f"{name} is {named.account}" in refused.value.detail for name, named in wrong.items())
    for name in ("Sales: Credits", "Sales:", "a:b:c:d:e:f"):
        with pytest.raises(Invalid, match="Parent:Sub"):
            ExportQuestion("journal", "quickbooks", accounts=MAP | {"refunds": TheirAccount(name)})
    with pytest.raises(Invalid, match="codes of accounts"):
        ExportQuestion("journal", "xero", accounts=MAP)
    assert doubts("xero", XERO) == doubts("quickbooks", MAP) == []
    assert "bank is 090" in doubts("xero", XERO | {"bank": TheirAccount("090", "Tax Exempt")})[0]
    assert "4000" in doubts("quickbooks", XERO)[0]
    for format in ("quickbooks", "xero"):
        with pytest.raises(Invalid, match="part_lines"):
            ExportQuestion("journal", format, accounts=MAPS[format], part_lines=5)
    with pytest.raises(Invalid, match="part_lines"):
        ExportQuestion("journal", "csv", part_lines=300)


@pytest.mark.parametrize(
    ("form", "text", "said"),
    [
        ("csv", "account,ledger_account\n", "line 1: must be ledger_account,account,tax_rate"),
        ("csv", "ledger_account,account\nbank,1\nbnak,2\n", "line 3: there is no ledger account 'bnak'"),
        ("csv", "ledger_account,account\nbank,1\n\nbank,2\n", "line 4: bank is mapped twice"),
        ("csv", "ledger_account,account\nbank\n", "line 2: 2 cells are expected and 1 found"),
        ("csv", "ledger_account,account,tax_rate,account_type\nbank,1,,,2\n", "line 2: 4 cells are expected and 5 found"),
        ("csv", "ledger_account,account\nbank,1,2\n", "line 2: 2 cells are expected and 3 found"),
        ("csv", "ledger_account,account\nbank, \n", "line 2: bank is mapped to nothing"),
        ("csv", 'ledger_account,account\nbank,"1\n2"\n', "line 3: bank: accounts, tax rates and types are text of one line"),
        ("csv", 'ledger_account,account\nbank,"1\n', "line 2: this is not CSV"),
        ("csv", "ledger_account,account\n", "line 1: nothing is mapped"),
        ("csv", "", "line 1: must be"),
        ("toml", 'bank = "1"\nrefunds = 2\n', "line 2: refunds: accounts, tax rates and types are text of one line"),
        ("toml", 'bank = "1"\n[refunds]\nname = "2"\n', "line 2: refunds: there is no 'name'"),
        ("toml", 'bank = "1"\nbank = "1"\n', "line 2"),
        ("json", '{\n"bank": "1",\n"bank": "2"}', "line 3: bank is mapped twice"),
        ("json", '{\n"bank": "1",\n}', "line "),
        ("json", '["bank"]', "line 1: must be an object"),
        ("json", "[" * 100_000, "line 1: this is nested too deeply"),
        ("json", f'{{"bank": {"1" * 5000}}}', "line 1: a number is too long to be one; names of accounts are text, quoted"),
        ("toml", f"bank = {'1' * 5000}", "a number is too long to be one; names of accounts are text, quoted"),
        ("toml", f"bank = {'[' * 5000}", "this is nested too deeply"),
        ("txt", "", "a mapping is a .csv, .toml or .json file"),
    ],
)  # fmt: skip
def test_mistakes_in_a_mapping(form: str, text: str, said: str) -> None:
    with pytest.raises(MappingError) as problem:
        parse_mapping(text, form)
    assert said in str(problem.value)


def test_mappings_of_every_form(tmp_path: Path) -> None:
    table = 'bank = "1000"\n[refunds]\naccount = "4900"\ntax_rate = "None"\n'
    document = '{"bank": "1000", "refunds": {"account": "4900", "tax_rate": "None"}}'
    rows = "\ufeffledger_account,account,tax_rate\r\nbank,1000\r\nrefunds,4900,None\r\n"
    for form, text in (("toml", table), ("json", document), ("csv", rows)):
        path = tmp_path / f"map.{form}"
        path.write_text(text, newline="")
        assert read_mapping(path) == {"bank": TheirAccount("1000"), "refunds": TheirAccount("4900", "None")}
    path.write_bytes(b"ledger_account,account\nbank,\xff\n")
    with pytest.raises(MappingError, match="line 2: this is not UTF-8"):
        read_mapping(path)
