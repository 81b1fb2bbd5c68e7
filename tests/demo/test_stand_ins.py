"""The demo's Stripe, its listener, and that it has nothing to do with anybody's real account."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from standardwebhooks.webhooks import Webhook

from billing.demo import theatre
from billing.demo.command import environment_of
from billing.demo.listener import Listener, News
from billing.demo.processor import FakeStripe, ProcessorFailed, StripeStandIn
from billing.settings import Settings

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_the_callers_settings_and_stripe_account_are_never_used(tmp_path: Path) -> None:
    theirs = {
        "STRIPE_API_KEY": "sk_live_theirs",
        "STRIPE_API_BASE": "https://api.stripe.com",
        "STRIPE_WEBHOOK_SECRET": "whsec_theirs",
        "STRIPE_ACCOUNT": "acct_theirs",
        "DATABASE_URL": "postgresql://theirs/billing",
        "BILLING_HOST": "192.0.2.1",
        "BILLING_METRICS_PORT": "9100",  # which their own service has
        "BILLING_SIGNING_KEY": "theirs",
    }
    ours = StripeStandIn("http://127.0.0.1:1")
    environment = environment_of(theirs, tmp_path, 8080, "a-key-of-the-demo", ours)
    assert "theirs" not in str(environment)
    settings = Settings.read(environment)
    assert (settings.stripe_api_key, settings.stripe_api_base) == (ours.key, "http://127.0.0.1:1")
    assert settings.stripe_webhook_secrets == (ours.webhook_secret,)
    assert (settings.database_url, settings.host, settings.metrics_port) == (None, "127.0.0.1", 0)


def test_the_stand_in_lives_as_long_as_its_block(tmp_path: Path) -> None:
    assert theatre.missing() == []
    with theatre.processor(tmp_path) as stripe:
        for key, status in ((stripe.key, 200), ("sk_live_theirs", 401)):
            answer = httpx.get(f"{stripe.url}/v1/events", headers={"Authorization": f"Bearer {key}"})
            assert answer.status_code == status
        assert asyncio.run(_ordered(stripe.url, "under_way")) == 0
        with pytest.raises(ProcessorFailed, match=r"pay: .*no_such_session"):
            asyncio.run(_ordered(stripe.url, "pay", session="no_such_session"))
    with pytest.raises(ProcessorFailed, match="under_way"):
        asyncio.run(_ordered(stripe.url, "under_way"))


async def _ordered(url: str, what: str, **arguments: str) -> object:
    async with httpx.AsyncClient(base_url=url) as client:
        return await FakeStripe(client).order(what, **arguments)


def signed(body: str, secret: str = SECRET) -> News:
    now = datetime.now(UTC)
    headers = {
        "webhook-id": "evt_1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign("evt_1", now, body),
    }
    return News(headers, body.encode())


BODY = '{"type":"topup.paid","data":{"account_id":"acme","credits":500}}'
FORGED: dict[str, Callable[[News], News]] = {
    "another body": lambda news: replace(news, body=BODY.replace("500", "5000").encode()),
    "another secret": lambda _: signed(BODY, "whsec_" + "A" * 32),
    "another id": lambda news: replace(news, headers={**news.headers, "webhook-id": "evt_2"}),
    "no signature": lambda news: replace(news, headers={}),
}


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED.keys())
async def test_what_is_not_signed_so_is_not_believed(forge: Callable[[News], News]) -> None:
    assert await _told(forge(signed(BODY))) == (401, 0, 1)


async def test_what_is_signed_is_heard() -> None:
    news = signed(BODY)
    assert await _told(news) == (204, 1, 0)
    assert (news.event_id, news.type, news.account_id) == ("evt_1", "topup.paid", "acme")


async def test_nothing_is_believed_before_the_secret_is_known() -> None:
    assert await _told(signed(BODY), "") == (401, 0, 1)


async def _told(news: News, secret: str = SECRET) -> tuple[int, int, int]:
    """(status, heard, refused) of a listener that was told once."""
    async with Listener().listening() as listener, httpx.AsyncClient() as client:
        listener.secret = secret
        answer = await client.post(listener.url, content=news.body, headers=news.headers)
        return answer.status_code, len(listener.heard), listener.refused
