"""The OpenAPI document: committed, so that a change to the contract is a visible diff.

`.venv/bin/python tests/api/test_openapi.py` writes tests/api/openapi.json anew.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from billing.application import create_app
from billing.settings import Settings

COMMITTED = Path(__file__).parent / "openapi.json"


def document() -> dict[str, Any]:
    return create_app(Settings(), "postgresql://").openapi()


def written(openapi: dict[str, Any]) -> str:
    return json.dumps(openapi, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


@pytest.fixture(scope="module")
def openapi() -> dict[str, Any]:
    return document()


def operations(openapi: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in openapi["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def test_it_is_as_committed(openapi: dict[str, Any]) -> None:
    assert written(openapi) == COMMITTED.read_text(), "run: .venv/bin/python tests/api/test_openapi.py"


def test_every_route_is_described(openapi: dict[str, Any]) -> None:
    for name, operation in operations(openapi):
        assert operation.get("description", "").strip(), name
        assert operation["tags"], name


def test_every_route_behind_a_key_says_what_it_refuses(openapi: dict[str, Any]) -> None:
    for name, operation in operations(openapi):
        if not operation["security"]:
            continue
        assert {"401", "403", "422", "503"} <= set(operation["responses"]), name
        assert ("413" in operation["responses"]) == ("requestBody" in operation), name
        if "{account_id}" in name:
            assert "404" in operation["responses"], name
        for status, response in operation["responses"].items():
            if status >= "400":
                assert list(response["content"]) == ["application/problem+json"], (name, status)


def test_what_makes_something_says_how_a_replay_is_answered(openapi: dict[str, Any]) -> None:
    for name, operation in operations(openapi):
        if "201" in operation["responses"] and name != "POST /v1/keys":
            made, again = (operation["responses"][status]["content"] for status in ("201", "200"))
            assert made == again, name


def test_every_reference_leads_somewhere(openapi: dict[str, Any]) -> None:
    def references(node: Any) -> Iterator[str]:
        if isinstance(node, dict):
            if isinstance(node.get("$ref"), str):
                yield node["$ref"]
            for child in node.values():
                yield from references(child)
        elif isinstance(node, list):
            for child in node:
                yield from references(child)

    for reference in references(openapi):
        prefix, _, name = reference.rpartition("/")
        assert prefix == "#/components/schemas"
        assert name in openapi["components"]["schemas"]


def is_told(one: dict[str, Any]) -> bool:
    return one.get("description", "").strip() != "" and "likewise" not in one["description"]


def test_every_property_says_what_it_is(openapi: dict[str, Any]) -> None:
    """Its unit, its range, and what null means; by itself, because who looks one up does not read those before it."""
    silent = {
        name
        for name, schema in openapi["components"]["schemas"].items()
        if not all(is_told(one) for one in schema.get("properties", {}).values())
    }
    assert silent == set()


def test_every_parameter_says_what_it_is(openapi: dict[str, Any]) -> None:
    silent = {
        f"{name} {one['name']}"
        for name, operation in operations(openapi)
        for one in operation.get("parameters", ())
        if not is_told(one)
    }
    assert silent == set()


if __name__ == "__main__":
    COMMITTED.write_text(written(document()))
    print(f"{COMMITTED} is written")
