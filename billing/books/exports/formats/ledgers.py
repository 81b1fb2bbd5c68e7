"""The journal's head and foot in plain-text accounting: what is declared before the entries, and what must come out.

A file is whole by itself: one that does not begin with the books opens with what was there before, and ends with each ledger
account's balance, which Beancount and hledger themselves compare with the entries.

With other months' files beside it, what was there before would count twice.

- hledger assigns balances in the opening entry, instead of adding to them: where the month before is `include`d it moves
  nothing. What `-f` adds to `-f` hledger looks at apart, and would double it in silence.
- Beancount cannot assign. There two such files declare the same accounts, and it refuses the second.
- `--without-opening` leaves the entry out. Beancount's file then declares what is new in it, and begins by asserting what
  the file before must have come to; hledger's asserts nothing, because with `-f` it would see this file alone.
"""

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, date, datetime, timedelta

from billing.books.exports.question import ExportQuestion
from billing.books.exports.report import ControlTotals, OutOfControl
from billing.books.exports.reports.slices import Extent
from billing.books.exports.reports.totals import By, LedgerSum, moved
from billing.core.chart import CHART, own_part
from billing.core.money import written
from billing.store.engine import Engine

CONTROL = "; control_totals: "
_BLOCK = 1_000  # lines to a piece


async def head(engine: Engine, asked: ExportQuestion, as_of: datetime) -> AsyncGenerator[str, None]:
    """Declarations of commodities and ledger accounts, and the opening balances."""
    by: By = "account" if asked.per_account else None
    until = asked.extent(as_of)._replace(start=None)
    before = None if asked.start is None else until._replace(end=asked.start)
    declared = before if asked.format == "beancount" and not asked.opening else None
    assets = {one.asset: one.book async for one in moved(engine, until)}
    if asked.format == "beancount":
        known = set() if declared is None else {one.asset async for one in moved(engine, declared)}
        yield 'option "title" "Credits and what was paid for them"\n'
        yield "".join(f"1970-01-01 commodity {asset}\n" for asset in sorted(assets) if asset not in known)
    else:
        yield "; Credits and what was paid for them\ndecimal-mark .\n"
        yield "".join(
            f"commodity {'1000.' if book == 'wallet' else '1000.000000'} {asset}\n"
            for asset, book in sorted(assets.items())
        )
        names = {_name(one) async for one in moved(engine, until)}
        yield "".join(f"account {name}  ; type:{_TYPES[name.partition(':')[0]]}\n" for name in sorted(names))
    if by or asked.format == "beancount":
        directive = "1970-01-01 open" if asked.format == "beancount" else "account"
        async with aclosing(_new_names(engine, until, declared, by)) as found:
            async for some in found:
                yield "".join(f"{directive} {name}\n" for name in some)
    yield "\n"
    if before is not None and asked.opening:
        async with aclosing(_opening(engine, asked, before)) as texts:
            async for text in texts:
                yield text
    elif asked.start is not None and declared is not None and asked.start == _midnight(asked.start):
        day = asked.start.astimezone(UTC).date() - timedelta(days=1)
        async with aclosing(_assertions(engine, asked, declared, day)) as texts:
            async for text in texts:
                yield text


async def foot(
    engine: Engine, asked: ExportQuestion, as_of: datetime, totals: ControlTotals
) -> AsyncGenerator[str, None]:
    """Each ledger account's balance, as an assertion, and the control totals as a comment."""
    last = as_of if asked.end is None or asked.end > as_of else asked.end - timedelta(microseconds=1)
    day = last.astimezone(UTC).date()
    if asked.opening or asked.start is None or asked.format == "beancount":
        if asked.format == "hledger":
            yield f"{day} * control totals\n"
        async with aclosing(_assertions(engine, asked, asked.extent(as_of)._replace(start=None), day)) as texts:
            async for text in texts:
                yield text
    yield f"\n{CONTROL}{json.dumps(totals.document(), separators=(',', ':'))}\n"


_TYPES = {"Assets": "A", "Liabilities": "L", "Equity": "E", "Income": "R", "Expenses": "X"}


async def _opening(engine: Engine, asked: ExportQuestion, before: Extent) -> AsyncGenerator[str, None]:
    """One entry of all balances; of each customer's, where they have ledger accounts of their own."""
    assert asked.start is not None
    day = asked.start.astimezone(UTC).date()
    part: str | None = ""  # no account is called that
    lines: list[str] = []
    if asked.format == "hledger":
        yield "; Balances are assigned: after an include of the file before this moves nothing. With -f it counts twice.\n"
    async with aclosing(moved(engine, before, by="account" if asked.per_account else None)) as found:
        async for one in found:
            text = ""
            if one.of != part:
                part = one.of
                whose = f" {one.of}" if one.of else ""
                title = f'"Opening balances{whose}"' if asked.format == "beancount" else f"opening balances{whose}"
                text = f"\n{day} * {title}\n"
            if asked.format == "beancount":
                lines.append(f"{text}  {_name(one)}  {_amount(one)} {one.asset}\n")
            else:
                lines.append(f"{text}    {_name(one)}  = {_amount(one)} {one.asset}\n")
            if len(lines) >= _BLOCK:
                yield "".join(lines)
                lines = []
    yield "".join(lines) + "\n"


async def _assertions(engine: Engine, asked: ExportQuestion, until: Extent, day: date) -> AsyncGenerator[str, None]:
    """Each ledger account's balance as that day ends."""
    lines: list[str] = []
    async with aclosing(moved(engine, until, by="account" if asked.per_account else None)) as found:
        async for one in found:
            lines.append(_asserted(one, asked.format, day))
            if len(lines) >= _BLOCK:
                yield "".join(lines)
                lines = []
    yield "".join(lines)


async def _new_names(engine: Engine, until: Extent, declared: Extent | None, by: By) -> AsyncGenerator[list[str], None]:
    """Names of ledger accounts that moved by then, some at a time, but for those that had moved in `declared`."""
    some: list[str] = []
    async with aclosing(_names(engine, until, by)) as found, aclosing(_names(engine, declared, by)) as old:
        past = await anext(old, None)  # the same parts in the same order, but for those that are new
        async for part, names in found:
            known: dict[str, None] = {}
            if past is not None and past[0] == part:
                known, past = past[1], await anext(old, None)
            some += [name for name in names if name not in known]
            if len(some) >= _BLOCK:
                yield some
                some = []
    yield some


async def _names(
    engine: Engine, until: Extent | None, by: By
) -> AsyncGenerator[tuple[str | None, dict[str, None]], None]:
    """Of each customer's, or of all together, the names of the ledger accounts, each once."""
    if until is None:
        return
    part: str | None = ""  # no account is called that
    names: dict[str, None] = {}
    async with aclosing(moved(engine, until, by=by)) as found:
        async for one in found:
            if one.of != part and names:
                yield part, names
                names = {}
            part = one.of
            names[_name(one)] = None
    if names:
        yield part, names


def _midnight(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _asserted(one: LedgerSum, format: str, day: date) -> str:
    if format == "beancount":  # as the next day begins, and exactly
        return f"{day + timedelta(days=1)} balance {_name(one)}  {_amount(one)} ~ 0 {one.asset}\n"
    nothing = written(0, 0 if one.book == "wallet" else 6)
    return f"    {_name(one)}  {nothing} {one.asset} = {_amount(one)} {one.asset}\n"


def _amount(one: LedgerSum) -> str:
    return written(one.balance, 0 if one.book == "wallet" else 6)


def _name(one: LedgerSum) -> str:
    if one.ledger_account not in CHART:
        raise OutOfControl(f"the ledger account {one.ledger_account} has no name in the chart of accounts")
    return CHART[one.ledger_account] + ("" if one.of is None else f":{own_part(one.of)}")
