"""One scene: what was asked, what came back, what it had to cost by the published prices, what was billed."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.markup import escape
from rich.table import Table

from billing.client import Problem, measure
from billing.client.documents import Charge
from billing.demo.gateway import Gateway, HandedOver, ImageRequest
from billing.demo.processor import PATIENCE_SECONDS
from billing.demo.stage import Stage

MAIN_ACCOUNT = "studio"
"""Whose requests most rows are about; others are named."""


OF_IMAGES = ("asked", "came back", "expected by hand", "billed")
OF_MONEY = ("what happens", "Stripe says", "expected by hand", "found")
"""The columns of a scene's table."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What a charge must come to, reckoned by hand from the price table: `credits`, and `because`."""

    credits: int
    because: str
    flags: tuple[str, ...] = ()
    status: str = "settled"


@dataclass(frozen=True, slots=True)
class SceneRow:
    """One line of a scene's table."""

    asked: str
    came_back: str
    expected: str
    billed: str
    agrees: bool


class Scene:
    """Plays requests for one part of the story and shows them as a table."""

    def __init__(self, stage: Stage, title: str, about: str, columns: tuple[str, ...] = OF_IMAGES) -> None:
        self._stage = stage
        self.title = f"{stage.next_scene()}. {title}"
        self.about = about
        self._columns = columns
        self._rows: list[SceneRow] = []

    def request(self, name: str, **fields: Any) -> ImageRequest:
        """A request of the account known as `name`."""
        return ImageRequest(
            account_id=self._stage.purses[name].account_id,
            request_id=self._stage.request_id(),
            prompt=f"an evening over the hills, {self.title}",
            **fields,
        )

    async def order(
        self, name: str, expected: Expected, *, gateway: Gateway | None = None, **fields: Any
    ) -> HandedOver:
        """A request through the gateway, and a row about it."""
        request = self.request(name, **fields)
        delivery = await (gateway or self._stage.gateway).serve(request)
        self._stage.purses[name].billed += expected.credits
        self.add(_by(name, request), came_back(request, delivery), expected, delivery.charge)
        return delivery

    def add(self, asked: str, came_back: str, expected: Expected, charge: Charge) -> None:
        """A row about a charge; it must be as expected in status, credits and flags."""
        agrees = self._stage.judge(
            f"{self.title}: {asked}",
            (expected.status, expected.credits, sorted(expected.flags)),
            (charge["status"], charge["settled_credits"], sorted(charge["flags"])),
        )
        self._rows.append(SceneRow(asked, came_back, f"{expected.credits}: {expected.because}", billed(charge), agrees))

    async def refuse(
        self,
        name: str,
        status: int,
        code: str,
        because: str,
        *,
        facts: dict[str, Any] | None = None,
        **fields: Any,
    ) -> None:
        """A request that the service must refuse, and a row about it."""
        request = self.request(name, **fields)
        try:
            delivery = await self._stage.gateway.serve(request)
        except Problem as problem:
            self.add_refusal(_by(name, request), problem, status, code, because, facts)
        else:
            found = f"{delivery.charge['status']}, {billed(delivery.charge)}"
            self.add_check(_by(name, request), "accepted", f"refused: {because}", found, False)

    def add_refusal(
        self,
        asked: str,
        problem: Problem,
        status: int,
        code: str,
        because: str,
        facts: dict[str, Any] | None = None,
    ) -> None:
        """A row about a refusal; status, code and the named facts must be as expected."""
        facts = facts or {}
        said = {name: problem.facts.get(name) for name in facts}
        agrees = self._stage.judge(
            f"{self.title}: {asked}", (status, code, facts), (problem.status, problem.code, said)
        )
        details = "".join(f", {name} {value}" for name, value in said.items())
        self._rows.append(
            SceneRow(asked, "not asked", f"0: {because}", f"{problem.status} {problem.code}{details}", agrees)
        )

    def add_check(self, asked: str, came_back: str, expected: str, found: str, agrees: bool) -> None:
        """A row about anything else."""
        self._stage.judge(f"{self.title}: {asked}", expected, expected if agrees else found)
        self._rows.append(SceneRow(asked, came_back, expected, found, agrees))

    def compare(self, asked: str, came_back: str, expected: str, found: str) -> None:
        """A row about words: `found` must be what stands in `expected`, of which a reason may follow after a colon."""
        self.add_check(asked, came_back, expected, found, found == expected.partition(":")[0])

    async def compare_in_time(
        self, asked: str, came_back: str, expected: str, read: Callable[[], Awaitable[str]]
    ) -> None:
        """`compare`, about what follows from events under way: looks until it is as expected, or patience ends."""
        deadline = asyncio.get_running_loop().time() + PATIENCE_SECONDS
        while (found := await read()) != expected.partition(":")[0]:
            if asyncio.get_running_loop().time() > deadline:
                break
            await asyncio.sleep(0.05)
        self.compare(asked, came_back, expected, found)

    def show(self) -> None:
        """Prints the scene."""
        headline(self._stage, self.title, self.about)
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
        for column, style in zip((*self._columns, ""), (None, "cyan", "dim", "bold", None), strict=True):
            table.add_column(column, style=style)
        for row in self._rows:
            texts = (escape(text) for text in (row.asked, row.came_back, row.expected, row.billed))
            table.add_row(*texts, self._stage.mark(row.agrees))
        self._stage.console.print(table)


def headline(stage: Stage, title: str, about: str) -> None:
    """A scene's title, and in a line or two what it is about."""
    stage.console.print(f"\n[bold]{escape(title)}[/]")
    stage.console.print(escape(about), style="dim", highlight=False)


def asked(request: ImageRequest) -> str:
    """A request in a few words."""
    noun = "edit" if request.operation == "edit" else "image"
    what = noun if request.n == 1 else f"{request.n} {noun}s"
    model = "" if request.model == "gpt-image-2" else f", {request.model}"
    return f"{what} {request.size} {request.quality}{model}"


def _by(name: str, request: ImageRequest) -> str:
    return asked(request) if name == MAIN_ACCOUNT else f"{name}: {asked(request)}"


def came_back(request: ImageRequest, delivery: HandedOver) -> str:
    """What the provider delivered, in a few words, like images together."""
    if delivery.answer is None:
        return "nothing"
    kinds: Counter[str] = Counter()
    for image in delivery.images.values():
        size = measure(image)
        kinds[f"{size.format} {size}" if size else "an unreadable image"] += 1
    if failed := request.n - len(delivery.images):
        kinds["failed"] = failed
    claims = request.orders.claims
    said = "" if claims == "true" else ", says no size" if claims == "absent" else ", says auto"
    return _together(kinds) + said


def billed(charge: Charge) -> str:
    """What the service billed: credits, the tiers they come from, and flags."""
    if charge["status"] != "settled":
        return f"{charge['settled_credits'] or 0}: {charge['status']}"
    outputs = [output for output in charge["outputs"] if output["status"] == "succeeded"]
    tiers = Counter(
        f"{output['size_tier'] or 'flat'} {charge['billed_quality']} {output['credits']}" for output in outputs
    )
    flags = f" [{', '.join(charge['flags'])}]" if charge["flags"] else ""
    return f"{charge['settled_credits']}: {_together(tiers) or 'no image'}{flags}"


def _together(kinds: Counter[str]) -> str:
    return ", ".join(_counted(kinds.items()))


def _counted(kinds: Iterable[tuple[str, int]]) -> list[str]:
    return [kind if number == 1 else f"{number} × {kind}" for kind, number in kinds]
