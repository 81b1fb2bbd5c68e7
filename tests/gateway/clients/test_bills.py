"""What each client gets and pays through the gateway, on good days and on bad ones: one wish, one bill, the images."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.gateway.city import City, Customer, GatewayProgram
from tests.gateway.parrot import Parrot
from tests.gateway.pictures import png
from tests.gateway.scissors import Scissors

from .callers import BOUND_SECONDS, CLIENTS, Answered, Callers

WISH: dict[str, Any] = {"quality": "high", "size": "1024x1024"}
PRICE = 14
KEY = "wish-1"

BY_HAND = {"openai", "openai-6"}
"""Who does not ask again for an answer that broke off."""
IMPATIENT = {"ai", "ai-compatible"}
"""Who does not ask again after its own time-out."""
STREAMING = ("openai-python", "openai", "openai-6")
COUNTING = {"openai-python", "litellm"}
"""Who asks again for an answer that broke off, and says that it does."""


class Wishes:
    """The same wish by several clients at once, each for a customer of its own who can pay it once."""

    def __init__(self, city: City, callers: Callers, gateway: GatewayProgram) -> None:
        self._city, self._callers, self._gateway = city, callers, gateway
        self.customers: dict[str, Customer] = {}

    def made(
        self, prompt: str, clients: Any = CLIENTS, *, credits: int = PRICE, by: Any = None, **asked: Any
    ) -> dict[str, Answered]:
        """What came of it, by client. `by`: the address that each of them calls, if not the gateway's own."""
        begun = {}
        for client in clients:
            customer = self.customers.get(client) or self.customers.setdefault(client, self._city.customer(credits))
            url = by[client].url if by else self._gateway.url
            said = prompt if prompt.startswith("{") else self._prompt(prompt, client)
            begun[client] = self._callers.begin(client, url, customer.key, prompt=said, **WISH | asked)
        return {client: answered.result(BOUND_SECONDS) for client, answered in begun.items()}

    def calls(self, prompt: str) -> dict[str, int]:
        """How often the provider was asked, by client."""
        return {one: len(self._city.stand_in.calls(self._prompt(prompt, one))) for one in self.customers}

    def balances(self) -> dict[str, tuple[int, int]]:
        return {client: customer.balance() for client, customer in self.customers.items()}

    def _prompt(self, prompt: str, client: str) -> str:
        return f"{prompt}, for {client}."  # no prompt is a part of another


@pytest.fixture
def wishes(city: City, callers: Callers, gateway: GatewayProgram) -> Wishes:
    return Wishes(city, callers, gateway)


Cut = Callable[..., dict[str, Scissors]]


@pytest.fixture
def cut(gateway: GatewayProgram) -> Iterator[Cut]:
    """Scissors for each client, which break its first answer in the middle."""
    with ExitStack() as standing:

        def stood(clients: Any = CLIENTS, to: GatewayProgram = gateway) -> dict[str, Scissors]:
            found = {client: standing.enter_context(Scissors(to.url).standing()) for client in clients}
            for scissors in found.values():
                scissors.cut_after(20_000)
            return found

        yield stood


def errors(found: dict[str, Answered]) -> dict[str, Any]:
    return {client: answered.error for client, answered in found.items() if answered.error}


def one_each(found: dict[str, Answered], images: int = 1) -> bool:
    return {client: len(answered.images) for client, answered in found.items()} == dict.fromkeys(found, images)


def test_a_wish_is_billed_once_however_often_it_is_sent(wishes: Wishes) -> None:
    first, again = (wishes.made("plain", name=KEY) for _ in range(2))
    assert errors(first) == errors(again) == {}
    assert one_each(first)
    assert {client: one.images for client, one in first.items()} == {
        client: one.images for client, one in again.items()
    }
    assert {client: one.credits for client, one in first.items()} == dict.fromkeys(CLIENTS, PRICE), "what they pass on"
    assert wishes.calls("plain") == dict.fromkeys(CLIENTS, 1)
    assert wishes.balances() == dict.fromkeys(CLIENTS, (0, 0))


def test_a_broken_answer_is_one_picture_and_one_bill(wishes: Wishes, cut: Cut) -> None:
    """Also for openai for Node, which leaves it to the caller to ask again."""
    scissors = cut()
    found = wishes.made("broken", by=scissors, name=KEY)
    assert {client: one.cuts for client, one in scissors.items()} == dict.fromkeys(CLIENTS, 1)
    assert set(errors(found)) == BY_HAND
    found |= wishes.made("broken", BY_HAND, by=scissors, name=KEY)
    assert errors(found) == {}
    assert one_each(found)
    assert wishes.calls("broken") == dict.fromkeys(CLIENTS, 1)
    assert wishes.balances() == dict.fromkeys(CLIENTS, (0, 0))


def test_a_broken_answer_without_a_key_is_billed_once_for_who_counts_its_repeats(wishes: Wishes, cut: Cut) -> None:
    scissors = cut(COUNTING)
    found = wishes.made("broken without a key", COUNTING, by=scissors)
    assert errors(found) == {}
    assert wishes.calls("broken without a key") == dict.fromkeys(COUNTING, 1)
    assert wishes.balances() == dict.fromkeys(COUNTING, (0, 0))


def test_a_broken_answer_without_a_key_is_billed_once_where_the_gateway_sees_it_break(
    city: City, callers: Callers, cut: Cut
) -> None:
    """The others say nothing of being repeats: it must be an answer that no system's buffers swallow."""
    clients = set(CLIENTS) - COUNTING
    picture = png(1024, 1024)
    image = base64.b64encode(picture + bytes(-len(picture) % 3)).decode() + "<pad>"
    prompt = json.dumps({"status": 200, "body": json.dumps({"data": [{"b64_json": image}]}), "pad": 16 << 20})
    with Parrot().speaking() as parrot:
        gateway = city.gateway(GATEWAY_PROVIDER_URL=parrot.url)
        wishes, scissors = Wishes(city, callers, gateway), cut(clients, gateway)
        found = wishes.made(prompt, clients, by=scissors)
        assert set(errors(found)) == BY_HAND
        found |= wishes.made(prompt, BY_HAND, by=scissors)
        assert errors(found) == {}
    assert wishes.balances() == dict.fromkeys(clients, (0, 0))


@pytest.mark.parametrize("order", ["error=429", "error=502", "error=500", "fail=0"])
def test_a_bad_day_does_not_use_up_the_key(wishes: Wishes, order: str) -> None:
    """The clients' own repeats get the image. The provider failed once, and was paid once."""
    prompt = f"a bad day [{order}; once]"
    found = wishes.made(prompt, name=KEY)
    assert errors(found) == {}
    assert one_each(found)
    assert wishes.calls(prompt) == dict.fromkeys(CLIENTS, 2)
    assert wishes.balances() == dict.fromkeys(CLIENTS, (0, 0))


def test_a_refusal_does_not_use_up_the_key(wishes: Wishes) -> None:
    prompt = "against the rules [refuse; once]"
    refused = wishes.made(prompt, name=KEY)
    assert {client: error["status"] for client, error in errors(refused).items()} == dict.fromkeys(CLIENTS, 400)
    assert wishes.calls(prompt) == dict.fromkeys(CLIENTS, 1), "nobody repeats it"
    assert errors(wishes.made(prompt, name=KEY)) == {}
    assert wishes.balances() == dict.fromkeys(CLIENTS, (0, 0))


@pytest.mark.parametrize("name", [KEY, None], ids=["with a key", "without a key"])
def test_who_loses_patience_is_not_locked_out(wishes: Wishes, name: str | None) -> None:
    """Their credits are for one picture: a second hold would be refused."""
    prompt = f"slow {name} [slow=2.6; once]"
    found = wishes.made(prompt, name=name, seconds=2, repeats=4)
    assert set(errors(found)) == IMPATIENT
    found |= wishes.made(prompt, IMPATIENT, name=name)
    assert errors(found) == {}
    assert one_each(found)
    if name is not None:
        assert wishes.calls(prompt) == dict.fromkeys(CLIENTS, 1), "the repeats have joined"
    assert wishes.balances() == dict.fromkeys(CLIENTS, (0, 0))
    assert {len(customer.charges()) for customer in wishes.customers.values()} == {1}


@pytest.mark.parametrize(("parts", "n", "most"), [([2, 10], 12, 10), ([1, 1, 1], 3, 1)], ids=["10 and 2", "equal ones"])
def test_parts_of_an_album_under_one_key_are_each_served_and_billed_once(
    wishes: Wishes, parts: list[int], n: int, most: int
) -> None:
    """The AI SDK asks for them at once: ten each, or as many as it knows the model to make, which is often one."""
    clients, prompt = ("ai", "ai-compatible"), f"an album of {n}"
    asked: dict[str, Any] = {"name": KEY, "n": n, "maxImagesPerCall": most, "credits": n, "quality": "low"}
    first, again = (wishes.made(prompt, clients, **asked) for _ in range(2))
    assert errors(first) == errors(again) == {}
    assert one_each(first, n)
    assert {one: sorted(got.images) for one, got in first.items()} == {
        one: sorted(got.images) for one, got in again.items()
    }
    assert wishes.balances() == dict.fromkeys(clients, (0, 0))
    for customer in wishes.customers.values():
        assert sorted(charge["n"] for charge in customer.charges()) == parts


def test_who_cannot_pay_hears_it_once(wishes: Wishes) -> None:
    found = wishes.made("too dear", credits=PRICE - 1)
    assert {client: error["status"] for client, error in errors(found).items()} == dict.fromkeys(CLIENTS, 402)
    assert wishes.calls("too dear") == dict.fromkeys(CLIENTS, 0)
    assert wishes.balances() == dict.fromkeys(CLIENTS, (PRICE - 1, 0))


def test_another_wish_under_a_used_key_is_refused_for_good(wishes: Wishes) -> None:
    wishes.made("the first", credits=2 * PRICE, name=KEY)
    found = wishes.made("another", name=KEY)
    assert {client: error["status"] for client, error in errors(found).items()} == dict.fromkeys(CLIENTS, 422)
    assert wishes.calls("another") == dict.fromkeys(CLIENTS, 0)
    assert wishes.balances() == dict.fromkeys(CLIENTS, (PRICE, 0))


def test_more_than_ten_images_are_no_request_but_of_the_ai_sdk(wishes: Wishes) -> None:
    clients = [client for client in CLIENTS if client not in IMPATIENT]
    found = wishes.made("an album at once", clients, n=12)
    assert {client: error["status"] for client, error in errors(found).items()} == dict.fromkeys(clients, 400)
    assert wishes.balances() == dict.fromkeys(clients, (PRICE, 0))


def test_an_edit_is_billed_once(wishes: Wishes) -> None:
    """Each names the file as it likes, and no two of its forms are the same bytes."""
    clients = [client for client in CLIENTS if client != "litellm-router"]
    image = base64.b64encode(png(64, 64)).decode()
    first, again = (wishes.made("by night", clients, image=image, name=KEY) for _ in range(2))
    assert errors(first) == errors(again) == {}
    assert {client: one.images for client, one in first.items()} == {
        client: one.images for client, one in again.items()
    }
    assert {client: one.credits for client, one in first.items()} == dict.fromkeys(clients, PRICE)
    assert wishes.balances() == dict.fromkeys(clients, (0, 0))
    assert {customer.the_charge()["operation"] for customer in wishes.customers.values()} == {"edit"}


def test_a_stream_is_billed_once_and_whoever_lost_it_asks_again(wishes: Wishes, cut: Cut) -> None:
    scissors, asked = cut(STREAMING), {"stream": True, "partial_images": 1, "name": KEY}
    lost = wishes.made("a stream", STREAMING, by=scissors, **asked)
    assert set(errors(lost)) == set(STREAMING), "nobody repeats it by itself"
    found = wishes.made("a stream", STREAMING, by=scissors, **asked)
    assert errors(found) == {}
    assert {one.events[-1] for one in found.values()} == {"image_generation.completed"}
    assert {one.credits for one in found.values()} == {PRICE}
    assert wishes.calls("a stream") == dict.fromkeys(STREAMING, 1)
    assert wishes.balances() == dict.fromkeys(STREAMING, (0, 0))
