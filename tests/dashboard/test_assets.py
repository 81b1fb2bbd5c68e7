"""Assets: the files of the pages, kept for as long as they are the same."""

import json
import re
from hashlib import sha256
from pathlib import Path

import pytest

from billing.dashboard.assets import BASE, DIRECTORY, FILES
from billing.dashboard.menu import ACCOUNT_PAGES, BOOKS_PAGES, HOUSE_PAGES

from .browser import Browser
from .test_pages import check_headers

MODULES = sorted(name for name in FILES if name.endswith(".js") and not name.startswith("vendor/"))
CATALOGS = {language: json.loads(FILES[f"texts/{language}.json"]) for language in ("en", "es")}
TEMPLATES = sorted(DIRECTORY.with_name("templates").glob("*.html"))
FIELDS = re.compile(r"\{(\w+)\}")


VENDORED = {
    "vendor/swagger-ui-bundle.js": "e6a898692f2d768e807c3ba4626068a69a2c5dd960dd6c76f3e4d3a3de180af2",
    "vendor/swagger-ui.css": "5ed08757e53da3e026d6cbecc61fe5d43585c9560b302d534ad56692519a273d",
    "vendor/uPlot.esm.js": "5dd9b3281aa64b461b42d9945f6adb2649d346502b12281a9ae0d46599a80eba",
    "vendor/uPlot.min.css": "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
}


def test_what_others_wrote_is_what_they_published() -> None:
    """uPlot 1.6.32 and swagger-ui-dist 5.35.0, as npm has them."""
    there = {name: sha256(content).hexdigest() for name, content in FILES.items() if name.startswith("vendor/")}
    assert there == VENDORED


@pytest.mark.parametrize("name", sorted(FILES))
def test_every_file(browser: Browser, name: str) -> None:
    answer = browser.get(f"{BASE}/{name}")
    assert (answer.status_code, answer.content) == (200, FILES[name])
    check_headers(answer)
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    kind = {".js": "text/javascript", ".css": "text/css", ".json": "application/json", ".svg": "image/svg+xml"}
    assert answer.headers["content-type"].split(";")[0] == kind[Path(name).suffix]


def test_another_versions_address_is_not_kept(browser: Browser) -> None:
    answer = browser.get("/assets/0123456789abcdef/dashboard.css")
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-cache")


@pytest.mark.parametrize(
    "name",
    [
        "",
        "nothing.js",
        "..%2fassets.py",
        "vendor/uPlot.LICENSE",
        "vendor/swagger-ui.LICENSE",
        "texts/fr.json",
        "%00",
        "//etc/passwd",
    ],
)
def test_nothing_else_is_served(browser: Browser, name: str) -> None:
    answer = browser.get(f"{BASE}/{name}")
    assert answer.status_code == 404
    check_headers(answer)


def test_every_page_has_its_script_and_its_texts() -> None:
    for page in (*ACCOUNT_PAGES, *HOUSE_PAGES, *BOOKS_PAGES):
        assert f"pages/{page.name}.js" in FILES
        for catalog in CATALOGS.values():
            assert {f"{page.name}.title", f"{page.name}.lead"} <= set(catalog)


@pytest.mark.parametrize("name", MODULES)
def test_modules_import_what_is_there(name: str) -> None:
    source = FILES[name].decode()
    for names, path in re.findall(r'^import (.+?) from "(.+?)";', source, re.MULTILINE | re.DOTALL):
        target = (DIRECTORY / name).parent.joinpath(path).resolve().relative_to(DIRECTORY).as_posix()
        assert target in FILES, path
        if names.startswith("{"):
            there = FILES[target].decode()
            for wanted in re.findall(r"(\w+)(?: as \w+)?\s*[,}]", names):
                assert re.search(
                    rf"export (async )?(function\*?|const|class|let) {wanted}\b|export \{{[^}}]*\b{wanted}\b", there
                ), wanted


@pytest.mark.parametrize("name", MODULES)
def test_nothing_reads_html_or_makes_code_of_text(name: str) -> None:
    source = FILES[name].decode()
    for word in (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "new Function",
        "DOMParser",
        "srcdoc",
        "createContextualFragment",
    ):
        assert word not in source, word
    assert not re.search(r"https?://", source)


def test_the_languages_have_the_same_texts() -> None:
    assert list(CATALOGS["en"]) == list(CATALOGS["es"])
    for name, english in CATALOGS["en"].items():
        spanish = CATALOGS["es"][name]
        assert spanish.strip()
        if not name.endswith(".one"):
            assert sorted(FIELDS.findall(english)) == sorted(FIELDS.findall(spanish)), name


def test_no_text_is_there_twice() -> None:
    for language in CATALOGS:
        pairs = json.loads(FILES[f"texts/{language}.json"], object_pairs_hook=list)
        names = [name for name, _ in pairs]
        assert len(names) == len(set(names)), [name for name in names if names.count(name) > 1]


def test_numbers_have_all_their_forms() -> None:
    for catalog in CATALOGS.values():
        for name in catalog:
            if name.endswith(".one"):
                assert f"{name.removesuffix('.one')}.other" in catalog
            if name.endswith(".other") and f"{name.removesuffix('.other')}.one" not in catalog:
                pytest.fail(f"{name} has no form for one")


def test_every_text_that_is_asked_for_is_there() -> None:
    catalog = CATALOGS["en"]
    for name in MODULES:
        source = FILES[name].decode()
        for asked in re.findall(r'\bt\("([\w.]+)"', source):
            assert asked in catalog, (name, asked)
        for asked in re.findall(r'\bplural\("([\w.]+)"', source):
            assert f"{asked}.other" in catalog, (name, asked)
    for template in TEMPLATES:
        for asked in re.findall(r'\bt\("([\w.]+)"[,)]', template.read_text()):
            assert asked in catalog, (template.name, asked)
