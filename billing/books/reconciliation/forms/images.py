"""Folders of images as manifests: one file for each output, measured by whoever is given.

    ACCOUNT/REQUEST/INDEX.png      or, where the account is given:      REQUEST/INDEX.png      REQUEST_INDEX.png

The name's ending does not matter. What cannot be measured counts as delivered without a size, and is not billed before
somebody looked. Hidden files are left out; empty ones, links to folders and what cannot be read are refused.
"""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from stat import S_ISREG
from typing import BinaryIO, Final

from billing.books.reconciliation.forms.rows import ManifestUnreadable
from billing.core.refusals import Invalid
from billing.core.text import identifier

FOLDER_FORMAT: Final = "jsonl"
_TELL_EACH = 500

Measure = Callable[[Path], tuple[int, int] | None]


def written_manifest(
    folder: Path, account_id: str | None, measure: Measure, file: BinaryIO, tell: Callable[[int], None]
) -> None:
    """Writes the manifest of a folder as JSON lines, in the order of names. Raises ManifestUnreadable."""
    number = 0
    place = folder
    taken: dict[tuple[str | int, str | int], Path] = {}
    for path in _files(folder):
        number += 1
        row: dict[str, str | int] = _named(path.relative_to(folder), account_id)
        if path.parent != place:
            place, taken = path.parent, {}
        first = taken.setdefault((row["request_id"], row["index"]), path)
        if first != path:
            raise ManifestUnreadable(None, f"{_shown(path)} is the same output as {_shown(first)}: keep one of them.")
        try:
            status = path.stat()
            if not S_ISREG(status.st_mode):  # to open a pipe would wait for its other end
                raise ManifestUnreadable(None, f"{_shown(path)} is no file: take it out of the folder.")
            if not status.st_size:
                raise ManifestUnreadable(
                    None, f"{_shown(path)} is empty, and no image: take it out if nothing was delivered."
                )
            size = measure(path)
        except OSError as problem:
            raise ManifestUnreadable(None, f"{_shown(path)}: {problem.strerror}.") from None
        if size is not None:
            row["width"], row["height"] = size
        file.write(json.dumps(row).encode() + b"\n")
        if number % _TELL_EACH == 0:
            tell(number)
    if not number:
        raise ManifestUnreadable(None, "The folder holds no images.")


def _files(folder: Path) -> Iterator[Path]:
    """Every file, one folder after the other. What cannot be looked into is refused: its images would be missing."""
    for place, folders, names in os.walk(folder, onerror=_unread):
        folders.sort()
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in folders:
            path = Path(place) / name
            if os.path.islink(path):
                raise ManifestUnreadable(None, f"{_shown(path)} links to another folder: copy it, or take it out.")
        for name in sorted(names):
            if not name.startswith("."):
                yield Path(place) / name


def _unread(problem: OSError) -> None:
    raise ManifestUnreadable(None, f"{_shown(Path(problem.filename))}: {problem.strerror}.")


def _named(path: Path, account_id: str | None) -> dict[str, str | int]:
    *folders, stem = path.with_suffix("").parts
    if account_id is None and len(folders) == 2:
        account, request, index = folders[0], folders[1], stem
    elif account_id is not None and len(folders) == 2 and folders[0] == account_id:
        account, request, index = account_id, folders[1], stem
    elif account_id is not None and len(folders) == 1:
        account, request, index = account_id, folders[0], stem
    elif account_id is not None and not folders and "_" in stem:
        account = account_id
        request, _, index = stem.rpartition("_")
    else:
        raise _misnamed(path, account_id)
    if not (index.isascii() and index.isdigit() and len(index) <= 3):
        raise _misnamed(path, account_id)
    try:
        return {
            "account_id": identifier(account, "account"),
            "request_id": identifier(request, "request"),
            "index": int(index),
        }
    except Invalid as problem:
        raise ManifestUnreadable(None, f"{_shown(path)}: {problem.detail.replace(': ', ' ', 1)}.") from None


def _misnamed(path: Path, account_id: str | None) -> ManifestUnreadable:
    wanted = (
        "ACCOUNT/REQUEST/INDEX.png, or with --account also REQUEST/INDEX.png or REQUEST_INDEX.png"
        if account_id is None
        else "REQUEST/INDEX.png or REQUEST_INDEX.png"
    )
    return ManifestUnreadable(None, f"{_shown(path)} is not named {wanted}: rename it, or take it out of the folder.")


def _shown(path: Path) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in str(path).encode(errors="replace").decode())
