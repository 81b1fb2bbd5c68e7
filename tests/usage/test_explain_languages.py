"""The languages of an explanation: none lacks a sentence, and all tell the same facts."""

from string import Formatter
from typing import get_args

import pytest

from billing.books.explain.report import PHRASES, TITLES
from billing.books.explain.step import Phrase, StepKind
from billing.core import charges
from billing.core.commands import MODES, OPERATIONS
from billing.core.grants import KINDS
from billing.core.languages import LANGUAGES, SPANISH

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


@pytest.mark.parametrize("code", LANGUAGES)
def test_none_is_missing(code):
    titles, phrases = TITLES[code], PHRASES[code]
    assert set(phrases) == set(get_args(Phrase))
    assert set(titles) == set(get_args(StepKind))
    assert all(template.endswith(".") for template in phrases.values())
    assert len(set(phrases.values())) == len(phrases)


@pytest.mark.parametrize("phrase", get_args(Phrase))
def test_both_tell_the_same(phrase):
    assert figures(PHRASES["en"][phrase]) == figures(PHRASES["es"][phrase])


def test_every_flag_has_a_sentence():
    flags = {value for name, value in vars(charges).items() if name.isupper() and isinstance(value, str)}
    assert flags - {charges.NOT_REPORTED} == set(FLAGS)
    assert set(FLAGS.values()) <= set(get_args(Phrase))


def test_words_of_the_api_have_their_spanish():
    assert {*OPERATIONS, *MODES, *KINDS, *get_args(charges.Status)} == set(SPANISH.words)
