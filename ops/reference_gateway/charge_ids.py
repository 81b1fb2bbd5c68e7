"""The ids under which charges of a wish are in the ledger.

The ledger keeps an id for ever, and a wish may need several charges, one after the other: what was voided is not
opened again. The first one is named by the caller's key as it is, where the ledger takes it; all others are derived:
readable as far as that goes, then a colon and 24 hexadecimal digits. A key that looks like that is derived too, so that
no caller can choose an id that was made here.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets

_TAKEN_AS_IT_IS = re.compile(r"(?!\.{1,2}$)(?!.*:[0-9a-f]{24}$)[A-Za-z0-9_.:-]{1,64}").fullmatch
_READABLE = 39


class ChargeIds:
    """The ids of one wish's charges; `current` is the one to hold now. Without a key they are random."""

    def __init__(self, key: str | None, part: str = "") -> None:
        """`part` tells apart the wishes that share a key."""
        self._key = key
        self._part = part
        self._number = 1
        self.current = self.of(1)

    def of(self, number: int) -> str:
        """The id of the charge with this number, from 1."""
        if self._key is None:
            return f"req:{secrets.token_hex(12)}"
        if number == 1 and not self._part and _TAKEN_AS_IT_IS(self._key):
            return self._key
        digest = hashlib.sha256(json.dumps([self._key, self._part, number]).encode()).hexdigest()
        return f"{re.sub('[^A-Za-z0-9_.-]', '-', self._key)[:_READABLE]}:{digest[:24]}"

    @property
    def number(self) -> int:
        return self._number

    @property
    def named(self) -> bool:
        """Whether somebody who has only the key finds these ids again."""
        return self._key is not None

    def go_on(self, number: int) -> None:
        """From now on this number is the current one."""
        self._number = number
        self.current = self.of(number)

    def in_part(self, part: str) -> None:
        """The key's own id belongs to another of its wishes: begin among those of this part."""
        self._part = part
        self.go_on(1)

    @property
    def part(self) -> str:
        return self._part
