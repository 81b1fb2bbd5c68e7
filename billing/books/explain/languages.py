"""The languages there are, and which of them a reader prefers."""

import re

from billing.books.explain.english import ENGLISH
from billing.books.explain.language import Language
from billing.books.explain.spanish import SPANISH

LANGUAGES: dict[str, Language] = {language.code: language for language in (ENGLISH, SPANISH)}
# `es-MX;q=0.8`: a language, what narrows it down, and its weight from 0 to 1 in thousandths.
_range = re.compile(
    r"\s*([A-Za-z]{1,8}|\*)(?:-[A-Za-z0-9-]{1,64})?\s*(?:;\s*[qQ]=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)\s*)?"
).fullmatch


def preferred(accept_language: str | None) -> str:
    """The code of the language that an `Accept-Language` header likes best; English where it names none of ours."""
    best, weight = ENGLISH.code, 0
    for part in (accept_language or "").split(","):
        if found := _range(part):
            code = ENGLISH.code if found[1] == "*" else found[1].lower()
            thousandths = int((found[2] or "1").replace(".", "").ljust(4, "0"))
            if code in LANGUAGES and thousandths > weight:
                best, weight = code, thousandths
    return best
