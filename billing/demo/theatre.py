"""The processes of the stand-ins: started for the story, gone after it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import httpx

from billing.demo.processor import StandIn
from billing.settings import without_settings

START_SECONDS = 30.0
"""How long a stand-in may take to listen, on a slow machine."""


@contextmanager
def processor(place: Path) -> Iterator[StandIn]:
    """A freshly started stand-in for Stripe. `place` is a directory for its note that it listens.

    Raises RuntimeError if it does not come up.
    """
    made, note = StandIn(""), place / "fake-stripe-listens"
    process = subprocess.Popen(
        [sys.executable, "-m", "billing.demo.processor", "--key", made.key, "--ready-file", str(note)],
        env=without_settings(os.environ),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    )
    assert process.stdin is not None
    try:
        deadline = time.monotonic() + START_SECONDS
        while not note.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("the stand-in for Stripe did not start")
            time.sleep(0.02)
        yield StandIn(note.read_text(), made.key, made.webhook_secret)
    finally:
        process.stdin.close()  # it ends with its input
        try:
            process.wait(START_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@asynccontextmanager
async def provider() -> AsyncIterator[httpx.AsyncClient]:
    """A client of a freshly started stand-in provider. Raises RuntimeError if it does not come up."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "billing.demo.provider",
        env=without_settings(os.environ),
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
