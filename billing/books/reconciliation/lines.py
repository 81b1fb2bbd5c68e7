"""Lines of text: what CSV and JSON lines have in common. However long the file, one line at a time."""

from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from billing.core.refusals import ManifestUnreadable

LINE_BYTES = 65_536
_MARK = b"\xef\xbb\xbf"
_WIDE = (b"\xff\xfe", b"\xfe\xff")


class TextLine(NamedTuple):
    number: int
    text: str
    ended: bool  # by a line feed: only the last may be without


def text_lines(file: BinaryIO) -> Iterator[TextLine]:
    """The lines of `file`, in UTF-8 with or without a byte order mark. Raises ManifestUnreadable."""
    number = 0
    while line := file.readline(LINE_BYTES + 1):
        number += 1
        if number == 1:
            if line.startswith(_WIDE):
                raise ManifestUnreadable(1, "it is written in UTF-16: save it as UTF-8.")
            line = line.removeprefix(_MARK)
        if len(line) > LINE_BYTES:
            raise ManifestUnreadable(number, f"it is longer than {LINE_BYTES} bytes: this is no manifest.")
        if b"\x00" in line:
            raise ManifestUnreadable(number, "it holds a NUL: this is no text, or was damaged.")
        try:
            text = line.decode()
        except UnicodeDecodeError as problem:
            raise ManifestUnreadable(
                number, f"byte {problem.start + 1} of it is not UTF-8: save the manifest as UTF-8."
            ) from None
        yield TextLine(number, text, text.endswith("\n"))
