"""The inbox: who may put events into it, what becomes of each, and that what goes wrong stays visible."""

import itertools
import json
import os
import re
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from stripe import WebhookSignature

from billing.embedded import EmbeddedPostgres
from tests.conftest import copied
from tests.fake_stripe import FakeStripe

from .town import CREDITS, PRICE_MICROS, SECRET, Town

OLD_SECRET = "whsec_before_it_was_rolled"
LAST_ATTEMPT = 13  # after so many failures the next one is the last
DAY = 86_400
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def the_town(server: EmbeddedPostgres, template: str) -> Iterator[Town]:
    """Its service accepts two secrets; what the fake sends is signed with the second."""
    with copied(server, template) as dsn, FakeStripe() as stripe:
        town = Town(dsn, stripe, secret=f"{OLD_SECRET},{SECRET}")
        stripe.add_endpoint(town.webhook, SECRET)
        try:
            yield town.open()
        finally:
            town.close()


def event_of(kind: str = "charge.succeeded", about: Any = None, **instead: Any) -> dict[str, Any]:
    return {
        "id": f"evt_by_hand_{next(_numbers)}",
        "object": "event",
        "type": kind,
        "created": int(time.time()),
        "data": {"object": {"object": "charge"} if about is None else about},
    } | instead


def signature(body: str, secret: str = SECRET, age_seconds: int = 0) -> str:
    return WebhookSignature.generate_signature_header(body, secret, timestamp=int(time.time()) - age_seconds)


def post(town: Town, body: str | bytes, header: str | bytes | None) -> httpx.Response:
    headers: dict[str, Any] = {} if header is None else {"Stripe-Signature": header}
    return httpx.post(town.webhook, content=body, headers=headers, trust_env=False)


def send(town: Town, event: Any, *, secret: str = SECRET, age_seconds: int = 0) -> httpx.Response:
    body = event if isinstance(event, str) else json.dumps(event)
    return post(town, body, signature(body, secret, age_seconds))


def closed(town: Town, event_id: str) -> Any:
    """The event, once it is not pending any more."""
    town.until(lambda: town.event(event_id)["state"] != "pending", f"{event_id} is closed")
    return town.event(event_id)


def put_off(town: Town, event_id: str) -> Any:
    """The event, once it was tried and is to be tried again."""
    town.until(lambda: town.event(event_id)["problem"], f"{event_id} was tried")
    event = town.event(event_id)
    assert event["state"] == "pending"
    return event


def run_out(town: Town, event_id: str) -> Any:
    """As if every retry but the last had been in vain; then the event, after that one."""
    town.query(
        "UPDATE stripe_event SET attempts = $2, next_attempt_at = clock_timestamp() WHERE event_id = $1 RETURNING 1",
        event_id,
        LAST_ATTEMPT,
    )
    wake(town)
    return closed(town, event_id)


def wake(town: Town) -> None:
    """Any event that comes in has the inbox look at once, not within a second."""
    assert send(town, event_of("product.updated")).status_code == 200


def bury_what_waits(town: Town) -> None:
    """What no test will come back to need not be tried again after each of them."""
    town.query("UPDATE stripe_event SET state = 'dead', next_attempt_at = NULL WHERE state = 'pending' RETURNING 1")


def paid_intent(town: Town, marks: dict[str, str], amount: int = 1_000, currency: str = "usd") -> Any:
    """A payment that somebody made at Stripe without us."""
    fields = {"amount": amount, "currency": currency, "payment_method": "pm_card_visa", "confirm": "true"}
    fields |= {"automatic_payment_methods[enabled]": "true", "automatic_payment_methods[allow_redirects]": "never"}
    answer = httpx.post(
        f"{town.stripe.url}/v1/payment_intents",
        data=fields | {f"metadata[{name}]": mark for name, mark in marks.items()},
        headers={"Authorization": f"Bearer {town.stripe.key}"},
        trust_env=False,
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


def marks_of(account: str, topup_id: str) -> dict[str, str]:
    return {"billing_account_id": account, "billing_topup_id": topup_id}


def events_about(town: Town, object_id: str) -> list[Any]:
    """The service's events about one object of Stripe's, oldest first."""
    town.stripe.wait_delivered()
    ids = [event["id"] for event in town.stripe.events() if event["data"]["object"]["id"] == object_id]
    return [town.event(event_id) for event_id in ids]


def effects(town: Town, account: str) -> tuple[int, dict[str, int]]:
    return town.balance(account)["posted"], town.money(account)


# What a paid top-up of the town's pack comes to: 2.9 % and 30 cents of 10 dollars are Stripe's.
ONE_EFFECT = (
    CREDITS,
    {"deferred_revenue": -PRICE_MICROS, "processor_fees": 590_000, "stripe_clearing": PRICE_MICROS - 590_000},
)
NO_EFFECT: tuple[int, dict[str, int]] = (0, {})


# Signatures.


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "garbage",
        "t=1",
        "v1=",
        "t=,v1=",
        "t=now,v1=00",
        "t=-1,v1=00",
        "t=1=2=3,v1=0=0=0",
        ",,,,",
        f"t={'9' * 5_000},v1=00",
        b"\xff\xfe",
        "t=1,v1=é".encode(),
        "t=1,v1=é".encode("latin-1"),
        "t=1," + "v1=00," * 1_500,
    ],
    ids=lambda header: repr(header)[:20],
)
def test_a_signature_that_is_none(town: Town, header: str | bytes | None) -> None:
    event = event_of()
    answer = post(town, json.dumps(event), header)
    assert (answer.status_code, answer.json()["code"]) == (400, "signature_invalid")
    town.call("GET", f"/v1/stripe/events/{event['id']}", status=404)


def test_a_signature_that_is_too_long(town: Town) -> None:
    event = event_of()
    body = json.dumps(event)
    answer = post(town, body, signature(body) + ",v0=" + "0" * 10_000)
    assert answer.status_code in (400, 422, 431)
    town.call("GET", f"/v1/stripe/events/{event['id']}", status=404)


def test_signatures_that_are_not_of_this_body_or_secret_or_time(town: Town) -> None:
    event = event_of()
    body = json.dumps(event)
    good = signature(body)
    moment, _, digest = good.partition(",v1=")
    forged = {
        "another secret": signature(body, "whsec_of_somebody_else"),
        "no secret": signature(body, ""),
        "both secrets as one": signature(body, f"{OLD_SECRET},{SECRET}"),
        "another time": f"t={int(moment[2:]) + 1},v1={digest}",
        "another body": signature(body + " "),
        "only of a scheme for tests": good.replace("v1=", "v0="),
        "old": signature(body, age_seconds=310),
        "cut short": good[:-1],
    }
    for what, header in forged.items():
        answer = post(town, body, header)
        assert (what, answer.status_code) == (what, 400)
        assert answer.json()["code"] == "signature_invalid"
    changed = post(town, body.replace("charge.succeeded", "charge.updated"), good)
    assert changed.status_code == 400
    town.call("GET", f"/v1/stripe/events/{event['id']}", status=404)
    assert post(town, body, f"t=1,{good}").status_code == 400  # the first time counts
    assert post(town, body, f"{good},v1=00,v0=00").status_code == 200  # while Stripe rolls a secret it signs twice
    closed(town, event["id"])


def test_a_signature_may_be_five_minutes_old(town: Town) -> None:
    event = event_of()
    assert send(town, event, age_seconds=270).status_code == 200
    closed(town, event["id"])


def test_the_old_secret_and_the_new_one(town: Town) -> None:
    first, second = event_of(), event_of()
    assert send(town, first, secret=OLD_SECRET).status_code == 200
    assert send(town, second, secret=SECRET).status_code == 200
    assert [town.event(event["id"])["received_by"] for event in (first, second)] == ["endpoint 1", "endpoint 2"]


def test_two_endpoints_send_the_same_events(town: Town) -> None:
    other = town.stripe.add_endpoint(town.webhook, OLD_SECRET)
    account = town.account()
    town.bought(account)
    town.stripe.remove_endpoint(other["id"])
    assert effects(town, account) == ONE_EFFECT
    assert {attempt["status"] for attempt in town.stripe.deliveries()} == {200}
    held = town.query("SELECT count(*), count(DISTINCT event_id) FROM stripe_event")[0]
    assert held[0] == held[1]


def test_no_key_is_asked_for_and_none_helps(town: Town) -> None:
    body = json.dumps(event_of())
    assert town.client.post("/v1/stripe/webhook", content=body).status_code == 400


# Bodies.

BODIES = {
    "nothing": "",
    "no JSON": "{",
    "a list": "[]",
    "an empty object": "{}",
    "null": "null",
    "a number": "1",
    "text": '"event"',
    "no data": json.dumps({name: value for name, value in event_of().items() if name != "data"}),
    "no data.object": json.dumps(event_of(data={})),
    "data is a list": json.dumps(event_of(data=[])),
    "data.object is text": json.dumps(event_of(data={"object": "ch_1"})),
    "data.object is a list": json.dumps(event_of(data={"object": [{}]})),
    "another object": json.dumps(event_of(object="charge")),
    "object is a list": json.dumps(event_of(object=["event"])),
    "id is a number": json.dumps(event_of(id=1)),
    "id is empty": json.dumps(event_of(id="")),
    "id is null": json.dumps(event_of(id=None)),
    "id is an object": json.dumps(event_of(id={})),
    "id is long": json.dumps(event_of(id="evt_" + "x" * 252)),
    "id ends a line": json.dumps(event_of(id="evt_1\n")),
    "id with NUL": json.dumps(event_of(id="evt_\0")),
    "id with half a character": json.dumps(event_of(id="evt_\ud800")),
    "id with a slash": json.dumps(event_of(id="evt_/../x")),
    "type with NUL": json.dumps(event_of("charge.\0")),
    "type is a list": json.dumps(event_of(type=["charge.succeeded"])),
    "type is null": json.dumps(event_of(type=None)),
    "created is text": json.dumps(event_of(created="1")),
    "created is a fraction": json.dumps(event_of(created=1.5)),
    "created is true": json.dumps(event_of(created=True)),
    "created is 0": json.dumps(event_of(created=0)),
    "created is negative": json.dumps(event_of(created=-1)),
    "created is beyond all years": json.dumps(event_of(created=10**30)),
    "a bare NUL": json.dumps(event_of()).replace("charge.", "charge.\0"),
    "a number of 10,000 digits": json.dumps(event_of()).replace('"created": ', '"created": ' + "9" * 10_000),
    "NUL in some text": json.dumps(event_of(about={"object": "charge", "description": "a\0"})),
    "NUL in a name": json.dumps(event_of(about={"object": "charge", "a\0": 1})),
    "half a character": json.dumps(event_of(about={"object": "charge", "metadata": {"x": ["\ud800"]}})),
    "NaN": json.dumps(event_of(about={"object": "charge", "amount": float("nan")})),
    "Infinity": json.dumps(event_of(about={"object": "charge", "amount": float("inf")})),
    "100 levels in it": json.dumps(event_of(about={"object": "charge", "x": json.loads("[" * 100 + "]" * 100)})),
    "100,000 levels of lists": "[" * 100_000,
    "100,000 levels in it": json.dumps(event_of())[:-1] + ', "more": ' + "[" * 100_000 + "]" * 100_000 + "}",
}


@pytest.mark.parametrize("name", BODIES)
def test_a_signed_body_that_is_no_event(town: Town, name: str) -> None:
    before = town.ask("SELECT count(*) FROM stripe_event")
    answer = send(town, BODIES[name])
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_error")
    assert town.ask("SELECT count(*) FROM stripe_event") == before


def test_a_signed_body_that_is_no_text(town: Town) -> None:
    body = b'{"id": "evt_\xff\xfe"}'
    digest = WebhookSignature._compute_signature(f"{int(time.time())}.{body.decode('latin-1')}", SECRET)
    assert post(town, body, f"t={int(time.time())},v1={digest}").status_code in (400, 422)


def test_a_body_beyond_one_mebibyte(town: Town) -> None:
    event = event_of(about={"object": "charge", "description": "x" * (1 << 20)})
    before = town.ask("SELECT count(*) FROM stripe_event")
    answer = send(town, event)
    assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")
    assert town.ask("SELECT count(*) FROM stripe_event") == before


ODD_CONTENTS = {
    "whole characters": {"id": "ch_\u00e9", "payment_intent": "pi_\U0001f3a9", "note": "\U0001f3a9"},
    "deep": {"id": "ch_deep", "note": json.loads("[" * 60 + "]" * 60)},
    "a number of 4,000 digits": {"id": "ch_long", "amount": 10**4_000},
    "text for an object": {"metadata": "x"},
    "a list for an object": {"metadata": [1]},
    "marks that are none": {"metadata": {"billing_account_id": 1, "billing_topup_id": {}}},
    "long marks": {"metadata": {"billing_account_id": "a" * 100_000, "billing_topup_id": "t" * 100_000}},
    "the house": {"metadata": {"billing_account_id": "_house", "billing_topup_id": "t"}},
    "nothing": {},
}
ACTED_ON = [
    "checkout.session.completed",
    "checkout.session.async_payment_failed",
    "checkout.session.expired",
    "payment_intent.succeeded",
    "payment_intent.payment_failed",
    "charge.succeeded",
    "refund.created",
    "charge.dispute.created",
    "payout.paid",
]
AS_IF_IN_ORDER = {
    "status": "succeeded",
    "payment_status": "paid",
    "payment_intent": "pi_1",
    "amount": 1,
    "amount_total": 1,
    "amount_received": 1,
    "currency": "usd",
}


@pytest.mark.parametrize("name", ODD_CONTENTS)
def test_an_event_with_odd_contents_is_kept_and_stops_nobody(town: Town, name: str) -> None:
    """They are stored, tried, shown; nothing comes of them, and the service goes on."""
    before = town.ask("SELECT count(*) FROM transfer")
    odd = [event_of(kind, ODD_CONTENTS[name]) for kind in ACTED_ON]
    odd += [event_of(kind, AS_IF_IN_ORDER | {"id": "x_1"} | ODD_CONTENTS[name]) for kind in ACTED_ON]
    for event in odd:
        assert send(town, event).status_code == 200
    good = event_of("product.created")
    assert send(town, good).status_code == 200
    assert closed(town, good["id"])["state"] == "ignored"
    town.settled()
    for event in odd:
        shown = town.event(event["id"])
        assert not re.search("internal", shown["problem"] or ""), shown["problem"]
        assert shown["payload"]["type"] == event["type"]
    assert town.ask("SELECT count(*) FROM transfer") == before
    bury_what_waits(town)


# What becomes of them.


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("times", [2, 3])
def test_each_event_more_than_once(town: Town, times: int, together: bool) -> None:
    town.stripe.deliver("immediately", times=times, together=together)
    account = town.account()
    topup_id, payment = town.bought(account)
    refund = town.stripe.refund(payment, 400)
    town.settled()
    assert town.balance(account)["posted"] == 600
    assert town.topup(account, topup_id)["refunded_micros"] == 4_000_000
    assert len(town.topup(account, topup_id)["card_refunds"]) == 1
    assert town.money(account)["deferred_revenue"] == -6_000_000
    tried = [one for one in town.stripe.deliveries() if one["event"] == events_about(town, refund["id"])[0]["event_id"]]
    assert len(tried) == times


def test_billing_pain_a_duplicate_webhook_grants_twice(town: Town) -> None:
    """The event again after it has taken effect, and an early mark that it was seen has not hidden it."""
    account = town.account()
    topup = town.order(account, town.pack())
    town.stripe.fault("500", 2, path="/v1/balance_transactions")
    town.stripe.pay(town.checkout_of(topup))
    town.settled()
    for event in town.stripe.events():
        if event["data"]["object"].get("metadata", {}).get("billing_account_id") == account:
            town.stripe.resend(event["id"])
            if event["type"] in ("checkout.session.completed", "charge.succeeded"):
                town.call("POST", f"/v1/stripe/events/{event['id']}/retry", status=200)
    town.settled()
    assert effects(town, account) == ONE_EFFECT


def test_an_event_that_comes_days_late(town: Town) -> None:
    account = town.account()
    topup = town.order(account, town.pack())
    town.stripe.deliver("hold")
    town.stripe.pay(town.checkout_of(topup))
    town.stripe.advance(3 * DAY)
    assert town.topup(account, topup["topup_id"])["status"] == "pending"
    town.stripe.deliver("immediately")
    held = town.stripe.release("reversed")
    town.settled()
    assert effects(town, account) == ONE_EFFECT
    for event in held:
        town.stripe.resend(event["id"])
    town.settled()
    assert effects(town, account) == ONE_EFFECT


def test_an_event_made_three_days_ago_is_no_older_than_its_signature(town: Town) -> None:
    account = town.account()
    topup = town.order(account, town.pack())
    town.stripe.deliver("drop")
    town.stripe.pay(town.checkout_of(topup))
    made = next(
        event
        for event in town.stripe.events("checkout.session.completed")
        if event["data"]["object"]["id"] == town.checkout_of(topup)
    )
    late = made | {"created": int(time.time()) - 3 * DAY}
    assert send(town, late).status_code == 200
    assert closed(town, made["id"])["state"] == "done"
    assert town.balance(account)["posted"] == CREDITS


def test_for_an_account_that_does_not_exist_yet(town: Town) -> None:
    account = town.new_id("unheard-of")
    intent = paid_intent(town, marks_of(account, "early"))
    event_id = events_about(town, intent["id"])[-1]["event_id"]
    assert "account_not_found" in put_off(town, event_id)["problem"]
    assert event_id in [event["event_id"] for event in town.events(state="pending")]
    dead = run_out(town, event_id)
    assert (dead["state"], dead["next_attempt_at"]) == ("dead", None)
    assert "account_not_found" in dead["problem"]
    assert event_id in [event["event_id"] for event in town.events(state="dead")]
    assert event_id in town.log()
    # The account comes, but not what was ordered; then that, too.
    town.call("POST", "/v1/accounts", {"account_id": account}, status=201)
    town.call("POST", f"/v1/stripe/events/{event_id}/retry", status=200)
    assert "topup_not_found" in put_off(town, event_id)["problem"]
    town.order(account, town.pack(), "early")
    for _ in range(3):
        again = town.call("POST", f"/v1/stripe/events/{event_id}/retry", status=200)
        assert (again["state"], again["problem"]) == ("pending", None)
        done = closed(town, event_id)
        assert (done["state"], done["account_id"], done["problem"]) == ("done", account, None)
    town.settled()  # the charge's own event waited for it
    assert effects(town, account) == ONE_EFFECT


def test_an_event_put_off_waits_longer_each_time(town: Town) -> None:
    """It is tried again after seconds, then hours, for more than three days: as long as Stripe itself would."""
    waits = []
    event = event_of("refund.created", {"object": "refund", "id": "re_x", "payment_intent": "pi_x", "status": "failed"})
    assert send(town, event).status_code == 200
    put_off(town, event["id"])
    for attempts in range(LAST_ATTEMPT):
        town.query(
            """UPDATE stripe_event SET attempts = $2, next_attempt_at = clock_timestamp(), problem = NULL
               WHERE event_id = $1 RETURNING 1""",
            event["id"],
            attempts,
        )
        wake(town)
        put_off(town, event["id"])
        found = town.query(
            """SELECT attempts, extract(epoch FROM next_attempt_at - clock_timestamp())::float8 FROM stripe_event
               WHERE event_id = $1""",
            event["id"],
        )[0]
        assert found[0] >= attempts + 1
        waits.append(found[1])
    assert all(later > 1.4 * sooner for sooner, later in itertools.pairwise(waits[3:-1]))
    assert sum(waits) > 3 * DAY
    assert run_out(town, event["id"])["state"] == "dead"


def test_what_others_sell_by_the_same_account_of_stripes(town: Town) -> None:
    intent = paid_intent(town, {"order": "a hat"})
    session = httpx.post(
        f"{town.stripe.url}/v1/checkout/sessions",
        data={
            "mode": "payment",
            "success_url": "https://hats.example",
            "line_items[0][quantity]": "1",
            "line_items[0][price_data][currency]": "usd",
            "line_items[0][price_data][unit_amount]": "1000",
            "line_items[0][price_data][product_data][name]": "a hat",
        },
        headers={"Authorization": f"Bearer {town.stripe.key}"},
        trust_env=False,
    ).json()
    town.stripe.pay(session["id"])
    town.settled()
    before = town.ask("SELECT count(*) FROM transfer")
    for object_id in (intent["id"], intent["latest_charge"], session["id"]):
        found = events_about(town, object_id)
        assert {event["state"] for event in found} == {"ignored"}
        assert "not made by this service" in {event["problem"] for event in found}
        assert {event["account_id"] for event in found} == {None}
    # Refunds and disputes carry nobody's marks: their payment says whose they are.
    refund = town.stripe.refund(intent["id"], 100)
    dispute = town.stripe.dispute(session["id"])
    town.settled()
    for object_id in (refund["id"], dispute["id"]):
        assert {event["state"] for event in events_about(town, object_id)} == {"ignored"}
    assert town.ask("SELECT count(*) FROM transfer") == before


def test_types_of_no_consequence(town: Town) -> None:
    event = event_of("invoice.paid", {"object": "invoice", "metadata": marks_of(town.account(), "x")})
    assert send(town, event).status_code == 200
    ignored = closed(town, event["id"])
    assert (ignored["state"], ignored["problem"]) == ("ignored", "of no consequence to the ledger")


def test_billing_pain_the_first_attempt_fails(town: Town) -> None:
    """Stripe does not say what it keeps of the payment; the credits are there all the same, and the fee comes later."""
    account = town.account()
    topup = town.order(account, town.pack())
    town.stripe.fault("500", 2, path="/v1/balance_transactions")  # the library repeats a request once
    intent = town.stripe.pay(town.checkout_of(topup))["payment_intent"]
    charge = town.stripe.object(intent)["latest_charge"]
    event_id = events_about(town, charge)[0]["event_id"]
    assert put_off(town, event_id)["problem"] == "The payment processor cannot be reached"
    done = closed(town, event_id)  # by itself
    assert (done["state"], done["attempts"]) == ("done", 2)
    town.settled()
    assert effects(town, account) == ONE_EFFECT


@pytest.mark.parametrize(("fault", "times"), [("429", 1), ("500", 2), ("reset", 2)])
def test_stripe_is_in_trouble(town: Town, fault: str, times: int) -> None:
    account = town.account()
    topup = town.order(account, town.pack())
    town.stripe.fault(fault, times, path="/v1/balance_transactions")
    town.stripe.pay(town.checkout_of(topup))
    town.settled()
    assert effects(town, account) == ONE_EFFECT


# The endpoints.


def test_the_list_page_by_page(town: Town) -> None:
    sent = [event_of("product.updated" if number % 2 else "product.created") for number in range(7)]
    for event in sent:
        assert send(town, event).status_code == 200
        closed(town, event["id"])
    found: list[str] = []
    cursor = None
    while True:
        query = {"limit": 2, "state": "ignored"} | ({"cursor": cursor} if cursor else {})
        page = town.get("/v1/stripe/events", params=query)
        assert len(page["data"]) <= 2
        found += [event["event_id"] for event in page["data"]]
        assert bool(page["next_cursor"]) == page["has_more"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert found[:7] == [event["id"] for event in reversed(sent)]
    assert len(found) == len(set(found)) == town.ask("SELECT count(*) FROM stripe_event WHERE state = 'ignored'")


def test_the_list_filtered(town: Town) -> None:
    intent = {"object": "payment_intent", "id": "pi_y", "status": "succeeded", "amount_received": 1, "currency": "usd"}
    ignored = event_of("product.deleted")
    dead = event_of("payment_intent.succeeded", intent | {"metadata": marks_of("nobody", "x")})
    for event in (ignored, dead):
        assert send(town, event).status_code == 200
    closed(town, ignored["id"])
    run_out(town, dead["id"])
    assert [event["event_id"] for event in town.events(type="product.deleted")] == [ignored["id"]]
    assert town.events(type="product.deleted", state="dead") == []
    assert dead["id"] in [event["event_id"] for event in town.events(type=dead["type"], state="dead")]
    assert {event["state"] for event in town.events(state="dead")} == {"dead"}
    assert "payload" not in town.events(limit=1)[0]
    town.call("GET", "/v1/stripe/events?state=seen", status=422)
    town.call("GET", "/v1/stripe/events?cursor=x", status=422)
    town.call("GET", "/v1/stripe/events?type=%00", status=422)


def test_one_event(town: Town) -> None:
    event = event_of("product.created", {"object": "product", "name": "a hat"})
    send(town, event)
    shown = closed(town, event["id"])
    assert shown["payload"] == event
    assert (shown["type"], shown["received_by"], shown["attempts"]) == ("product.created", "endpoint 2", 1)
    assert town.call("GET", "/v1/stripe/events/evt_none", status=404)["code"] == "stripe_event_not_found"
    assert town.call("POST", "/v1/stripe/events/evt_none/retry", status=404)["code"] == "stripe_event_not_found"
    town.call("GET", "/v1/stripe/events/evt_%0a", status=422)


def test_who_may_see_events_and_have_them_tried_again(town: Town) -> None:
    account = town.account()
    event = event_of("product.created")
    send(town, event)
    one = f"/v1/stripe/events/{event['id']}"
    statuses = {}
    for role in ("admin", "finance", "gateway", "account"):
        more = {"account_id": account} if role == "account" else {}
        key = town.call("POST", "/v1/keys", {"role": role, "name": role, **more}, status=201)["key"]
        headers = {"Authorization": f"Bearer {key}"}
        asked = [("GET", "/v1/stripe/events"), ("GET", one), ("POST", f"{one}/retry")]
        statuses[role] = [town.client.request(*ask, headers=headers).status_code for ask in asked]
    assert statuses == {
        "admin": [200, 200, 200],
        "finance": [200, 200, 403],
        "gateway": [403, 403, 403],
        "account": [403, 403, 403],
    }
    assert httpx.get(f"{town.url}/v1/stripe/events", trust_env=False).status_code == 401


# Events that never arrive.


def sync(town: Town, *options: str) -> Any:
    done = town.run("stripe", "sync", "--json", *options)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_sync_fetches_what_was_dropped(town: Town) -> None:
    dropped = town.account()
    topup = town.order(dropped, town.pack())
    town.stripe.deliver("drop")
    payment = town.stripe.pay(town.checkout_of(topup))["payment_intent"]
    town.stripe.refund(payment, 250)
    first = sync(town)
    assert 4 <= first["new"] < first["listed"]
    assert first["acted_on"] <= first["listed"]  # the service's own inbox may have been faster, or slower with others
    town.settled()
    assert (town.balance(dropped)["posted"], town.topup(dropped, topup["topup_id"])["status"]) == (750, "paid")
    fetched = town.query(
        "SELECT type FROM stripe_event WHERE received_by = 'sync' AND account_id = $1 ORDER BY type", dropped
    )
    # What has no consequence is not fetched.
    assert [kind for (kind,) in fetched] == [
        "charge.succeeded",
        "checkout.session.completed",
        "payment_intent.succeeded",
        "refund.created",
    ]
    everything = town.money()
    assert sync(town) == {"listed": first["listed"], "new": 0, "acted_on": 0}
    assert town.money() == everything
    # Late all the same, by the webhook.
    for event in town.stripe.events()[-8:]:
        town.stripe.resend(event["id"])
    town.settled()
    assert town.money() == everything


def test_sync_since_a_time(town: Town) -> None:
    town.stripe.deliver("drop")
    account = town.account()
    topup = town.order(account, town.pack())
    town.stripe.pay(town.checkout_of(topup))
    town.stripe.advance(2 * 3_600)
    town.stripe.deliver("immediately")
    other = town.account()
    town.bought(other)  # what came later has arrived
    assert sync(town, "--since", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 3_600)))["new"] == 3
    town.settled()
    assert effects(town, account) == effects(town, other) == ONE_EFFECT


def test_sync_keeps_a_decimal_as_stripe_wrote_it(town: Town) -> None:
    """The library makes a Decimal of it, which is no JSON: neither it nor what comes after it may be lost for that."""
    town.stripe.deliver("drop")
    account = town.account()
    topup = town.order(account, town.pack())
    checkout = town.checkout_of(topup)
    town.stripe.pay(checkout)
    rate = {"amount_subtotal": 920, "amount_total": 920, "fx_rate": "1.0866120", "source_currency": "eur"}
    event = town.stripe.emit("checkout.session.completed", checkout, currency_conversion=rate)
    town.stripe.deliver("immediately")
    assert sync(town)["new"] == 4
    town.settled()
    assert effects(town, account) == ONE_EFFECT
    assert town.event(event["id"])["payload"]["data"]["object"]["currency_conversion"] == rate


def test_sync_when_stripe_does_not_answer(town: Town) -> None:
    town.stripe.fault("500", 2, path="/v1/events")
    done = town.run("stripe", "sync")
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert town.stripe.key not in done.stderr + done.stdout


# Secrets. The last of the module: it looks at what all the others have left.


def test_no_secret_is_stored_or_logged(town: Town) -> None:
    """Card numbers never reach us; a card's last four digits stand in what Stripe sent, and nowhere else."""
    town.bought(town.account())
    town.stripe.fault("500", 2, path="/v1/checkout/sessions")
    town.call(
        "POST",
        f"/v1/accounts/{town.account()}/topups",
        {
            "topup_id": "t",
            "pack_id": town.pack(),
            "success_url": "https://a.example",
            "cancel_url": "https://a.example",
        },
        status=503,
    )
    secrets = [town.stripe.key, SECRET, OLD_SECRET]
    tables = [name for (name,) in town.query("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
    assert "stripe_event" in tables
    rows = " UNION ALL ".join(f"SELECT '{table}' AS name, t::text AS row FROM \"{table}\" t" for table in tables)
    assert town.query(f"SELECT name FROM ({rows}) t WHERE row LIKE ANY($1)", [f"%{what}%" for what in secrets]) == []
    numbers = r"4242[ -]?4242|\m4242\M"
    assert town.query(f"SELECT DISTINCT name FROM ({rows}) t WHERE row ~ $1", numbers) == [("stripe_event",)]
    assert (
        town.query(
            f"SELECT row FROM ({rows}) t WHERE regexp_replace(row, $1, '', 'g') ~ $2", r'"+last4"+: ?"+4242"+', numbers
        )
        == []
    )
    log = town.log()
    assert "stripe did not answer" in log
    assert not [what for what in (*secrets, os.environ.get("STRIPE_API_KEY")) if what and what in log]
    assert not re.search(r"\b4242\b|4242[ -]?4242", log)
    assert "Traceback" not in log


def test_what_would_let_somebody_pay_is_not_shown(town: Town) -> None:
    town.bought(town.account())
    event = next(event for event in town.events(type="payment_intent.succeeded"))
    assert "client_secret" in town.ask("SELECT payload FROM stripe_event WHERE event_id = $1", event["event_id"])
    shown = town.event(event["event_id"])["payload"]["data"]["object"]
    assert shown["client_secret"] is None
    assert shown["status"] == "succeeded"
