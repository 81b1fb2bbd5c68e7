"""Cells of spreadsheets: text that one would take for a formula is told apart by an apostrophe before it.

Programs that open a CSV file run what begins with one of these; some also with its full-width twin, or after a tab or
a carriage return. The apostrophe is not part of the text, so text that begins with one gets another; and as an empty
cell means that nothing is there, empty text is an apostrophe alone. Numbers are no text: negative ones stay.
"""

from typing import Final

FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
MARK: Final = "'"
_MARKED: Final = (*FORMULA, MARK)


def harmless(text: str) -> str:
    """`text` as it may stand in a cell."""
    return f"{MARK}{text}" if text == "" or text.startswith(_MARKED) else text


def plain(cell: str) -> str:
    """The text of a cell that `harmless` wrote."""
    return cell.removeprefix(MARK)
