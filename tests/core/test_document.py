"""An answer is its own document: what stands under its attributes is what the API's description says."""

from dataclasses import dataclass

from pydantic import TypeAdapter
from pydantic_core import to_json

from billing.core.document import DOCUMENT


@dataclass(frozen=True, slots=True)
class Sum:
    """What it comes to."""

    __pydantic_config__ = DOCUMENT
    credits: int
    """whole credits, 0 or more"""


def test_docstrings_under_attributes_are_descriptions() -> None:
    schema = TypeAdapter(Sum).json_schema()
    assert schema["properties"]["credits"]["description"] == "whole credits, 0 or more"
    assert to_json(Sum(7)) == b'{"credits":7}'
