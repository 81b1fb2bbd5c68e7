"""Manifests: one meaning in every form, and whatever is wrong with one is said with its line."""

import io
from datetime import UTC, datetime

import pyarrow
import pytest
from pyarrow import parquet

from billing.books.reconciliation.forms import Manifest, rows
from billing.books.reconciliation.forms.rows import Loading, ManifestRow, ManifestUnreadable


def rows_of(content: bytes, form: str, account_id: str | None = None) -> list[ManifestRow]:
    return [row for some in Manifest(io.BytesIO(content), "m", form).chunks(Loading("s", account_id)) for row in some]


def as_parquet(**columns) -> bytes:
    file = io.BytesIO()
    parquet.write_table(pyarrow.table(columns), file)
    return file.getvalue()


AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
FULL = ManifestRow("a", "s", "r", 1, 2, "succeeded", 640, 480, "1K", 3, AT, "openai", "img, 1")
BARE = ManifestRow("a", "s", "r", 0, 3, "failed", None, None, None, None, None, None, None)
NAMES = (
    "account_id,request_id,index,status,width,height,size_tier,price_version,delivered_at,provider,provider_request_id"
)
CSV = f'{NAMES}\na,r,1,succeeded,640,480,1K,3,2026-03-01T12:00:00Z,openai,"img, 1"\na,r,0,failed,,,,,,,\n'
JSON = (
    '{"request_id": "r", "account_id": "a", "index": 1, "width": 640, "height": 480, "size_tier": "1K", "price_version": 3, '
    '"delivered_at": "2026-03-01T13:00:00+01:00", "provider": "openai", "provider_request_id": "img, 1"}\n'
    '{"account_id": "a", "request_id": "r", "index": 0, "status": "failed", "width": null}'
)


def test_one_meaning_in_every_form():
    expected = [FULL, BARE]
    assert rows_of(CSV.encode(), "csv") == expected
    assert rows_of(b"\xef\xbb\xbf" + CSV.replace("\n", "\r\n").rstrip().encode(), "csv") == expected
    assert rows_of(CSV.replace("account_id,", "").replace("\na,", "\n").encode(), "csv", "a") == expected
    numbered = [row._replace(line=row.line - 1) for row in expected]
    assert rows_of(JSON.encode(), "jsonl") == numbered
    columns = {
        "account_id": pyarrow.array(["a", "a"]).dictionary_encode(), "request_id": ["r", "r"],
        "index": pyarrow.array([1, 0], pyarrow.int16()), "status": ["succeeded", "failed"], "width": [640, None], "height": [480, None],
        "size_tier": ["1K", None], "price_version": [3, None], "provider": ["openai", None], "provider_request_id": ["img, 1", None],
        "delivered_at": pyarrow.array([AT, None], pyarrow.timestamp("ms", "UTC")),
    }  # fmt: skip
    assert rows_of(as_parquet(**columns), "parquet") == numbered


def test_what_pandas_makes_of_a_failed_image():
    """A gap in a column of integers makes decimals of all of them, and an index of 0 and 1 may be true and false."""
    made = [
        ManifestRow("a", "s", "r", 0, 1, "succeeded", 1024, 768, None, 1, None, None, None),
        ManifestRow("a", "s", "r", 1, 2, "failed", None, None, None, None, None, None, None),
    ]
    in_csv = [row._replace(line=row.line + 1) for row in made]
    head = b"account_id,request_id,index,status,width,height,price_version\n"
    for gap in (b"", b"NaN", b"nan", b"<NA>"):
        cells = b"a,r,%s,succeeded,1024.0,768.000,1.0\na,r,%s,failed,%s,%s,%s\n"
        for indexes in ((b"0", b"1"), (b"0.0", b"1.0"), (b"False", b"True")):
            assert rows_of(head + cells % (*indexes, gap, gap, gap), "csv") == in_csv
    lines = (
        '{"account_id":"a","request_id":"r","index":%s,"status":"succeeded","width":1024.0,"height":768,"price_version":1.0,"provider":%s}\n'
        '{"account_id":"a","request_id":"r","index":%s,"status":"failed","width":%s,"height":%s,"price_version":null,"provider":%s}\n'
    )
    for gap in ("NaN", "null"):
        for first, second in (("0", "1"), ("0.0", "1.0"), ("false", "true")):
            assert rows_of((lines % (first, gap, second, gap, gap, gap)).encode(), "jsonl") == made
    nan = float("nan")
    for index in ([0, 1], [0.0, 1.0], [False, True], pyarrow.array([0, 1], pyarrow.decimal128(5, 2))):
        for width, height in (
            ([1024.0, nan], [768.0, nan]),
            ([1024.0, None], pyarrow.array([768, None], pyarrow.float32())),
        ):
            columns = {
                "account_id": ["a", "a"],
                "request_id": ["r", "r"],
                "index": index,
                "status": ["succeeded", "failed"],
            }
            content = as_parquet(**columns, width=width, height=height, price_version=[1.0, nan])
            assert rows_of(content, "parquet") == made


def test_times_of_parquet_may_be_finer_than_ours_and_of_any_zone():
    """As pandas writes them."""
    nanoseconds = 1_772_366_400_123_456_789
    for zone in ("UTC", "Mars/Phobos"):
        times = pyarrow.array([nanoseconds], pyarrow.timestamp("ns", zone))
        (row,) = rows_of(as_parquet(account_id=["a"], request_id=["r"], index=[0], delivered_at=times), "parquet")
        assert row.delivered_at == AT.replace(microsecond=123_456)


H = b"account_id,request_id,index,status,width,height\n"
GOOD = b"a,r,0,succeeded,1024,1024\n"
BAD = {
    "nothing at all": ("csv", b"", 1, "no header"),
    "no rows": ("csv", H, None, "no rows"),
    "an unknown column": ("csv", b"account_id,request_id,index,sizes\na,r,0,1\n", 1, "unknown column `sizes`"),
    "semicolons": ("csv", b"account_id;request_id;index\na;r;0\n", 1, "Separate cells by commas"),
    "a column twice": ("csv", b"account_id,request_id,index,index\na,r,0,0\n", 1, "`index` is there twice"),
    "a column too few": ("csv", b"account_id,index\na,0\n", 1, "no column `request_id`"),
    "half a size": ("csv", b"account_id,request_id,index,width\na,r,0,9\n", 1, "both columns width and height"),
    "too many cells": ("csv", H + GOOD + b"a,r,1,succeeded,1,1,1\n", 3, "has 7 cells"),
    "cut off": ("csv", H + GOOD + b"a,r,1,succ", 3, "cut off: its last line has 4 of 6 cells"),
    "cut off within quotes": ("csv", H + GOOD + b'a,"r', 3, "cut off within quotes"),
    "a stray quote": ("csv", H + b'a,"r"x,0,,,\n', 2, "no CSV"),
    "quotes that never end": ("csv", H + b'a,"' + b'x","\n' * 20_000, 13_108, "quotes that were opened before it do not end"),
    "lines of an old Mac": ("csv", (H + GOOD).replace(b"\n", b"\r"), 1, "no CSV: new-line character"),
    "another encoding": ("csv", H + GOOD + "a,é,0,,,\n".encode("latin-1"), 3, "byte 3 of it is not UTF-8"),
    "utf-16": ("csv", (H + GOOD).decode().encode("utf-16"), 1, "UTF-16"),
    "a NUL": ("csv", H + b"a,r\x00,0,,,\n", 2, "NUL"),
    "a line without end": ("csv", H + b"a" * 70_000, 2, "longer than 65536 bytes"),
    "a bad account": ("csv", H + b"a b,r,0,,,\n", 2, "account_id must be 1 to 64"),
    "no request": ("csv", H + GOOD + b"a,,0,,,\n", 3, "request_id must be"),
    "a negative index": ("csv", H + b"a,r,-1,,,\n", 2, "index must be an integer from 0 to 999"),
    "no index": ("csv", H + b"a,r,,,,\n", 2, "index must be"),
    "an index of digits that are none": ("csv", H + "a,r,²,,,\n".encode(), 2, "index must be a whole number"),
    "a negative size": ("csv", H + b"a,r,0,,-1024,1024\n", 2, "width must be pixels, a whole number from 1 to 65535"),
    "an absurd size": ("csv", H + b"a,r,0,,70000,1\n", 2, "width must be pixels"),
    "more pixels than any image has": ("csv", H + b"a,r,0,,65535,65535\n", 2, "no image has so many"),
    "half of a size": ("csv", H + b"a,r,0,,1024,\n", 2, "must be there both"),
    "another status": ("csv", H + b"a,r,0,lost,,\n", 2, "status must be succeeded or failed"),
    "twice": ("csv", H + GOOD + b"a,r,1,,,\n" + GOOD, 4, "output 0 of request r of account a is in line 2 already"),
    "a time without zone": (
        "csv", b"account_id,request_id,index,delivered_at\na,r,0,2026-03-01T12:00:00\n", 2, "delivered_at must be"
    ),
    "no JSON": ("jsonl", b'{"account_id"\n', 1, "not JSON"),
    "JSON cut off": ("jsonl", b'{"account_id": "a", "request_id": "r", "index": 0}\n{"account_id": "a", "re', 2, "cut off"),
    "a list": ("jsonl", b"\n[1]\n", 2, "no object"),
    "a field twice": ("jsonl", b'{"account_id": "a", "request_id": "r", "index": 0, "index": 1}\n', 1, "`index` is there twice"),
    "an unknown field": ("jsonl", b'{"account_id": "a", "request_id": "r", "index": 0, "w": 1}\n', 1, "unknown column `w`"),
    "text for a number": ("jsonl", b'{"account_id": "a", "request_id": "r", "index": "0"}\n', 1, "index must be"),
    "true for a number": (
        "jsonl", b'{"account_id": "a", "request_id": "r", "index": 0, "width": true, "height": true}\n', 1, "width must be pixels"
    ),
    "half a pixel": ("csv", H + GOOD + b"a,r,1,,1024.5,1024\n", 3, "width must be a whole number, written as 1024 or 1024.0"),
    "a number as it is read": ("csv", H + b'a,r,0,,"1,024",1024\n', 2, "width must be a whole number"),
    "a number with an exponent": ("csv", H + b"a,r,0,,1e3,1024\n", 2, "width must be a whole number"),
    "no index but a gap": ("csv", H + b"a,r,NaN,,,\n", 2, "index must be a whole number"),
    "the row names of pandas": ("csv", b",account_id,request_id,index\n0,a,r,0\n", 1, "pandas leaves it out with index=False"),
    "half a pixel in JSON": ("jsonl", b'{"account_id": "a", "request_id": "r", "index": 0, "width": 1.5, "height": 1}\n', 1, "width must be a whole"),
    "hardly not whole": (
        "jsonl", b'{"account_id": "a", "request_id": "r", "index": 0, "width": 1024.00000000000000001, "height": 1}\n', 1, "width must be a whole",
    ),
    "endless pixels": ("jsonl", b'{"account_id": "a", "request_id": "r", "index": 0, "width": Infinity, "height": 1}\n', 1, "width must be a whole"),
    "an exponent without end": (
        "jsonl", b'{"account_id": "a", "request_id": "r", "index": 1e' + b"9" * 30 + b"}\n", 1, "not JSON",
    ),
    "a decimal for text": ("jsonl", b'{"account_id": "a", "request_id": "r", "index": 0, "provider": 1.0}\n', 1, "provider must be text"),
    "a list for text": ("jsonl", b'{"account_id": ["a"], "request_id": "r", "index": 0}\n', 1, "must be text or a number"),
    "an escaped NUL": (
        "jsonl", b'{"account_id": "a", "request_id": "r", "index": 0, "provider": "\\u0000"}\n', 1, "must not contain NUL"
    ),
    "too deep": ("jsonl", b"[" * 60_000 + b"\n", 1, "not JSON"),
    "no Parquet": ("parquet", b"PAR1 and then nothing PAR1", None, "no Parquet file"),
    "Parquet with half an index": ("parquet", as_parquet(account_id=["a"] * 2, request_id=["r"] * 2, index=[0.0, 0.5]), 2, "index must be a whole"),
    "Parquet with text for a number": ("parquet", as_parquet(account_id=["a"], request_id=["r"], index=["0"]), None, "must be whole numbers"),
    "Parquet with times of no zone": (
        "parquet", as_parquet(account_id=["a"], request_id=["r"], index=[0], delivered_at=[datetime(2026, 1, 1)]), None, "with a zone",  # noqa: DTZ001
    ),
    "Parquet with times before all calendars": (
        "parquet", as_parquet(account_id=["a"], request_id=["r"], index=[0], delivered_at=pyarrow.array([-(2**62)], pyarrow.timestamp("us", "UTC"))),
        None, "a time that no calendar has",
    ),
    "Parquet with one long text, repeated": (
        "parquet", as_parquet(account_id=["a"] * 2, request_id=["r"] * 2, index=[0, 1], provider=["x" * 5_000] * 2), None, "more than 4096 bytes",
    ),
    "Parquet with a text as long as memory": (
        "parquet", as_parquet(account_id=["a"], request_id=["r"], index=[0], provider=["x" * 2_000_000]), None, "more than 4096 bytes",
    ),
    "a row of Parquet": ("parquet", as_parquet(account_id=["a", "a"], request_id=["r", "r"], index=[0, -1]), 2, "index must be"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_said_with_its_line(name):
    form, content, line, said = BAD[name]
    with pytest.raises(ManifestUnreadable) as refusal:
        rows.check_not_twice(rows_of(content, form))
    assert refusal.value.line == line
    assert said in refusal.value.problem


def test_rows_of_another_account_are_refused():
    with pytest.raises(ManifestUnreadable, match="line 3: account_id is b, but this is compared for a alone"):
        rows_of(H + GOOD + b"b,r,0,,,\n", "csv", "a")


async def test_what_cannot_be_read_leaves_nothing(ledger, monkeypatch):
    """Also when rows had been staged, and what is twice is far apart."""
    monkeypatch.setattr(rows, "ROWS_AT_ONCE", 2)
    tables = ("manifest", "manifest_row", "reconciliation", "reconciliation_line")
    for tail, line in ((b"acme,fine,0,,,\n", 6), (b"acme,x,9,succ", 6)):
        body = H + b"".join(b"acme,%s,%d,,,\n" % name for name in ((b"fine", 1), (b"fine", 0), (b"x", 1), (b"x", 2)))
        with pytest.raises(ManifestUnreadable) as refusal:
            await ledger.compare("bad", body + tail)
        assert refusal.value.line == line
        assert [await ledger.ask(f"SELECT count(*) FROM {table}") for table in tables] == [0, 0, 0, 0]
