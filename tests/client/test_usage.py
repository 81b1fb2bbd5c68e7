"""Usage through the client, from a real service."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from billing.client import Problem, SyncBillingClient

from .pictures import picture
from .served import Served


def test_usage_by_groups_and_filters_page_after_page(service: Served) -> None:
    account = service.account(1_000)
    start = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)
    end = start + timedelta(days=3)
    with SyncBillingClient(service.url, service.key) as billing:
        for quality, user in (("low", "ann"), ("medium", "ann"), ("high", None)):
            with billing.charging(account, quality, model="gpt-image-2", n=2, quality=quality, end_user=user) as charge:
                charge.deliver(picture(1024, 1024))

        whole = billing.usage(account, start=start, end=end, bucket_width="1h", limit=7)
        assert [one["start_time"] for one in whole] == [int(start.timestamp()) + 3_600 * hour for hour in range(72)]
        assert sum(result["credits"] for one in whole for result in one["results"]) == 1 + 4 + 14
        assert sum(result["failed_images"] for one in whole for result in one["results"]) == 3

        def credits(**asked: Any) -> dict[object, int]:
            found: dict[object, int] = {}
            for one in billing.usage(account, start=start, fill="none", **asked):
                for result in one["results"]:
                    group = tuple(result[name] for name in asked.get("group_by", ()))
                    found[group] = found.get(group, 0) + result["credits"]
            return found

        assert credits() == {(): 19}
        assert credits(group_by=["quality"]) == {("low",): 1, ("medium",): 4, ("high",): 14}
        assert credits(group_by=["end_user", "operation"], tz="Asia/Kathmandu") == {
            ("ann", "generation"): 5,
            (None, "generation"): 14,
        }
        assert credits(quality=["low", "high"], model="gpt-image-2") == {(): 15}
        assert credits(end_user="nobody") == {}
        across = billing.usage(None, start=start, group_by=["account_id"], fill="none")
        assert {result["account_id"]: result["credits"] for one in across for result in one["results"]}[account] == 19
        (day,) = billing.usage(account, start=date(2026, 3, 29), end=date(2026, 3, 30), tz="Europe/Madrid")
        assert (day["local_start"], day["end_time"] - day["start_time"]) == ("2026-03-29T00:00:00+01:00", 23 * 3_600)
        with pytest.raises(ValueError, match="without a zone"):
            billing.usage(account, start=start.replace(tzinfo=None))
        with pytest.raises(Problem) as caught:
            billing.usage(account, start=start, tz="Mars/Olympus")
        assert caught.value.status == 422
