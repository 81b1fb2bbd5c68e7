"""Verifying: whether a statement's file is as it was issued, from the file alone, in constant memory.

The header's signature says that nobody changed it, the chain that nobody changed a movement, and what the movements
come to must be what the header says. Whose key it is that signed can only be told with the keys that the service
publishes.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO, Literal

from billing.books.statements.document.csv_form import CsvFile
from billing.books.statements.document.file import StatementFile, Unreadable, header_of, is_statement
from billing.books.statements.document.json_form import JsonFile
from billing.books.statements.document.statement import ALGORITHM, Signature, Statement, month_after, month_of, start_of
from billing.books.statements.signing import decoded, genuine, thumbprint
from billing.books.statements.verification.walk import Flaw, Footing, Walk
from billing.core.ledger import GENESIS

Origin = Literal["unchecked", "known", "unknown"]


class NoStatement(Exception):
    """The file holds no statement; says why."""


@dataclass(frozen=True, slots=True)
class StatementVerification:
    """What a file says and what is wrong with it. `statement` None: its header was made unreadable.

    `origin` is `known` when the signature is by one of the service's keys, `unchecked` when nobody said which they are.
    """

    statement: Statement | None
    signature: Signature | None
    origin: Origin
    findings: tuple[Flaw, ...]

    @property
    def ok(self) -> bool:
        return not self.findings


def verify(
    path: Path, keys: Mapping[str, str] | None = None, progress: Callable[[int], None] = lambda _: None
) -> StatementVerification:
    """What is wrong with the file at `path`. `keys`: the service's public keys by their kid, where they are known.

    `progress` is told how many movements were looked at. Raises NoStatement; OSError where the file cannot be read.
    """
    with path.open("rb") as file:
        found: Mapping[str, Any] = {}
        try:
            opened = _opened(file)
            found, lines = opened.header()
            if not is_statement(found):
                raise NoStatement("its format is not billing.statement.1")
            statement, signature = header_of(found, lines)
        except Unreadable as error:
            if not is_statement(found):
                raise NoStatement(f"line {error.line}: {error.message}") from None
            finding = Flaw(f"{error.field or 'the header'} {error.message}", error.line, field=error.field)
            return StatementVerification(None, None, "unchecked", (finding,))
        signed = genuine(signature, statement)
        walk = Walk(statement, opened.rows(), trusted=signed)
        wrong = walk.first_wrong(progress)
    findings: list[Flaw] = []
    origin: Origin = "unchecked"
    if not signed:
        findings.append(_changed(statement, signature, None if wrong else walk.footing, lines))
    elif keys is not None:
        origin = "known" if keys.get(signature.kid) == signature.public_key else "unknown"
        if origin == "unknown":
            message = f"signed with the key {signature.kid}, which is none of those given"
            findings.append(Flaw(message, lines["signature"], field="signature"))
    if wrong is not None:
        findings.append(wrong)
    elif signed:
        findings += _untied(statement, walk.footing, lines)
    return StatementVerification(statement, signature, origin, tuple(findings))


def connections(statements: Sequence[Statement]) -> Iterator[tuple[Statement, Statement, str | None]]:
    """Each account's statements by month: (one, the next one, why they do not connect, or None if they do)."""
    ordered = sorted(statements, key=lambda one: (one.account_id, one.month, one.complete, one.last_seq))
    for one, following in pairwise(ordered):
        if one.account_id == following.account_id:
            yield one, following, _gap(one, following)


def _gap(one: Statement, following: Statement) -> str | None:
    if one.month == following.month:
        begins = [(s.first_seq, s.opening_balance, s.hash_before) for s in (one, following)]
        ends = [(s.last_seq, s.closing_balance, s.hash_after) for s in (one, following)]
        same_end = ends[0] == ends[1] or (one.last_seq < following.last_seq and not one.complete)
        return None if begins[0] == begins[1] and same_end else f"two statements of {one.month} disagree"
    if following.month != month_after(one.month):
        return f"the statement of {month_after(one.month)} is not among them"
    if not one.complete:
        return f"the statement of {one.month} was issued before that month was over; take it again"
    for said, of_one, of_following in (
        ("closing balance", one.closing_balance, following.opening_balance),
        ("last seq", one.last_seq, following.first_seq - 1),
        ("last hash", one.hash_after.hex(), following.hash_before.hex()),
    ):
        if of_one != of_following:
            return f"the {said} of {one.month} is {of_one}, but {following.month} begins after {of_following}"
    return None


def _opened(file: BinaryIO) -> StatementFile:
    beginning = file.read(1 << 12)
    file.seek(0)
    if not beginning:
        raise NoStatement("the file is empty")
    first = beginning.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if first == b"{":
        return JsonFile(file)
    if first == b"#":
        return CsvFile(file)
    raise NoStatement("JSON begins with { and CSV with #")


def _changed(statement: Statement, signature: Signature, footing: Footing | None, lines: Mapping[str, int]) -> Flaw:
    """The header was changed; which field, where a value can be found with which the signature fits."""
    for name, value in _candidates(statement, footing):
        if genuine(signature, replace(statement, **{name: value})):
            return Flaw(
                f"{name} changed: the signature fits with what the rest of the file says", lines[name], field=name
            )
    try:
        named = replace(signature, algorithm=ALGORITHM, kid=thumbprint(decoded(signature.public_key)))
    except ValueError:
        named = signature
    if genuine(named, statement):
        name = "algorithm" if named.algorithm != signature.algorithm else "kid"
        return Flaw(f"signature.{name} changed", lines["signature"], field="signature")
    disagreeing = None if footing is None else next(_untied(statement, footing, lines), None)
    message = "the signature does not fit: the header was changed, or the signature"
    if disagreeing is None:
        return Flaw(message, lines["signature"], field="signature")
    return replace(disagreeing, message=f"{disagreeing.message}; {message}")


def _candidates(statement: Statement, footing: Footing | None) -> Iterator[tuple[str, Any]]:
    s = statement
    yield "complete", not s.complete
    yield "month", month_of(s.start)
    yield "start", start_of(month_of(s.start))
    yield "end", start_of(month_after(month_of(s.start)))
    yield "hash_before", GENESIS
    if footing is not None:
        yield from _figures(statement, footing)
        if footing.owner is not None:
            yield "account_id", footing.owner[0]
            yield "asset", footing.owner[1]
        if footing.first_seq is None:
            yield "hash_before", s.hash_after
        off = footing.consumed - s.consumed
        for place, subtotal in enumerate(s.subtotals):
            for mended in (
                replace(subtotal, credits=subtotal.settled_credits - subtotal.refunded_credits),
                replace(subtotal, settled_credits=subtotal.credits + subtotal.refunded_credits),
                replace(subtotal, refunded_credits=subtotal.settled_credits - subtotal.credits),
                replace(subtotal, credits=subtotal.credits + off, settled_credits=subtotal.settled_credits + off),
            ):
                yield "subtotals", (*s.subtotals[:place], mended, *s.subtotals[place + 1 :])


def _figures(statement: Statement, footing: Footing) -> Iterator[tuple[str, Any]]:
    """What the header must say, by the movements."""
    first = statement.first_seq if footing.first_seq is None else footing.first_seq
    yield "opening_balance", statement.closing_balance if footing.opening is None else footing.opening
    yield "closing_balance", statement.opening_balance if footing.opening is None else footing.balance
    yield "first_seq", statement.last_seq + 1 if footing.first_seq is None else first
    yield "last_seq", first - 1 if footing.first_seq is None else footing.seq
    yield "count", 0 if footing.first_seq is None else footing.seq - first + 1
    yield "hash_after", footing.head
    yield "totals", footing.totals


def _untied(statement: Statement, footing: Footing, lines: Mapping[str, int]) -> Iterator[Flaw]:
    """Where the header says something else than the movements."""
    for name, value in _figures(statement, footing):
        if getattr(statement, name) != value:
            yield Flaw(f"{name} is not what the movements come to", lines[name], field=name)
    odd = any(one.credits != one.settled_credits - one.refunded_credits for one in statement.subtotals)
    if odd or statement.consumed != footing.consumed:
        message = f"subtotals come to {statement.consumed} credits, but the movements to {footing.consumed}"
        yield Flaw(message, lines["subtotals"], field="subtotals")
