"""The frame: what every page has around its content, and the pages that say why there is none."""

from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import Response

from billing.core.languages import LANGUAGES
from billing.dashboard import assets, menu
from billing.dashboard.language import PARAMETER, Texts, language_of, remember
from billing.dashboard.security import secured
from billing.http.auth import Key, cookie

THEME_COOKIE = "billing_theme"
_THEMES = ("light", "dark")
_environment = Environment(
    loader=PackageLoader("billing.dashboard"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)
_environment.filters["segment"] = lambda text: quote(text, safe="")


class LanguageLink(NamedTuple):
    language: str
    name: str
    href: str


def page(
    request: Request,
    template: str,
    *,
    status: int = 200,
    key: Key | None = None,
    account_id: str | None = None,
    **values: Any,
) -> Response:
    """A page in the visitor's language and colours. `key` opens the menus of its role."""
    language = language_of(request)
    theme = cookie(request, THEME_COOKIE)
    html = _environment.get_template(template).render(
        {
            "t": Texts(language),
            "language": language,
            "languages": list(_language_links(request)),
            "theme": theme if theme in _THEMES else None,
            "assets": assets.BASE,
            "key": key,
            "account_id": account_id,
            "menus": [] if key is None else menu.menus(key, account_id),
            "name": None,
            "under": None,
            **values,
        }
    )
    response = Response(html, status, media_type="text/html; charset=utf-8")
    response.headers["Vary"] = "Cookie, Accept-Language"
    remember(request, response)
    return secured(response)


def problem(request: Request, status: int, kind: str, *, key: Key | None = None, **facts: str) -> Response:
    """A page that says why there is nothing to see: `kind` names its texts (`problem.{kind}.title`)."""
    return page(request, "problem.html", status=status, key=key, kind=kind, facts=facts)


def _language_links(request: Request) -> Iterator[LanguageLink]:
    for language, spoken in LANGUAGES.items():
        href = request.url.include_query_params(**{PARAMETER: language})
        yield LanguageLink(language, spoken.name, f"{quote(href.path, safe='/')}?{href.query}")
