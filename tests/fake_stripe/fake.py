"""The fake, running: `FakeStripe` serves it from a thread of its own, so tests may block, or run a loop themselves.

with FakeStripe() as stripe:
    client = StripeClient(stripe.key, base_addresses={"api": stripe.url}, max_network_retries=0)
    stripe.add_endpoint("http://127.0.0.1:8080/v1/stripe/events", "whsec_test")
    stripe.pay(session_id)                 # every method of Control, from any thread
    stripe.wait_delivered()
"""

import asyncio
import threading
import time
from collections.abc import Callable
from functools import wraps
from types import TracebackType
from typing import Any

from .app import make_app
from .control import ORDERS, Control
from .deliveries import Deliveries
from .gate import Gate
from .server import Server
from .world import World

KEY = "sk_test_fake"
_POLL_SECONDS = 0.005


class Fake:
    """The parts put together, for a loop that runs already."""

    def __init__(self, key: str = KEY) -> None:
        self.world = World()
        self.gate = Gate(self.world, key)
        self.deliveries = Deliveries(self.world)
        self.control = Control(self.world, self.gate, self.deliveries)
        self._server = Server(make_app(self.world, self.gate, self.control))

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> str:
        """Listens, and returns the base address. Raises OSError if the port is taken."""
        port = await self._server.start(host, port)
        self.world.base_url = f"http://{host}:{port}"
        await self.deliveries.start()
        return self.world.base_url

    async def stop(self) -> None:
        self.gate.release()
        await self._server.stop()
        await self.deliveries.stop()


class FakeStripe:
    """`url` and `key` are what a StripeClient needs; the methods of `Control` are here, too."""

    def __init__(self, key: str = KEY, port: int = 0) -> None:
        self.key = key
        self.url = ""
        self._port = port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fake-stripe", daemon=True)

    def __enter__(self) -> "FakeStripe":
        self._thread.start()
        try:
            self._fake = Fake(self.key)
            self.url = self._on_loop(self._fake.start(port=self._port))
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self._on_loop(self._fake.stop())
        finally:
            self._end()

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _on_loop(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name not in ORDERS:
            raise AttributeError(f"{type(self).__name__} has no {name}")
        method = getattr(self._fake.control, name)

        @wraps(method)
        def ordered(*arguments: Any, **named: Any) -> Any:
            async def obeyed() -> Any:
                return method(*arguments, **named)

            return self._on_loop(obeyed())

        return ordered

    def wait_delivered(self, seconds: float = 10) -> None:
        """Until nothing is under way any more. Raises TimeoutError. Blocks: if the endpoint runs on the caller's own
        loop, await `delivered` instead."""
        deadline = time.monotonic() + seconds
        while self.under_way():
            _refuse_after(deadline)
            time.sleep(_POLL_SECONDS)

    async def delivered(self, seconds: float = 10) -> None:
        """`wait_delivered` for who runs a loop."""
        deadline = time.monotonic() + seconds
        while self.under_way():
            _refuse_after(deadline)
            await asyncio.sleep(_POLL_SECONDS)


def _refuse_after(deadline: float) -> None:
    if time.monotonic() > deadline:
        raise TimeoutError("Deliveries are still under way")
