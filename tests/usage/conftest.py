"""Statements of an account that lives through a winter: made once by a running application whose clock is set."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from billing.embedded import EmbeddedPostgres
from tests.api.service import MODEL, Api, created, image, serving, set_clock, with_a_clock
from tests.conftest import copied

LARGE, SMALL = (2048, 2048), (1024, 1024)  # 2K and 1K: 67 and 14 credits at high, 17 and 4 at medium
MONTHS = ("2026-01", "2026-02", "2026-03")
FORMS = ("json", "csv")


class Winter:
    """Account `-acme:1`, whose ids a spreadsheet could take for formulas, from January to the middle of March."""

    account_id = "-acme:1"

    def __init__(self, api: Api) -> None:
        self.api = api
        self.path = f"/v1/accounts/{self.account_id}"
        created(api.post("/v1/accounts", {"account_id": self.account_id}))
        self._january()
        self._february()
        self.at("2026-03-15T12:00:00")
        self.files = {(month, form): self.statement(month, form) for month in MONTHS for form in FORMS}
        self.keys = api.get("/.well-known/billing-keys.json", None).content

    def at(self, moment: str) -> None:
        set_clock(self.api, datetime.fromisoformat(moment).replace(tzinfo=UTC))

    def statement(self, month: str, form: str = "json") -> bytes:
        answer = self.api.get(f"{self.path}/statements/{month}", format=form)
        assert answer.status_code == 200, answer.text
        content = answer.content
        assert isinstance(content, bytes)
        return content

    def _january(self) -> None:
        self.at("2026-01-05T09:00:00")
        self._grant("paid", "purchase", 500)
        self._grant("-promo", "promotion", 60, expires_at="2026-01-31T23:59:59.750000Z")
        self._charge("-req:1", 3, "high", image(0, *LARGE), failed(1), image(2, *SMALL))
        self._charge("r2", 2, "medium", image(0, *LARGE), image(1, *SMALL))
        self.at("2026-01-31T23:59:59.500000")
        self._grant("gift", "promotion", 40, expires_at="2026-01-31T23:59:59.750000Z")
        self._charge("r3", 1, "high", failed(0))
        # The month ends: what is left of the gift was due in it, and is posted in the next.

    def _february(self) -> None:
        self.at("2026-02-03T10:00:00")
        created(self.api.post(f"{self.path}/charges/-req:1/refunds", {"refund_id": "-back", "reason": "@blurred"}))
        self._charge("r4", 1, "high", image(0, *SMALL))
        part = {"refund_id": "part", "reason": "noise", "credits": 3}
        created(self.api.post(f"{self.path}/charges/r4/refunds", part))
        self.at("2026-02-28T23:59:59.999999")
        self._charge("r5", 1, "low", image(0, *SMALL), model="gpt-image-1.5")

    def _grant(self, grant_id: str, kind: str, credits: int, **more: Any) -> None:
        body = {"grant_id": grant_id, "kind": kind, "credits": credits, **more}
        created(self.api.post(f"{self.path}/grants", body))

    def _charge(self, request_id: str, n: int, quality: str, *outputs: dict[str, Any], model: str = MODEL) -> None:
        body = {"request_id": request_id, "model": model, "n": n, "quality": quality, "outputs": list(outputs)}
        created(self.api.post(f"{self.path}/charges", body, "gateway"))


def failed(index: int) -> dict[str, Any]:
    return {"index": index, "status": "failed", "reason": "moderation"}


@pytest.fixture(scope="session")
def winter(server: EmbeddedPostgres, template: str) -> Iterator[Winter]:
    """Its application goes on: whoever asks it for more leaves the account as it is."""
    with copied(server, template, "billing_winter") as dsn:
        with_a_clock(dsn)
        with serving(dsn, expiry_seconds=1_000_000) as api:
            yield Winter(api)


@pytest.fixture
def write(tmp_path: Path) -> Any:
    """`write(content, name)`: the path of a file that holds it."""

    def written(content: bytes | str, name: str = "statement") -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return written
