"""The API's description is a page of ours: under the pages' policy, from no other origin, and not with the session."""

from collections.abc import Callable

from playwright.sync_api import expect

from .place import Place
from .visitor import Visitor


def test_the_description_works_under_the_pages_policy(visit: Callable[..., Visitor]) -> None:
    page = visit(None).open("/docs")
    answer = page.goto("/docs")
    assert answer is not None
    assert "script-src 'self'" in answer.headers["content-security-policy"]
    expect(page.get_by_role("heading", name="Billing")).to_be_visible()
    page.get_by_text("/v1/quotes").first.click()
    expect(page.get_by_text("Try it out").first).to_be_visible()


def test_who_is_signed_in_calls_nothing_by_a_click(visit: Callable[..., Visitor], place: Place) -> None:
    visitor = visit("admin")
    page = visitor.open("/docs")
    visitor.expects(401)
    page.locator(".opblock-get", has_text="/v1/keys").first.click()
    page.get_by_role("button", name="Try it out").first.click()
    page.get_by_role("button", name="Execute").first.click()
    expect(page.locator(".live-responses-table .response-col_status").get_by_text("401").first).to_be_visible()
