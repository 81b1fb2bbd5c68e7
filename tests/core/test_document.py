"""An answer is its own document: what stands under its attributes is what the API's description says."""

from dataclasses import dataclass

from pydantic import TypeAdapter
from pydantic_core import to_json

from billing.core.document import DOCUMENT


@dataclass(frozen=True, slots=True)
class Credits:
    """What it comes to."""

    __pydantic_config__ = DOCUMENT
    credits: int
    """whole credits, 0 or more"""
    said: str
    SAID = "nothing under it"


class Answers:
    @dataclass(frozen=True, slots=True)
    class Balance(Credits):
        """Extends it."""

        posted: int = 0
        """whole credits; below 0
        for debt"""


def test_words_under_attributes_are_descriptions_also_of_those_that_are_inherited() -> None:
    properties = TypeAdapter(Answers.Balance).json_schema()["properties"]
    assert {name: one.get("description") for name, one in properties.items()} == {
        "credits": "whole credits, 0 or more",
        "said": None,
        "posted": "whole credits; below 0\nfor debt",
    }
    assert to_json(Credits(7, "so")) == b'{"credits":7,"said":"so"}'
