"""The caller's language: what `lang` names, or else what `Accept-Language` prefers; and the answer says which it is in."""

from typing import Annotated, Literal

from fastapi import Depends, Header, Query, Response

from billing.core.languages import LANGUAGES, Language, preferred


def language_of(
    response: Response,
    lang: Annotated[Literal["en", "es"] | None, Query(description="of the sentences")] = None,
    accept_language: Annotated[str | None, Header(description="where `lang` is absent; default English")] = None,
) -> Language:
    language = preferred(accept_language) if lang is None else LANGUAGES[lang]
    response.headers.update(in_language(language))
    return language


def in_language(language: Language) -> dict[str, str]:
    """The headers of what is written in it."""
    return {"Content-Language": language.code, "Vary": "Accept-Language"}


Spoken = Annotated[Language, Depends(language_of)]
