"""Time zones: one table for all that is cut into days, that of the `tzdata` package.

The law changes, and tables grow old: the system's, PostgreSQL's and the visitor's browser's each at their own pace.
`zoneinfo` by itself would take the system's first, however old. The package is locked with the program, so that all
processes cut alike; a newer one is an update of the package, and a test tells when another table knows more.
"""

from functools import cache
from importlib.resources import files
from zoneinfo import ZoneInfo

from billing.core.refusals import Invalid

_TABLES = files("tzdata")
_NO_PLACES = {"Factory"}  # what a machine is in that nobody has set up
_UNKNOWN = "Etc/Unknown"  # what a browser says that does not know where it is; CLDR has it keep UTC


@cache
def names() -> frozenset[str]:
    """The names of all zones, aliases too."""
    return frozenset((_TABLES / "zones").read_text().split()) - _NO_PLACES


@cache
def zone(name: str) -> ZoneInfo:
    """The IANA zone of that name; UTC where it is unknown. Raises Invalid."""
    if name == _UNKNOWN:
        return zone("UTC")
    if name not in names():
        told = f"`{name}` " if name.isascii() and name.isprintable() else ""
        raise Invalid.of("tz", f"{told}is no IANA time zone, such as UTC, Europe/Madrid or Asia/Kathmandu")
    with _TABLES.joinpath("zoneinfo", *name.split("/")).open("rb") as table:
        return ZoneInfo.from_file(table, key=name)
