"""Attempts: how often an address may be wrong.

Only who is wrong is counted, and told so: a right key is let in whatever others at its address do, which behind a proxy
is everybody. No header says where a caller really is, because strangers write headers too.
"""

import time
from ipaddress import IPv6Address, ip_address

from billing.http.refusals import TooManyAttempts
from billing.http.visits import Client

BURST = 30
PER_SECOND = 1.0
ADDRESSES = 10_000


class Attempts:
    """A bucket of tokens for each address: BURST of them, PER_SECOND come back. Who was forgotten has all of them."""

    def __init__(self) -> None:
        self._buckets: dict[str, tuple[float, float]] = {}  # tokens, and when that was; the last to be wrong at the end

    def used_up(self, client: Client | None) -> bool:
        return self._tokens(_address(client), time.monotonic()) < 1

    def failed(self, client: Client | None) -> None:
        """Counts a wrong secret from `client`. Raises TooManyAttempts where there were too many."""
        address, now = _address(client), time.monotonic()
        tokens = self._tokens(address, now)
        if tokens < 1:
            raise TooManyAttempts()
        self._buckets.pop(address, None)
        if len(self._buckets) >= ADDRESSES:
            del self._buckets[next(iter(self._buckets))]
        self._buckets[address] = (tokens - 1, now)

    def _tokens(self, address: str, now: float) -> float:
        tokens, since = self._buckets.get(address, (BURST, now))
        return min(BURST, tokens + (now - since) * PER_SECOND)


def _address(client: Client | None) -> str:
    """The address; of IPv6 the /64, which is what one customer of a provider's has."""
    if client is None:
        return ""
    try:
        address = ip_address(client[0])
    except ValueError:
        return client[0]
    if isinstance(address, IPv6Address):
        return address.ipv4_mapped.compressed if address.ipv4_mapped else address.packed[:8].hex()
    return client[0]
