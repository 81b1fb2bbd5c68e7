"""What is given on the command line: instants, a language, and documents in files."""

import json
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from billing.core.instants import instant_of
from billing.core.languages import LANGUAGES, Language

Lang = Annotated[str, typer.Option(help=f"of the sentences: {' or '.join(LANGUAGES)}")]

_DAY = len("2026-01-31")


def moment(text: str | None, option: str) -> datetime | None:
    """An instant in RFC 3339; a day means its first instant in UTC. Raises ValueError, naming the option."""
    if text is None:
        return None
    try:
        return instant_of(f"{text}T00:00:00Z" if len(text) == _DAY else text)
    except ValueError as problem:
        raise ValueError(f"{option} {problem}, or a day") from None


def language(lang: str) -> Language:
    """Raises ValueError."""
    if lang not in LANGUAGES:
        raise ValueError(f"--lang must be {' or '.join(LANGUAGES)}")
    return LANGUAGES[lang]


def document(file: Path) -> Any:
    """What a file of JSON holds. Raises ValueError, naming the file, and OSError."""
    try:
        return json.loads(file.read_text())
    except RecursionError:
        raise ValueError(f"{file} is nested too deeply") from None
    except ValueError as problem:
        raise ValueError(f"{file} is not JSON: {problem}") from None
