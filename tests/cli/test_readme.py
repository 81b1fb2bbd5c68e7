"""The command line's README lists every command there is; what any paper says to type is a command, with options it has."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

import billing.cli
from billing import commands

README_FILE = Path(billing.cli.__file__).with_name("README.md")
README = README_FILE.read_text()
ROW = re.compile(r"^\| `([a-z][a-z- ]*?)((?: [A-Z_]+)*)` \| (.*) \| ([JK ]*?) *\|$", re.MULTILINE)

FLAGS = {"J": "--json", "K": "--key"}


def each_command(group: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    for word, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from each_command(command, f"{name}{word} ")
        else:
            yield f"{name}{word}", command


def test_every_command_has_its_line() -> None:
    there = dict(each_command(typer.main.get_command(commands.app)))
    shown = {name: (arguments.split(), text, flags) for name, arguments, text, flags in ROW.findall(README)}
    assert sorted(shown) == sorted(there)
    for name, command in there.items():
        arguments, text, flags = shown[name]
        options = {word for one in command.params for word in one.opts if one.param_type_name == "option"}
        has = [one.name.upper() for one in command.params if one.param_type_name == "argument"]
        assert set(arguments) <= set(has), name
        assert {
            one.name.upper() for one in command.params if one.param_type_name == "argument" and one.required
        } <= set(arguments), name
        assert set(re.findall(r"`(--?[a-z][a-z-]*)", text)) <= options, name
        assert flags.split() == [flag for flag, option in FLAGS.items() if option in options], name


ROOT = README_FILE.parents[2]
CALL = re.compile(r"(?:\.venv/bin/)?billing (?=[a-z])(.*)")
PAPERS = [path for name in ("*.md", "billing/**/*.md", "ops/**/*.md", "tests/**/*.md") for path in ROOT.glob(name)]


def calls(text: str) -> Iterator[str]:
    """The command lines in backticks and at the beginning of a line in a block of code."""
    for ticked in re.findall(r"`([^`]+)`", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)):
        if found := CALL.fullmatch(" ".join(ticked.split())):
            yield found[1]
    for block in re.findall(r"^```(?:sh)?\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        for line in block.splitlines():
            if found := re.search(rf"(?:^|\$ |&& |[A-Z_]+=\S+ ){CALL.pattern}$", line):
                yield re.split(r" #| \| |; ", found[1])[0]


@pytest.mark.parametrize(
    "paper", [path for path in PAPERS if path.name != "CHANGELOG.md"], ids=lambda path: str(path.relative_to(ROOT))
)
def test_every_command_that_a_paper_names_is_there(paper: Path) -> None:
    there = dict(each_command(typer.main.get_command(commands.app)))
    groups = {name.partition(" ")[0] for name in there if " " in name}
    for call in calls(paper.read_text()):
        first, second, *_ = [*call.split(), ""]
        names = [f"{first} {word}".strip() for word in (second.split("|") if first in groups else [""])]
        for name in names if first not in groups or second else []:
            assert name in there, call
            options = {word for one in there[name].params for word in one.opts} | {"--help"}
            assert set(re.findall(r"(?<= )--?[a-z][a-z-]*", call)) <= options, call
