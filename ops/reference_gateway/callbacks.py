"""Callbacks: a finished task is POSTed to the address that its customer named, signed, a few times if need be.

A customer chooses the address, and the gateway stands where the customer does not: nothing is sent to addresses that
are not public. That is checked on the address which is connected to, so that a name cannot change its mind in between.
Signed as Standard Webhooks has it (https://www.standardwebhooks.com), with the customer's secret.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import json
import logging
import socket
import time
from ipaddress import IPv4Address, IPv6Network, ip_address
from typing import Any

import httpx

from .errors import invalid

ATTEMPTS = 4
ATTEMPT_SECONDS = 10.0
_OPEN_V6 = IPv6Network("2000::/3")
_TUNNELS = tuple(map(IPv6Network, ("2001::/23", "2002::/16")))  # they carry an IPv4 address within
_log = logging.getLogger("gateway")


class Callbacks:
    """Sends to public addresses over https, or anywhere if `allow_private`."""

    def __init__(self, *, allow_private: bool, pause_seconds: float) -> None:
        self._allow_private = allow_private
        self._pause = pause_seconds
        # Connections are not kept: two names at one address must not share one, for its certificate names only one.
        limits = httpx.Limits(max_keepalive_connections=0)
        self._http = httpx.AsyncClient(timeout=ATTEMPT_SECONDS, limits=limits, trust_env=False, follow_redirects=False)

    async def close(self) -> None:
        await self._http.aclose()

    async def check(self, url: str) -> None:
        """Raises `Refused` where nothing could be sent to it now."""
        try:
            async with asyncio.timeout(ATTEMPT_SECONDS):
                await self._address(_parsed(url))
        except (ValueError, OSError) as error:
            raise invalid(f"callback_url: {error}", "callback_url") from None

    async def send(self, url: str, secret: str, event_id: str, document: dict[str, Any]) -> bool:
        """Whether one of four attempts was answered with 2xx. Never raises for what the other side does."""
        body = json.dumps(document).encode()
        pause = self._pause
        for left in reversed(range(ATTEMPTS)):
            try:
                async with asyncio.timeout(ATTEMPT_SECONDS):
                    status = await self._post(_parsed(url), _headers(secret, event_id, body), body)
                if 200 <= status < 300:
                    return True
                _log.info("callback %s: answered %s", event_id, status)
            except (httpx.HTTPError, OSError, ValueError) as error:
                _log.info("callback %s: %s: %s", event_id, type(error).__name__, error)
            if left:
                await asyncio.sleep(pause)
                pause *= 3
        return False

    async def _post(self, url: httpx.URL, headers: dict[str, str], body: bytes) -> int:
        address = await self._address(url)
        host = url.raw_host.decode("ascii")
        async with self._http.stream(
            "POST",
            url.copy_with(host=address, fragment=None),
            # The name stays in Host and in TLS, where the certificate is checked against it.
            headers={**headers, "Host": url.netloc.decode("ascii")},
            content=body,
            extensions={"sni_hostname": host.rstrip(".")},
        ) as response:
            return response.status_code  # its body is nobody's business

    async def _address(self, url: httpx.URL) -> str:
        """The IP address to connect to. Raises ValueError or OSError."""
        if url.scheme != "https" and not (url.scheme == "http" and self._allow_private):
            raise ValueError("must begin with https://")
        host, port = url.raw_host.decode("ascii"), url.port or (443 if url.scheme == "https" else 80)
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise ValueError("its host has no address") from None
        addresses = [str(address[0]) for *_, address in found]
        if not self._allow_private and not all(map(_is_public, addresses)):
            raise ValueError("its host is not a public one")
        return addresses[0]


def _is_public(address: str) -> bool:
    ip = ip_address(address)
    if isinstance(ip, IPv4Address):
        return ip.is_global and not ip.is_multicast
    return ip in _OPEN_V6 and ip.is_global and not any(ip in tunnel for tunnel in _TUNNELS)


def _parsed(url: str) -> httpx.URL:
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, UnicodeError):
        raise ValueError("is not a URL") from None
    if not parsed.host or parsed.userinfo:
        raise ValueError("must name a host, and no user")
    return parsed


def _headers(secret: str, event_id: str, body: bytes) -> dict[str, str]:
    at = str(int(time.time()))
    mac = hmac.digest(secret_bytes(secret), f"{event_id}.{at}.".encode() + body, hashlib.sha256)
    return {
        "Content-Type": "application/json",
        "webhook-id": event_id,
        "webhook-timestamp": at,
        "webhook-signature": f"v1,{base64.b64encode(mac).decode()}",
    }


def secret_bytes(secret: str) -> bytes:
    """The key in `whsec_` and base64. Raises ValueError."""
    try:
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        raise ValueError("a callback secret is whsec_ and base64") from None
