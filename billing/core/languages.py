"""The languages that people are spoken to in: which there are, which of them a reader prefers, and how each writes figures.

What is said are templates by name, filled from facts: a shelf that speaks has them in `english.py` and `spanish.py`. What
is for programs (codes, names, and the problem documents that a caller's developer reads) is English alone.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from string import Formatter
from typing import Any, Final, NamedTuple, TypeVar

PhraseName = TypeVar("PhraseName", bound=str)


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
    | `image` | an image of a width and height, or of none that is known |
    | `time` | an RFC 3339 time, in UTC |
    | `word` | a word of the API, in the language where it has one |
    | `quoted` | text of callers, in quotation marks and never interpreted |
    | nothing | as it is: ids, seqs, names of models, tiers and qualities |
    """

    code: str
    name: str
    credits: Noun
    images: Noun
    an_image: str  # a template of its size
    unmeasured: str  # an image without one
    months: Sequence[str]
    moment: str  # a template of day, month, year and time
    quotes: tuple[str, str]
    thousands: str
    grouped_from: int  # the least number that is written with `thousands`
    words: Mapping[str, str] = field(default_factory=dict)

    def said(self, templates: Mapping[PhraseName, str], phrases: Iterable[PhraseName], facts: Mapping[str, Any]) -> str:
        """The sentences of `phrases` in order, filled from `facts`."""
        template = _Template(self)
        return " ".join(template.vformat(templates[phrase], (), facts) for phrase in phrases)

    def number(self, value: int) -> str:
        digits = f"{abs(value):,}".replace(",", self.thousands) if abs(value) >= self.grouped_from else str(abs(value))
        return f"−{digits}" if value < 0 else digits

    def count(self, value: int, noun: Noun) -> str:
        return f"{self.number(value)} {noun.one if abs(value) == 1 else noun.many}"

    def image(self, width: int | None, height: int | None) -> str:
        return self.unmeasured if width is None else self.an_image.format(size=f"{width}×{height}")

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
            case "image":
                return language.image(*value)
            case "time":
                return language.time(value)
            case "word":
                return language.words.get(value, value)
            case "quoted":
                return language.quoted(value)
        raise ValueError(f"no figure is written as {spec!r}")


ENGLISH: Final = Language(
    code="en",
    name="English",
    credits=Noun("credit", "credits"),
    images=Noun("image", "images"),
    an_image="an image of {size}",
    unmeasured="an image of unknown size",
    months=(
        "January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
        "November", "December",
    ),
    moment="{day} {month} {year} at {time} UTC",
    quotes=("“", "”"),
    thousands=",",
    grouped_from=1_000,
)  # fmt: skip
SPANISH: Final = Language(
    code="es",
    name="Español",
    credits=Noun("crédito", "créditos"),
    images=Noun("imagen", "imágenes"),
    an_image="una imagen de {size}",
    unmeasured="una imagen de tamaño desconocido",
    months=(
        "enero", "febrero", "marzo", "abril", "mayo", "junio", "julio", "agosto", "septiembre", "octubre",
        "noviembre", "diciembre",
    ),
    moment="{day} de {month} de {year}, {time} UTC",
    quotes=("«", "»"),
    thousands="\u00a0",
    grouped_from=10_000,
    words={
        "authorized": "autorizado",
        "settled": "liquidado",
        "voided": "anulado",
        "expired": "vencido",
        "generation": "generación",
        "edit": "edición",
        "sync": "síncrono",
        "async": "asíncrono",
        "purchase": "compra",
        "promotion": "promoción",
        "plan": "plan",
        "adjustment": "ajuste",
    },
)  # fmt: skip

LANGUAGES: Final[dict[str, Language]] = {language.code: language for language in (ENGLISH, SPANISH)}
# `es-MX;q=0.8`: a language, what narrows it down, and its weight from 0 to 1 in thousandths.
_range = re.compile(
    r"\s*([A-Za-z]{1,8}|\*)(?:-[A-Za-z0-9-]{1,64})?\s*(?:;\s*[qQ]=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)\s*)?"
).fullmatch


def preferred(accept_language: str | None) -> Language:
    """What an `Accept-Language` header likes best of what there is; English where it names none of it."""
    best, weight = ENGLISH, 0
    for part in (accept_language or "").split(","):
        if found := _range(part):
            language = ENGLISH if found[1] == "*" else LANGUAGES.get(found[1].lower())
            thousandths = int((found[2] or "1").replace(".", "").ljust(4, "0"))
            if language is not None and thousandths > weight:
                best, weight = language, thousandths
    return best
