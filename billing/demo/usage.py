"""What the accounts spent, as usage tells it, beside what was reckoned by hand."""

from datetime import UTC, datetime, timedelta

from billing.client.documents import UsageResult
from billing.demo.scene import headline, table
from billing.demo.stage import Stage

TIERS = ("1K", "2K", "4K")


async def usage(stage: Stage) -> None:
    """Usage is written with each bill, correction and refund: it must come to what they come to, to the credit."""
    headline(
        stage,
        f"{stage.next_scene()}. What did I spend?",
        "Usage of each account by size tier, exact when asked. Images that failed are counted and cost nothing; refunds and"
        " bills that were too high are negative.",
    )
    shown = table("account", *(f">{column}" for column in ("images", "failed", *TIERS, "in all", "by hand")), "")
    for name, purse in stage.purses.items():
        results = await _by_tier(stage, purse.account_id)
        tiers = {result["size_tier"]: result["credits"] for result in results}
        spent, by_hand = sum(tiers.values()), purse.spent
        images = sum(result["images"] for result in results)
        failed = sum(result["failed_images"] for result in results)
        agrees = stage.judge(f"usage of {name}", by_hand, spent)
        figures = [images, failed, *(tiers.get(tier, 0) for tier in TIERS), spent, by_hand]
        shown.add_row(name, *(f"{figure:,}" for figure in figures), stage.mark(agrees))
    stage.console.print(shown)


async def _by_tier(stage: Stage, account_id: str) -> list[UsageResult]:
    """Of the day past: the story is younger, and so are its accounts."""
    start = (datetime.now(UTC) - timedelta(days=1)).replace(minute=0, second=0, microsecond=0)
    buckets = await stage.billing.usage(account_id, start=start, bucket_width="1mo", group_by=["size_tier"])
    totals: dict[str | None, UsageResult] = {}
    for bucket in buckets:
        for result in bucket["results"]:
            known = totals.setdefault(result["size_tier"], result)
            if known is not result:
                for count in ("requests", "images", "failed_images", "credits"):
                    known[count] += result[count]
    return list(totals.values())
