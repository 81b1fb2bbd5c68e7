"""A small world of books in which everything that the ledger knows has happened, and ways to spoil it.

`acme` has seen every event, `beta` two ordinary charges, `idle` nothing at all.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import asyncpg

from billing.core.charges import Reported
from billing.core.commands import (
    AmendAccount,
    Authorize,
    Command,
    IssueGrant,
    Lapse,
    OpenAccount,
    Refund,
    Settle,
    Void,
)
from billing.core.prices import PriceBooks
from billing.posting import Posting
from billing.store.price_books import publish_first

SMALL, LARGE, HUGE = (1024, 1024), (2048, 2048), (3840, 2160)  # 1K, 2K, 4K: 14, 67 and 133 credits at high


def delivered(*sizes: tuple[int, int] | None) -> tuple[Reported, ...]:
    """Outputs in order: one of each size, and a failed one for None."""
    return tuple(
        Reported(index, "failed", None, None, "moderation")
        if size is None
        else Reported(index, "succeeded", *size, None)
        for index, size in enumerate(sizes)
    )


def asked(account: str, request: str, **terms: Any) -> Authorize:
    return Authorize(account, request, "gpt-image-2", **{"size": "1K", "quality": "high", **terms})


async def fill(dsn: str, books: PriceBooks) -> None:
    """Lets everything happen in the database at `dsn`."""
    await publish_first(dsn)
    owner = await asyncpg.connect(dsn)
    try:
        async with Posting(dsn, lambda: books) as posting:
            await _acme(posting, owner)
            await _beta(posting)
            await posting.post(OpenAccount("idle"))
    finally:
        await owner.close()


async def _acme(posting: Posting, owner: asyncpg.Connection) -> None:
    async def post(*commands: Command) -> None:
        for result in await posting.post_many(commands):
            assert not isinstance(result, Exception), result

    now = await owner.fetchval("SELECT clock_timestamp()")
    await post(
        OpenAccount("acme"),
        IssueGrant("acme", "promo", "promotion", 20, expires_at=now + timedelta(days=1)),
        IssueGrant("acme", "paid", "purchase", 100, paid_micros=9_990_000, currency="USD", reference="wire 1"),
        asked("acme", "one-step", n=2, quality="medium", outputs=delivered(SMALL, None)),
        asked("acme", "larger"),
        Settle("acme", "larger", delivered(LARGE)),
        asked("acme", "voided"),
        Void("acme", "voided", "the caller gave up"),
        asked("acme", "twice-at-once"),
    )
    await post(Void("acme", "twice-at-once"), asked("acme", "forced"), Void("acme", "forced", "too slow"))
    await post(Settle("acme", "forced", delivered((800, 816)), force=True))
    await post(asked("acme", "expired"), asked("acme", "late", quality="low"))
    await end_hold(owner, "acme", "expired")
    await end_hold(owner, "acme", "late")
    await post(Settle("acme", "late", delivered(SMALL)))
    await post(Void("acme", "expired"), Refund("acme", "one-step", "r-part", "blurred", credits=2))
    await post(asked("acme", "expired-too"))
    await end_hold(owner, "acme", "expired-too")
    await post(Lapse("acme"))
    # Two images of 4K cost more than everything there is: the rest is owed. A refund pays some of it, a refund of
    # the same bill forgives some, and a new grant pays what is left.
    await post(asked("acme", "indebting", n=2), Settle("acme", "indebting", delivered(HUGE, HUGE)))
    await post(Refund("acme", "larger", "r-into-debt", "wrong picture"))
    await post(Refund("acme", "indebting", "r-forgiving", "wrong size", credits=30))
    await post(IssueGrant("acme", "plan", "plan", 400, expires_at=now + timedelta(days=30)))
    await post(Refund("acme", "indebting", "r-outputs", "wrong picture", outputs=(0,)))
    # A grant lapses while a hold from before is open: what that would draw is kept for it, the rest expires.
    await post(
        IssueGrant("acme", "short", "promotion", 50, expires_at=now + timedelta(hours=1)), asked("acme", "keeping")
    )
    await end_grant(owner, "acme", "short", after="keeping")
    await post(Lapse("acme"))
    await post(Settle("acme", "keeping", delivered(SMALL)))
    await post(Refund("acme", "keeping", "r-succeeding", "late"))
    await post(AmendAccount("acme", credit_limit=75, overage="cap", hold="max", actor="ops"))
    await post(asked("acme", "capped", n=2), asked("acme", "all-failed"))
    await post(Settle("acme", "capped", delivered(HUGE, SMALL, SMALL)), Settle("acme", "all-failed", ()))
    await post(asked("acme", "due"), asked("acme", "open", n=3), AmendAccount("acme", status="suspended", actor="ops"))
    await end_hold(owner, "acme", "due")


async def _beta(posting: Posting) -> None:
    commands: Sequence[Command] = [
        OpenAccount("beta", credit_limit=100),
        asked("beta", "first", outputs=delivered(SMALL)),
        asked("beta", "second"),
    ]
    for command in commands:
        await posting.post(command)


async def end_hold(owner: asyncpg.Connection, account: str, request: str) -> None:
    """Makes an open hold due, without waiting for it."""
    for table in ("charge", "hold"):
        await owner.execute(
            f"UPDATE {table} SET expires_at = authorized_at + interval '1 microsecond' "
            "WHERE account_id = $1 AND request_id = $2",
            account,
            request,
        )
    await _look_again(owner, account)


async def end_grant(owner: asyncpg.Connection, account: str, grant: str, *, after: str) -> None:
    """Makes a grant lapse just after the charge `after` was authorized."""
    await owner.execute(
        """UPDATE "grant" g SET expires_at = c.authorized_at + interval '1 microsecond' FROM charge c
           WHERE g.account_id = $1 AND g.grant_id = $2 AND c.account_id = $1 AND c.request_id = $3""",
        account,
        grant,
        after,
    )
    await _look_again(owner, account)


async def _look_again(owner: asyncpg.Connection, account: str) -> None:
    await owner.execute("UPDATE account SET due_at = created_at WHERE account_id = $1", account)
