"""The words of reconciliation: none lacks a sentence, both languages tell the same facts, and old words stay as they are."""

import json
from typing import get_args

import asyncpg
import pytest
from alembic.script import ScriptDirectory

from billing.books.reconciliation.answer import SENTENCES, TITLES
from billing.books.reconciliation.discrepancy import DiscrepancyKind, Sentence
from billing.core.languages import ENGLISH, LANGUAGES, SPANISH
from billing.core.refusals import AccountSuspended
from billing.store.schema import MIGRATIONS
from tests.usage.test_explain_languages import figures

from .conftest import MANIFEST


@pytest.mark.parametrize("code", LANGUAGES)
def test_none_is_missing(code):
    assert set(SENTENCES[code]) == set(get_args(Sentence))
    assert len(set(SENTENCES[code].values())) == len(SENTENCES[code])
    assert all(template.endswith(".") for name, template in SENTENCES[code].items() if name != "as_written")
    assert set(TITLES[code]) == set(get_args(DiscrepancyKind))
    assert len(set(TITLES[code].values())) == len(TITLES[code])


@pytest.mark.parametrize("sentence", get_args(Sentence))
def test_both_tell_the_same(sentence):
    assert figures(SENTENCES["en"][sentence]) == figures(SENTENCES["es"][sentence])


async def test_the_same_lines_in_spanish(ledger):
    """Every line of the world, its facts the same; only the words differ."""
    period = await ledger.period()
    await ledger.compare("march", MANIFEST, **period)
    english, spanish = await ledger.lines("march"), await ledger.lines("march", SPANISH)
    told = {(one.request_id, one.index): one.explanation for one in spanish}
    assert told["smaller", 0] == (
        "Cobrada como 2048×2048, tramo 2K, 67 créditos, pero se entregó con 1024×1024. Su lado largo, 1024 px, es del tramo 1K "
        "(hasta 1536 px); con calidad high, 14 créditos. Cobrado de más: 53 créditos."
    )
    assert told["missing", None] == (
        "Cobrado: 2 imágenes; entregado: 1 imagen. Las líneas de sus imágenes dicen cuáles."
    )
    for one, same in zip(english, spanish, strict=True):
        assert one.explanation != same.explanation
        assert [getattr(one, name) for name in one.__slots__ if name != "explanation"] == [
            getattr(same, name) for name in same.__slots__ if name != "explanation"
        ]


async def test_what_the_ledger_refused_is_told_in_either(ledger, monkeypatch):
    """A refusal that nobody foresaw is quoted, and braces in it are no template's."""
    await ledger.compare("r", "account_id,request_id,index,width,height\nacme,larger,0,2048,2048\n")
    monkeypatch.setattr(AccountSuspended, "detail", property(lambda self: "No {credits}."))

    async def refused(commands):
        return [AccountSuspended() for _ in commands]

    monkeypatch.setattr(ledger.posting, "post_many", refused)
    await ledger.application().apply("r", "key_1", "why")
    problems = [(await ledger.lines("r", language))[0].problem for language in (ENGLISH, SPANISH)]
    assert problems == ["The ledger says: “No {credits}.”.", "El libro dice: «No {credits}.»."]


async def test_what_an_older_program_wrote_stays_as_it_was_written(ledger):
    """Lines that hold a sentence in English, and totals that hold titles: carried over, and shown in any language."""
    await ledger.compare("old", "account_id,request_id,index,width,height\nacme,larger,0,2048,2048\nacme,fine,0,1,1\n")
    owner = await asyncpg.connect(ledger.dsn)
    try:
        for statement in (
            """ALTER TABLE reconciliation_line ADD COLUMN explanation text NOT NULL DEFAULT 'Said {before}.',
               DROP CONSTRAINT reconciliation_line_problem, DROP COLUMN says, DROP COLUMN facts, DROP COLUMN problem_facts""",
            "UPDATE reconciliation_line SET problem = 'It was {not}.', outcome = 'refused' WHERE request_id = 'larger'",
            """UPDATE reconciliation SET totals = jsonb_set(totals::jsonb, '{by_kind,0,title}', '"In English"')::text""",
            *ScriptDirectory(MIGRATIONS).get_revision("0015").module.STATEMENTS,
        ):
            await owner.execute(statement)
        totals = json.loads(await owner.fetchval("SELECT totals FROM reconciliation"))
    finally:
        await owner.close()
    assert [set(one) for one in totals["by_kind"]] == [{"kind", "lines", "difference_credits"}] * len(totals["by_kind"])
    for language in (ENGLISH, SPANISH):
        lines = await ledger.lines("old", language)
        assert {one.explanation for one in lines} == {"Said {before}."}
        assert {one.request_id: one.problem for one in lines}["larger"] == "It was {not}."
        assert {one.request_id: one.problem for one in lines}["fine"] is None
