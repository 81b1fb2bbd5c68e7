"""The accountant: finance's own key, and the routes that only finance asks for."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from billing.client import BillingClient, Problem

Parameter = str | int | bool


class Accountant:
    """Asks the service with finance's key; `client` knows both. Every call raises `Problem` where it is refused."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def read(self, path: str, **parameters: Parameter) -> Any:
        """The document at `path`."""
        return _document(await self._client.get(path, params=parameters))

    async def order(self, path: str, **body: str) -> Any:
        """What came of an order."""
        return _document(await self._client.post(path, json=body))

    async def compare(self, reconciliation_id: str, manifest: str) -> Any:
        """A new reconciliation of `manifest`, which is CSV, with what was charged."""
        parameters = {"reconciliation_id": reconciliation_id}
        headers = {"Content-Type": "text/csv"}
        answer = await self._client.post("/v1/reconciliations", params=parameters, content=manifest, headers=headers)
        return _document(answer)


@asynccontextmanager
async def hired(base_url: str, office: BillingClient) -> AsyncIterator[Accountant]:
    """An accountant with a key that lives as long as the block."""
    key = await office.create_key(role="finance", name="demo accountant")
    headers = {"Authorization": f"Bearer {key['key']}"}
    try:
        async with httpx.AsyncClient(base_url=base_url, headers=headers, timeout=30) as client:
            yield Accountant(client)
    finally:
        await office.revoke_key(key["id"])


def _document(answer: httpx.Response) -> Any:
    try:
        document: Any = answer.json()
    except ValueError:
        document = None
    if not answer.is_success:
        raise Problem.of(answer.status_code, document)
    return document
