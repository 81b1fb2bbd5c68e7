"""Parquet: a row group for each slice, with the control totals in the file's own metadata.

A file is written from its beginning, always: its foot knows where each group lies. With the same instant it comes to
the same bytes.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from billing.books.exports.report import ControlTotals
from billing.books.exports.reports.columns import Column
from billing.core.refusals import Invalid

KEY = "control_totals"


class ParquetFile:
    """Makes a file of CSV blocks of whole lines, and hands it over piece by piece."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._arrow = arrow()
        pa = self._arrow
        types = {
            "integer": pa.int64(), "decimal": pa.decimal128(38, 9), "price": pa.decimal128(38, 18),
            "time": pa.timestamp("us", "UTC"),
        }  # fmt: skip
        self._schema = pa.schema([(column.name, types.get(column.kind, pa.string())) for column in columns])
        self._read_as = pa.schema(
            [
                (field.name, pa.timestamp("us") if pa.types.is_timestamp(field.type) else field.type)
                for field in self._schema
            ]
        )
        self._written = _Sink()
        from pyarrow import parquet  # type: ignore[import-untyped, unused-ignore]

        self._writer: Any = parquet.ParquetWriter(
            pa.PythonFile(self._written, mode="w"), self._schema, compression="zstd", compression_level=1
        )

    def group(self, lines: bytes) -> bytes:
        """Adds a group of the rows in `lines`; what the file has grown by."""
        from pyarrow import csv  # type: ignore[import-untyped, unused-ignore]

        if lines:
            table = csv.read_csv(
                self._arrow.py_buffer(lines),
                read_options=csv.ReadOptions(column_names=self._schema.names, block_size=max(len(lines), 1 << 20)),
                parse_options=csv.ParseOptions(newlines_in_values=True),
                convert_options=csv.ConvertOptions(
                    column_types=self._read_as,
                    null_values=[""],
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=False,
                ),
            )
            self._writer.write_table(table.cast(self._schema))
        return self._written.taken()

    def end(self, totals: ControlTotals) -> bytes:
        """The foot."""
        self._writer.add_key_value_metadata({KEY: json.dumps(totals.document())})
        self._writer.close()
        return self._written.taken()


def rows_of(path: Path, names: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The named columns of a file's rows, some thousand at a time."""
    arrow()
    from pyarrow import parquet  # type: ignore[import-untyped, unused-ignore]

    file: Any = parquet.ParquetFile(path)
    for batch in file.iter_batches(batch_size=10_000, columns=list(names)):
        yield from batch.to_pylist()


def metadata_of(path: Path) -> dict[str, bytes]:
    """What a file says of itself."""
    arrow()
    from pyarrow import parquet  # type: ignore[import-untyped, unused-ignore]

    metadata: Any = parquet.ParquetFile(path).metadata.metadata or {}
    return {name.decode(): value for name, value in metadata.items()}


def arrow() -> Any:
    """The library. Raises Invalid where it is not installed."""
    try:
        import pyarrow  # type: ignore[import-untyped, unused-ignore]
    except ImportError:
        raise Invalid.of("format", "parquet needs `pip install 'billing[parquet]'`") from None
    return pyarrow


class _Sink:
    """A file that is read while it is written."""

    closed = False

    def __init__(self) -> None:
        self._blocks: list[bytes] = []
        self._length = 0

    def write(self, data: Any) -> int:
        block = bytes(data)
        self._blocks.append(block)
        self._length += len(block)
        return len(block)

    def tell(self) -> int:
        return self._length

    def flush(self) -> None:
        """There is nothing to flush."""

    def close(self) -> None:
        self.closed = True

    def readable(self) -> bool:
        return False

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def taken(self) -> bytes:
        found, self._blocks = b"".join(self._blocks), []
        return found
