"""Manifests in files: CSV, JSON lines and Parquet come to the same rows, and a folder of images to JSON lines."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, Final

from billing.books.reconciliation.forms.parquet import parquet_rows
from billing.books.reconciliation.forms.rows import Loading, ManifestRow, ManifestUnreadable, chunks
from billing.books.reconciliation.forms.text import csv_rows, json_rows

_PIECE = 1 << 20
_FORMS: Final[dict[str, Callable[[BinaryIO, Loading], Iterator[ManifestRow]]]] = {
    "csv": csv_rows,
    "jsonl": json_rows,
    "parquet": parquet_rows,
}
FORMATS: Final = tuple(_FORMS)
_ENDINGS: Final = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}


@dataclass(frozen=True)
class Manifest:
    """A manifest in a file that can be read from its beginning again. `name` is what people know it by."""

    file: BinaryIO
    name: str
    format: str

    def digest(self) -> bytes:
        """SHA-256 of the file."""
        hashed = sha256()
        self.file.seek(0)
        while piece := self.file.read(_PIECE):
            hashed.update(piece)
        return hashed.digest()

    def chunks(self, loading: Loading) -> Iterator[list[ManifestRow]]:
        """All rows, some at a time. Raises ManifestUnreadable."""
        self.file.seek(0)
        return chunks(_FORMS[self.format](self.file, loading))

    @property
    def bytes_read(self) -> int:
        return self.file.tell()


def format_of(path: Path) -> str:
    """The format by the ending of a file's name. Raises ManifestUnreadable."""
    try:
        return _ENDINGS[path.suffix.lower()]
    except KeyError:
        raise ManifestUnreadable(
            None, f"A manifest's name must end with {', '.join(_ENDINGS)}, or its format be given."
        ) from None
