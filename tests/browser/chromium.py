"""Which browser the tests drive: the machine's own Chromium. Playwright's downloads are not used."""

import os
import shutil

import pytest
from playwright.sync_api import Browser, Playwright

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
MISSING = "there is no Chromium to look at the dashboard with: `make browser` installs Debian's"


def path() -> str:
    """Where it is. Without one tests are skipped, unless BILLING_BROWSER=required: then they fail."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None and os.environ.get("BILLING_BROWSER") == "required":
        pytest.fail(MISSING, pytrace=False)
    elif found is None:
        pytest.skip(MISSING)
    return found


def launch(playwright: Playwright) -> Browser:
    # A container's /dev/shm is small; colours and letters are to be alike on every machine.
    arguments = ["--disable-dev-shm-usage", "--font-render-hinting=none", "--force-color-profile=srgb"]
    return playwright.chromium.launch(executable_path=path(), args=arguments)
