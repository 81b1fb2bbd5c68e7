"""Manifests as Parquet: columns by the same names, integers, text, and times with their zone. Lines are rows."""

from collections.abc import Iterator
from typing import Any, BinaryIO

from billing.books.reconciliation.forms.rows import (
    COLUMNS,
    NUMBERS,
    ROWS_AT_ONCE,
    Loading,
    ManifestRow,
    ManifestUnreadable,
    checker,
    places_of,
    whole,
)

_TEXT_BYTES = 4_096  # of one value: far beyond what any may have


def parquet_rows(file: BinaryIO, loading: Loading) -> Iterator[ManifestRow]:
    """The rows of `file`, each checked. Raises ManifestUnreadable, also where pyarrow is not installed."""
    try:
        import pyarrow as arrow  # type: ignore[import-untyped, unused-ignore]
        import pyarrow.compute  # type: ignore[import-untyped, unused-ignore]
        from pyarrow import parquet  # type: ignore[import-untyped, unused-ignore]
    except ImportError:
        raise ManifestUnreadable(
            None, "Parquet needs pyarrow: install `billing[parquet]`, or send CSV or JSON lines."
        ) from None
    try:
        # Small reads of what is wanted next, instead of whole row groups ahead. Text stays a dictionary, so that a
        # long value, which a few bytes repeat ten thousand times, is in memory once.
        about = parquet.read_metadata(file)
        texts = {column.path for column in map(about.schema.column, range(about.num_columns))} & set(
            COLUMNS
        ).difference(NUMBERS)
        opened = parquet.ParquetFile(
            file, metadata=about, pre_buffer=False, buffer_size=1 << 20, read_dictionary=sorted(texts)
        )
        names = list(opened.schema_arrow.names)
        places_of(names, loading, None)
        for field in opened.schema_arrow:
            _check_type(arrow, field)
        _check_lengths(about)
        check = checker(loading)
        kinds = {field.name: field.type for field in opened.schema_arrow}
        numbers = [COLUMNS.index(name) for name in NUMBERS if name in kinds and not arrow.types.is_integer(kinds[name])]
        line = 0
        for batch in opened.iter_batches(batch_size=ROWS_AT_ONCE):
            columns: list[Any] = [
                _listed(arrow, name, batch.column(names.index(name))) if name in names else [None] * batch.num_rows
                for name in COLUMNS
            ]
            for place in numbers:
                columns[place] = [
                    value if type(value) is int else whole(value, COLUMNS[place], line + row)
                    for row, value in enumerate(columns[place], 1)
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
    if field.name in NUMBERS:
        fits = types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind)
        fits = fits or (field.name == "index" and types.is_boolean(kind))
        needed = "whole numbers"
    elif field.name == "delivered_at":
        fits = types.is_string(kind) or (types.is_timestamp(kind) and kind.tz is not None)
        needed = "times with a zone"
    else:
        fits, needed = types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind), "text"
    if not fits and not types.is_null(kind):
        raise ManifestUnreadable(None, f"Column `{field.name}` is {kind}: it must be {needed}.")


def _check_lengths(metadata: Any) -> None:
    """Raises ManifestUnreadable where a column's values are too long to be unpacked, by what the file says of them."""
    for group in range(metadata.num_row_groups):
        for place in range(metadata.num_columns):
            column = metadata.row_group(group).column(place)
            if column.total_uncompressed_size > (1 << 20) + _TEXT_BYTES * max(column.num_values, 0):
                raise _too_long(column.path_in_schema)


def _listed(arrow: Any, name: str, column: Any) -> list[Any]:
    """A column's values as Python has them: times in UTC, to the microsecond."""
    types = arrow.types
    if types.is_dictionary(column.type):
        values = column.dictionary
        is_text = len(values) and not (types.is_timestamp(values.type) or types.is_integer(values.type))
        if is_text and arrow.compute.max(arrow.compute.binary_length(values)).as_py() > _TEXT_BYTES:
            raise _too_long(name)
        column = column.dictionary_decode()
    if not types.is_timestamp(column.type):
        found: list[Any] = column.to_pylist()
        return found
    try:
        # What is finer than a microsecond is cut off, as in text.
        times: list[Any] = column.cast(arrow.timestamp("us", "UTC"), safe=column.type.unit != "ns").to_pylist()
        return times
    except (arrow.ArrowInvalid, OverflowError, ValueError):
        raise ManifestUnreadable(None, f"Column `{name}` holds a time that no calendar has.") from None


def _too_long(name: str) -> ManifestUnreadable:
    return ManifestUnreadable(
        None, f"Column `{name}` holds text of more than {_TEXT_BYTES} bytes: this is no manifest."
    )
