"""Fields of a statement file: what each must look like, so that one value can be written in one way only.

In JSON amounts are integers, times RFC 3339 text in UTC, bytes lower-case hexadecimal digits, and what is not there is
null. In CSV it is the same as text, and nothing at all for null (`cell`, `from_cell`).
"""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from types import NoneType
from typing import Any, Final, NamedTuple, get_args, get_type_hints

from billing.core.cells import FORMULA, MARK, harmless
from billing.core.instants import instant_text

_DIGITS = 40  # more than any sum of 64-bit amounts has
_NO_MOMENT = "must be a time such as 2026-01-31T12:00:00.000001Z"
_FORMULA = ("=", "+", "-", "@", "\t", "\r", MARK)
_MARKED = (*_FORMULA, *FORMULA)  # statements of before left out the rest: those are read, and not written


class Field(NamedTuple):
    """`read` turns what JSON holds into what it stands for, or raises ValueError saying what it must be."""

    name: str
    read: Callable[[Any], Any]
    optional: bool = False

    def value(self, found: Any) -> Any:
        """What `found` stands for. Raises ValueError."""
        return None if found is None and self.optional else self.read(found)


def fields_of(kind: Any, *, free: str = "", always: str = "") -> tuple[Field, ...]:
    """The fields of a dataclass or named tuple by their annotations. `free` may hold any text; `always` is there, though it may be None."""
    found = []
    hints = get_type_hints(kind)
    for name in kind.__match_args__:
        hint = hints[name]
        known = [one for one in get_args(hint) or (hint,) if one is not NoneType]
        read = text if name == free else _READ.get(known[0], plain)
        found.append(Field(name, read, optional=NoneType in get_args(hint) and name != always))
    return tuple(found)


def text(found: Any) -> str:
    if type(found) is not str:
        raise ValueError("must be text")
    return found


def plain(found: Any) -> str:
    """Words and identifiers of the ledger."""
    if type(found) is not str or not (found.isascii() and found.isprintable()):
        raise ValueError("must be printable ASCII text")
    return found


def integer(found: Any) -> int:
    if type(found) is not int:
        raise ValueError("must be an integer")
    return found


def flag(found: Any) -> bool:
    if type(found) is not bool:
        raise ValueError("must be true or false")
    return found


def moment(found: Any) -> datetime:
    if type(found) is not str:
        raise ValueError(_NO_MOMENT)
    return _moment(found)


@lru_cache(maxsize=1024)  # a movement's two are mostly the same
def _moment(found: str) -> datetime:
    try:
        read = datetime.fromisoformat(found)
        if found.endswith("Z") and 1970 <= read.year < 9999 and found in (instant_text(read), _as_before(read)):
            return read
    except ValueError:
        pass
    raise ValueError(_NO_MOMENT)


def octets(found: Any) -> bytes:
    try:
        read = bytes.fromhex(found) if type(found) is str else b""
    except ValueError:
        read = b""
    if len(read) != 32 or read.hex() != found:
        raise ValueError("must be 64 lower-case hexadecimal digits")
    return read


_READ: Final[dict[Any, Callable[[Any], Any]]] = {int: integer, bool: flag, datetime: moment, bytes: octets}


def _as_before(moment: datetime) -> str:
    """Statements of before left out decimals that were zero: those are read, and not written."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def written(value: Any) -> Any:
    """`value` as JSON holds it."""
    if isinstance(value, datetime):
        return instant_text(value)
    return value.hex() if isinstance(value, bytes) else value


def cell(value: Any) -> str:
    """What JSON holds, as a cell. Text that a spreadsheet would take for a formula gets an apostrophe before it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    assert isinstance(value, str)
    return harmless(value)


def from_cell(field: Field, found: str) -> Any:
    """The reverse of `cell`: what JSON would hold. Raises ValueError for what `cell` never writes."""
    if found == "":
        return None
    if field.read is integer:
        digits = found.removeprefix("-")
        if not (digits.isascii() and digits.isdigit() and len(digits) <= _DIGITS and str(int(found)) == found):
            raise ValueError("must be an integer")
        return int(found)
    if field.read is flag:
        return {"true": True, "false": False}.get(found, found)
    if found.startswith("'"):
        found = found[1:]
        if found and not found.startswith(_MARKED):
            raise ValueError("must not begin with an apostrophe")
    elif found.startswith(_FORMULA):
        raise ValueError("must have an apostrophe before it")
    return found
