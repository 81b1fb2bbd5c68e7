"""Verifying statements: whatever is changed is found, and the first line that was changed is named."""

import csv
import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from billing.books.statements.document.csv_form import as_csv
from billing.books.statements.document.fields import from_cell
from billing.books.statements.document.file import header_of
from billing.books.statements.document.json_form import JsonFile, as_json
from billing.books.statements.document.statement import HEADER, MOVEMENT, Statement
from billing.books.statements.signing import SigningKey
from billing.books.statements.verification.verify import NoStatement, StatementVerification, connections, verify
from billing.books.statements.verification.walk import Flaw, transfer_of
from billing.core.ledger import Transfer, chained

from .conftest import FORMS, MONTHS, Winter

Write = Callable[..., Path]
each_form = pytest.mark.parametrize("form", FORMS)
FIELDS = [field.name for field in MOVEMENT]
# By kind: fields that nothing else in the file follows from. Of these it may only be said that it is one of them.
OPAQUE = {
    "grant": {"grant_id", "external_id"},
    "settle": {"request_id", "grant_id", "digest"},
    "refund": {"request_id", "grant_id", "refund_id"},
    "expire": {"grant_id", "effective_at", "posted_at"},
}


class File:
    """A statement's lines; movements are changed by their place among them."""

    def __init__(self, content: bytes, form: str) -> None:
        self.form = form
        self.lines = content.decode().split("\n")
        if form == "json":
            self.first = self.lines.index('"movements": [') + 1
            self.count = self.lines.index("]}") - self.first
        else:
            self.first = next(place for place, line in enumerate(self.lines) if line.startswith("account_id,")) + 1
            self.count = len(self.lines) - self.first - 1

    @property
    def content(self) -> bytes:
        return "\n".join(self.lines).encode()

    def line(self, place: int) -> int:
        """The number of a movement's line."""
        return self.first + place + 1

    def movement(self, place: int) -> dict[str, Any]:
        line = self.lines[self.first + place]
        if self.form == "json":
            found: dict[str, Any] = json.loads(line.removesuffix(","))
            return found
        (cells,) = csv.reader([line.removesuffix("\r")])
        return {field.name: from_cell(field, cell) for field, cell in zip(MOVEMENT, cells, strict=True)}

    def put(self, place: int, movement: dict[str, Any]) -> None:
        self.lines[self.first + place] = self._written(movement, last=place == self.count - 1)

    def insert(self, place: int, movement: dict[str, Any]) -> None:
        self._all([*self.movements()[:place], movement, *self.movements()[place:]])

    def delete(self, *places: int) -> None:
        self._all([movement for place, movement in enumerate(self.movements()) if place not in places])

    def swap(self, one: int, other: int) -> None:
        movements = self.movements()
        movements[one], movements[other] = movements[other], movements[one]
        self._all(movements)

    def movements(self) -> list[dict[str, Any]]:
        return [self.movement(place) for place in range(self.count)]

    def header(self, old: str, new: str) -> None:
        """Replaces a text that stands once in the header."""
        head = "\n".join(self.lines[: self.first])
        assert head.count(old) == 1, (old, head.count(old))
        self.lines[: self.first] = head.replace(old, new).split("\n")

    def _all(self, movements: list[dict[str, Any]]) -> None:
        self.lines[self.first : self.first + self.count] = [
            self._written(movement, last=place == len(movements) - 1) for place, movement in enumerate(movements)
        ]
        self.count = len(movements)

    def _written(self, movement: dict[str, Any], *, last: bool) -> str:
        if self.form == "json":
            return json.dumps(movement) + ("" if last else ",")
        cells = StringIO()
        csv.writer(cells).writerow([_cell(value) for value in movement.values()])
        return cells.getvalue().removesuffix("\n")


def _cell(value: Any) -> str:
    text = "" if value is None else str(value)
    return f"'{text}" if isinstance(value, str) and text.startswith(("-", "=", "+", "@", "'")) else text


def other(name: str, value: Any) -> Any:
    """Something else that a field could hold."""
    if name in ("digest", "hash"):
        return "ab" * 32
    if name in ("effective_at", "posted_at"):
        return "2026-01-20T08:00:00.000123Z"
    if name == "kind":
        return "revoke"
    if name in ("debit", "credit"):
        return "expired" if value != "expired" else "revoked"
    return value + 1 if isinstance(value, int) else f"{value or 'x'}2"


def only(verdict: StatementVerification) -> Flaw:
    (finding,) = verdict.findings
    return finding


MOVEMENTS = [(month, place) for month, count in (("2026-01", 7), ("2026-02", 6)) for place in range(count)]


@each_form
@pytest.mark.parametrize("month", MONTHS)
def test_as_issued(winter: Winter, write: Write, form: str, month: str) -> None:
    verdict = verify(write(winter.files[month, form]))
    assert (verdict.ok, verdict.origin, verdict.findings) == (True, "unchecked", ())
    assert verdict.statement is not None
    assert verdict.signature is not None
    assert (verdict.statement.account_id, verdict.statement.month) == (winter.account_id, month)


@each_form
def test_instants_are_of_one_width_and_those_of_before_verify(winter: Winter, write: Write, form: str) -> None:
    """Statements that customers have leave out decimals that are nothing; what was hashed and signed is the same."""
    content = winter.files["2026-01", form]
    instants = re.findall(rb"\d{4}-\d\d-\d\dT[0-9:.]+Z", content)
    assert {len(instant) for instant in instants} == {27}
    of_before = content.replace(b".000000Z", b"Z")
    assert of_before != content
    assert verify(write(of_before)).ok


@each_form
@pytest.mark.parametrize(("month", "place"), MOVEMENTS)
@pytest.mark.parametrize("name", FIELDS)
def test_a_field_that_was_changed(winter: Winter, write: Write, form: str, month: str, place: int, name: str) -> None:
    """The line is named, and the field: for what nothing else tells, that it is one of a few."""
    file = File(winter.files[month, form], form)
    movement = file.movement(place)
    kind, seq = movement["kind"], movement["seq"]
    movement[name] = other(name, movement[name])
    file.put(place, movement)
    finding = only(verify(write(file.content)))
    assert finding.line == file.line(place)
    assert finding.seq == (movement["seq"] if name == "seq" else seq)
    if name in OPAQUE[kind] and finding.field is None:
        assert name in finding.message
    else:
        assert finding.field == name


@each_form
@pytest.mark.parametrize(("month", "place"), MOVEMENTS)
@pytest.mark.parametrize("name", FIELDS)
def test_a_field_that_was_emptied(winter: Winter, write: Write, form: str, month: str, place: int, name: str) -> None:
    file = File(winter.files[month, form], form)
    movement = file.movement(place)
    if movement[name] is None:
        return
    kind, movement[name] = movement["kind"], None
    file.put(place, movement)
    finding = only(verify(write(file.content)))
    assert finding.line == file.line(place)
    if name in OPAQUE[kind] and finding.field is None:
        assert name in finding.message
    else:
        assert finding.field == name


@pytest.mark.parametrize("place", [0, 3, 6])
@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize(
    "value", [1.5, 1e3, True, [], {}, "", " ", "é", -(10**60), float("nan"), "1", "\x00"], ids=repr
)
def test_values_that_a_field_cannot_hold(winter: Winter, write: Write, place: int, name: str, value: Any) -> None:
    file = File(winter.files["2026-01", "json"], "json")
    file.put(place, {**file.movement(place), name: value})
    finding = only(verify(write(file.content)))
    assert finding.line == file.line(place)
    assert finding.field == name or (finding.field is None and name in finding.message)


@each_form
@pytest.mark.parametrize(("month", "place"), MOVEMENTS)
def test_several_fields_that_fit_each_other(winter: Winter, write: Write, form: str, month: str, place: int) -> None:
    """An amount with the balance after it; a kind with its sides."""
    file = File(winter.files[month, form], form)
    movement = file.movement(place)
    sign = 1 if movement["credit"] == "wallet" else -1
    more = movement["amount"] + 5
    file.put(place, {**movement, "amount": more, "balance_after": movement["balance_after"] + sign * 5})
    finding = only(verify(write(file.content)))
    assert finding.line == file.line(place)
    last = place == file.count - 1
    assert finding.field == ("amount" if not last else None)
    sides = {"kind": "restore", "debit": "revoked"} if sign > 0 else {"kind": "revoke", "credit": "revoked"}
    file.put(place, {**movement, **sides})
    finding = only(verify(write(file.content)))
    assert (finding.line, finding.field) == (file.line(place), "kind")


@each_form
@pytest.mark.parametrize("place", range(7))
class TestLines:
    def test_deleted(self, winter: Winter, write: Write, form: str, place: int) -> None:
        file = File(winter.files["2026-01", form], form)
        file.delete(place)
        finding = only(verify(write(file.content)))
        assert f"seq {place + 1} is missing" in finding.message
        assert finding.line == file.line(min(place, file.count - 1))

    def test_deleted_with_the_rest(self, winter: Winter, write: Write, form: str, place: int) -> None:
        file = File(winter.files["2026-01", form], form)
        file.delete(*range(place, 7))
        finding = only(verify(write(file.content)))
        assert f"seq {place + 1}" in finding.message
        assert "missing" in finding.message
        assert finding.line == (file.line(place - 1) if place else None)

    def test_twice(self, winter: Winter, write: Write, form: str, place: int) -> None:
        file = File(winter.files["2026-01", form], form)
        file.insert(place, file.movement(place))
        assert only(verify(write(file.content))).line == file.line(place + 1)

    def test_inserted(self, winter: Winter, write: Write, form: str, place: int) -> None:
        """A made-up movement with the seq of the one whose place it takes."""
        file = File(winter.files["2026-01", form], form)
        made_up = {**file.movement(place), "grant_id": "made-up", "request_id": "made-up", "hash": "cd" * 32}
        file.insert(place, made_up)
        finding = only(verify(write(file.content)))
        assert (finding.line, finding.message) == (
            file.line(place),
            "this line was inserted: the next one is what belongs here",
        )

    def test_appended(self, winter: Winter, write: Write, form: str, place: int) -> None:
        """A movement that follows from the last, but that the header does not count."""
        file = File(winter.files["2026-01", form], form)
        last, movement = file.movement(6), {**file.movement(place), "seq": 8}
        sign = 1 if movement["credit"] == "wallet" else -1
        movement["balance_after"] = last["balance_after"] + sign * movement["amount"]
        file.insert(7, rechained(movement, last["hash"]))
        finding = only(verify(write(file.content)))
        assert (finding.line, finding.seq, finding.field) == (file.line(7), 8, "seq")

    @pytest.mark.parametrize("step", [1, 2, 3])
    def test_swapped(self, winter: Winter, write: Write, form: str, place: int, step: int) -> None:
        if place + step > 6:
            return
        file = File(winter.files["2026-01", form], form)
        file.swap(place, place + step)
        finding = only(verify(write(file.content)))
        assert (finding.line, finding.field) == (file.line(place), "seq")

    def test_made_anew_to_the_end(self, winter: Winter, write: Write, form: str, place: int) -> None:
        """A change with all hashes after it recomputed ends in another hash than the header's."""
        file = File(winter.files["2026-01", form], form)
        movements = file.movements()
        movements[place]["request_id"] = "another"
        head = "00" * 32
        for number, movement in enumerate(movements):
            file.put(number, rechained(movement, head))
            head = file.movement(number)["hash"]
        finding = only(verify(write(file.content)))
        assert (finding.field, finding.message) == ("hash_after", "hash_after is not what the movements come to")


def rechained(movement: dict[str, Any], head: str) -> dict[str, Any]:
    transfer = transfer_of(_Row(movement))
    assert isinstance(transfer, Transfer)
    return {**movement, "hash": chained(bytes.fromhex(head), *transfer[:-1]).hex()}


class _Row:
    line, problem = 1, None

    def __init__(self, values: dict[str, Any]) -> None:
        self.values = values


# What is put in the place of each of February's header fields, and whether it can be told that it is this one.
HEADERS = [
    ("account_id", "-acme:1", "-acme:2", True),
    ("month", "2026-02", "2026-03", True),
    ("start", "2026-02-01T00:00:00.000000Z", "2026-02-02T00:00:00.000000Z", True),
    ("end", "2026-03-01T00:00:00.000000Z", "2026-04-01T00:00:00.000000Z", True),
    ("complete", "true", "false", True),
    ("issued_at", "2026-03-15T12:00:00.000000Z", "2026-03-16T12:00:00.000000Z", False),
    ("asset", "CREDIT", "USD", True),
    ("opening_balance", "498", "499", True),
    ("closing_balance", "527", "5270", True),
    ("first_seq", "8", "7", True),
    ("last_seq", "13", "14", True),
    ("count", "6", "5", True),
]


@each_form
class TestHeader:
    @pytest.mark.parametrize(("name", "old", "new", "told"), HEADERS, ids=[name for name, *_ in HEADERS])
    def test_a_field(self, winter: Winter, write: Write, form: str, name: str, old: str, new: str, told: bool) -> None:
        file = File(winter.files["2026-02", form], form)
        if form == "json":
            quote = "" if old.isdigit() or old in ("true", "false") else '"'
            file.header(f'"{name}": {quote}{old}{quote},', f'"{name}": {quote}{new}{quote},')
        else:
            file.header(f"#{name},{_cell(old)}", f"#{name},{_cell(new)}")
        self.check(file, write, name if told else "signature", name if told else None)

    @pytest.mark.parametrize("name", ["hash_before", "hash_after"])
    @pytest.mark.parametrize("month", ["2026-01", "2026-02", "2026-03"])
    def test_a_hash(self, winter: Winter, write: Write, form: str, month: str, name: str) -> None:
        file = File(winter.files[month, form], form)
        place = next(place for place, line in enumerate(file.lines) if name in line)
        head = "".join(letter for letter in file.lines[place] if letter in "0123456789abcdef")[-64:]
        file.lines[place] = file.lines[place].replace(head, "ef" * 32)
        told = name == "hash_after" or month != "2026-02"
        self.check(file, write, name if told else "signature", name if told else None)

    @pytest.mark.parametrize(
        ("old", "new", "name"),
        [
            (("refund", "3", "84"), ("refund", "3", "85"), "totals"),
            (("refund", "3", "84"), ("refund", "2", "84"), "totals"),
            (("refund", "3", "84"), ("restore", "3", "84"), "totals"),
            (("1", "0", "14", "17", "-3"), ("1", "0", "15", "17", "-3"), "subtotals"),
            (("1", "0", "14", "17", "-3"), ("1", "0", "14", "18", "-3"), "subtotals"),
            (("1", "0", "14", "17", "-3"), ("1", "0", "14", "17", "-4"), "subtotals"),
            (("1", "0", "14", "17", "-3"), ("1", "0", "15", "17", "-2"), "subtotals"),
            (("1", "0", "14", "17", "-3"), ("2", "0", "14", "17", "-3"), None),
            (("1", "0", "14", "17", "-3"), ("1", "1", "14", "17", "-3"), None),
            (("1", "0", "14", "17", "-3"), ("1", "0", "15", "18", "-3"), None),
        ],
    )
    def test_totals_and_subtotals(
        self, winter: Winter, write: Write, form: str, old: tuple[str, ...], new: tuple[str, ...], name: str | None
    ) -> None:
        file = File(winter.files["2026-02", form], form)
        file.header(*(self._cells(form, values) for values in (old, new)))
        self.check(file, write, name or "signature", name)

    def _cells(self, form: str, values: tuple[str, ...]) -> str:
        if form == "csv":
            return ",".join(values)
        names = ("kind", "movements", "change") if len(values) == 3 else FIELDS_OF_SUBTOTALS
        return ",".join(
            f'"{name}":{value if value.lstrip("-").isdigit() else json.dumps(value)}'
            for name, value in zip(names, values, strict=True)
        )

    @pytest.mark.parametrize("part", ["algorithm", "kid", "public_key", "value"])
    def test_the_signature(self, winter: Winter, write: Write, form: str, part: str) -> None:
        signature = json.loads(winter.files["2026-02", "json"])["signature"]
        file = File(winter.files["2026-02", form], form)
        old = _cell(signature[part]) if form == "csv" else signature[part]
        new = ("A" if signature[part][5] != "A" else "B") + signature[part][6:]
        file.header(old, old[: len(old) - len(new)] + new)
        finding = self.check(file, write, "signature", "signature")
        assert "changed" in finding.message
        if part in ("algorithm", "kid"):
            assert finding.message == f"signature.{part} changed"

    def check(self, file: File, write: Write, place: str, name: str | None) -> Flaw:
        """The finding of a header: the line on which `place` stands, and the field."""
        verdict = verify(write(file.content))
        finding = verdict.findings[0]
        marks = (f'"{place}"', f"#{place},")
        lines = [number for number, line in enumerate(file.lines, 1) if line.startswith(marks)]
        assert [finding.line] == lines
        assert finding.field == (name or "signature")
        assert len(verdict.findings) == 1
        return finding


FIELDS_OF_SUBTOTALS = ("images", "failed_images", "settled_credits", "refunded_credits", "credits")


def test_a_header_and_a_movement(winter: Winter, write: Write) -> None:
    file = File(winter.files["2026-01", "json"], "json")
    file.header('"closing_balance": 498', '"closing_balance": 499')
    file.put(3, {**file.movement(3), "amount": 20})
    found = verify(write(file.content)).findings
    assert [(finding.line, finding.field) for finding in found][1:] == [(file.line(3), "amount")]
    assert found[0].field in ("closing_balance", "signature")


class TestForged:
    """Everything made anew and signed with a key of one's own: only the keys that the service publishes tell."""

    @each_form
    async def test_by_another_key(self, winter: Winter, write: Write, form: str) -> None:
        statement, transfers = read(winter, "2026-01")
        transfers[0] = transfers[0]._replace(grant_id="forged")
        path = write(await forged(statement, transfers, form))
        assert verify(path).ok
        own = {key["kid"]: key["x"] for key in json.loads(winter.keys)["keys"]}
        verdict = verify(path, own)
        assert (verdict.origin, only(verdict).field) == ("unknown", "signature")
        assert "none of those given" in only(verdict).message
        true = verify(write(winter.files["2026-01", form]), own)
        assert (true.ok, true.origin) == (True, "known")

    async def test_a_key_under_the_name_of_another(self, winter: Winter, write: Write) -> None:
        statement, transfers = read(winter, "2026-01")
        content = (await forged(statement, transfers, "json")).decode()
        forger = SigningKey(b"\x07" * 32).key_id
        published = json.loads(winter.keys)["keys"][0]
        renamed = content.replace(f'"kid":"{forger}"', f'"kid":"{published["kid"]}"')
        assert not verify(write(renamed)).ok
        assert not verify(write(renamed), {published["kid"]: published["x"]}).ok

    @pytest.mark.parametrize(
        ("place", "values", "name"),
        [
            (3, {"account_id": "another"}, "account_id"),
            (3, {"book": "money"}, "book"),
            (3, {"asset": "USD"}, "asset"),
            (3, {"amount": 20}, "balance_after"),
            (3, {"balance_after": 480}, "balance_after"),
            (0, {"amount": 501}, "balance_after"),
            (6, {"posted_at": "2026-02-01T00:00:00Z"}, "posted_at"),
            (0, {"posted_at": "2025-12-31T23:59:59.999999Z"}, "posted_at"),
        ],
    )
    async def test_a_chain_that_cannot_be(
        self, winter: Winter, write: Write, place: int, values: dict[str, Any], name: str
    ) -> None:
        statement, transfers = read(winter, "2026-01")
        times = {key: datetime.fromisoformat(value) for key, value in values.items() if key == "posted_at"}
        transfers[place] = transfers[place]._replace(**{**values, **times})
        finding = only(verify(write(await forged(statement, transfers, "json"))))
        assert (finding.seq, finding.field) == (place + 1, name)

    @pytest.mark.parametrize(
        ("values", "name"),
        [
            ({"opening_balance": 1}, "balance_after"),
            ({"closing_balance": 1}, "closing_balance"),
            ({"count": 8}, "count"),
            ({"totals": ()}, "totals"),
            ({"subtotals": ()}, "subtotals"),
        ],
    )
    async def test_a_header_that_cannot_be(
        self, winter: Winter, write: Write, values: dict[str, Any], name: str
    ) -> None:
        statement, transfers = read(winter, "2026-01")
        finding = only(verify(write(await forged(replace(statement, **values), transfers, "json"))))
        assert finding.field == name


def read(winter: Winter, month: str) -> tuple[Statement, list[Transfer]]:
    document = json.loads(winter.files[month, "json"])
    movements = document.pop("movements")
    statement, _ = header_of(document, dict.fromkeys(document, 1))
    transfers = [transfer_of(_Row(movement)) for movement in movements]
    return statement, [transfer for transfer in transfers if isinstance(transfer, Transfer)]


class _Forged:
    def __init__(self, statement: Statement, transfers: list[Transfer]) -> None:
        head, self._transfers = statement.hash_before, []
        for transfer in transfers:
            head = chained(head, *transfer[:-1])
            self._transfers.append(transfer._replace(hash=head))
        self.statement = replace(statement, hash_after=head)
        self.signature = SigningKey(b"\x07" * 32).sign(self.statement)

    async def movements(self) -> Any:
        yield self._transfers


async def forged(statement: Statement, transfers: list[Transfer], form: str) -> bytes:
    """The file of a statement whose chain fits, signed with a key of the forger's own."""
    issued: Any = _Forged(statement, transfers)
    written = as_json(issued) if form == "json" else as_csv(issued)
    return "".join([piece async for piece in written]).encode()


class TestFiles:
    """Files that are cut, spoilt, of another encoding or nothing at all: a sentence, never a traceback."""

    @each_form
    def test_cut_anywhere(self, winter: Winter, write: Write, form: str) -> None:
        content = winter.files["2026-01", form]
        whole = len(content.rstrip())
        for length in range(whole):
            assert not accepted(write(content[:length])), length
        assert accepted(write(content[:whole]))

    @each_form
    def test_a_letter_changed_anywhere(self, winter: Winter, write: Write, form: str) -> None:
        content = winter.files["2026-01", form].rstrip()
        for place in range(len(content)):
            spoilt = bytearray(content)
            spoilt[place] ^= 1
            assert not accepted(write(bytes(spoilt))), (place, content[place - 20 : place + 20])

    @pytest.mark.parametrize(
        "content",
        [b"", b" \n", b"{", b"{}", b"[]", b"null", b"#", b"#format\n", b"# hello\n", b"\xff\xfe{\x00", b"\x00" * 5000,
         b"PK\x03\x04", b"\x1f\x8b\x08", b"%PDF-1.7", b'{"format": "billing.statement.2"}', b'{"format": 1}',
         b'{"movements": []}', b"{" * 100_000, b'{"format":' + b"[" * 100_000, b'{"a": "' + b"x" * 9_000_000,
         b'{"a": ' + b"9" * 5_000_000, b'{"a": 1, "a": 2}', b"#format," + b"x" * 9_000_000, b"{'a': 1}", b"\xef\xbb\xbf"],
        ids=lambda content: repr(content[:16]),
    )  # fmt: skip
    def test_no_statement(self, write: Write, content: bytes) -> None:
        with pytest.raises(NoStatement) as error:
            verify(write(content))
        assert str(error.value)

    @pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-16-le"])
    @each_form
    def test_another_encoding(self, winter: Winter, write: Write, form: str, encoding: str) -> None:
        with pytest.raises(NoStatement):
            verify(write(winter.files["2026-01", form].decode().encode(encoding)))

    @each_form
    def test_letters_of_another_encoding(self, winter: Winter, write: Write, form: str) -> None:
        spoilt = winter.files["2026-01", form].replace(b"gift", b"gi\xe9t")
        finding = only(verify(write(spoilt)))
        line = 1 + spoilt[: spoilt.index(b"\xe9")].count(b"\n")
        assert (finding.message, finding.line) == ("this is not UTF-8 text", line)

    @each_form
    def test_marks_and_line_ends_mean_nothing(self, winter: Winter, write: Write, form: str) -> None:
        content = winter.files["2026-01", form]
        assert verify(write(b"\xef\xbb\xbf" + content)).ok
        assert verify(write(content.replace(b"\r\n", b"\n"))).ok
        assert verify(write(content.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))).ok

    @pytest.mark.parametrize("indent", [None, 1, 8])
    def test_json_written_otherwise(self, winter: Winter, write: Write, indent: int | None) -> None:
        document = json.loads(winter.files["2026-01", "json"])
        assert verify(write(json.dumps(document, indent=indent))).ok
        document["movements"][3]["amount"] += 1
        text = json.dumps(document, indent=indent)
        finding = only(verify(write(text)))
        assert (finding.seq, finding.field) == (4, "amount")
        assert finding.line == 1 + text[: text.index("{", text.index('"seq": 3'))].count("\n")

    def test_movements_before_the_header(self, winter: Winter, write: Write) -> None:
        document = json.loads(winter.files["2026-01", "json"])
        turned = {"format": document["format"], "movements": document["movements"], **document}
        assert "the header has no" in only(verify(write(json.dumps(turned)))).message

    @pytest.mark.parametrize("name", ["format", *(field.name for field in HEADER), "totals", "subtotals", "signature"])
    def test_a_header_without_one_of_its_fields(self, winter: Winter, write: Write, name: str) -> None:
        document = json.loads(winter.files["2026-01", "json"])
        path = write(json.dumps({key: value for key, value in document.items() if key != name}))
        if name == "format":
            with pytest.raises(NoStatement):
                verify(path)
        else:
            assert only(verify(path)).field == name

    @pytest.mark.parametrize("name", [*(field.name for field in HEADER), "totals", "subtotals", "signature", "extra"])
    @pytest.mark.parametrize(
        "value", [None, 1.5, [1], {}, "x", -(10**60), [[]], [{}], "9999-12-31T00:00:00Z"], ids=repr
    )
    def test_a_header_with_something_else(self, winter: Winter, write: Write, name: str, value: Any) -> None:
        document = json.loads(winter.files["2026-01", "json"])
        movements = document.pop("movements")
        verdict = verify(write(json.dumps({**document, name: value, "movements": movements})))
        assert verdict.findings[0].field is not None
        assert verdict.findings[0].field.partition(".")[0] in (name, "signature")

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ('"seq":3,', '"seq":3,"seq":3,'),
            ('"seq":3,', '"seq":3,"note":"mine",'),
            ('"seq":3,', ""),
            ('"seq":3,', '"seq":3e0,'),
            ('"seq":3,', '"seq":03,'),
            ('"seq":3,', f'"seq":{"3" * 5000},'),
            ('"seq":3,', f'"seq":{"[" * 5000}{"]" * 5000},'),
            ('"seq":3,', '"seq":-0,'),
            ('"seq":3,', '"seq":NaN,'),
            ('"seq":3,', "'seq':3,"),
        ],
    )
    def test_movements_that_are_none(self, winter: Winter, write: Write, old: str, new: str) -> None:
        text = winter.files["2026-01", "json"].decode()
        assert text.count(old) == 1
        line = text[: text.index(old)].count("\n") + 1
        assert only(verify(write(text.replace(old, new)))).line == line

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("wallet,3,", "wallet,3,extra,"),
            ("wallet,3,", "wallet,"),
            ("wallet,3,", "wallet,03,"),
            ("wallet,3,", "wallet,+3,"),
            ("wallet,3,", "wallet,３,"),
            ("wallet,3,", "'wallet,3,"),
            ("wallet,3,", f"wallet,{'3' * 70_000},"),
            ("wallet,3,", 'wallet,"3,'),
            ("wallet,3,", "\rwallet,3,"),
        ],
    )
    def test_rows_that_are_none(self, winter: Winter, write: Write, old: str, new: str) -> None:
        text = winter.files["2026-01", "csv"].decode()
        assert text.count(old) == 1
        line = text[: text.index(old)].count("\n") + 1
        finding = only(verify(write(text.replace(old, new))))
        assert finding.line is not None
        assert finding.line >= line

    def test_a_formula_without_its_apostrophe(self, winter: Winter, write: Write) -> None:
        text = winter.files["2026-01", "csv"].decode()
        finding = only(verify(write(text.replace(",'-req:1,", ",-req:1,", 1))))
        assert (finding.field, finding.seq) == ("request_id", 3)

    def test_no_file(self, tmp_path: Path) -> None:
        for path in (tmp_path / "missing", tmp_path):
            with pytest.raises(OSError, match=str(path)):
                verify(path)


def accepted(path: Path) -> bool:
    try:
        return verify(path).ok
    except NoStatement:
        return False


class TestConnections:
    def test_they_connect(self, winter: Winter) -> None:
        statements = [read(winter, month)[0] for month in reversed(MONTHS)]
        assert [(one.month, following.month, gap) for one, following, gap in connections(statements)] == [
            ("2026-01", "2026-02", None),
            ("2026-02", "2026-03", None),
        ]

    def test_the_same_month_twice(self, winter: Winter) -> None:
        january, february = (read(winter, month)[0] for month in MONTHS[:2])
        assert gaps(january, january, february) == [None, None]
        so_far = replace(january, complete=False, last_seq=5, closing_balance=458, hash_after=b"\x01" * 32)
        assert gaps(so_far, january, february) == [None, None]
        for change in ({"hash_after": b"\x01" * 32}, {"opening_balance": 1}, {"hash_before": b"\x01" * 32}):
            assert gaps(january, replace(january, **change)) == ["two statements of 2026-01 disagree"]
        longer = replace(january, complete=False, last_seq=8)
        assert gaps(longer, january) == ["two statements of 2026-01 disagree"]

    def test_a_month_is_missing(self, winter: Winter) -> None:
        statements = [read(winter, month)[0] for month in ("2026-01", "2026-03")]
        assert gaps(*statements) == ["the statement of 2026-02 is not among them"]

    def test_one_that_was_issued_before_its_month_was_over(self, winter: Winter) -> None:
        january, february = (read(winter, month)[0] for month in MONTHS[:2])
        (gap,) = gaps(replace(january, complete=False), february)
        assert gap == "the statement of 2026-01 was issued before that month was over; take it again"

    @pytest.mark.parametrize(
        ("values", "said"),
        [
            ({"opening_balance": 1}, "closing balance"),
            ({"first_seq": 9}, "last seq"),
            ({"hash_before": b"\x01" * 32}, "last hash"),
        ],
    )
    def test_they_do_not(self, winter: Winter, values: dict[str, Any], said: str) -> None:
        january, february = (read(winter, month)[0] for month in MONTHS[:2])
        (gap,) = gaps(january, replace(february, **values))
        assert gap is not None
        assert said in gap

    def test_accounts_apart(self, winter: Winter) -> None:
        january, february = (read(winter, month)[0] for month in MONTHS[:2])
        assert gaps(january, replace(february, account_id="another")) == []


def gaps(*statements: Statement) -> list[str | None]:
    return [gap for _, _, gap in connections(statements)]


def test_memory_does_not_grow_with_the_movements(winter: Winter, write: Write) -> None:
    """A reader that is asked for one movement after another holds no more than a chunk of the file."""
    path = write(b'{"movements": [' + b",".join([json.dumps({"a": "x" * 500}).encode()] * 20_000) + b"]}")
    with path.open("rb") as file:
        reader = JsonFile(file)
        reader.header()
        longest = max(len(reader._buffer) for _ in reader.rows())
    assert longest < 200_000
