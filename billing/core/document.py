"""Answers that are their own documents.

A report's answer is a frozen dataclass. With `__pydantic_config__ = DOCUMENT` in its body the docstrings under its
attributes, which give unit, range and meaning, are what the API's description says of them, and whoever shows the
answer (FastAPI, `--json`) writes it as it is.
"""

from typing import Final, TypedDict


class _Document(TypedDict):
    use_attribute_docstrings: bool


DOCUMENT: Final[_Document] = {"use_attribute_docstrings": True}
