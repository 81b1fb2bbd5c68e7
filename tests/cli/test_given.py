"""Instants and documents on the command line: what they mean, and what is said of those that mean nothing."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from billing.cli.given import document, moment


def test_an_instant_or_a_day_or_nothing() -> None:
    assert moment(None, "--at") is None
    assert moment("2026-01-31", "--at") == datetime(2026, 1, 31, tzinfo=UTC)
    assert moment("2026-01-31T12:00:00+02:00", "--at") == datetime(2026, 1, 31, 10, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "x", "2026-02-30", "2026-01-31T12:00:00", "yesterday's"])
def test_what_is_no_instant_is_told_with_its_option(text: str) -> None:
    with pytest.raises(ValueError, match=r"^--known-at must be an RFC 3339 time such as .*, or a day$"):
        moment(text, "--known-at")


@pytest.mark.parametrize(
    ("text", "problem"), [("nul", "is not JSON"), ("", "is not JSON"), ("[" * 100_000, "too deeply")]
)
def test_what_is_no_document_is_told_with_its_file(tmp_path: Path, text: str, problem: str) -> None:
    file = tmp_path / "prices.json"
    file.write_text(text)
    with pytest.raises(ValueError, match=rf"prices\.json .*{problem}"):
        document(file)
    file.write_text('{"models": {}}')
    assert document(file) == {"models": {}}
