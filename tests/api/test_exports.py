"""Exports over HTTP: files that can be continued, and refusals before the first byte."""

import csv
import io
import json
from typing import Any

import pytest

from billing.books.exports.formats.mapping import EXAMPLES, parse_mapping
from billing.books.exports.reports import slices

from .service import Api, problem

PATH = "/v1/finance/exports"
MAPS = {
    format: json.dumps({name: named._asdict() for name, named in parse_mapping(example, "csv").items()})
    for format, example in EXAMPLES.items()
}


@pytest.fixture(scope="module")
def used(quiet: Api) -> Api:
    """An account that bought, used and got something back."""
    quiet.post("/v1/accounts", {"account_id": "acme"})
    money = {"micros": 9_990_000, "currency": "USD"}
    quiet.grant("acme", 1_000, grant_id="bought", amount_paid=money, reference="=1+1")
    for number in range(12):
        output = {"index": 0, "status": "succeeded", "width": 1024, "height": 1024}
        quiet.authorize("acme", f"r-{number:02}", outputs=[output])
    quiet.post("/v1/accounts/acme/charges/r-03/refunds", {"refund_id": "back", "reason": "r"})
    return quiet


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text), strict=True))


def test_what_there_is(used: Api) -> None:
    reports = {one["report"]: one for one in used.get(PATH, "finance").json()["data"]}
    assert set(reports) == {"journal", "usage", "costs", "workbook"}
    assert "beancount" in {one["format"] for one in reports["journal"]["formats"]}
    head = used.get(f"{PATH}/usage", "finance").text.partition("\n")[0]
    assert head.split(",") == [column["name"] for column in reports["usage"]["columns"]]
    for name, report in reports.items():
        for form in report["formats"]:
            more = {"map": MAPS[form["format"]]} if form["format"] in MAPS else {}
            answer = used.get(f"{PATH}/{name}", "finance", format=form["format"], **more)
            assert answer.status_code == 200, answer.text
            assert answer.headers["content-type"] == form["media_type"]
            assert answer.headers["content-disposition"].endswith(f'.{form["extension"]}"')
            assert answer.content


@pytest.mark.parametrize("format", ["csv", "jsonl", "beancount"])
def test_what_broke_off_is_continued_to_the_same_bytes(used: Api, format: str, monkeypatch: Any) -> None:
    monkeypatch.setattr(slices, "ROWS_AT_ONCE", 3)
    whole = used.get(f"{PATH}/journal", "finance", format=format)
    as_of = whole.headers["export-as-of"]
    used.authorize("acme", f"later-{format}", outputs=[])
    part = whole.content.index(b"r-05")
    if format == "csv":
        kept = whole.content[: whole.content.rindex(b"\n", 0, part) + 1]
        seq = rows(kept.decode())[-1]["seq"]
    elif format == "jsonl":
        kept = whole.content[: whole.content.rindex(b"\n", 0, part) + 1]
        seq = json.loads(kept.splitlines()[-1])["seq"]
    else:
        kept = whole.content[: whole.content.rindex(b"\n\n", 0, part) + 2]
        seq = kept.rpartition(b"seq: ")[2].partition(b"\n")[0].decode()
    rest = used.get(f"{PATH}/journal", "finance", format=format, as_of=as_of, after=f"journal,acme,wallet,{seq}")
    assert kept + rest.content == whole.content
    assert used.get(f"{PATH}/journal", "finance", format=format).content != whole.content


def test_costs_in_each_version_of_focus(used: Api) -> None:
    columns = {one["report"]: one for one in used.get(PATH, "finance").json()["data"]}["costs"]["columns"]
    for version, more in ((None, {}), ("1.2", {"focus": "1.2"}), ("1.3", {"focus": "1.3"})):
        head = used.get(f"{PATH}/costs", "finance", **more).text.partition("\n")[0].split(",")
        assert head == [column["name"] for column in columns if version == "1.3" or column["focus"] == "1.2"]
        assert ("ServiceProviderName" in head) is (version == "1.3")
        assert used.get(f"{PATH}/costs/totals", "finance", **more).json()["focus"] == (version or "1.2")
    for path, version in ((f"{PATH}/costs", "1.4"), (f"{PATH}/usage", "1.3"), (f"{PATH}/usage/totals", "1.3")):
        assert (
            "focus" in problem(used.get(path, "finance", focus=version), 422, "validation_error")["errors"][0]["field"]
        )


def test_totals_are_those_of_the_file(used: Api) -> None:
    answer = used.get(f"{PATH}/usage", "finance")
    totals = used.get(f"{PATH}/usage/totals", "finance", as_of=answer.headers["export-as-of"]).json()
    found = rows(answer.text)
    assert totals["rows"] == len(found) > 12
    assert totals["credits"] == sum(int(row["credits"]) for row in found)
    ledger = used.get(f"{PATH}/journal/totals", "finance").json()["ledger"]
    assert {one["asset"] for one in ledger} == {"CREDIT", "USD"}


@pytest.mark.parametrize(
    ("path", "query", "status", "code"),
    [
        ("nothing", {}, 422, "validation_error"),
        ("journal", {"format": "xml"}, 422, "validation_error"),
        ("journal", {"format": "\x00"}, 422, "validation_error"),
        ("journal", {"period": "2026-13"}, 422, "validation_error"),
        ("journal", {"period": "2026-01", "start": "2026-01-01T00:00:00Z"}, 422, "validation_error"),
        ("journal", {"start": "2026-01-02T00:00:00Z", "end": "2026-01-01T00:00:00Z"}, 422, "validation_error"),
        ("journal", {"account_id": "nobody"}, 404, "account_not_found"),
        ("journal", {"account_id": "a'b"}, 422, "validation_error"),
        ("journal", {"as_of": "2999-01-01T00:00:00Z"}, 422, "validation_error"),
        ("journal", {"format": "quickbooks"}, 422, "validation_error"),
        ("journal", {"format": "quickbooks", "map": "{"}, 422, "validation_error"),
        ("journal", {"format": "quickbooks", "map": '{"bank": "1"}'}, 422, "validation_error"),
        ("journal", {"after": "journal,acme,wallet,1"}, 422, "validation_error"),
        ("usage", {"as_of": "2026-01-01T00:00:00Z", "after": "journal,acme,wallet,1"}, 422, "validation_error"),
        ("journal", {"as_of": "2026-01-01T00:00:00Z", "after": "journal,acme,wallet,²"}, 422, "validation_error"),
        ("journal", {"as_of": "2026-01-01T00:00:00Z", "after": "journal,acme,wallet"}, 422, "validation_error"),
        ("journal", {"as_of": "2026-01-01T00:00:00Z", "after": "journal,a'b,wallet,1"}, 422, "validation_error"),
        ("costs", {"as_of": "2026-01-01T00:00:00Z", "after": "journal,acme,wallet,1"}, 422, "validation_error"),
        ("nothing/totals", {}, 422, "validation_error"),
    ],
)
def test_refused_before_the_first_byte(used: Api, path: str, query: dict[str, str], status: int, code: str) -> None:
    problem(used.get(f"{PATH}/{path}", "finance", **query), status, code)


@pytest.mark.parametrize("format", MAPS)
def test_parts_of_a_journal(used: Api, format: str) -> None:
    asked = {"format": format, "map": MAPS[format]}
    whole = used.get(f"{PATH}/journal", "finance", **asked)
    as_of = whole.headers["export-as-of"]
    assert whole.headers["export-parts"] == "1"
    assert used.get(f"{PATH}/journal/totals", "finance", **asked, as_of=as_of).json()["parts"] == 1
    first = used.get(f"{PATH}/journal", "finance", **asked, part=1, as_of=as_of)
    assert first.content == whole.content
    assert f'{format}-1.csv"' in first.headers["content-disposition"]
    for more in ({"part": 0}, {"part": 2}, {"part": 10**30}, {"part_lines": 1}, {"part_lines": 10**30}):
        problem(used.get(f"{PATH}/journal", "finance", **asked, as_of=as_of, **more), 422, "validation_error")
    for more in ({"part": 1}, {"part_lines": 300}, {"opening": False}):
        problem(used.get(f"{PATH}/journal", "finance", **more), 422, "validation_error")
    refused = json.loads(MAPS["xero"]) | {"bank": {"account": "090", "tax_rate": "x", "account_type": "Bank"}}
    answer = used.get(f"{PATH}/journal", "finance", format="xero", map=json.dumps(refused))
    assert "bank is 090" in problem(answer, 422, "validation_error")["detail"]


def test_an_unmapped_ledger_account_is_named(used: Api) -> None:
    answer = used.get(f"{PATH}/journal", "finance", format="quickbooks", map='{"bank": "1"}')
    assert "add the line `deferred_revenue,<account>`" in answer.json()["detail"]
