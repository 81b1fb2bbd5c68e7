"""The languages of an explanation: none lacks a sentence, and all tell the same facts."""

from string import Formatter
from typing import get_args

import pytest

from billing.books.explain.report import LANGUAGES, Step, preferred
from billing.books.explain.step import Kind, Phrase
from billing.core import charges
from billing.core.commands import MODES, OPERATIONS
from billing.core.grants import KINDS

ENGLISH, SPANISH = LANGUAGES["en"], LANGUAGES["es"]
FLAGS = {
    charges.LATE: "late",
    charges.FORCED: "forced",
    charges.OVERDRAWN: "overdrawn",
    charges.CAPPED: "capped",
    charges.UNMEASURED: "unmeasured",
    charges.UNPRICED_SIZE: "tier_passed",
    charges.UNREQUESTED: "unrequested",
}


def figures(template: str) -> dict[str, set[str]]:
    """The facts that a template names, and how it writes them."""
    fields: dict[str, set[str]] = {}
    for _, name, spec, conversion in Formatter().parse(template):
        assert not conversion
        if name is not None:
            assert name.isidentifier()
            fields.setdefault(name, set()).add(spec or "")
    return fields


@pytest.mark.parametrize("language", LANGUAGES.values(), ids=LANGUAGES)
def test_none_is_missing(language):
    assert set(language.phrases) == set(get_args(Phrase))
    assert set(language.titles) == set(get_args(Kind))
    assert all(template.endswith(".") for template in language.phrases.values())
    assert len(set(language.phrases.values())) == len(language.phrases)
    assert len(set(language.months)) == 12


@pytest.mark.parametrize("phrase", get_args(Phrase))
def test_both_tell_the_same(phrase):
    assert figures(ENGLISH.phrases[phrase]) == figures(SPANISH.phrases[phrase])


def test_every_flag_has_a_sentence():
    flags = {value for name, value in vars(charges).items() if name.isupper() and isinstance(value, str)}
    assert flags - {charges.NOT_REPORTED} == set(FLAGS)
    assert set(FLAGS.values()) <= set(get_args(Phrase))


def test_words_of_the_api_have_their_spanish():
    assert {*OPERATIONS, *MODES, *KINDS, *get_args(charges.Status)} == set(SPANISH.words)


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
    step = Step("transfer", ("nothing_due",), {"seq": 10_000, "credits": credits})
    assert ENGLISH.text(step) == f"Journal row 10000: a bill of {english}."
    assert SPANISH.text(step) == f"Asiento 10000: un importe de {spanish}."


def test_times_are_in_utc():
    facts = {"settle_until": "2026-12-31T23:59:59.999999Z"}
    step = Step("expired", ("settle_until",), facts)
    assert ENGLISH.text(step) == "It can be settled late until 31 December 2026 at 23:59:59 UTC."
    assert SPANISH.text(step) == "Admite liquidación fuera de plazo hasta el 31 de diciembre de 2026, 23:59:59 UTC."


@pytest.mark.parametrize("reason", ["{credits}", "{0}", "{", "%s", "[red]x[/]", "<script>", "“”«»", "ñandú 🦤"])
def test_words_of_callers_are_quoted_as_they_are(reason):
    step = Step("voided", ("void_reason",), {"reason": reason, "credits": 5})
    assert ENGLISH.text(step) == f"Reason given for voiding it: “{reason}”."
    assert SPANISH.text(step) == f"Motivo indicado de la anulación: «{reason}»."


@pytest.mark.parametrize(
    ("reason", "shown"),
    [("a\nb", "a\\nb"), ("\x1b[2J", "\\x1b[2J"), ("\u202eabc", "\\u202eabc"), ("\x7f\x9b", "\\x7f\\x9b")],
)
def test_what_would_move_the_cursor_is_shown_as_an_escape(reason, shown):
    step = Step("voided", ("void_reason",), {"reason": reason})
    assert ENGLISH.text(step) == f"Reason given for voiding it: “{shown}”."


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
    assert preferred(header) == code
