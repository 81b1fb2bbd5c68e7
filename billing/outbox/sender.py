"""The sender: one POST to an address that was looked at, with a bound on how long it takes and how much is read."""

import asyncio
import ssl
from contextlib import suppress
from dataclasses import dataclass

import httpx

from billing.core.refusals import Invalid
from billing.outbox.destinations import AddressRefused, Destinations

TIMEOUT_SECONDS = 10.0  # for all of it: resolving, connecting, sending, and the answer's head
READ_BYTES_MAX = 4_096
READ_SECONDS = 1.0  # for the rest of a refusal, beyond its head
SHOWN_LETTERS = 200


@dataclass(frozen=True, slots=True)
class Sent:
    """`status` is the answer's, None where there was none; `problem` None means delivered."""

    status: int | None
    problem: str | None


class Sender:
    """Speaks to the transport itself: no redirects, no cookies, no proxies, no decompression.

    Connections are not kept: two names at one address must not share one, for its certificate names only one.
    """

    def __init__(
        self,
        destinations: Destinations,
        *,
        timeout_seconds: float = TIMEOUT_SECONDS,
        certificates: ssl.SSLContext | None = None,
    ) -> None:
        self._destinations = destinations
        self._timeout = timeout_seconds
        self._transport = httpx.AsyncHTTPTransport(
            verify=certificates or True, limits=httpx.Limits(max_keepalive_connections=0)
        )

    async def close(self) -> None:
        await self._transport.aclose()

    async def post(self, url: str, headers: dict[str, str], content: bytes) -> Sent:
        """Never raises for what the other side does."""
        try:
            async with asyncio.timeout(self._timeout):
                response = await self._answer(self._destinations.url(url), headers, content)
        except (AddressRefused, Invalid) as refused:
            return Sent(None, f"not sent: {refused}")
        except TimeoutError:
            return Sent(None, f"no answer within {self._timeout:g} s")
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            return Sent(None, _printable(f"{type(error).__name__}: {error}"))
        try:
            return await _read(response)
        finally:
            await response.aclose()

    async def _answer(self, url: httpx.URL, headers: dict[str, str], content: bytes) -> httpx.Response:
        """The head of the answer from the first address that takes the connection."""
        addresses = await self._destinations.addresses(url)
        failed: Exception | None = None
        for address in addresses:
            request = httpx.Request(
                "POST",
                url.copy_with(host=address, fragment=None),
                # The name stays in Host and in TLS, where the certificate is checked against it.
                headers={**headers, "Host": url.netloc.decode("ascii"), "Connection": "close"},
                content=content,
                extensions={
                    "sni_hostname": url.raw_host.decode("ascii").rstrip("."),
                    "timeout": {"connect": self._timeout / len(addresses)},
                },
            )
            try:
                return await self._transport.handle_async_request(request)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                failed = error
        assert failed is not None
        raise failed


async def _read(response: httpx.Response) -> Sent:
    """The head decides; of a refusal's body the beginning is kept, for whoever looks for the reason."""
    status = response.status_code
    if 200 <= status < 300:
        return Sent(status, None)
    if 300 <= status < 400:
        return Sent(status, f"answered {status}: redirects are not followed")
    read = bytearray()
    with suppress(httpx.HTTPError, TimeoutError):
        async with asyncio.timeout(READ_SECONDS):
            async for chunk in response.aiter_raw():
                read += chunk
                if len(read) >= READ_BYTES_MAX:
                    break
    text = _printable(bytes(read[:READ_BYTES_MAX]).decode("ascii", "replace"))
    return Sent(status, f"answered {status}: {text}" if text else f"answered {status}")


def _printable(text: str) -> str:
    return " ".join("".join(letter if " " <= letter <= "~" else " " for letter in text).split())[:SHOWN_LETTERS]
