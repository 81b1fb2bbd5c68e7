"""The client's documents are the service's: each mirrors a schema of the API's description, field by field."""

import types
import typing
from collections.abc import Iterator
from typing import Any

import pytest

from billing.application import create_app
from billing.client import documents
from billing.settings import Settings

# The routes whose answers they are; of a page, one of its data. Those that lie within others are found in these.
ANSWERS = {
    "Quote": "POST /v1/quotes",
    "Charge": "GET /v1/accounts/{account_id}/charges/{request_id}",
    "Balance": "GET /v1/accounts/{account_id}/balance",
    "Transfer": "GET /v1/accounts/{account_id}/transfers",
    "UsageBucket": "GET /v1/accounts/{account_id}/usage",
    "Pack": "GET /v1/packs",
    "Topup": "GET /v1/accounts/{account_id}/topups/{topup_id}",
    "AutoRecharge": "GET /v1/accounts/{account_id}/auto-recharge",
    "StripeEvent": "GET /v1/stripe/events",
    "WebhookEndpoint": "POST /v1/webhook-endpoints",
}
OURS = {"replayed"}  # the one member that the client adds, from a header


@pytest.fixture(scope="module")
def openapi() -> dict[str, Any]:
    return create_app(Settings(), "postgresql://").openapi()


def resolved(openapi: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        schema = openapi["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    if "anyOf" in schema and all("$ref" in one for one in schema["anyOf"]):  # a balance, now or as it was
        return resolved(openapi, max(schema["anyOf"], key=lambda one: len(resolved(openapi, one)["properties"])))
    return schema


def answer(openapi: dict[str, Any], route: str) -> dict[str, Any]:
    method, path = route.split()
    told = openapi["paths"][path][method.lower()]["responses"]
    schema = resolved(openapi, told.get("201", told["200"])["content"]["application/json"]["schema"])
    page = schema["properties"].get("data")
    return schema if page is None else resolved(openapi, page["items"])


def unlike(openapi: dict[str, Any], where: str, kind: Any, schema: dict[str, Any]) -> Iterator[str]:
    """What `kind` says otherwise than `schema`."""
    parts = typing.get_args(kind) if typing.get_origin(kind) in (typing.Union, types.UnionType) else (kind,)
    options = schema.get("anyOf", [schema])
    if (type(None) in parts) != any(one.get("type") == "null" for one in options):
        yield f"{where}: null or not"
        return
    (inner,) = (part for part in parts if part is not type(None))
    told = resolved(openapi, next(one for one in options if one.get("type") != "null"))
    if typing.is_typeddict(inner):
        declared = typing.get_type_hints(inner)
        properties = told.get("properties", {})
        for name in (declared.keys() - OURS) ^ properties.keys():
            yield f"{where}: {name} is {'not declared' if name in properties else 'nowhere'}"
        for name in declared.keys() & properties.keys():
            yield from unlike(openapi, f"{where}.{name}", declared[name], properties[name])
    elif typing.get_origin(inner) is list:
        if told.get("type") != "array":
            yield f"{where}: a list or not"
        else:
            yield from unlike(openapi, f"{where}[]", typing.get_args(inner)[0], told["items"])
    elif typing.get_origin(inner) is typing.Literal:
        words = told.get("enum", [told["const"]] if "const" in told else None)
        if told.get("type") != "string" or (words is not None and set(words) != set(typing.get_args(inner))):
            yield f"{where}: {words}"
    elif typing.get_origin(inner) is not dict or told.get("type") != "object":
        names = {str: "string", int: "integer", bool: "boolean"}
        if told.get("type") != names.get(inner):
            yield f"{where}: {told.get('type')}"


@pytest.mark.parametrize(("name", "route"), ANSWERS.items(), ids=ANSWERS.keys())
def test_a_document_is_what_the_service_sends(openapi: dict[str, Any], name: str, route: str) -> None:
    assert list(unlike(openapi, name, getattr(documents, name), answer(openapi, route))) == []


def test_every_document_is_looked_at() -> None:
    def within(kind: Any) -> Iterator[type]:
        for part in (kind, *typing.get_args(kind)):
            if typing.is_typeddict(part):
                yield part
                for inner in typing.get_type_hints(part).values():
                    yield from within(inner)
            elif part is not kind:
                yield from within(part)

    seen = {kind for name in ANSWERS for kind in within(getattr(documents, name))}
    declared = {kind for kind in vars(documents).values() if typing.is_typeddict(kind)}
    assert declared - seen == {documents.BatchResult}  # a charge or a problem, of the operation's kind
