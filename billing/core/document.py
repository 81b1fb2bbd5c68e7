"""Answers that are their own documents.

A report's answer is a frozen dataclass. With `__pydantic_config__ = DOCUMENT` in its body, what stands under its
attributes, and says unit, range and what null means, is what the API's description says of them; whoever shows the
answer (FastAPI, `--json`) writes it as it is.

The words are read when a description is made. pydantic's own `use_attribute_docstrings` reads them when a class is:
that costs every process three quarters of a second of one core, and attributes that are inherited lose theirs.
"""

import ast
import inspect
import sys
from collections.abc import Callable, Iterator
from functools import cache
from itertools import pairwise
from typing import Any, Final, TypedDict


class _Document(TypedDict):
    json_schema_extra: Callable[[dict[str, Any], type], None]


def describe(schema: dict[str, Any], of: type) -> None:
    """Gives the schema's properties the words under the attributes of the class and of those that it extends."""
    words: dict[str, str] = {}
    for one in reversed(of.__mro__):
        if "__annotations__" in vars(one):
            words |= _words(one.__module__).get(one.__qualname__, {})
    for name, shown in schema.get("properties", {}).items():
        if name in words:
            shown.setdefault("description", words[name])


DOCUMENT: Final[_Document] = {"json_schema_extra": describe}


@cache
def _words(module: str) -> dict[str, dict[str, str]]:
    """What stands under the attributes of each class of a module."""
    classes = _classes(ast.parse(inspect.getsource(sys.modules[module])), "")
    return {name: dict(_attributes(node)) for name, node in classes}


def _classes(parent: ast.AST, prefix: str) -> Iterator[tuple[str, ast.ClassDef]]:
    for node in ast.iter_child_nodes(parent):
        if isinstance(node, ast.ClassDef):
            yield prefix + node.name, node
            yield from _classes(node, f"{prefix}{node.name}.")


def _attributes(node: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for attribute, below in pairwise(node.body):
        match attribute, below:
            case ast.AnnAssign(target=ast.Name(name)), ast.Expr(ast.Constant(str() as words)):
                yield name, inspect.cleandoc(words)
