"""How a column is declared: SQLModel alone makes INTEGER of `int`, and validates nothing."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, DateTime, Text
from sqlmodel import Field, SQLModel

TIME = DateTime(timezone=True)


def column(kind: Any, *, key: bool = False, null: bool = False) -> Any:
    return Field(sa_type=kind, primary_key=key, nullable=null)


def text(*, key: bool = False) -> Any:
    return column(Text, key=key)


def maybe(kind: Any = Text) -> Any:
    return column(kind, null=True)


def columns_of(table: type[SQLModel], names: Sequence[str]) -> list[ColumnElement[Any]]:
    """The columns `names` of `table`, in that order: a SELECT list whose rows fill a core tuple."""
    columns = SQLModel.metadata.tables[str(table.__tablename__)].c
    return [columns[name] for name in names]
