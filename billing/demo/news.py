"""What the shop was told meanwhile, by signed webhooks."""

from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace

from billing.client import BillingClient
from billing.demo.listener import Listener, News
from billing.demo.patience import until
from billing.demo.scene import Scene
from billing.demo.stage import Stage

TOLD = {
    "topup.paid": {"studio": 1, "atelier": 1, "gallery": 1, "magazine": 2},
    "dispute.opened": {"studio": 1, "gallery": 1},
    "dispute.closed": {"studio": 1, "gallery": 1},
}
"""Of whom each is told and how often, by hand."""


@asynccontextmanager
async def listening(office: BillingClient) -> AsyncIterator[Listener]:
    """A listener of the shop's, which the service tells what happens as long as the story lives."""
    async with Listener().listening() as listener:
        endpoint = await office.create_webhook_endpoint(listener.url, events=tuple(TOLD), description="demo")
        assert endpoint["secret"] is not None
        listener.secret = endpoint["secret"]
        try:
            yield listener
        finally:
            await office.delete_webhook_endpoint(endpoint["endpoint_id"])


async def told(stage: Stage) -> None:
    """Every event that the scenes caused, once, signed; and a forged one."""
    scene = Scene(
        stage,
        "What the shop was told",
        "An endpoint of the shop's has listened since the beginning. Events are signed by Standard Webhooks, and checked"
        " here with its library.",
        ("event", "deliveries", "expected by hand", "told and verified"),
    )
    names = {purse.account_id: name for name, purse in stage.purses.items()}
    ours = await _heard(stage, set(names))
    heard = {news.event_id: news for news in ours}  # at least once is promised, so some may have come twice
    for kind, expected in TOLD.items():
        counts = Counter(names[news.account_id] for news in heard.values() if news.type == kind)
        deliveries = sum(news.type == kind for news in ours)
        scene.compare(kind, str(deliveries), _words(stage, expected), _words(stage, counts))
    if heard:
        forged = next(iter(heard.values()))
        forged = replace(forged, body=forged.body.replace(b'"credits":', b'"credits":9', 1) + b" ")
        scene.compare("the first, changed", "", "refused", "believed" if stage.listener.believes(forged) else "refused")
    scene.compare("signatures that did not fit", "", "0", str(stage.listener.refused))
    scene.show()


async def _heard(stage: Stage, accounts: set[str]) -> list[News]:
    """The deliveries about `accounts`, once every event that must come has come, or patience ends."""
    wanted = sum(sum(times.values()) for times in TOLD.values())

    async def heard() -> list[News]:
        return [news for news in stage.listener.heard if news.account_id in accounts]

    return await until(heard, lambda found: len({news.event_id for news in found}) >= wanted)


def _words(stage: Stage, counts: Mapping[str, int]) -> str:
    """`studio, 2 × magazine`, in the order of the accounts."""
    told = {name: counts[name] for name in stage.purses if counts.get(name)}
    return ", ".join(name if times == 1 else f"{times} × {name}" for name, times in told.items())
