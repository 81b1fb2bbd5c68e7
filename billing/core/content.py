"""Content: what a call says beside its id. The same id with other content is refused, and told which fields differ.

Fields go by the names of the caller's body, with dots between the levels.
"""

import json
from collections.abc import Mapping
from hashlib import sha256
from itertools import combinations

from billing.core.refusals import IdReused


def must_agree(id: str, fields: Mapping[str, tuple[object, object]]) -> None:
    """`fields` by name: what was said when the id was taken, and what is said now. Raises IdReused."""
    if differs := [name for name, (known, asked) in fields.items() if known != asked]:
        raise IdReused(id, differs)


def content_digest(content: Mapping[str, object]) -> bytes:
    """SHA-256 of a content, kept where what was said at first may be changed later."""
    return sha256(json.dumps(list(content.values())).encode()).digest()


def must_have_digest(id: str, digest: bytes, now: Mapping[str, object], asked: Mapping[str, object]) -> None:
    """`asked` must be what `digest` was made of; `now` is what has become of that. Raises IdReused.

    A field that has not been changed since tells by `now` whether it differs, and the digest tells whether that is all.
    Where one that differs has been changed too, nobody knows what it was: then the refusal names what differs from
    `now`, which may be nothing.
    """
    if content_digest(asked) == digest:
        return
    apart = [name for name in asked if asked[name] != now[name]]
    for count in range(1, len(apart) + 1):
        for differs in combinations(apart, count):
            if content_digest({**asked, **{name: now[name] for name in differs}}) == digest:
                raise IdReused(id, list(differs))
    raise IdReused(id, apart)
