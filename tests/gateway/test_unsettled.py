"""Bills that wait in a directory: whatever else lies there, and whoever else posts them, each is posted once."""

from __future__ import annotations

import json
from pathlib import Path

from .city import City, Customer, GatewayProgram, until

STRAY = {
    "a.json": "{}",
    "b.json": "{",
    "c.json": '{"account_id": "x", "request_id": "y", "outputs": [1]}',
    "d.json": "[" * 100_000,
    "e.json": '{"account_id": "..", "request_id": "y", "outputs": []}',
    "f.json": '{"account_id": "nobody", "request_id": "r1", "outputs": []}',
}


def bill(customer: Customer, request_id: str) -> str:
    """Of an image that was delivered when billing was away."""
    asked = {"request_id": request_id, "model": "gpt-image-2", "quality": "medium"}
    customer._service.call("POST", f"/v1/accounts/{customer.account_id}/charges", asked)
    outputs = [{"index": 0, "status": "succeeded", "width": 1024, "height": 1024, "reason": None}]
    return json.dumps({"account_id": customer.account_id, "request_id": request_id, "outputs": outputs})


def drop(directory: Path, name: str, text: str) -> None:
    half = directory / f"{name}.part"
    half.write_text(text)
    half.replace(directory / name)


def counted(gateway: GatewayProgram, state: str) -> float:
    lines = gateway.http.get("/metrics").text.splitlines()
    (value,) = (line.split()[1] for line in lines if line.startswith(f'gateway_unsettled_bills{{state="{state}"}}'))
    return float(value)


def test_no_file_keeps_the_others_from_being_posted(city: City, tmp_path: Path) -> None:
    """One stray `{}` ended the loop without a word, and no bill was posted any more."""
    customer = city.customer()
    for name, text in STRAY.items():
        drop(tmp_path, name, text)
    (tmp_path / "g.json").mkdir()
    drop(tmp_path, "z.json", bill(customer, "r1"))
    gateway = city.gateway(GATEWAY_UNSETTLED=str(tmp_path))
    until(lambda: customer.charge("r1")["status"] == "settled", "the bill behind them is posted")
    until(lambda: counted(gateway, "waiting") == 0, "nothing waits")
    assert {path.name: path.read_text() for path in (tmp_path / "set-aside").iterdir()} == STRAY
    assert counted(gateway, "set_aside") == len(STRAY)
    for name in STRAY:
        assert f"set-aside/{name}: " in gateway.log()
    drop(tmp_path, "a.json", "{}")  # again: what was set aside stays
    drop(tmp_path, "z.json", bill(customer, "r2"))
    until(lambda: customer.charge("r2")["status"] == "settled", "the loop goes on")
    until(lambda: counted(gateway, "set_aside") == len(STRAY) + 1, "it is set aside too")
    assert customer.balance() == (992, 0)


def test_bills_that_billing_cannot_take_now_wait(city: City, tmp_path: Path) -> None:
    customer = city.customer()
    drop(tmp_path, "a.json", bill(customer, "r1"))
    gateway = city.gateway(GATEWAY_UNSETTLED=str(tmp_path), GATEWAY_BILLING_KEY="bk_of_nobody")
    until(lambda: gateway.log().count("a bill waits in a.json") > 1, "it is tried again")
    assert (counted(gateway, "waiting"), counted(gateway, "set_aside")) == (1, 0)
    city.gateway(GATEWAY_UNSETTLED=str(tmp_path))
    until(lambda: customer.charge("r1")["status"] == "settled", "another gateway posts it")
    until(lambda: counted(gateway, "waiting") == 0, "nobody waits")
    assert "Traceback" not in gateway.log()


def test_two_gateways_on_one_directory(city: City, tmp_path: Path) -> None:
    """The slower one found the file gone, and its loop ended."""
    customer = city.customer()
    both = [city.gateway(GATEWAY_UNSETTLED=str(tmp_path), GATEWAY_SETTLE_AGAIN_SECONDS="0.001") for _ in range(2)]
    for number in range(30):
        drop(tmp_path, f"{number}.json", bill(customer, f"r{number}"))
    until(lambda: customer.balance() == (880, 0), "all are posted, each once")
    for gateway in both:
        until(lambda: counted(gateway, "waiting") == 0, "nothing waits")  # noqa: B023 - asked at once
        assert counted(gateway, "set_aside") == 0
        assert "Traceback" not in gateway.log()
        drop(tmp_path, "z.json", bill(customer, f"of {id(gateway)}".replace(" ", "-")))
    until(lambda: customer.balance() == (872, 0), "their loops go on")
