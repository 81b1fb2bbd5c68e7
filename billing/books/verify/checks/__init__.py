"""Checks as data: questions in SQL, each of which finds the rows that break an invariant.

A file holds them one after another. `-- I5 charge` begins a check of I5 that finds rows of `charge`; with `of all`, one
account's rows cannot prove it. Of two tables, `{this}` is each in its turn, and `{this_id}` its key. `-- {bought}` begins a part
that stands as `{bought}` in what follows. Tables stand as `{transfer}`, so that one text serves the whole database and one
account; `{now}` is the database's clock when it was read. Each check selects account_id, key, place and problem: the first by
account and place is reported.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from billing.books.payouts.report import CARRIED, CARRIED_AS, INTO_CLEARING
from billing.core.clearing import POSTED
from billing.core.ledger import ROUTES
from billing.core.verdicts import STAGES

FILES: Final = ("journal", "holds", "charges", "grants", "usage", "money", "recognition", "clearing", "clawbacks")
_HEAD: Final = re.compile(
    r"^-- (?:\{(?P<part>\w+)\}|(?P<invariant>I\d+) (?P<tables>[a-z_, ]+?)(?P<whole> of all)?)$", re.MULTILINE
)


def _words(words: Iterable[str]) -> str:
    return ", ".join(f"'{word}'" for word in words)


# What the core's tables say, in SQL.
WORDS: Final = {
    "routes": ", ".join(
        f"('{kind}', '{book}', '{debit}', '{credit}')" for kind, (book, debit, credit) in ROUTES.items()
    ),
    "open_stages": _words(word for word, stage in STAGES.items() if stage == "open"),
    "closed_stages": _words(word for word, stage in STAGES.items() if stage == "closed"),
    "of_the_house": _words(sorted({kind for kinds in POSTED.values() for kind in kinds})),
    "carried": CARRIED,
    "carried_as": CARRIED_AS.format("s"),
    "into_clearing": INTO_CLEARING,
}


@dataclass(frozen=True, slots=True)
class Check:
    """A question that finds rows of `table` which break `invariant`. `whole`: one account's rows cannot prove it."""

    invariant: str
    table: str
    sql: str
    whole: bool


def _read() -> Iterator[Check]:
    parts: dict[str, str] = {}
    for name in FILES:
        text = Path(__file__).with_name(f"{name}.sql").read_text()
        heads = list(_HEAD.finditer(text))
        for head, following in zip(heads, [*heads[1:], None], strict=True):
            sql = text[head.end() : following.start() if following else None].strip()
            for part, its in parts.items():
                sql = sql.replace(f"{{{part}}}", its)
            if head["part"]:
                parts[head["part"]] = sql
                continue
            for table in head["tables"].split(", "):
                yield Check(head["invariant"], table, _of(table, sql, parts), head["whole"] is not None)


def _of(table: str, sql: str, parts: dict[str, str]) -> str:
    """The check where `this` is `table`."""
    sql = sql.replace("{this_id}", f"{table}_id").replace("{this_name}", table).replace("{this}", f"{{{table}}}")
    return sql.replace("{this_moves}", parts.get(f"{table}_moves", ""))


CHECKS: Final = tuple(_read())
