"""What PostgreSQL's programs are told of our environment."""

import os
from typing import Final

# Where programs, a home and room for files are, and how people are spoken to.
_NAMES: Final = frozenset({"PATH", "HOME", "TMPDIR", "LANG", "LANGUAGE", "TZ"})
# The same for each category; what the dynamic linker loads, and the clock of a library that it preloads.
_PREFIXES: Final = ("LC_", "LD_", "FAKETIME")


def environment() -> dict[str, str]:
    """Ours, as far as they need it.

    The rest holds our secrets, which whoever runs the server could read as long as it runs (`/proc/PID/environ`), and
    PG…: PGOPTIONS, PGHOST and their kin, meant for other servers, would change this one.
    """
    return {name: value for name, value in os.environ.items() if name in _NAMES or name.startswith(_PREFIXES)}
