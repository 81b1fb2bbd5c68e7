"""Cursors: how far a file has been written, as text: the part, and the key of its last row, joined by commas.

For the journal that is `journal,<account_id>,<book>,<seq>`; for usage `settle,<account_id>,<request_id>,<index>`,
`refund,<account_id>,<refund_id>,<index>` or `correction,<account_id>,<correction_id>,<index>,<sign>`. The part alone is
its end.
"""

from typing import Final

from billing.books.exports.reports.slices import Key
from billing.core.refusals import Invalid
from billing.core.text import identifier

_KEYS: Final[dict[str, dict[str, tuple[type, ...]]]] = {
    "journal": {"journal": (str, str, int)},
    "usage": {"settle": (str, str, int), "refund": (str, str, int), "correction": (str, str, int, int)},
}
_HIGHEST: Final = 2**63 - 1


def written(part: str, key: Key) -> str:
    return ",".join((part, *map(str, key)))


def parsed(cursor: str, report: str) -> tuple[str, Key]:
    """The part and key. Raises Invalid."""
    part, *texts = cursor.split(",")
    kinds = _KEYS.get(report, {}).get(part)
    if kinds is None:
        raise Invalid.of("after", f"of {report} must begin with {' or '.join(_KEYS.get(report, {})) or 'nothing'}")
    if texts and len(texts) != len(kinds):
        raise Invalid.of("after", f"has {len(texts)} values after {part} and must have {len(kinds)}")
    return part, tuple(_value(text, kind) for text, kind in zip(texts, kinds, strict=False))


def _value(text: str, kind: type) -> str | int:
    if kind is str:
        return identifier(text, "after")
    if not text.removeprefix("-").isdecimal() or not text.isascii() or len(text) > 20 or abs(int(text)) > _HIGHEST:
        raise Invalid.of("after", "ends with whole numbers")
    return int(text)
