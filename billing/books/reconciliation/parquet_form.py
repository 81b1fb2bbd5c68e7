"""Manifests as Parquet: columns by the same names, integers, text, and times with their zone. Lines are rows."""

from collections.abc import Iterator
from typing import Any, BinaryIO

from billing.books.reconciliation.manifest import COLUMNS, ROWS_AT_ONCE, Wanted, checker, places_of
from billing.core.reconciliation import ManifestRow
from billing.core.refusals import ManifestUnreadable

_NUMBERS = ("index", "width", "height", "price_version")


def parquet_rows(file: BinaryIO, wanted: Wanted) -> Iterator[ManifestRow]:
    """The rows of `file`, each checked. Raises ManifestUnreadable, also where pyarrow is not installed."""
    try:
        import pyarrow as arrow  # type: ignore[import-untyped, unused-ignore]
        from pyarrow import parquet  # type: ignore[import-untyped, unused-ignore]
    except ImportError:
        raise ManifestUnreadable(
            None, "Parquet needs pyarrow: install `billing[parquet]`, or send CSV or JSON lines."
        ) from None
    try:
        # Small reads of what is wanted next, instead of whole row groups ahead.
        opened = parquet.ParquetFile(file, pre_buffer=False, buffer_size=1 << 20)
        names = list(opened.schema_arrow.names)
        places_of(names, wanted, None)
        for field in opened.schema_arrow:
            _check_type(arrow, field)
        check = checker(wanted)
        line = 0
        for batch in opened.iter_batches(batch_size=ROWS_AT_ONCE):
            columns: list[Any] = [
                batch.column(names.index(name)).to_pylist() if name in names else [None] * batch.num_rows
                for name in COLUMNS
            ]
            for values in zip(*columns, strict=True):
                line += 1
                yield check(line, *values)
    except (arrow.ArrowException, OSError, UnicodeDecodeError) as problem:
        said = str(problem).splitlines()[0][:200] if str(problem) else "it cannot be opened"
        raise ManifestUnreadable(None, f"It is no Parquet file, or was cut off ({said}).") from None


def _check_type(arrow: Any, field: Any) -> None:
    types = arrow.types
    kind = field.type.value_type if types.is_dictionary(field.type) else field.type
    if field.name in _NUMBERS:
        fits, needed = types.is_integer(kind), "integers"
    elif field.name == "delivered_at":
        fits = types.is_string(kind) or (types.is_timestamp(kind) and kind.tz is not None)
        needed = "times with a zone"
    else:
        fits, needed = types.is_string(kind) or types.is_large_string(kind), "text"
    if not fits and not types.is_null(kind):
        raise ManifestUnreadable(None, f"Column `{field.name}` is {field.type}: it must be {needed}.")
