"""Draws the README's pictures of the dashboard anew: `.venv/bin/python -m tests.browser.pictures [DIRECTORY]`.

A studio that has made pictures for six weeks; the same every time, but for the days.
"""

import asyncio
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from playwright.sync_api import Page, expect, sync_playwright

from billing.embedded import EmbeddedPostgres
from billing.store.schema import migrate
from tests.api.service import Api, set_clock
from tests.conftest import execute
from tests.fake_stripe import FakeStripe
from tests.faults.served import KEY
from tests.funding.town import Town
from tests.leftovers import new_directory

from . import chromium
from .history import Past, ago, live_through, spend

PICTURES = Path(__file__).parents[2] / "ops" / "pictures"
STUDIO = "lumen-studio"
PAST = Past(
    days=42,
    hours=(1, 8, 10, 12, 14, 16, 19),
    requests=6,
    end_users=("ines", "marco", "yuki", "priya", "tom"),
    bought=40_000,
)
WIDTH = 1280
# The page, its height in the picture, and its theme.
DRAWN = {"overview": ("", 1085, "light"), "usage": ("/usage?group=size_tier", 905, "dark")}


def live(api: Api) -> None:
    set_clock(api, ago(days=PAST.days + 1))
    api.post("/v1/accounts", {"account_id": STUDIO, "name": "Lumen Studio"}).raise_for_status()
    spend(api, STUDIO, PAST)


def in_flight(town: Town) -> None:
    """What is being made at the moment the picture is taken."""
    for request_id, size, n in (
        ("launch-poster", "4K", 1),
        ("launch-variants", "2K", 4),
        ("launch-thumbnails", "1K", 8),
    ):
        body = {"request_id": request_id, "model": "gpt-image-2", "size": size, "quality": "medium", "n": n}
        town.call("POST", f"/v1/accounts/{STUDIO}/charges", body | {"end_user": "ines"}, status=201)


@contextmanager
def studio() -> Iterator[tuple[str, str]]:
    """Where it is served, and a key to it."""
    directory = new_directory()
    try:
        with EmbeddedPostgres(directory / "data") as server, FakeStripe() as stripe:
            dsn = server.dsn("studio")
            asyncio.run(execute(server.dsn("postgres"), "CREATE DATABASE studio"))
            asyncio.run(migrate(dsn))
            live_through(dsn, live)
            town = Town(dsn, stripe)
            try:
                town.open()
                in_flight(town)
                yield town.url, KEY
            finally:
                town.close()
    finally:
        shutil.rmtree(directory)


def draw(window: Page, path: str, picture: Path) -> None:
    window.goto(path)
    expect(window.locator("[aria-busy=true]")).to_have_count(0)
    window.wait_for_load_state("networkidle")
    window.screenshot(path=picture, animations="disabled")
    print(f"{picture}: {picture.stat().st_size / 1000:.0f} kB")


def main(directory: Path = PICTURES) -> None:
    with studio() as (url, admin):
        body = {"role": "account", "account_id": STUDIO, "name": "pictures"}
        key = httpx.post(f"{url}/v1/keys", json=body, headers={"Authorization": f"Bearer {admin}"}).json()["key"]
        with sync_playwright() as playwright, chromium.launch(playwright) as browser:
            for name, (path, height, theme) in DRAWN.items():
                window = browser.new_page(
                    base_url=url,
                    viewport={"width": WIDTH, "height": height},
                    color_scheme=theme,
                    locale="en-US",
                    timezone_id="Europe/Madrid",
                )
                window.goto("/sign-in")
                window.get_by_label("API key").fill(key)
                window.get_by_label("API key").press("Enter")
                expect(window.get_by_role("heading", name="Overview")).to_be_visible()
                draw(window, f"/accounts/{STUDIO}{path}", directory / f"dashboard-{name}.png")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
