"""Revenue: what was paid for becomes ours as it is used up, or when it lapses. Reckoned by hand, to the micro."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from billing.demo.cashbook import dollars
from billing.demo.scene import Scene, headline, table
from billing.demo.stage import Stage

VOUCHER, PRICE_MICROS, USED = 30, 1_000_000, 4
"""Credits on the voucher, what it cost, and what is used of it."""

VOUCHER_SECONDS = 20
"""How long it can be used. The hold of the sleeper lasts longer, so that nobody has to wait for its end."""

FLOW = ("opening", "sold", "recognised", "breakage", "refunded", "disputed", "closing")
"""The roll-forward of deferred revenue."""

_SIGNS = {"opening": " ", "sold": "+", "closing": "="}


async def voucher(stage: Stage) -> None:
    """A voucher of which most lapses, unseen: it is shown when its time is over."""
    expires_at = datetime.now(UTC) + timedelta(seconds=VOUCHER_SECONDS)
    await stage.sell("guest", "voucher", VOUCHER, paid_micros=PRICE_MICROS, expires_at=expires_at)
    scene = Scene(
        stage,
        "A voucher that lapses",
        f"`guest` has paid {dollars(PRICE_MICROS)} for {VOUCHER} credits, to be used within {VOUCHER_SECONDS} s, and uses"
        f" {USED}. What becomes of the rest is told in the scene about revenue.",
    )
    await scene.order("guest", "1024x1024 medium webp", USED, "1K medium")
    scene.show()
    stage.purses["guest"].expired += VOUCHER - USED


async def revenue(stage: Stage) -> None:
    """What was earned of each account's purchases, and how deferred revenue rolled forward."""
    title = f"{stage.next_scene()}. What was earned"
    headline(
        stage,
        title,
        "Recognition makes revenue of what was used, ⌊paid × used / bought⌋ of each purchase, and breakage of what was paid"
        " for and lapsed. Gifts are burnt first and earn nothing.",
    )
    book = stage.cashbook
    for purse in stage.purses.values():
        book.earned += purse.earned
        book.lapsed += purse.lapsed
    await stage.accountant.order("/v1/finance/recognition")
    flows = await _flows(stage)
    _by_account(stage, title, flows)
    again = await stage.accountant.order("/v1/finance/recognition")
    words = f"recognised again: {again['transfers']} transfers"
    stage.note(f"{title}: recognised again", flows, await _flows(stage), words)
    _roll_forward(stage, title, flows)


def _by_account(stage: Stage, title: str, flows: dict[str, dict[str, int]]) -> None:
    columns = (">usage, by hand", ">breakage, by hand", ">revenue", ">breakage", "")
    shown = table("account", "used of what was bought", *columns)
    for name, purse in stage.purses.items():
        if not purse.purchases:
            continue
        flow = flows[name]
        found = (flow["recognised"], flow["breakage"])
        agrees = stage.judge(f"{title}: {name}", (purse.earned, purse.lapsed), found)
        used = [
            f"{credits:,} of {purchase.credits:,} for {dollars(purchase.micros)}" for purchase, credits in purse.used
        ]
        if purse.expired:
            used.append(f"{purse.expired} expired")
        figures = map(_micros, (purse.earned, purse.lapsed, *found))
        shown.add_row(name, ", ".join(used), *figures, stage.mark(agrees))
    stage.console.print(shown)


def _roll_forward(stage: Stage, title: str, flows: dict[str, dict[str, int]]) -> None:
    book = stage.cashbook
    by_hand = {
        "opening": 0,
        "sold": book.wired + book.bought,
        "recognised": book.earned,
        "breakage": book.lapsed,
        "refunded": book.returned_deferred,
        "disputed": book.lost_deferred,
        "closing": book.deferred,
    }
    shown = table("deferred revenue, USD", ">by hand", ">the service", "")
    found = {column: sum(flow[column] for flow in flows.values()) for column in FLOW}
    for column in FLOW:
        if column == "closing":
            shown.add_section()
        agrees = stage.judge(f"{title}: {column}", by_hand[column], found[column])
        words = f"{_SIGNS.get(column, '-')} {column}"
        shown.add_row(words, _micros(by_hand[column]), _micros(found[column]), stage.mark(agrees))
    stage.console.print(shown)
    gone = sum(found[column] for column in FLOW[2:-1])
    sum_of_all = found["opening"] + found["sold"] - gone
    stage.note(f"{title}: it adds up", sum_of_all, found["closing"], "it adds up, to the micro")


async def _flows(stage: Stage) -> dict[str, dict[str, int]]:
    """Of each account, the columns of FLOW in micro-dollars, over the months that the story has seen: one, or two."""
    months = sorted({f"{moment:%Y-%m}" for moment in (stage.began, datetime.now(UTC))})

    async def flow_of(account_id: str) -> dict[str, int]:
        flow = dict.fromkeys(FLOW, 0)
        for month in months:
            document = await stage.accountant.read("/v1/finance/revenue", period=month, account_id=account_id)
            dollar: list[Any] = [one["roll_forward"] for one in document["currencies"] if one["currency"] == "USD"]
            for columns in dollar:
                if month == months[0]:
                    flow["opening"] = columns["opening"]
                for column in FLOW[1:-1]:
                    flow[column] += columns[column]
                flow["closing"] = columns["closing"]
        return flow

    found = await asyncio.gather(*(flow_of(purse.account_id) for purse in stage.purses.values()))
    return dict(zip(stage.purses, found, strict=True))


def _micros(amount: int) -> str:
    return f"{amount // 1_000_000:,}.{amount % 1_000_000:06d}"
