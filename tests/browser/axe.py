"""What axe-core finds wrong with a page: rules of accessibility that a program can check."""

from importlib.resources import files
from typing import Any

from playwright.sync_api import Page

_AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text()
_IMPACTS = ("serious", "critical")
# The first rows of a table stand for all of them.
_RUN = """async () => (await axe.run(
  { include: [["html"]], exclude: [["tbody > tr:nth-child(n+10)"]] }, { resultTypes: ["violations"] })).violations"""


def findings(page: Page) -> list[str]:
    """What is serious or critical, as "rule: element: why".

    The script is put in by the browser's own door, so that the page's policy stays as it is.
    """
    if not page.evaluate("'axe' in window"):
        page.evaluate(_AXE)
    violations: list[dict[str, Any]] = page.evaluate(_RUN)
    return [
        f"{violation['id']}: {node['html'][:160]}: {node['failureSummary']}"
        for violation in violations
        if violation["impact"] in _IMPACTS
        for node in violation["nodes"]
    ]
