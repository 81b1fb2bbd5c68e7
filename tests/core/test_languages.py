"""Languages: figures as each writes them, callers' words as they are, and which one a reader prefers."""

import pytest

from billing.core.languages import ENGLISH, LANGUAGES, SPANISH, preferred


def said(text: str, **facts: object) -> tuple[str, str]:
    """One template, filled in English and in Spanish."""
    english, spanish = (language.said({"it": text}, ["it"], facts) for language in (ENGLISH, SPANISH))
    return english, spanish


@pytest.mark.parametrize(
    ("credits", "english", "spanish"),
    [
        (0, "0 credits", "0 créditos"),
        (1, "1 credit", "1 crédito"),
        (2, "2 credits", "2 créditos"),
        (-1, "−1 credit", "−1 crédito"),
        (999, "999 credits", "999 créditos"),
        (1_000, "1,000 credits", "1000 créditos"),
        (9_999, "9,999 credits", "9999 créditos"),
        (10_000, "10,000 credits", "10\u00a0000 créditos"),
        (-1_234_567, "−1,234,567 credits", "−1\u00a0234\u00a0567 créditos"),
        (
            2**63 - 1,
            "9,223,372,036,854,775,807 credits",
            "9\u00a0223\u00a0372\u00a0036\u00a0854\u00a0775\u00a0807 créditos",
        ),
    ],
)
def test_numbers_and_plurals(credits, english, spanish):
    assert said("{seq}: {credits:credits}.", seq=10_000, credits=credits) == (
        f"10000: {english}.",
        f"10000: {spanish}.",
    )


def test_times_are_in_utc():
    assert said("{at:time}", at="2026-12-31T23:59:59.999999Z") == (
        "31 December 2026 at 23:59:59 UTC",
        "31 de diciembre de 2026, 23:59:59 UTC",
    )


def test_images_sums_and_words():
    assert said("{size:image}", size=(3, 4)) == ("an image of 3×4", "una imagen de 3×4")
    assert said("{size:image}", size=(None, None)) == ("an image of unknown size", "una imagen de tamaño desconocido")
    assert said("{n:images}", n=1) == ("1 image", "1 imagen")
    assert said("{parts:sum}, {edge:px}", parts=[1, 20_000], edge=20_000) == (
        "1 + 20,000, 20000 px",
        "1 + 20\u00a0000, 20000 px",
    )
    assert said("{status:word}, {other:word}", status="voided", other="what") == ("voided, what", "anulado, what")
    with pytest.raises(ValueError, match="no figure is written as 'miles'"):
        said("{n:miles}", n=1)


def test_sentences_stand_in_order():
    assert ENGLISH.said({"a": "A {x}.", "b": "B."}, ["b", "a"], {"x": 1}) == "B. A 1."


def test_each_has_its_code_and_twelve_months():
    assert {code: language.code for code, language in LANGUAGES.items()} == {"en": "en", "es": "es"}
    assert all(len(set(language.months)) == 12 for language in LANGUAGES.values())


@pytest.mark.parametrize("reason", ["{credits}", "{0}", "{", "%s", "[red]x[/]", "<script>", "“”«»", "ñandú 🦤"])
def test_words_of_callers_are_quoted_as_they_are(reason):
    assert said("{reason:quoted}.", reason=reason, credits=5) == (f"“{reason}”.", f"«{reason}».")


@pytest.mark.parametrize(
    ("reason", "shown"),
    [("a\nb", "a\\nb"), ("\x1b[2J", "\\x1b[2J"), ("\u202eabc", "\\u202eabc"), ("\x7f\x9b", "\\x7f\\x9b")],
)
def test_what_would_move_the_cursor_is_shown_as_an_escape(reason, shown):
    assert said("{reason:quoted}", reason=reason) == (f"“{shown}”", f"«{shown}»")


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (None, "en"),
        ("", "en"),
        ("es", "es"),
        ("ES-mx", "es"),
        ("es-419,es;q=0.9,en;q=0.8", "es"),
        ("en-GB,es;q=0.9", "en"),
        ("de-DE, es;q=0.4, en;q=0.5", "en"),
        ("de-DE, es;q=0.5, en;q=0.05", "es"),
        ("es;q=0, en;q=0.001", "en"),
        ("es;q=0", "en"),
        ("fr, de", "en"),
        ("*", "en"),
        ("es;q=0.5, *;q=0.1", "es"),
        ("en, es", "en"),
        ("es, en", "es"),
        ("es;q=2, en;q=0.1", "en"),
        ("es;q=nan", "en"),
        ("es;q=1.0000", "en"),
        ("estonian", "en"),
        (";;;,,,q=", "en"),
        ("\u00ff\x00es", "en"),
        ("es" * 5_000, "en"),
        (",".join(["xx;q=0.1"] * 5_000), "en"),
    ],
)
def test_the_reader_s_language(header, code):
    assert preferred(header).code == code


def test_a_number_is_written_as_a_language_writes_it() -> None:
    assert said("{n:number}", n=12_345) == ("12,345", "12\u00a0345")
