"""A language: its words, its templates, and how it writes figures. It decides nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from string import Formatter
from typing import Any, NamedTuple

from billing.books.explain.step import Kind, Phrase, Step


class Noun(NamedTuple):
    one: str
    many: str


@dataclass(frozen=True)
class Language:
    """`code` is its BCP 47 tag. A template's field is a fact's name and how it is written, such as `{credits:credits}`.

    | written as | |
    | --- | --- |
    | `credits`, `images` | a count with its noun, singular or plural |
    | `number` | with the language's thousands |
    | `sum` | a list of numbers, added |
    | `px` | pixels |
    | `time` | an RFC 3339 time, in UTC |
    | `word` | a word of the API, in the language where it has one |
    | `quoted` | text of callers, in quotation marks and never interpreted |
    | nothing | as it is: ids, seqs, names of models, tiers and qualities |
    """

    code: str
    titles: Mapping[Kind, str]
    phrases: Mapping[Phrase, str]
    words: Mapping[str, str]
    credits: Noun
    images: Noun
    months: Sequence[str]
    moment: str  # a template of day, month, year and time
    quotes: tuple[str, str]
    thousands: str
    grouped_from: int  # the least number that is written with `thousands`

    def title(self, step: Step) -> str:
        """What the step is about, in a word or two."""
        return self.titles[step.kind]

    def text(self, step: Step) -> str:
        """The step in sentences."""
        template = _Template(self)
        return " ".join(template.vformat(self.phrases[phrase], (), step.facts) for phrase in step.says)

    def number(self, value: int) -> str:
        digits = f"{abs(value):,}".replace(",", self.thousands) if abs(value) >= self.grouped_from else str(abs(value))
        return f"−{digits}" if value < 0 else digits

    def count(self, value: int, noun: Noun) -> str:
        return f"{self.number(value)} {noun.one if abs(value) == 1 else noun.many}"

    def time(self, value: str) -> str:
        at = datetime.fromisoformat(value)
        return self.moment.format(day=at.day, month=self.months[at.month - 1], year=at.year, time=f"{at:%H:%M:%S}")

    def quoted(self, text: str) -> str:
        """Line breaks, terminal commands and marks that reorder text are shown as escapes."""
        shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
        return f"{self.quotes[0]}{shown}{self.quotes[1]}"


class _Template(Formatter):
    def __init__(self, language: Language) -> None:
        self._language = language

    def format_field(self, value: Any, spec: str) -> str:
        language = self._language
        match spec:
            case "":
                return str(value)
            case "credits":
                return language.count(value, language.credits)
            case "images":
                return language.count(value, language.images)
            case "number":
                return language.number(value)
            case "sum":
                return " + ".join(language.number(part) for part in value)
            case "px":
                return f"{value} px"
            case "time":
                return language.time(value)
            case "word":
                return language.words.get(value, value)
            case "quoted":
                return language.quoted(value)
        raise ValueError(f"no figure is written as {spec!r}")
