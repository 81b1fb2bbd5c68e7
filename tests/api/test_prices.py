"""Price books and quotes: the published matrix by hand, versions by instant, and what a price version binds."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from .service import CLOCK_STARTS_AT as START
from .service import MODEL, Answer, Api, created, image, path_of, problem, replayed, set_clock

QUOTE = {
    "credits", "credits_per_image", "n", "model", "billed_quality", "size_tier", "price_version", "max_credits",
}  # fmt: skip
MATRIX = {
    ("low", "1K"): 1, ("low", "2K"): 2, ("low", "4K"): 4,
    ("medium", "1K"): 4, ("medium", "2K"): 17, ("medium", "4K"): 34,
    ("high", "1K"): 14, ("high", "2K"): 67, ("high", "4K"): 133,
    ("auto", "1K"): 14, ("auto", "2K"): 67, ("auto", "4K"): 133,
}  # fmt: skip
SIZES = {
    "1K": ["auto", "1K", "1024x1024", "1536x1024", "1024x1536", "1536x512", "1024x640"],
    "2K": ["2K", "2048x2048", "1552x1024", "2048x1152", "688x2048", "1152x2048"],
    "4K": ["4K", "3840x2160", "2160x3840", "2064x1024", "3840x1280", "2880x2880"],
}


def quote(api: Api, **asked: Any) -> Answer:
    return api.post("/v1/quotes", {"model": MODEL, **asked}, "gateway")


@pytest.mark.parametrize(("quality", "tier"), MATRIX)
@pytest.mark.parametrize("n", [1, 10])
def test_every_cell_of_the_published_matrix(api: Api, quality: str, tier: str, n: int) -> None:
    each = MATRIX[quality, tier]
    billed = "high" if quality == "auto" else quality
    for size in SIZES[tier]:
        answer = quote(api, n=n, size=size, quality=quality, operation="edit")
        assert answer.status_code == 200, (size, answer.text)
        assert answer.json() == {
            "credits": each * n,
            "credits_per_image": each,
            "n": n,
            "model": MODEL,
            "billed_quality": billed,
            "size_tier": tier,
            "price_version": 1,
            "max_credits": MATRIX[billed, "4K"] * n,
        }
    capped = quote(api, n=n, size=tier, quality=quality, overage="cap").json()
    assert capped["max_credits"] == each * n


def test_the_flat_price(api: Api) -> None:
    for size in ("auto", "1024x1024", "1536x1024", "1024x1536"):
        for quality in ("low", "medium", "high", "auto"):
            shown = api.post("/v1/quotes", {"model": "gpt-image-1.5", "n": 3, "size": size, "quality": quality}).json()
            assert set(shown) == QUOTE
            assert (shown["credits"], shown["max_credits"]) == (3, 3)


def test_defaults_of_a_quote(api: Api) -> None:
    shown = quote(api).json()
    assert (shown["n"], shown["size_tier"], shown["billed_quality"], shown["credits"]) == (1, "1K", "high", 14)


def test_a_quote_writes_nothing(quiet: Api) -> None:
    before = quiet.contents()
    for _ in range(3):
        assert quote(quiet).status_code == 200
    assert quiet.contents() == before


class TestPublishing:
    """Version 2 doubles what version 1 asks for, an hour after the start."""

    AT = START + timedelta(hours=1)

    def body(self, api: Api, at: datetime = AT, **prices: int) -> dict[str, Any]:
        models = api.get("/v1/price-books/1").json()["models"]
        models[MODEL]["prices"]["high"] = {"1K": 28, "2K": 134, "4K": 266} | prices
        return {"effective_from": at.isoformat(), "models": models}

    def test_publish_get_and_list(self, clocked: Api) -> None:
        first = clocked.get("/v1/price-books/1").json()
        assert set(first) == {"version", "effective_from", "models"}
        assert first["models"]["gpt-image-1.5"]["prices"]["low"] == {"1K": 1, "2K": 1, "4K": 1}
        book = created(clocked.post("/v1/price-books", self.body(clocked)))
        assert set(book) == {"version", "effective_from", "models"}
        assert (book["version"], book["effective_from"]) == (2, "2026-01-01T01:00:00Z")
        assert book["models"][MODEL]["prices"]["high"]["1K"] == 28
        assert clocked.get("/v1/price-books/2", "gateway").json() == book
        listed = clocked.get("/v1/price-books", "finance").json()
        assert set(listed) == {"data", "has_more", "next_cursor"}
        assert listed["data"] == [first, book]
        assert clocked.get("/v1/price-books/current").json() == first
        document = problem(clocked.get("/v1/price-books/3"), 404, "price_book_not_found")
        assert document["version"] == 3

    def test_replay_and_the_next_version(self, clocked: Api) -> None:
        book = created(clocked.post("/v1/price-books", self.body(clocked)))
        assert replayed(clocked.post("/v1/price-books", self.body(clocked))) == book
        set_clock(clocked, self.AT + timedelta(days=1))  # a replay is not refused for its time
        assert replayed(clocked.post("/v1/price-books", self.body(clocked))) == book
        set_clock(clocked, START)
        assert created(clocked.post("/v1/price-books", self.body(clocked, **{"1K": 29})))["version"] == 3

    @pytest.mark.parametrize(("seconds", "accepted"), [(60, True), (59.999999, False), (0, False), (-1, False)])
    def test_a_minute_ahead(self, clocked: Api, seconds: float, accepted: bool) -> None:
        answer = clocked.post("/v1/price-books", self.body(clocked, START + timedelta(seconds=seconds)))
        if accepted:
            assert answer.status_code == 201
        else:
            assert problem(answer, 422, "validation_error")["errors"][0]["field"] == "effective_from"
            assert len(clocked.get("/v1/price-books").json()["data"]) == 1

    def test_the_instant_chooses_and_a_charge_keeps_its_book(self, clocked: Api) -> None:
        account = clocked.account(10_000)
        created(clocked.post("/v1/price-books", self.body(clocked)))
        old = clocked.authorize(account, "old", hold_seconds=7_200)
        set_clock(clocked, self.AT - timedelta(microseconds=1))
        assert quote(clocked).json()["price_version"] == 1
        set_clock(clocked, self.AT)
        assert (quote(clocked).json()["price_version"], quote(clocked).json()["credits"]) == (2, 28)
        assert clocked.get("/v1/price-books/current").json()["version"] == 2
        new = clocked.authorize(account, "new")
        assert (new["price_version"], new["held_credits"]) == (2, 28)
        assert clocked.settle(old, image())["settled_credits"] == 14
        assert clocked.settle(new, image())["settled_credits"] == 28
        steps = clocked.get(f"{path_of(old)}/explain").json()["steps"]
        assert next(step["facts"]["price_version"] for step in steps if step["kind"] == "quoted") == 1

    def test_on_equal_instants_the_higher_version(self, clocked: Api) -> None:
        created(clocked.post("/v1/price-books", self.body(clocked)))
        created(clocked.post("/v1/price-books", self.body(clocked, **{"1K": 30})))
        set_clock(clocked, self.AT)
        assert (quote(clocked).json()["price_version"], quote(clocked).json()["credits"]) == (3, 30)

    def test_a_price_version_binds(self, clocked: Api) -> None:
        account = clocked.account(1_000)
        path = f"/v1/accounts/{account}/charges"
        body = {"request_id": "r", "model": MODEL, "price_version": 1}
        created(clocked.post("/v1/price-books", self.body(clocked)))
        early = problem(clocked.post(path, body | {"price_version": 2}), 409, "price_changed")
        assert early["current"] == 1
        created(clocked.post(path, body))
        set_clock(clocked, self.AT)
        assert replayed(clocked.post(path, body))["price_version"] == 1
        assert problem(clocked.post(path, body | {"request_id": "s"}), 409, "price_changed")["current"] == 2
        assert created(clocked.post(path, body | {"request_id": "s", "price_version": 2}))["quoted_credits"] == 28

    def test_new_models_qualities_and_flat_prices_are_data(self, clocked: Api) -> None:
        body = self.body(clocked)
        body["models"] = {
            "gpt-image-3": body["models"][MODEL]
            | {"qualities": {"max": "max", "auto": "max"}, "prices": {"max": {"1K": 1, "2K": 2, "4K": 3}}},
            "flat": {
                "tiers": [{"name": "any", "max_edge": 5_000}],
                "qualities": {"auto": "x"},
                "sizes": ["auto"],
                "prices": 7,
            },
        }
        book = created(clocked.post("/v1/price-books", body))
        assert book["models"]["flat"]["prices"] == {"x": {"any": 7}}
        set_clock(clocked, self.AT)
        assert quote(clocked, model="gpt-image-3", quality="max", size="2K").json()["credits"] == 2
        assert quote(clocked, model="flat", n=2).json()["credits"] == 14
        problem(quote(clocked), 422, "unknown_model")
