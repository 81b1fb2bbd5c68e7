"""Destinations: where events may be sent, decided when an endpoint is registered and again at each delivery.

A name is resolved once for each delivery, every address that it has is looked at, and the connection goes to one of
those addresses and to no other: a name that changes its answer in between leads nowhere.
"""

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import httpx

from billing.core.refusals import Invalid
from billing.core.text import free_text
from billing.outbox.addresses import closed

URL_LENGTH_MAX = 2_000
RESOLVING_AT_ONCE = 16
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]  # host, port → IP addresses; raises OSError

_PORTS = {"http": 80, "https": 443}
_name = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?").fullmatch
# Of its own: a name server that hangs must not keep the process's threads from others.
_threads = ThreadPoolExecutor(RESOLVING_AT_ONCE, "billing-resolve")


class AddressRefused(Exception):
    """Nothing is sent there; the message says why, and never more than the name."""


async def resolve(host: str, port: int) -> list[str]:
    """What the system's resolver says. Raises OSError."""
    try:
        found = await asyncio.get_running_loop().run_in_executor(
            _threads, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        )
    except UnicodeError as error:
        raise socket.gaierror(socket.EAI_NONAME, "not a name") from error
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class Destinations:
    """The rules, and how names are resolved. `allow_private` (BILLING_WEBHOOK_ALLOW_PRIVATE) also allows plain http."""

    def __init__(self, *, allow_private: bool = False, resolve: Resolve = resolve) -> None:
        self._allow_private = allow_private
        self._resolve = resolve

    def url(self, text: str) -> httpx.URL:
        """`text`, if it has the form of a URL that events may be sent to. Raises Invalid naming `url`."""
        free_text(text, "url", longest=URL_LENGTH_MAX)
        try:
            url = httpx.URL(text)
        except (httpx.InvalidURL, UnicodeError):
            raise Invalid.of("url", "is not a URL") from None
        if url.scheme not in _PORTS or (url.scheme == "http" and not self._allow_private):
            raise Invalid.of("url", "must begin with https://")
        if url.userinfo:
            raise Invalid.of("url", "must not carry a user or a password")
        host = url.raw_host.decode("ascii")
        if not (_name(host) or ":" in host) or len(host) > 253:
            raise Invalid.of("url", "must name a host")
        if url.port is not None and not 1 <= url.port <= 65_535:
            raise Invalid.of("url", "must have a port from 1 to 65535")
        if not self._allow_private and _is_localhost(host):
            raise Invalid.of("url", "leads to this machine")
        return url

    async def admit(self, text: str) -> None:
        """Raises Invalid naming `url` where nothing could be sent to it now."""
        url = self.url(text)
        if self._allow_private:
            return
        try:
            await self.addresses(url)
        except AddressRefused as refused:
            raise Invalid.of("url", str(refused)) from None

    async def addresses(self, url: httpx.URL) -> list[str]:
        """The IP addresses to connect to, all of them open. Raises AddressRefused."""
        host = url.raw_host.decode("ascii")
        try:
            found = await self._resolve(host, url.port or _PORTS[url.scheme])
        except OSError:
            found = ()
        if not found:
            raise AddressRefused("the host's name has no address")
        if not self._allow_private:
            for address in found:
                if (why := closed(address)) is not None:
                    raise AddressRefused(f"the host has an address that nothing is sent to: {why}")
        return list(found)


def _is_localhost(host: str) -> bool:
    name = host.lower().rstrip(".")
    return name == "localhost" or name.endswith(".localhost")
