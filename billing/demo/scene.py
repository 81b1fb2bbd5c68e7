"""One scene: what was asked, what came back, what it had to cost by the published prices, what was billed."""

import re
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import httpx
from rich import box
from rich.markup import escape
from rich.table import Table

from billing.client import Problem, measure
from billing.client.documents import Charge
from billing.demo.counter import Order, Receipt
from billing.demo.patience import until
from billing.demo.stage import Stage

MAIN_ACCOUNT = "studio"
"""Whose requests most rows are about; others are named."""

OF_IMAGES = ("asked", "came back", "expected by hand", "billed")
OF_MONEY = ("what happens", "Stripe says", "expected by hand", "found")
"""The columns of a scene's table."""


class Scene:
    """Plays requests for one part of the story and shows them as a table."""

    def __init__(self, stage: Stage, title: str, about: str, columns: tuple[str, ...] = OF_IMAGES) -> None:
        self._stage = stage
        self.title = f"{stage.next_scene()}. {title}"
        self.about = about
        self._columns = columns
        self._rows: list[tuple[str, ...]] = []

    def ask(self, name: str, words: str, source: bytes | None = None) -> Order:
        """A request of the account known as `name`."""
        return self._stage.ask(name, words, f"an evening over the hills, {self.title}", source)

    async def order(
        self,
        name: str,
        words: str,
        credits: int,
        because: str,
        *,
        flags: tuple[str, ...] = (),
        status: str = "settled",
        source: bytes | None = None,
        gateway: httpx.AsyncClient | None = None,
    ) -> Receipt:
        """A request through the gateway, and a row about it: it must come to `credits`, reckoned by hand from the price
        table, and `because`.
        """
        order = self.ask(name, words, source)
        delivery = await self._stage.serve(order, gateway)
        self._stage.purses[name].billed += credits
        asked = order.words if name == MAIN_ACCOUNT else f"{name}: {order.words}"
        self.bill(asked, came_back(delivery), delivery.charge, credits, because, flags=flags, status=status)
        return delivery

    def bill(
        self,
        asked: str,
        came_back: str,
        charge: Charge | None,
        credits: int,
        because: str,
        *,
        flags: tuple[str, ...] = (),
        status: str = "settled",
    ) -> None:
        """A row about a charge; it must be as expected in status, credits and flags."""
        found = (charge["status"], charge["settled_credits"], sorted(charge["flags"])) if charge else None
        agrees = self._stage.judge(f"{self.title}: {asked}", (status, credits, sorted(flags)), found)
        self._add(asked, came_back, f"{credits}: {because}", billed(charge), agrees)

    async def refuse(self, name: str, words: str, expected: str) -> None:
        """A request that the gateway must refuse before anybody is asked for images, and a row about it."""
        order = self.ask(name, words)
        delivery = await self._stage.serve(order)
        asked = order.words if name == MAIN_ACCOUNT else f"{name}: {order.words}"
        self.compare(asked, came_back(delivery) if delivery.charge else "not asked", expected, delivery.refusal)

    def compare(self, asked: str, came_back: str, expected: str, found: str) -> None:
        """A row about words: `found` must be what stands in `expected`, of which a reason may follow after a colon."""
        agrees = found == expected.partition(":")[0]
        self._stage.judge(f"{self.title}: {asked}", expected, expected if agrees else found)
        self._add(asked, came_back, expected, found, agrees)

    async def balance(self, what: str, name: str, expected: str) -> None:
        """A row about an account's balance, as far as `expected` tells: `3 posted, 0 held`."""
        balance = await self._stage.billing.balance(self._stage.purses[name].account_id)
        self.compare(what, "", expected, as_told(expected, balance))

    async def compare_in_time(
        self, asked: str, came_back: str, expected: str, read: Callable[[], Awaitable[str]]
    ) -> None:
        """`compare`, about what follows from events under way."""
        wanted = expected.partition(":")[0]
        self.compare(asked, came_back, expected, await until(read, lambda found: found == wanted))

    def show(self) -> None:
        """Prints the scene."""
        headline(self._stage, self.title, self.about)
        shown = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
        for column, style in zip((*self._columns, ""), (None, "cyan", "dim", "bold", None), strict=True):
            shown.add_column(column, style=style)
        for row in self._rows:
            shown.add_row(*row)
        self._stage.console.print(shown)

    def _add(self, asked: str, came_back: str, expected: str, found: str, agrees: bool) -> None:
        self._rows.append((*map(escape, (asked, came_back, expected, found)), self._stage.mark(agrees)))


def headline(stage: Stage, title: str, about: str) -> None:
    """A scene's title, and in a line or two what it is about."""
    stage.console.print(f"\n[bold]{escape(title)}[/]")
    stage.console.print(escape(about), style="dim", highlight=False)


def table(*columns: str) -> Table:
    """A table; columns that begin with > are of figures."""
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    for column in columns:
        shown.add_column(column.removeprefix(">"), justify="right" if column.startswith(">") else "left")
    return shown


def as_told(expected: str, document: Mapping[str, Any]) -> str:
    """The members of a document that words such as `3 posted, 0 held` tell of, in such words."""
    names = re.findall(r"\d (\w+)", expected.partition(":")[0])
    return ", ".join(f"{document[name]:,} {name}" for name in names)


def refusal(problem: Problem, *facts: str) -> str:
    """A refusal of the service's in words: `409 refund_exceeds_bill, refundable 17`."""
    return ", ".join([f"{problem.status} {problem.code}", *(f"{name} {problem.facts.get(name)}" for name in facts)])


def came_back(delivery: Receipt) -> str:
    """What a customer got, in a few words, like images together."""
    kinds: Counter[str] = Counter()
    for image in delivery.images:
        size = measure(image)
        kinds[f"{size.format} {size}" if size else "an unreadable image"] += 1
    outputs = delivery.charge["outputs"] if delivery.charge else []
    told = [output["status"] == "failed" for output in outputs] or ["error" in item for item in delivery.items]
    if any(told):
        kinds["failed"] = sum(told)
    claimed = delivery.document.get("size", "no size") if delivery.images else ""
    return (_together(kinds) or "nothing") + (f", says {claimed}" if claimed in ("auto", "no size") else "")


def billed(charge: Charge | None) -> str:
    """What the service billed: credits, the tiers they come from, and flags."""
    if charge is None or charge["status"] != "settled":
        return f"{charge['settled_credits']}: {charge['status']}" if charge else "nothing held"
    outputs = [output for output in charge["outputs"] if output["status"] == "succeeded"]
    tiers = Counter(
        f"{output['size_tier'] or 'flat'} {charge['billed_quality']} {output['credits']}" for output in outputs
    )
    flags = f" [{', '.join(charge['flags'])}]" if charge["flags"] else ""
    return f"{charge['settled_credits']}: {_together(tiers) or 'no image'}{flags}"


def _together(kinds: Counter[str]) -> str:
    return ", ".join(kind if number == 1 else f"{number} × {kind}" for kind, number in kinds.items())
