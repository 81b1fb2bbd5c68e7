"""What has happened before the tests come: accounts whose charges, grants and refunds lie weeks back.

The service itself writes it, on a database whose clock is set and later given back: the same every time but for today.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from tests.api.service import Api, ask, on, path_of, serving, set_clock, with_a_clock

SCRIPT = "<script>window.hacked=1</script>"
IMAGE = '"><img src=x onerror="window.hacked=1">'
KEYS = ("web-app", "mobile", "night-jobs")
SIZES = {"1K": (1024, 1024), "2K": (2048, 1152), "4K": (3840, 2160)}


@dataclass(frozen=True)
class Past:
    """`days` of requests, `hours` of each in which some are made, fewer than twice `requests` at a time."""

    days: int
    hours: tuple[int, ...]
    requests: int
    end_users: tuple[str, ...]
    bought: int = 6_000


def live_through(dsn: str, live: Callable[[Api], None]) -> None:
    """Runs `live` against the service with the database's clock to set, and gives the database its own again.

    As if another machine had served meanwhile: this one's time since its start went on as it does.
    """
    with_a_clock(dsn)
    with serving(dsn, expiry_seconds=1_000_000) as api:
        live(api)
    on(dsn, _own_clock)


async def _own_clock(connection: Any) -> None:
    name = await connection.fetchval("SELECT current_database()")
    await connection.execute(f'ALTER DATABASE "{name}" RESET search_path')
    await connection.execute("DROP SCHEMA clock CASCADE")
    await connection.execute("DELETE FROM machine")


def ago(**time: float) -> datetime:
    return datetime.now(UTC) - timedelta(**time)


def grants(opened: datetime, bought: int) -> Iterator[tuple[datetime, dict[str, Any]]]:
    """When each is given, and its terms."""
    paid = {"micros": bought * 10_000, "currency": "USD"}
    yield opened, {"grant_id": "welcome", "kind": "promotion", "credits": 250, "expires_at": text(opened, days=21)}
    yield opened, {"grant_id": "pack-1", "kind": "purchase", "credits": bought, "amount_paid": paid}
    campaign = {"grant_id": "campaign", "kind": "promotion", "expires_at": text(ago(), days=9)}
    yield ago(days=2), {**campaign, "credits": bought * 3 // 20}


def text(moment: datetime, **later: float) -> str:
    return (moment + timedelta(**later)).strftime("%Y-%m-%dT%H:%M:%SZ")


def spend(api: Api, account_id: str, past: Past, *, seed: int = 7) -> None:
    """Requests of all models, sizes and qualities, mostly delivered; busier on working days and as time goes by."""
    chance = Random(seed)
    start = ago(days=past.days).replace(hour=0, minute=0, second=0, microsecond=0)
    given = list(grants(start, past.bought))
    for day in range(past.days + 1):
        for hour in past.hours:
            at = start + timedelta(days=day, hours=hour, minutes=chance.randrange(50))
            if at > ago(hours=4):
                return
            while given and given[0][0] <= at:
                set_clock(api, at)
                api.post(f"/v1/accounts/{account_id}/grants", given.pop(0)[1]).raise_for_status()
            weight = (0.45 if at.weekday() >= 5 else 1.0) * (0.5 + day / past.days)
            operations = [
                _charge(chance, account_id, at, n, past) for n in range(round(chance.random() * past.requests * weight))
            ]
            if operations:
                set_clock(api, at)
                results = api.batch(*operations)
                assert {result["status"] for result in results} == {201}, results


def _charge(chance: Random, account_id: str, at: datetime, n: int, past: Past) -> dict[str, Any]:
    model = chance.choices(["gpt-image-2", "gpt-image-1.5"], [5, 1])[0]
    tier = chance.choices(["1K", "2K", "4K"], [6, 3, 1])[0] if model == "gpt-image-2" else "1K"
    count = chance.choices([1, 2, 4], [5, 2, 1])[0]
    width, height = SIZES[tier]
    outputs: list[dict[str, Any]] = []
    for index in range(count):
        if chance.random() < 0.05:
            outputs.append({"index": index, "status": "failed", "reason": "moderation"})
        else:
            outputs.append({"index": index, "status": "succeeded", "width": width, "height": height})
    return {
        "op": "charge",
        "account_id": account_id,
        "request_id": f"img-{at:%m%d%H%M}-{n + 1}",
        "model": model,
        "operation": chance.choices(["generation", "edit"], [4, 1])[0],
        "n": count,
        "size": tier if model == "gpt-image-2" else "1024x1024",
        "quality": chance.choices(["low", "medium", "high"], [4, 4, 1])[0],
        "api_key_id": chance.choices(KEYS, [5, 3, 2])[0],
        "end_user": chance.choices(past.end_users, range(len(past.end_users), 0, -1))[0],
        "outputs": outputs,
    }


def every_ending(api: Api, account_id: str, *, end_user: str, label: str, reason: str) -> None:
    """One charge for each way in which a charge can end, and each flag it can carry. The clock moves on by a day."""
    at = datetime.fromisoformat(ask(api.dsn, "SELECT at::text FROM clock.reading"))
    labels = {"metadata": {"project": label}, "end_user": end_user, "api_key_id": KEYS[0]}

    def authorize(request_id: str, **more: Any) -> dict[str, Any]:
        return api.authorize(account_id, request_id, **{"size": "1K", "quality": "medium", **labels, **more})

    def image(index: int = 0, width: int = 1024, height: int = 1024) -> dict[str, Any]:
        return {"index": index, "status": "succeeded", "width": width, "height": height}

    failed = {"index": 1, "status": "failed", "reason": reason[:200]}
    refunded = api.settle(authorize("partly-failed", n=3, quality="high"), image(), failed, image(2))
    refund = {"refund_id": "sorry", "credits": 5, "reason": reason}
    api.post(f"{path_of(refunded)}/refunds", refund).raise_for_status()
    api.settle(authorize("smaller-than-asked", size="4K", quality="high"), image(width=1672, height=941))
    api.settle(authorize("all-failed"), {"index": 0, "status": "failed"})
    api.settle(authorize("unmeasured"), {"index": 0, "status": "succeeded"})
    api.settle(authorize("unpriced-size", size="4K"), image(width=7680, height=4320))
    api.settle(authorize("unrequested"), image(), image(1))
    voided, forced = authorize("voided"), authorize("forced")
    for charge in (voided, forced):
        api.post(f"{path_of(charge)}/void", {"reason": reason}).raise_for_status()
    api.post(f"{path_of(forced)}/settle", {"outputs": [image()], "force": True}).raise_for_status()
    late = authorize("late", hold_seconds=30)
    authorize("expired", hold_seconds=30)
    set_clock(api, at + timedelta(minutes=5))
    api.settle(late, image())
