"""Batches: many operations in one request. One bad operation fails alone; nothing is atomic between them."""

import asyncio
import json
from collections import deque
from typing import Any, Literal

from fastapi import Request
from fastapi.responses import Response
from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json
from starlette.requests import ClientDisconnect

from billing.core.answers import ChargeAnswer
from billing.core.commands import Authorize, Command
from billing.core.refusals import AccountNotFound, Invalid, Refusal
from billing.core.text import identifier
from billing.http import problems
from billing.http.auth import Charging
from billing.http.models.charges import AuthorizeOrCharge, ChargeShown, Operation
from billing.http.models.common import Problem, Shown
from billing.http.problems import responses
from billing.http.refusals import PayloadTooLarge
from billing.http.route import Router
from billing.http.service import Service
from billing.posting.posting import SLICE
from billing.store.accounts import account

OPERATIONS_MAX = 5_000
SLICES_IN_FLIGHT = 4  # enough that no lane waits for us
router = Router(tags=["charges"])


class Done(Shown):
    """What one operation came to, as its own request would have answered."""

    status: Literal[200, 201]
    """the HTTP status: 201 for a new charge"""
    replayed: bool
    """whether the operation had been answered before"""
    body: ChargeShown
    """the charge as it is now"""


class Failed(Shown):
    """What one operation was refused, as its own request would have been."""

    status: int
    """the HTTP status, 400 to 599"""
    body: Problem
    """why, and what to do about it"""


class Results(Shown):
    results: list[Done | Failed]
    """one for each operation, in their order"""


class Batch(Shown):
    """Many operations, each for itself."""

    operations: list[Operation]
    """at most 5,000, in order for each account"""


_operation: TypeAdapter[Any] = TypeAdapter(Operation)
_results: TypeAdapter[Any] = TypeAdapter(list[Done | dict[str, Any]])


@router.post(
    "/v1/charges/batch",
    response_model=Results,
    responses=responses(PayloadTooLarge),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {"$ref": "#/components/schemas/Batch"},
                    "example": {
                        "operations": [
                            {
                                "op": "authorize",
                                "account_id": "acme",
                                "request_id": "req-7",
                                "model": "gpt-image-2",
                            },
                            {"op": "void", "account_id": "acme", "request_id": "req-6"},
                        ]
                    },
                }
            },
        }
    },
)
async def batch(request: Request, caller: Charging) -> Response:
    """Posts many operations, in order for each account, and answers each for itself, in order."""
    try:
        operations = _operations(await request.body())
    except ClientDisconnect:  # nobody is there to be told, and nothing is wrong with us
        raise Invalid.of("body", "ended early") from None
    written: list[bytes] = []
    posted: deque[asyncio.Task[list[Any]]] = deque()
    for start in range(0, len(operations), SLICE):
        # A few slices at a time, read when it is their turn: single requests must not wait for all of this.
        if len(posted) == SLICES_IN_FLIGHT:
            written.append(_written(await posted.popleft()))
        posted.append(asyncio.create_task(_post(caller.service, operations[start : start + SLICE])))
        await asyncio.sleep(0)
    written += [_written(await task) for task in posted]
    return Response(b'{"results":[' + b",".join(written) + b"]}", media_type="application/json")


def _written(results: list[Any]) -> bytes:
    return _results.dump_json(results)[1:-1]


def _operations(body: bytes) -> list[Any]:
    """The batch's operations, unread. Raises Invalid."""
    try:
        document = _read(body)
    except (ValueError, RecursionError):
        raise Invalid.of("body", "cannot be read as JSON") from None
    if (
        not isinstance(document, dict)
        or set(document) != {"operations"}
        or not isinstance(document["operations"], list)
    ):
        raise Invalid.of("operations", "must be a list, and the body's only field")
    if len(document["operations"]) > OPERATIONS_MAX:
        raise Invalid.of("operations", f"must be at most {OPERATIONS_MAX}")
    return document["operations"]


def _read(body: bytes) -> Any:
    """The body's JSON. Raises ValueError, RecursionError.

    Pydantic will not read an unpaired surrogate. Python does, and then the operation that has it fails alone.
    """
    try:
        return from_json(body, allow_inf_nan=False)
    except ValueError:
        return json.loads(body, parse_constant=_no_number)


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no number in JSON")


async def _post(service: Service, operations: list[Any]) -> list[Any]:
    """Posts one slice; what it says of each operation, ready to be written."""
    results: list[Any] = [None] * len(operations)
    commands: list[Command[ChargeAnswer]] = []
    places: list[int] = []
    for place, operation in enumerate(operations):
        try:
            commands.append(_command(operation))
            places.append(place)
        except Invalid as refusal:
            results[place] = _failed(await _first(service, operation, refusal))
    try:
        outcomes = await service.posting.post_many(commands)
    except Refusal as refusal:
        outcomes = [refusal] * len(commands)
    for place, command, outcome in zip(places, commands, outcomes, strict=True):
        if isinstance(outcome, ChargeAnswer):
            status: Literal[200, 201] = 201 if isinstance(command, Authorize) and not outcome.replayed else 200
            body = ChargeShown.of(outcome.charge, outcome.outputs, outcome.balance)
            results[place] = Done(status=status, replayed=outcome.replayed, body=body)
        elif isinstance(outcome, Refusal):
            results[place] = _failed(outcome)
        else:
            results[place] = {"status": 500, "body": problems.INTERNAL}
    return results


async def _first(service: Service, operation: Any, refusal: Invalid) -> Refusal:
    """What a request of its own would have been told: that there is no such account, before what is wrong with it."""
    account_id = operation.get("account_id") if isinstance(operation, dict) else None
    try:
        await account(service.engine, identifier(account_id, "account_id"))
    except AccountNotFound as first:
        return first
    except Refusal:
        pass
    return refusal


def _command(operation: Any) -> Command[ChargeAnswer]:
    """Raises Invalid."""
    try:
        read = _operation.validate_python(operation)
    except ValidationError as error:
        raise problems.invalid(error) from None
    if isinstance(read, AuthorizeOrCharge) and read.op == "charge" and read.outputs is None:
        raise Invalid.of("outputs", "are needed to charge in one step")
    command: Command[ChargeAnswer] = read.operation_command()
    return command


def _failed(refusal: Refusal) -> dict[str, Any]:
    return {"status": problems.STATUS[refusal.code], "body": problems.document(refusal)}
