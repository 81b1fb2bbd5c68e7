"""What an image is billed by is what a browser shows of it."""

from __future__ import annotations

import base64

import pytest
from playwright.sync_api import Browser

from tests.client.avif_boxes import SHOWN, TURNED_ONCE


@pytest.fixture(scope="module")
def shown(chrome: Browser) -> dict[str, tuple[int, int]]:
    """Width and height of each as Chromium shows it."""
    page = chrome.new_page()
    try:
        return {
            name: tuple(
                page.evaluate(
                    """async image => {
                        const shown = new Image()
                        shown.src = 'data:image/avif;base64,' + image
                        await shown.decode()
                        return [shown.naturalWidth, shown.naturalHeight]
                    }""",
                    base64.b64encode(image).decode(),
                )
            )
            for name, (image, _) in (SHOWN | TURNED_ONCE).items()
        }
    finally:
        page.close()


def test_the_size_that_is_billed_is_the_size_that_is_shown(shown: dict[str, tuple[int, int]]) -> None:
    upright = {name: edges for name, (_, edges) in SHOWN.items()}
    assert shown == upright | {name: (height, width) for name, (_, (width, height)) in TURNED_ONCE.items()}
