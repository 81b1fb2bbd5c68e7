"""Charges route by route: what a gateway is told, again, and under an id that is taken."""

from datetime import timedelta
from typing import Any, ClassVar

import pytest

from .service import CLOCK_STARTS_AT as START
from .service import MODEL, Api, created, image, path_of, problem, replayed, set_clock, time_of

CHARGE = {
    "account_id", "request_id", "status", "model", "operation", "mode", "n", "size", "quality", "billed_quality",
    "quoted_tier", "quoted_credits", "held_credits", "settled_credits", "corrected_credits", "refunded_credits", "price_version",
    "outputs", "flags", "api_key_id", "end_user", "metadata", "authorized_at", "expires_at", "resolved_at", "balance",
}  # fmt: skip
OUTPUT = {
    "index",
    "status",
    "width",
    "height",
    "size_tier",
    "credits",
    "corrected_credits",
    "refunded_credits",
    "flags",
    "reason",
}
FULL = {
    "request_id": "full",
    "model": MODEL,
    "operation": "edit",
    "mode": "async",
    "n": 3,
    "size": "2048x1152",
    "quality": "medium",
    "hold_seconds": 600,
    "api_key_id": "key-1",
    "end_user": "Zoë",
    "metadata": {"b": 1, "a": "x", "c": None, "d": True, "e": 1.5},
    "price_version": 1,
}


@pytest.fixture
def account(api: Api) -> str:
    return api.account(1_000)


def charges_of(account_id: str) -> str:
    return f"/v1/accounts/{account_id}/charges"


class TestAuthorize:
    def test_all_fields(self, api: Api, account: str) -> None:
        charge = created(api.post(charges_of(account), FULL, "gateway"))
        assert set(charge) == CHARGE
        authorized, expires = time_of(charge.pop("authorized_at")), time_of(charge.pop("expires_at"))
        assert expires - authorized == timedelta(seconds=600)
        assert charge == {
            "account_id": account,
            **{name: FULL[name] for name in FULL if name != "hold_seconds"},
            "status": "authorized",
            "billed_quality": "medium",
            "quoted_tier": "2K",
            "quoted_credits": 51,
            "held_credits": 51,
            "settled_credits": 0,
            "corrected_credits": 0,
            "refunded_credits": 0,
            "outputs": [],
            "flags": [],
            "resolved_at": None,
            "balance": {"posted": 1_000, "held": 51, "available": 949},
        }

    def test_defaults(self, api: Api, account: str) -> None:
        charge = api.authorize(account)
        expected = {"operation": "generation", "mode": "sync", "n": 1, "size": "auto", "quality": "auto"}
        expected |= {"billed_quality": "high", "quoted_tier": "1K", "quoted_credits": 14, "price_version": 1}
        expected |= {"api_key_id": None, "end_user": None, "metadata": {}}
        assert {name: charge[name] for name in expected} == expected
        assert time_of(charge["expires_at"]) - time_of(charge["authorized_at"]) == timedelta(seconds=900)

    def test_replay_with_defaults_filled_in_is_the_same(self, api: Api, account: str) -> None:
        first = api.authorize(account, "r")
        body = {"request_id": "r", "model": MODEL, "n": 1, "size": "auto", "hold_seconds": 900, "metadata": {}}
        assert replayed(api.post(charges_of(account), body, "gateway")) == first

    def test_metadata_in_another_order_is_the_same(self, api: Api, account: str) -> None:
        first = api.authorize(account, "r", metadata={"a": 1, "b": 2})
        body = {"request_id": "r", "model": MODEL, "metadata": {"b": 2, "a": 1}}
        assert replayed(api.post(charges_of(account), body, "gateway")) == first

    def test_a_replay_shows_the_charge_as_it_is_now(self, api: Api, account: str) -> None:
        body = {"request_id": "r", "model": MODEL}
        charge = created(api.post(charges_of(account), body, "gateway"))
        api.post(f"{path_of(charge)}/void", {}, "gateway")
        assert replayed(api.post(charges_of(account), body, "gateway"))["status"] == "voided"
        body["request_id"] = "s"
        api.settle(created(api.post(charges_of(account), body, "gateway")), image())
        now = replayed(api.post(charges_of(account), body, "gateway"))
        assert (now["status"], now["settled_credits"], now["balance"]["posted"]) == ("settled", 14, 986)

    @pytest.mark.parametrize(
        "change",
        [
            {"n": 2},
            {"size": "2048x1152 "},
            {"size": "2K"},
            {"quality": "high"},
            {"operation": "generation"},
            {"mode": "sync"},
            {"model": "gpt-image-1.5"},
            {"hold_seconds": 601},
            {"api_key_id": "key-2"},
            {"end_user": None},
            {"metadata": {"a": "x"}},
            {"price_version": None},
            {"outputs": []},
        ],
    )
    def test_other_content_under_the_same_id(self, api: Api, account: str, change: dict[str, Any]) -> None:
        created(api.post(charges_of(account), FULL, "gateway"))
        before = api.balance(account)
        document = problem(api.post(charges_of(account), FULL | change, "gateway"), 409, "id_reused")
        assert (document["id"], document["differs"]) == ("full", list(change))
        assert api.balance(account) | {"as_of": 0} == before | {"as_of": 0}

    def test_the_same_id_on_another_account_is_another_charge(self, api: Api, account: str) -> None:
        api.authorize(account, "r")
        api.authorize(api.account(100), "r")

    def test_a_refusal_records_nothing_and_the_same_request_succeeds_after_a_top_up(self, api: Api) -> None:
        account = api.account(13)
        document = problem(
            api.post(charges_of(account), {"request_id": "r", "model": MODEL}), 402, "insufficient_credits"
        )
        assert {name: document[name] for name in ("available", "required", "shortfall")} == {
            "available": 13,
            "required": 14,
            "shortfall": 1,
        }
        problem(api.get(f"{charges_of(account)}/r"), 404, "charge_not_found")
        api.grant(account, 1)
        assert api.authorize(account, "r")["balance"]["available"] == 0

    def test_hold_max_needs_the_most_it_can_come_to(self, api: Api) -> None:
        account = api.account(132, hold="max")
        answer = api.post(charges_of(account), {"request_id": "r", "model": MODEL})
        assert problem(answer, 402, "insufficient_credits")["required"] == 133
        api.grant(account, 1)
        charge = api.authorize(account, "r")
        assert (charge["quoted_credits"], charge["held_credits"]) == (14, 133)

    def test_one_step(self, api: Api, account: str) -> None:
        body = {"request_id": "r", "model": MODEL, "n": 2, "outputs": [image(0, 1536, 1024), image(1, 1537, 1024)]}
        charge = created(api.post(charges_of(account), body, "gateway"))
        assert (charge["status"], charge["settled_credits"], charge["held_credits"]) == ("settled", 81, 0)
        assert charge["balance"] == {"posted": 919, "held": 0, "available": 919}
        assert replayed(api.post(charges_of(account), body, "gateway")) == charge
        body["outputs"] = [image(0, 1536, 1024)]
        problem(api.post(charges_of(account), body, "gateway"), 409, "id_reused")
        del body["outputs"]
        problem(api.post(charges_of(account), body, "gateway"), 409, "id_reused")


class TestSettle:
    def test_all_fields_of_an_output(self, api: Api, account: str) -> None:
        charge = api.authorize(account, n=4, size="1K", quality="low")
        outputs = [
            image(0, 1672, 941),
            {"index": 1, "status": "failed", "reason": "content policy"},
            {"index": 2, "status": "succeeded"},
            image(5, 4000, 100),
        ]
        settled = api.settle(charge, *outputs)
        assert set(settled) == CHARGE
        assert all(set(output) == OUTPUT for output in settled["outputs"])
        shown = [
            (o["index"], o["status"], o["width"], o["height"], o["size_tier"], o["credits"], o["flags"], o["reason"])
            for o in settled["outputs"]
        ]
        assert shown[0] == (0, "succeeded", 1672, 941, "2K", 2, [], None)
        assert shown[1] == (1, "failed", None, None, None, 0, [], "content policy")
        assert shown[2] == (2, "succeeded", None, None, "1K", 1, ["unmeasured"], None)
        assert (5, "succeeded", 4000, 100, "4K", 4, ["unpriced_size"], None) in shown
        assert (settled["status"], settled["settled_credits"]) == ("settled", 7)
        assert sorted(settled["flags"]) == ["unmeasured", "unpriced_size"]
        assert settled["balance"] == {"posted": 993, "held": 0, "available": 993}
        assert time_of(settled["resolved_at"]) > time_of(settled["authorized_at"])

    def test_the_bill_follows_the_pixels_unless_it_is_capped(self, api: Api) -> None:
        account = api.account(1_000, overage="cap")
        settled = api.settle(api.authorize(account, quality="low"), image(0, 3840, 2160))
        assert (settled["settled_credits"], settled["flags"]) == (1, ["capped"])

    def test_more_images_than_were_asked_for(self, api: Api, account: str) -> None:
        settled = api.settle(api.authorize(account), image(0), image(1))
        assert [output["credits"] for output in settled["outputs"]] == [14, 0]
        assert settled["outputs"][1]["flags"] == ["unrequested"]

    def test_more_than_is_available_is_posted_all_the_same(self, api: Api) -> None:
        account = api.account(14)
        settled = api.settle(api.authorize(account), image(0, 3840, 2160))
        assert (settled["settled_credits"], settled["flags"]) == (133, ["overdrawn"])
        assert settled["balance"] == {"posted": -119, "held": 0, "available": -119}
        figures = api.balance(account)
        assert (figures["debt"], figures["posted"], figures["grants"]) == (119, -119, [])

    def test_nothing_came_back(self, api: Api, account: str) -> None:
        settled = api.settle(api.authorize(account, n=2))
        assert (settled["status"], settled["settled_credits"]) == ("settled", 0)
        assert [output["status"] for output in settled["outputs"]] == ["failed", "failed"]

    def test_replay_and_another_report(self, api: Api, account: str) -> None:
        charge = api.authorize(account)
        settled = api.settle(charge, image())
        assert replayed(api.post(f"{path_of(charge)}/settle", {"outputs": [image()]}, "gateway")) == settled
        other = api.post(f"{path_of(charge)}/settle", {"outputs": [image(0, 2048, 2048)]}, "gateway")
        assert problem(other, 409, "charge_not_open")["charge_status"] == "settled"
        assert api.get(path_of(charge)).json() == settled

    def test_a_replay_after_a_refund_shows_the_refund(self, api: Api, account: str) -> None:
        charge = api.authorize(account)
        api.settle(charge, image())
        created(api.post(f"{path_of(charge)}/refunds", {"refund_id": "f", "credits": 4, "reason": "r"}))
        again = replayed(api.post(f"{path_of(charge)}/settle", {"outputs": [image()]}, "gateway"))
        assert (again["refunded_credits"], again["balance"]["posted"]) == (4, 990)

    def test_a_voided_charge_needs_force(self, api: Api, account: str) -> None:
        charge = api.authorize(account)
        api.post(f"{path_of(charge)}/void", {}, "gateway")
        refused = api.post(f"{path_of(charge)}/settle", {"outputs": [image()]}, "gateway")
        assert problem(refused, 409, "charge_not_open")["charge_status"] == "voided"
        forced = api.post(f"{path_of(charge)}/settle", {"outputs": [image()], "force": True}, "gateway")
        assert forced.status_code == 200
        assert (forced.json()["flags"], forced.json()["settled_credits"]) == (["forced"], 14)

    def test_late_and_long_expired(self, clocked: Api) -> None:
        account = clocked.account(1_000)
        late, long_expired = clocked.authorize(account, "late"), clocked.authorize(account, "long")
        set_clock(clocked, START + timedelta(seconds=901))
        assert clocked.get(path_of(late)).json()["status"] == "expired"
        assert clocked.balance(account)["held"] == 0
        assert clocked.settle(late, image())["flags"] == ["late"]
        set_clock(clocked, START + timedelta(seconds=901, hours=24))
        answer = clocked.post(f"{path_of(long_expired)}/settle", {"outputs": [image()]}, "gateway")
        assert problem(answer, 409, "charge_not_open")["charge_status"] == "expired"
        forced = clocked.post(f"{path_of(long_expired)}/settle", {"outputs": [image()], "force": True}, "gateway")
        assert forced.json()["flags"] == ["forced"]


class TestVoid:
    @pytest.mark.parametrize("body", [None, {}, {"reason": "cancelled"}])
    def test_it_releases_the_hold(self, api: Api, account: str, body: Any) -> None:
        charge = api.authorize(account)
        answer = api.post(f"{path_of(charge)}/void", body, "gateway")
        voided = answer.json()
        assert (answer.status_code, set(voided), voided["status"]) == (200, CHARGE, "voided")
        assert (voided["held_credits"], voided["settled_credits"]) == (0, 0)
        assert voided["balance"] == {"posted": 1_000, "held": 0, "available": 1_000}
        assert replayed(api.post(f"{path_of(charge)}/void", body, "gateway")) == voided

    def test_for_another_reason_or_after_the_bill(self, api: Api, account: str) -> None:
        charge = api.authorize(account)
        api.post(f"{path_of(charge)}/void", {"reason": "a"}, "gateway")
        other = api.post(f"{path_of(charge)}/void", {"reason": "b"}, "gateway")
        assert problem(other, 409, "charge_not_open")["charge_status"] == "voided"
        billed = api.authorize(account)
        api.settle(billed, image())
        assert problem(api.post(f"{path_of(billed)}/void", {}), 409, "charge_not_open")["charge_status"] == "settled"


class TestRefunds:
    REFUND: ClassVar = {
        "account_id",
        "request_id",
        "refund_id",
        "credits",
        "reason",
        "outputs",
        "returns",
        "created_at",
        "charge",
    }

    def test_part_then_the_rest_then_no_more(self, api: Api, account: str) -> None:
        charge = api.authorize(account, n=2)
        api.settle(charge, image(0), image(1))
        path = f"{path_of(charge)}/refunds"
        body = {"refund_id": "part", "credits": 20, "reason": "blurred"}
        part = created(api.post(path, body, "finance"))
        assert set(part) == self.REFUND
        assert (part["credits"], part["reason"]) == (20, "blurred")
        assert part["outputs"] == [{"index": 0, "credits": 6}, {"index": 1, "credits": 14}]
        assert part["charge"]["refunded_credits"] == 20
        assert part["charge"]["balance"]["posted"] == 992
        rest = created(api.post(path, {"refund_id": "rest", "reason": "all"}, "admin"))
        assert rest["credits"] == 8
        again = replayed(api.post(path, body, "finance"))
        assert again["charge"]["refunded_credits"] == 28
        assert {**again, "charge": None} == {**part, "charge": None}
        for change in ({"credits": 21}, {"reason": "other"}, {"credits": None, "outputs": [0]}):
            document = problem(api.post(path, body | change), 409, "id_reused")
            assert (document["id"], document["differs"]) == ("part", list(change))
        over = {"refund_id": "over", "credits": 1, "reason": "r"}
        assert problem(api.post(path, over), 409, "refund_exceeds_bill")["refundable"] == 0
        listed = api.get(path, "gateway").json()
        assert [one["refund_id"] for one in listed["data"]] == ["part", "rest"]
        assert (listed["has_more"], listed["next_cursor"]) == (False, None)
        outputs = api.get(path_of(charge)).json()["outputs"]
        assert [output["refunded_credits"] for output in outputs] == [14, 14]

    def test_by_outputs(self, api: Api, account: str) -> None:
        charge = api.authorize(account, n=2)
        api.settle(charge, image(0), image(1, 2048, 2048))
        body = {"refund_id": "f", "outputs": [1], "reason": "r"}
        refund = created(api.post(f"{path_of(charge)}/refunds", body))
        assert (refund["credits"], refund["outputs"]) == (67, [{"index": 1, "credits": 67}])

    def test_the_id_on_another_charge_of_the_account(self, api: Api, account: str) -> None:
        first, second = (api.authorize(account) for _ in range(2))
        for charge in (first, second):
            api.settle(charge, image())
        body = {"refund_id": "f", "reason": "r"}
        created(api.post(f"{path_of(first)}/refunds", body))
        document = problem(api.post(f"{path_of(second)}/refunds", body), 409, "id_reused")
        assert document["differs"] == ["request_id"]


def test_what_was_corrected(api: Api, account: str) -> None:
    charge = api.authorize(account, n=2)
    settled = api.settle(charge, image(0), image(1))
    api.correct(charge, image(0, 2048, 2048), correction_id="c1")
    api.correct(charge, {"index": 1, "status": "failed"}, correction_id="c2")
    listed = api.get(f"{path_of(charge)}/corrections", limit=1).json()
    first, cursor = listed["data"], listed["next_cursor"]
    (second,) = api.get(f"{path_of(charge)}/corrections", cursor=cursor).json()["data"]
    assert time_of(second.pop("created_at")) >= time_of(first[0]["created_at"])
    assert (first[0]["correction_id"], first[0]["credits"], first[0]["returns"]) == ("c1", 53, [])
    grant = second["returns"][0]["drawn_from"]
    assert second == {
        "account_id": account,
        "request_id": charge["request_id"],
        "correction_id": "c2",
        "credits": -14,
        "reason": "reconciled",
        "actor": "finance",
        "outputs": [
            {
                "index": 1, "status": "failed", "width": None, "height": None, "size_tier": None, "credits_before": 14,
                "credits_after": 0, "status_before": "succeeded", "size_tier_before": "1K",
            }
        ],
        "returns": [{"drawn_from": grant, "credits": 14, "returned_to": grant}],
    }  # fmt: skip
    after = api.get(path_of(charge)).json()
    assert (after["settled_credits"], after["corrected_credits"], after["balance"]["posted"]) == (28, 39, 933)
    assert [{**one, "corrected_credits": 0} for one in after["outputs"]] == settled["outputs"]
    assert [one["corrected_credits"] for one in after["outputs"]] == [53, -14]
    problem(api.get(f"{charges_of(account)}/none/corrections"), 404, "charge_not_found")


def test_one_charge(api: Api, account: str) -> None:
    charge = api.authorize(account)
    assert api.get(path_of(charge), "finance").json() == charge
    assert problem(api.get(f"{charges_of(account)}/none"), 404, "charge_not_found")["request_id"] == "none"


class TestExplain:
    def test_a_charge_from_the_request_to_the_journal(self, api: Api) -> None:
        account = api.account()
        api.grant(account, 10, grant_id="promo", kind="promotion", expires_at="2090-01-01T00:00:00Z")
        api.grant(account, 100, grant_id="bought")
        charge = api.authorize(account, n=2, quality="medium")
        api.settle(charge, image(0, 1672, 941), {"index": 1, "status": "failed", "reason": "content policy"})
        explained = api.get(f"{path_of(charge)}/explain", "gateway").json()
        assert set(explained) == {"account_id", "request_id", "status", "steps"}
        steps = explained["steps"]
        assert [step["step"] for step in steps] == list(range(1, len(steps) + 1))
        assert all(set(step) == {"step", "kind", "title", "text", "facts"} and step["text"] for step in steps)
        of_kind = {kind: [s["facts"] for s in steps if s["kind"] == kind] for kind in {s["kind"] for s in steps}}
        assert of_kind["asked"][0]["quality"] == "medium"
        assert of_kind["read"] == [
            {"quality": "medium", "billed_quality": "medium", "size": "auto", "quoted_tier": "1K"}
        ]
        assert (of_kind["quoted"][0]["credits"], of_kind["quoted"][0]["price_version"]) == (8, 1)
        measured, failed = of_kind["output"]
        assert (measured["long_edge"], measured["size_tier"], measured["distance_to_edge"]) == (1672, "2K", 376)
        assert (measured["credits"], failed["credits"], failed["status"]) == (17, 0, "failed")
        assert [(t["grant_id"], t["credits"], t["priority"]) for t in of_kind["transfer"]] == [
            ("promo", 10, 10),
            ("bought", 7, 50),
        ]
        journal = api.get(f"/v1/accounts/{account}/transfers", kind="settle").json()["data"]
        assert [t["seq"] for t in of_kind["transfer"]] == [row["seq"] for row in journal]
        assert of_kind["balance"] == [{"posted_before": 110, "posted_after": 93}]

    def test_an_open_a_voided_and_a_missing_one(self, api: Api, account: str) -> None:
        charge = api.authorize(account)
        assert api.get(f"{path_of(charge)}/explain").json()["steps"][-1]["kind"] == "open"
        api.post(f"{path_of(charge)}/void", {"reason": "cancelled"})
        last = api.get(f"{path_of(charge)}/explain").json()["steps"][-1]
        assert last["kind"] == "voided"
        assert "cancelled" in last["text"]
        problem(api.get(f"{charges_of(account)}/none/explain"), 404, "charge_not_found")

    def test_in_the_reader_s_language(self, api: Api, account: str) -> None:
        path = f"{path_of(api.authorize(account))}/explain"

        def language_of(accept: str | None = None, **query: str) -> str:
            headers = {} if accept is None else {"Accept-Language": accept}
            answer = api.call("GET", path, params=query, headers=headers)
            assert answer.headers["vary"] == "Accept-Language"
            language: str = answer.headers["content-language"]
            title = {"en": "Request", "es": "Solicitud"}[language]
            assert answer.json()["steps"][0]["title"] == title
            return language

        assert language_of() == "en"
        assert language_of(lang="es") == "es"
        assert language_of("de, es-MX;q=0.9, en;q=0.8") == "es"
        assert language_of("es", lang="en") == "en"
        assert language_of("fr;q=x,,;") == "en"
        english, spanish = (api.get(path, lang=lang).json()["steps"] for lang in ("en", "es"))
        assert [(s["kind"], s["facts"]) for s in english] == [(s["kind"], s["facts"]) for s in spanish]
        for unknown in ("fr", "EN", "", "es-MX", "\0"):
            errors = problem(api.get(path, lang=unknown), 422, "validation_error")["errors"]
            assert [error["field"] for error in errors] == ["lang"]
