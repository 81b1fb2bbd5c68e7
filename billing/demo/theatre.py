"""The provider's process: started for the story, gone after it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

START_SECONDS = 30.0
"""How long the provider may take to listen, on a slow machine."""


@asynccontextmanager
async def provider() -> AsyncIterator[httpx.AsyncClient]:
    """A client of a freshly started stand-in provider. Raises RuntimeError if it does not come up."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "billing.demo.provider",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        address = (await process.stdout.readline()).decode().strip()
        if not address:
            raise RuntimeError("the stand-in provider did not start")
        async with httpx.AsyncClient(base_url=address) as client:
            await _listening(client)
            yield client
    finally:
        if process.stdin is not None:
            process.stdin.close()  # the provider ends with its input
        await process.wait()


async def _listening(client: httpx.AsyncClient) -> None:
    deadline = asyncio.get_running_loop().time() + START_SECONDS
    while True:
        try:
            (await client.get("/healthz")).raise_for_status()
        except httpx.ConnectError:
            if asyncio.get_running_loop().time() > deadline:
                raise RuntimeError("the stand-in provider does not listen") from None
            await asyncio.sleep(0.02)
        else:
            return
