"""A row as a line of CSV or JSON.

PostgreSQL writes the lines; nothing passes through Python cell by cell. For JSON the names stand between the values as
columns of their own: the delimiter between them is a control character, which JSON never holds, and is removed.
"""

from collections.abc import Sequence
from typing import Final

from billing.books.exports.reports.columns import Column, instant_text
from billing.core.cells import FORMULA, MARK

_FORMULAS: Final = ", ".join(str(ord(letter)) for letter in (*FORMULA, MARK))


def csv_list(columns: Sequence[Column]) -> str:
    """SELECT list: the cells of a CSV row, none of which is a formula."""
    return ", ".join(_cell(column) for column in columns)


def typed_list(columns: Sequence[Column]) -> str:
    """SELECT list: CSV for a program that knows each column's type. Times are UTC and do not say so."""
    return ", ".join(
        f"({column.sql}) AT TIME ZONE 'UTC'" if column.kind == "time" else _text(column) for column in columns
    )


def json_list(columns: Sequence[Column]) -> str:
    """SELECT list: a line of JSON, once the delimiters are gone."""
    parts, text = [], "{"
    for column in columns:
        text += f'"{column.name}":'
        value = _text(column)
        if (known := _known(column)) is not None:  # the same in every row: part of the text between
            text += f"{known},"
            continue
        if column.kind in ("integer", "decimal", "price"):
            parts += [_literal(text), value]
            text = ","
        elif column.kind in ("text", "labels"):
            parts += [_literal(text), f"to_json({column.sql})"]
            text = ","
        elif column.optional:  # nothing at all is written as null
            parts += [_literal(text), f"""'"' || {value} || '"'"""]
            text = ","
        else:
            parts += [_literal(text + '"'), value]
            text = '",'
    parts.append(_literal(text.removesuffix(",") + "}"))
    return ", ".join(parts)


def _cell(column: Column) -> str:
    value = _text(column)
    if column.kind == "identifier":
        return f"CASE WHEN ascii({value}) = {ord('-')} THEN '{MARK * 2}' || {value} ELSE {value} END"
    if column.kind == "text":
        marked = f"{value} = '' OR ascii({value}) = ANY('{{{_FORMULAS}}}'::integer[])"
        return f"CASE WHEN {marked} THEN '{MARK * 2}' || {value} ELSE {value} END"
    return value


def _text(column: Column) -> str:
    match column.kind:
        case "time":
            return column.written or instant_text(column.sql)
        case "hex":
            return f"encode({column.sql}, 'hex')"
        case "labels":
            return f"array_to_string({column.sql}, ' ')"
    return column.sql


def _known(column: Column) -> str | None:
    """A constant's JSON."""
    if column.sql.startswith("NULL::"):
        return "null"
    if column.kind == "word" and column.sql[0] == column.sql[-1] == "'" and column.sql[1:-1].isalpha():
        return f'"{column.sql[1:-1]}"'
    return column.sql if column.kind == "integer" and column.sql.isdigit() else None


def _literal(text: str) -> str:
    return f"'{text}'"
