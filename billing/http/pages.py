"""Pages: lists in the order of a key, and the cursors that say where the next page begins."""

from collections.abc import Callable, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any, Final

from billing.core.cursors import decode_cursor, encode_cursor, not_ours
from billing.core.instants import instant_of
from billing.http.models.common import POSITIONS


class Ordinal(int):
    """A place among those of one instant, as far as its column holds it."""


_WRITTEN: Final[dict[type, type]] = {datetime: str, Ordinal: int}


class Keyset:
    """The key that a list is in the order of: attributes of its rows, by name, each a text, a number or a time."""

    def __init__(self, **kinds: type) -> None:
        """Where a row holds rows of its own, `topup__created_at` names an attribute of its `topup`."""
        self._kinds = list(kinds.values())
        self._parts = [attrgetter(name.replace("__", ".")) for name in kinds]

    def after(self, cursor: str | None) -> Any:
        """The key of the last row that was seen, by itself where it has one part; None at the beginning. Raises Invalid."""
        if cursor is None:
            return None
        written = decode_cursor(cursor, *(_WRITTEN.get(kind, kind) for kind in self._kinds))
        key = tuple(_read(part, kind) for part, kind in zip(written, self._kinds, strict=True))
        return key if len(key) > 1 else key[0]

    def page(self, rows: Sequence[Any], limit: int, show: Callable[[Any], Any] | None = None) -> dict[str, Any]:
        """A page of at most `limit` of `rows`, which were fetched one beyond it, as `show` shows them."""
        shown, more = rows[:limit], len(rows) > limit
        return {
            "data": shown if show is None else [show(row) for row in shown],
            "has_more": more,
            "next_cursor": encode_cursor([_written(part(shown[-1])) for part in self._parts]) if more else None,
        }


def _written(part: Any) -> Any:
    return part.isoformat() if isinstance(part, datetime) else part


def _read(part: Any, kind: type) -> Any:
    """Raises Invalid."""
    if kind is Ordinal:
        return max(-POSITIONS, min(part, POSITIONS))
    if kind is datetime:
        try:
            return instant_of(part)
        except ValueError:
            raise not_ours() from None
    return part
