"""The journal's head and foot in plain-text accounting: what is declared before the entries, and what must come out.

A file is whole by itself. One that does not begin with the books begins with an entry of what was there before; every
file ends with each ledger account's balance, which Beancount and hledger themselves compare with the entries.
"""

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, date, datetime, timedelta
from typing import Literal

from billing.books.exports.asked import Asked
from billing.books.exports.control import ControlTotals, OutOfControl
from billing.core.chart import CHART, own_part
from billing.core.money import written
from billing.store.engine import Engine
from billing.store.exports.totals import Moved, moved

CONTROL = "; control_totals: "
By = Literal["account"] | None
_BLOCK = 1_000  # lines to a piece


async def head(engine: Engine, asked: Asked, as_of: datetime) -> AsyncGenerator[str, None]:
    """Declarations of commodities and ledger accounts, and the opening balances."""
    by: By = "account" if asked.per_account else None
    until = asked.scope(as_of)._replace(start=None)
    assets: dict[str, str] = {}
    names: dict[str, None] = {}
    async for one in moved(engine, until):
        assets[one.asset] = one.book
        names[_name(one)] = None
    if asked.format == "beancount":
        yield 'option "title" "Credits and what was paid for them"\n'
        yield "".join(f"1970-01-01 commodity {asset}\n" for asset in sorted(assets))
    else:
        yield "; Credits and what was paid for them\ndecimal-mark .\n"
        yield "".join(
            f"commodity {'1000.' if book == 'wallet' else '1000.000000'} {asset}\n"
            for asset, book in sorted(assets.items())
        )
        yield "".join(f"account {name}  ; type:{_TYPES[name.partition(':')[0]]}\n" for name in sorted(names))
    if by or asked.format == "beancount":
        opened: dict[str, None] = {}
        part: str | None = None
        async with aclosing(moved(engine, until, by=by)) as found:
            async for one in found:
                if one.part != part and len(opened) >= _BLOCK:  # all of one account at once: no name is opened twice
                    yield "".join(opened)
                    opened = {}
                part = one.part
                name = _name(one)
                opened[f"1970-01-01 open {name}\n" if asked.format == "beancount" else f"account {name}\n"] = None
        yield "".join(opened)
    yield "\n"
    if asked.start is not None:
        async with aclosing(_opening(engine, asked, as_of, asked.start)) as texts:
            async for text in texts:
                yield text


async def foot(engine: Engine, asked: Asked, totals: ControlTotals) -> AsyncGenerator[str, None]:
    """Each ledger account's balance, as an assertion, and the control totals as a comment."""
    last = totals.as_of if asked.end is None or asked.end > totals.as_of else asked.end - timedelta(microseconds=1)
    day = last.astimezone(UTC).date()
    by: By = "account" if asked.per_account else None
    lines: list[str] = []
    if asked.format == "hledger":
        lines.append(f"{day} * control totals\n")
    async with aclosing(moved(engine, asked.scope(totals.as_of)._replace(start=None), by=by)) as found:
        async for one in found:
            lines.append(_asserted(one, asked.format, day))
            if len(lines) >= _BLOCK:
                yield "".join(lines)
                lines = []
    yield "".join(lines)
    yield f"\n{CONTROL}{json.dumps(totals.document(), separators=(',', ':'))}\n"


_TYPES = {"Assets": "A", "Liabilities": "L", "Equity": "E", "Income": "R", "Expenses": "X"}


async def _opening(engine: Engine, asked: Asked, as_of: datetime, start: datetime) -> AsyncGenerator[str, None]:
    """One entry of all balances; of each customer's, where they have ledger accounts of their own."""
    scope = asked.scope(as_of)._replace(start=None, end=start)
    part: str | None = ""  # no account is called that
    lines: list[str] = []
    indent = "  " if asked.format == "beancount" else "    "
    async with aclosing(moved(engine, scope, by="account" if asked.per_account else None)) as found:
        async for one in found:
            text = ""
            if one.part != part:
                part = one.part
                whose = f" {one.part}" if one.part else ""
                title = f'"Opening balances{whose}"' if asked.format == "beancount" else f"opening balances{whose}"
                text = f"\n{start.astimezone(UTC).date()} * {title}\n"
            lines.append(f"{text}{indent}{_name(one)}  {_amount(one)} {one.asset}\n")
            if len(lines) >= _BLOCK:
                yield "".join(lines)
                lines = []
    yield "".join(lines) + "\n"


def _asserted(one: Moved, format: str, day: date) -> str:
    if format == "beancount":  # as the next day begins, and exactly
        return f"{day + timedelta(days=1)} balance {_name(one)}  {_amount(one)} ~ 0 {one.asset}\n"
    nothing = written(0, 0 if one.book == "wallet" else 6)
    return f"    {_name(one)}  {nothing} {one.asset} = {_amount(one)} {one.asset}\n"


def _amount(one: Moved) -> str:
    return written(one.balance, 0 if one.book == "wallet" else 6)


def _name(one: Moved) -> str:
    if one.ledger_account not in CHART:
        raise OutOfControl(f"the ledger account {one.ledger_account} has no name in the chart of accounts")
    return CHART[one.ledger_account] + ("" if one.part is None else f":{own_part(one.part)}")
