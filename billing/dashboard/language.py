"""Languages: which one a page is in, and the texts of each. The pages' scripts read the same catalogs."""

import json
import re
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from billing.core.languages import LANGUAGES, preferred
from billing.http.auth import cookie

COOKIE = "billing_language"
PARAMETER = "lang"
_YEAR_SECONDS = 365 * 24 * 3600
_FIELD = re.compile(r"\{(\w+)\}")

CATALOGS: dict[str, dict[str, str]] = {
    language: json.loads(Path(__file__).with_name("assets").joinpath("texts", f"{language}.json").read_text())
    for language in LANGUAGES
}


def language_of(request: Request) -> str:
    """What the address asks for, or what was chosen before, or what the browser prefers of what there is."""
    for chosen in (request.query_params.get(PARAMETER), cookie(request, COOKIE)):
        if chosen in LANGUAGES:
            return chosen
    return preferred(request.headers.get("accept-language")).code


def remember(request: Request, response: Response) -> None:
    """Keeps a choice made by the address for the pages that follow."""
    chosen = request.query_params.get(PARAMETER)
    if chosen in LANGUAGES:
        response.set_cookie(COOKIE, chosen, max_age=_YEAR_SECONDS, path="/", samesite="lax")


class Texts:
    """The catalog of one language: `texts("sign_in.title")`, `texts("error.account", id="a")`."""

    def __init__(self, language: str) -> None:
        self._catalog = CATALOGS[language]

    def __call__(self, name: str, **values: Any) -> str:
        return _FIELD.sub(lambda field: str(values[field[1]]), self._catalog[name])
