"""Folders of images: what would be missed, or counted for what it is not, is refused by its name."""

import io
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from billing.books.reconciliation.forms.images import written_manifest
from billing.books.reconciliation.forms.rows import ManifestUnreadable


def rows_of(folder: Path) -> list[dict[str, object]]:
    file = io.BytesIO()
    written_manifest(folder, "a", lambda path: (8, 4) if path.suffix == ".png" else None, file, print)
    return [json.loads(line) for line in file.getvalue().splitlines()]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "images"
    (found / "r").mkdir(parents=True)
    (found / "r" / "1.png").write_bytes(b"any")
    return found


def test_every_file_is_a_row(folder: Path) -> None:
    (folder / "r" / "0.what").symlink_to(folder / "r" / "1.png")
    (folder / "s_2.png").write_bytes(b"any")
    (folder / ".hidden").mkdir()
    assert rows_of(folder) == [
        {"account_id": "a", "request_id": "s", "index": 2, "width": 8, "height": 4},
        {"account_id": "a", "request_id": "r", "index": 0},
        {"account_id": "a", "request_id": "r", "index": 1, "width": 8, "height": 4},
    ]


WRONG: dict[str, tuple[Callable[[Path], object], str]] = {
    "r/0.png is empty": (lambda folder: (folder / "r" / "0.png").touch(), "take it out if nothing was delivered"),
    "r/0.png is no file": (lambda folder: os.mkfifo(folder / "r" / "0.png"), "take it out"),
    "r/1.webp is the same output as": (lambda folder: (folder / "r" / "1.webp").write_bytes(b"any"), "r/1.png: keep one"),
    "s links to another folder": (lambda folder: (folder / "s").symlink_to(folder / "r"), "copy it"),
    "r/2.png: No such file": (lambda folder: (folder / "r" / "2.png").symlink_to("gone"), "directory."),
    "r/x.png is not named": (lambda folder: (folder / "r" / "x.png").touch(), "REQUEST/INDEX.png"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_said_with_its_name(folder: Path, name: str) -> None:
    make, said = WRONG[name]
    make(folder)
    with pytest.raises(ManifestUnreadable) as refusal:
        rows_of(folder)
    assert name in refusal.value.problem
    assert said in refusal.value.problem


def test_a_folder_that_cannot_be_looked_into(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its images were delivered: to leave them out would give their credits back."""
    scan = os.scandir

    def closed(place: str) -> object:
        if str(place).endswith("/r"):
            raise PermissionError(13, "Permission denied", str(place))
        return scan(place)

    monkeypatch.setattr(os, "scandir", closed)
    with pytest.raises(ManifestUnreadable, match="images/r: Permission denied"):
        rows_of(folder)
