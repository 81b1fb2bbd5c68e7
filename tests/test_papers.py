"""What the papers name is there: files, directories and modules in every Markdown file, and in comments of ours.

`tests/cli/test_readme.py` does the same for commands and their options.
"""

import re
from functools import lru_cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("billing", "tests", "ops", "migrations", "findings")
NOT_OURS = {"__pycache__", "node_modules", ".venv"}
FILES = {
    str(path.relative_to(ROOT))
    for path in (*ROOT.glob("*.*"), *(path for room in ROOMS for path in ROOT.joinpath(room).rglob("*")))
    if path.is_file() and not NOT_OURS & set(path.relative_to(ROOT).parts)
}
PLACES = FILES | {str(parent) for name in FILES for parent in Path(name).parents}
PAPERS = sorted(name for name in FILES if name.endswith(".md"))
PYTHON = sorted(name for name in FILES if name.endswith(".py"))

LINK = re.compile(r"\]\(([^)\s#]+)[^)]*\)")
TICKED = re.compile(r"`([^`\n]+)`")
FENCED = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
TABLE = re.compile(r"^\| (?:file|directory) \|.*\n\| ---.*\n((?:\|.*\n)*)", re.MULTILINE)
# `billing/core/wallet`, `tests/api/openapi.json`, `core/topups`; `billing.core.cells`, `billing.core.decide.decide`.
BELOW = sorted({Path(name).parts[1] for name in FILES if name.startswith("billing/") and name.count("/") > 1})
PATH = re.compile(rf"(?:{'|'.join([*ROOMS, *BELOW, 'api', 'usage', 'verification'])})/[\w./*-]*")
MODULE = re.compile(r"billing(?:\.[a-z_]+){2,}")  # `billing.charging` is a client


def there(path: str, beside: str = "") -> bool:
    """Whether there is a file or directory `path`, with or without its ending, or anything that a pattern stands for."""
    place = str(Path(beside, path.rstrip("/")))
    if "*" in place:
        return any(Path(name).match(place) for name in PLACES)
    return any(place + ending in PLACES for ending in ("", ".py", ".js"))


def named_and_gone(text: str, room: str) -> list[str]:
    gone = []
    for ticked in TICKED.findall(text):
        if PATH.fullmatch(ticked):
            if not any(there(ticked, place) for place in ("", "billing", room)):
                gone.append(ticked)
        elif MODULE.fullmatch(ticked):
            path = ticked.replace(".", "/")
            if not there(path) and not there(path.rpartition("/")[0]):  # the last may be a name in it
                gone.append(ticked)
    return gone


@lru_cache
def text_of(name: str) -> str:
    return (ROOT / name).read_text()


@pytest.mark.parametrize("paper", PAPERS)
def test_what_a_paper_names_is_there(paper: str) -> None:
    text, room = text_of(paper), Path(paper).parent
    links = [link for link in LINK.findall(text) if not re.match(r"[a-z]+:", link)]
    assert [link for link in links if not (ROOT / room / link).exists()] == []
    assert named_and_gone(FENCED.sub("", text), str(room)) == []


@pytest.mark.parametrize("paper", PAPERS)
def test_what_a_table_of_files_lists_is_there(paper: str) -> None:
    """The first column of a table whose head is `file` or `directory`: of the room, or beside the one before."""
    room = Path(paper).parent
    gone = []
    for row in (row for table in TABLE.findall(text_of(paper)) for row in table.splitlines()):
        folders = {str(room)}
        for name in TICKED.findall(row.split("|")[1]):
            if not any(there(name, folder) for folder in folders):
                gone.append(name)
            folders.add(str((room / name).parent))
    assert gone == []


@pytest.mark.parametrize("paper", PAPERS)
def test_what_a_paper_has_made_can_be_made(paper: str) -> None:
    targets = re.findall(r"^([a-z-]+):", text_of("Makefile"), re.MULTILINE)
    named = re.findall(r"(?:^|`)make ([a-z-]+)", text_of(paper), re.MULTILINE)
    assert [target for target in named if target not in targets] == []


def test_the_map_of_tests_has_them_all() -> None:
    there = {Path(name).parts[1] for name in PYTHON if re.fullmatch(r"tests/(\w+/)*test_\w+\.py", name)}
    rows = TABLE.findall(text_of("tests/README.md"))[0].splitlines()
    listed = {name for row in rows for name in TICKED.findall(row.split("|")[1])}
    assert listed == there


def test_what_comments_name_is_there() -> None:
    gone = {(name, each) for name in PYTHON for each in named_and_gone(text_of(name), str(Path(name).parent))}
    assert gone == set()
