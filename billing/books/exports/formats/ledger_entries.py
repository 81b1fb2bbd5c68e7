"""The journal as plain-text accounting: each transfer an entry of Beancount or hledger, written by PostgreSQL.

An entry has lines and a COPY's row has none: line feeds are written as a control character and put in afterwards.
"""

from collections.abc import Callable, Sequence
from typing import Final

from billing.books.exports.reports.columns import Column
from billing.books.exports.reports.slices import LINE_FEED
from billing.core.chart import CHART, ESCAPES, OWN
from billing.core.ledger import WALLET

_NAMES: Final = " ".join(f"WHEN '{name}' THEN '{title}'" for name, title in CHART.items())
_AMOUNT: Final = f"CASE t.book WHEN '{WALLET}' THEN t.amount::text ELSE (t.amount * 0.000001)::text END"
_DATE: Final = "left(w.accounted, 10)"
# Beancount knows these escapes and no others; what else is not printed is replaced.
_BEANCOUNT_TEXT: Final = (
    "regexp_replace(replace(replace(replace(replace(replace({0}, '\\', '\\\\'), '\"', '\\\"'), "
    "chr(10), '\\n'), chr(13), '\\r'), chr(9), '\\t'), '[\\x01-\\x1f\\x7f]', chr(65533), 'g')"
)
_HLEDGER_TEXT: Final = "replace(to_json({0})::text, ',', '\\u002c')"  # a tag's value ends with a comma


def beancount(per_account: bool) -> Callable[[Sequence[Column]], str]:
    """SELECT list: an entry of Beancount; with `per_account` customers have ledger accounts of their own."""
    parts = [
        _DATE, _is(' * "'), "t.account_id", _is('" "'), "t.kind", _is('"\n  book: "'), "t.book", _is('"\n  seq: '),
        "t.seq", _is("\n"),
        *_named('  {}: "', '"\n'),
        _optional('  external_id: "', _BEANCOUNT_TEXT.format("t.external_id"), '"\n'),
        _unless_posted('  effective_at: "', '"\n'),
        _is('  posted_at: "'), "a.posted", _is('"\n  hash: "'), "encode(t.hash, 'hex')", _is('"\n  '),
        *_postings("\n  ", per_account), _is("\n"),
    ]  # fmt: skip
    return lambda columns: ", ".join(parts)


def hledger(per_account: bool) -> Callable[[Sequence[Column]], str]:
    """SELECT list: an entry of hledger; with `per_account` customers have ledger accounts of their own."""
    parts = [
        _DATE, _is(" * ("), "t.book", _is("-"), "t.seq", _is(") "), "t.account_id", _is(" | "), "t.kind", _is("\n"),
        *_named("    ; {}:", "\n"),
        _optional("    ; external_id:", _HLEDGER_TEXT.format("t.external_id"), "\n"),
        _unless_posted("    ; effective_at:", "\n"),
        _is("    ; posted_at:"), "a.posted", _is("\n    ; hash:"), "encode(t.hash, 'hex')", _is("\n    "),
        *_postings("\n    ", per_account), _is("\n"),
    ]  # fmt: skip
    return lambda columns: ", ".join(parts)


def _postings(between: str, per_account: bool) -> list[str]:
    own = []
    if per_account:
        encoded = "t.account_id"
        for letter, escape in ESCAPES:
            encoded = f"replace({encoded}, '{letter}', '{escape}')"
        own = [_is(f":{OWN}"), encoded]
    debit, credit = (f"CASE t.{side} {_NAMES} END" for side in ("debit", "credit"))
    return [
        debit, *own, _is("  "), _AMOUNT, _is(" "), "t.asset", _is(between),
        credit, *own, _is("  -"), _AMOUNT, _is(" "), "t.asset",
    ]  # fmt: skip


def _named(before: str, after: str) -> list[str]:
    """The ids that a transfer has. Columns of nothing cost less than texts that are put together."""
    parts = []
    for name in ("request_id", "grant_id", "refund_id"):
        there = f"t.{name} IS NOT NULL"
        parts += [
            f"CASE WHEN {there} THEN {_is(before.format(name))} END", f"t.{name}", f"CASE WHEN {there} THEN {_is(after)} END"
        ]  # fmt: skip
    return parts


def _optional(before: str, value: str, after: str) -> str:
    return f"{_is(before)} || {value} || {_is(after)}"


def _unless_posted(before: str, after: str) -> str:
    when = f"{_is(before)} || w.effective || {_is(after)}"
    return f"CASE WHEN t.effective_at <> t.posted_at THEN {when} END"


def _is(text: str) -> str:
    return "'" + text.replace("\n", LINE_FEED) + "'"
