"""Tasks: held when taken, billed when done; polled, and called back."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook

from .city import CALLBACK_SECRET, City, Customer, GatewayProgram, until
from .pictures import png, size_of

ASKED: dict[str, Any] = {"model": "gpt-image-2", "quality": "medium", "size": "1024x1024"}
PATH = "/v1/async/images/generations"


def _submitted(gateway: GatewayProgram, customer: Customer, body: dict[str, Any], request_id: str = "r1") -> Any:
    answer = gateway.post(customer, PATH, {**ASKED, **body}, headers={"Idempotency-Key": request_id})
    assert answer.status_code == 202, answer.text
    assert answer.headers["X-Billing-Request-Id"] == request_id
    task = answer.json()
    assert answer.headers["Location"] == f"/v1/async/images/{task['id']}"
    return task


def _polled(gateway: GatewayProgram, customer: Customer, task: Any) -> Any:
    return gateway.get(customer, f"/v1/async/images/{task['id']}").json()


def _done(gateway: GatewayProgram, customer: Customer, task: Any) -> Any:
    def finished() -> Any:
        polled = _polled(gateway, customer, task)
        return polled if polled["status"] in ("succeeded", "failed") else None

    return until(finished, "the task is done")


def _sizes(task: Any) -> list[tuple[int, int]]:
    return [size_of(base64.b64decode(item["b64_json"])) for item in task["result"]["data"]]


def test_a_task_is_polled(gateway: GatewayProgram, city: City) -> None:
    customer = city.customer()
    task = _submitted(gateway, customer, {"prompt": "polled [wait=polled; sizes=1024x1024,1672x941; fail=2]", "n": 3})
    assert task["status"] in ("queued", "running")
    assert customer.balance() == (1_000, 12)
    until(lambda: city.stand_in.calls("polled"), "the provider is asked")
    assert _polled(gateway, customer, task)["status"] == "running"
    city.stand_in.open("polled")
    done = _done(gateway, customer, task)
    assert (done["status"], done["error"]) == ("succeeded", None)
    assert _sizes(done) == [(1024, 1024), (1672, 941)]
    assert done["billing"]["credits"] == 4 + 17
    charge = customer.charge("r1")
    assert (charge["mode"], charge["status"], charge["settled_credits"]) == ("async", "settled", 21)
    assert [output["status"] for output in charge["outputs"]] == ["succeeded", "succeeded", "failed"]
    assert customer.balance() == (979, 0)


def test_an_edit_with_uploads(gateway: GatewayProgram, city: City) -> None:
    customer = city.customer()
    answer = gateway.post(
        customer,
        "/v1/async/images/edits",
        data={**ASKED, "prompt": "a task by night", "n": "2"},
        files=[("image", ("i.png", png(64, 64), "image/png")), ("mask", ("m.png", png(64, 64, "RGBA"), "image/png"))],
    )
    assert answer.status_code == 202
    done = _done(gateway, customer, answer.json())
    assert _sizes(done) == [(1024, 1024)] * 2
    charge = customer.the_charge()
    assert (charge["operation"], charge["mode"], charge["settled_credits"]) == ("edit", "async", 8)


def test_without_credits_nothing_is_taken(gateway: GatewayProgram, city: City) -> None:
    customer = city.customer(3)
    answer = gateway.post(customer, PATH, {**ASKED, "prompt": "unpaid task"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (402, "insufficient_quota")
    assert city.stand_in.calls("unpaid task") == []
    assert customer.charges() == []


FAILURES = {
    "content policy": ("refuse", "moderation_blocked", "settled"),
    "an error": ("error=500", "provider_error", "settled"),
    "every image fails": ("fail=0", "no_image", "settled"),
    "the connection breaks": ("drop", "provider_connection_lost", "authorized"),
}


@pytest.mark.parametrize(("order", "code", "status"), FAILURES.values(), ids=FAILURES.keys())
def test_a_task_that_fails_costs_nothing(
    gateway: GatewayProgram, city: City, order: str, code: str, status: str
) -> None:
    customer = city.customer()
    done = _done(gateway, customer, _submitted(gateway, customer, {"prompt": f"[{order}]"}))
    assert (done["status"], done["error"]["code"], done["result"]) == ("failed", code, None)
    assert customer.charge("r1")["status"] == status
    assert done["billing"]["outcome"] == ("settled" if status == "settled" else "left_to_expire")
    assert customer.balance() == (1_000, 4 if status == "authorized" else 0)


def test_the_same_id_is_the_same_task(gateway: GatewayProgram, city: City) -> None:
    customer = city.customer(4)
    submit = {"prompt": "twice a task [wait=twice-a-task]"}
    tasks = [gateway.in_background(lambda: _submitted(gateway, customer, submit)["id"]) for _ in range(4)]
    assert len({task.result(60) for task in tasks}) == 1
    city.stand_in.open("twice-a-task")
    task = _submitted(gateway, customer, submit)
    assert _done(gateway, customer, task)["status"] == "succeeded"
    assert _submitted(gateway, customer, submit)["status"] == "succeeded"
    assert len(city.stand_in.calls("twice a task")) == 1
    assert customer.balance() == (0, 0)
    answer = gateway.post(customer, PATH, {**ASKED, "prompt": "another"}, headers={"Idempotency-Key": "r1"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "request_id_reused")


def test_a_task_that_came_to_nothing_frees_its_key(gateway: GatewayProgram, city: City) -> None:
    customer = city.customer(4)
    refused = _done(gateway, customer, _submitted(gateway, customer, {"prompt": "not this [refuse]"}))
    answer = gateway.post(customer, PATH, {**ASKED, "prompt": "but this"}, headers={"Idempotency-Key": "r1"})
    assert answer.status_code == 202
    assert answer.json()["id"] != refused["id"]
    assert _done(gateway, customer, answer.json())["billing"]["credits"] == 4
    assert gateway.get(customer, f"/v1/async/images/{refused['id']}").json()["status"] == "failed"


def test_a_lost_task_sent_again_goes_on_under_its_hold_without_a_key_too(gateway: GatewayProgram, city: City) -> None:
    customer = city.customer(4)
    for _ in range(2):
        answer = gateway.post(customer, PATH, {**ASKED, "prompt": "a lost task [drop]"})
        assert answer.status_code == 202, answer.text
        assert _done(gateway, customer, answer.json())["error"]["code"] == "provider_connection_lost"
    assert len(city.stand_in.calls("a lost task")) == 2
    assert customer.the_charge()["status"] == "authorized"
    assert customer.balance() == (4, 4)


def test_a_task_that_a_restart_forgot_goes_on_under_its_hold(city: City) -> None:
    gateway, customer = city.gateway(), city.customer(4)
    asked = {"prompt": "forgotten task [wait=restart]"}
    task = _submitted(gateway, customer, asked)
    until(lambda: city.stand_in.calls("forgotten task"), "the provider is asked")
    gateway.kill()
    assert customer.balance() == (4, 4)
    city.stand_in.open("restart")
    again = city.gateway()
    assert again.get(customer, f"/v1/async/images/{task['id']}").status_code == 404
    assert _submitted(again, customer, asked)["id"] == task["id"]
    assert _done(again, customer, task)["status"] == "succeeded"
    assert customer.balance() == (0, 0)


def test_a_task_is_whose_api_key_asked_for_it(gateway: GatewayProgram, city: City) -> None:
    """Its id follows from the account and the `Idempotency-Key`, which others may guess."""
    customer, stranger = city.customer(), city.customer()
    task = _submitted(gateway, customer, {"prompt": "mine"})
    for other in (stranger, city.another_key(customer)):
        assert gateway.get(other, f"/v1/async/images/{task['id']}").status_code == 404
    assert _done(gateway, customer, task)["status"] == "succeeded"


def test_no_more_tasks_than_fit(city: City) -> None:
    gateway = city.gateway(GATEWAY_TASKS_AT_ONCE="1", GATEWAY_TASKS_WAITING="1", GATEWAY_KEPT_BYTES="1")
    customer = city.customer()
    tasks = [_submitted(gateway, customer, {"prompt": "[wait=fit]"}, f"r{number}") for number in range(2)]
    answer = gateway.post(customer, PATH, {**ASKED, "prompt": "too much"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "overloaded")
    assert [_polled(gateway, customer, task)["status"] for task in tasks][1] == "queued"
    city.stand_in.open("fit")
    for task in tasks:  # done, and forgotten: there is no room for results
        until(lambda task=task: "error" in _polled(gateway, customer, task), "forgotten")
    until(lambda: customer.balance() == (992, 0), "both are billed")


class Receiver:
    """What a customer's server hears; the first `refusals` calls are answered 500."""

    def __init__(self) -> None:
        self.heard: list[tuple[dict[str, str], bytes]] = []
        self.refusals = 0
        self.redirect: str | None = None
        receiver = self

        class Ear(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.heard.append(({name.lower(): text for name, text in self.headers.items()}, body))
                receiver.refusals -= 1
                if receiver.redirect is not None:
                    self.send_response(307)
                    self.send_header("Location", receiver.redirect)
                else:
                    self.send_response(500 if receiver.refusals >= 0 else 204)
                self.end_headers()

            def log_message(self, *said: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Ear)
        self.url = f"http://127.0.0.1:{self.server.server_port}/images?of=mine"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    thread = threading.Thread(target=receiver.server.serve_forever, args=(0.01,))
    thread.start()
    yield receiver
    receiver.server.shutdown()
    thread.join()
    receiver.server.server_close()


def _callback(gateway: GatewayProgram, customer: Customer, task: Any) -> Any:
    def told() -> Any:
        polled = _polled(gateway, customer, task)
        return polled["callback"] if polled["callback"] in ("delivered", "failed") else None

    return until(told, "the callback is made")


@pytest.mark.parametrize("order", ["", "[refuse]"])
def test_a_callback_is_signed_and_tells_what_polling_tells(
    gateway: GatewayProgram, city: City, receiver: Receiver, order: str
) -> None:
    customer = city.customer()
    task = _submitted(gateway, customer, {"prompt": f"called back {order}", "callback_url": receiver.url})
    assert _callback(gateway, customer, task) == "delivered"
    ((headers, body),) = receiver.heard
    assert Webhook(CALLBACK_SECRET).verify(body, headers) == json.loads(body)
    assert headers["webhook-id"] == task["id"]
    polled = _polled(gateway, customer, task)
    del polled["callback"]
    assert json.loads(body) == polled
    assert polled["status"] == ("failed" if order else "succeeded")
    assert "callback_url" not in city.stand_in.calls("called back")[-1]


def test_a_callback_is_tried_again(gateway: GatewayProgram, city: City, receiver: Receiver) -> None:
    customer, receiver.refusals = city.customer(), 3
    task = _submitted(gateway, customer, {"prompt": "p", "callback_url": receiver.url})
    assert _callback(gateway, customer, task) == "delivered"
    assert len({headers["webhook-id"] for headers, _ in receiver.heard}) == 1
    assert len({body for _, body in receiver.heard}) == 1
    assert len(receiver.heard) == 4


def test_a_callback_that_nobody_takes_is_given_up(gateway: GatewayProgram, city: City, receiver: Receiver) -> None:
    customer, receiver.redirect = city.customer(), receiver.url.replace("/images", "/elsewhere")
    task = _submitted(gateway, customer, {"prompt": "p", "callback_url": receiver.url})
    assert _callback(gateway, customer, task) == "failed"
    assert len(receiver.heard) == 4  # redirects are not followed
    assert _polled(gateway, customer, task)["status"] == "succeeded"
    assert customer.balance() == (996, 0)


CLOSED = [
    "http://example.com/x",
    "https://127.0.0.1/x",
    "https://localhost/x",
    "https://[::1]/x",
    "https://10.0.0.1/x",
    "https://169.254.169.254/latest/meta-data",
    "https://[::ffff:127.0.0.1]/x",
    "https://[64:ff9b::7f00:1]/x",
    "https://[2002:7f00:1::]/x",
    "https://0x7f000001/x",
    "https://2130706433/x",
    "https://user:secret@example.com/x",
    "https://",
    "ftp://example.com/x",
    "file:///etc/passwd",
    "not a url",
    "https://a b/",
    "https://exa\nmple.com/",
    "https://no-such-name.invalid/x",
    "https://example.com:99999/",
]


@pytest.fixture(scope="module")
def careful(the_city: City) -> GatewayProgram:
    return the_city.gateway()


@pytest.mark.parametrize("url", CLOSED)
def test_nothing_is_sent_to_addresses_that_are_not_public(careful: GatewayProgram, city: City, url: str) -> None:
    customer = city.customer()
    answer = careful.post(customer, PATH, {**ASKED, "prompt": "p", "callback_url": url})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "callback_url"), answer.text
    assert "secret" not in careful.log()
    assert customer.charges() == []
