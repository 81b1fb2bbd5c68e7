"""The shop's own ears: a small HTTP server that the service tells what happens, and that believes only what is signed."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Self

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

LONGEST_BODY = 65_536


@dataclass(frozen=True, slots=True)
class News:
    """One delivery: what was signed, and how."""

    headers: dict[str, str]
    body: bytes

    @property
    def event_id(self) -> str:
        """The same in each delivery of an event."""
        return self.headers["webhook-id"]

    @property
    def type(self) -> str:
        """Such as `topup.paid`."""
        return str(json.loads(self.body)["type"])

    @property
    def account_id(self) -> str:
        """Whose it is."""
        return str(json.loads(self.body)["data"]["account_id"])


class Listener:
    """Listens at `url`. `secret` is set once the service has told it; `heard` is what came with a right signature,
    `refused` counts the rest.
    """

    def __init__(self) -> None:
        self.url = ""
        self.secret = ""
        self.heard: list[News] = []
        self.refused = 0

    def believes(self, news: News) -> bool:
        """Whether the signature fits, by the library that receivers use."""
        if not self.secret:
            return False
        try:
            Webhook(self.secret).verify(news.body, news.headers)
        except (WebhookVerificationError, ValueError):
            return False
        return True

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[Self]:
        """On a free port of loopback, until the block ends."""
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/news"
        try:
            yield self
        finally:
            server.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request, then the connection ends."""
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            status = "204 No Content" if await self._takes(reader) else "401 Unauthorized"
            writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
            await writer.drain()
        writer.close()

    async def _takes(self, reader: asyncio.StreamReader) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
        news = News(headers, await reader.readexactly(min(int(headers.get("content-length", "0")), LONGEST_BODY)))
        if not self.believes(news):
            self.refused += 1
            return False
        self.heard.append(news)
        return True
