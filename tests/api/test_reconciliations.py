"""Reconciliations over HTTP: a manifest as a body, lines in pages, reports as files, corrections by two keys."""

import csv
import io
from typing import Any

import pytest

from billing.core.cells import harmless, plain

from .service import Answer, Api, created, image, problem, replayed, serving

HEADER = "account_id,request_id,index,width,height\n"
WHY = {"reason": "the provider's list"}


@pytest.fixture
def small(fresh_database: str):
    """An application that takes little, and lets nobody post more than 60 credits alone."""
    with serving(fresh_database, manifest_bytes=2_000, correction_approval=60) as api:
        yield api


def send(
    api: Api, reconciliation_id: str, body: str, /, role: str = "finance", media: str = "text/csv", **query: Any
) -> Answer:
    return api.call(
        "POST", "/v1/reconciliations", role=role, content=body.encode(), headers={"Content-Type": media},
        params={"reconciliation_id": reconciliation_id, **query},
    )  # fmt: skip


def charged(api: Api, credits: int = 1_000) -> tuple[str, str]:
    """An account with a charge of one image of 1024x1024, and its request."""
    account = api.account(credits)
    charge = api.authorize(account, size="1K", quality="high")
    api.settle(charge, image())
    return account, charge["request_id"]


def test_no_cell_of_a_report_is_a_formula_and_each_can_be_read_back(small: Api) -> None:
    texts = ["=1+1", "＝1", "'quoted", "\tx", "-5", "plain"]
    file = io.StringIO()
    rows = [
        ["account_id", "request_id", "index", "provider"],
        *(["nobody", "r", n, text] for n, text in enumerate(texts)),
    ]
    csv.writer(file).writerows(rows)
    created(send(small, "cells", file.getvalue()))
    written = small.get("/v1/reconciliations/cells/report", format="csv").text
    cells = [row["provider"] for row in csv.DictReader(io.StringIO(written, newline="")) if row["index"]]
    assert cells == [harmless(text) for text in texts]
    assert [plain(cell) for cell in cells] == texts


def test_the_columns_of_a_report_stand_where_they_stood(small: Api) -> None:
    """Some read it by position."""
    created(send(small, "columns", HEADER + "nobody,r,0,1,1\n"))
    written = small.get("/v1/reconciliations/columns/report", format="csv").text
    columns = next(csv.reader(io.StringIO(written, newline="")))
    assert " ".join(columns) == (
        "account_id line request_id index kind action charge_status charged_status charged_width charged_height charged_tier "
        "charged_credits delivered_status delivered_width delivered_height delivered_tier expected_credits difference_credits "
        "explanation manifest_line delivered_at provider provider_request_id outcome correction_id posted_credits problem posted_at"
    )


def test_from_a_manifest_to_what_is_posted(small: Api) -> None:
    api = small
    account, request = charged(api)
    _, other = charged(api)
    body = HEADER + f"{account},{request},0,2048,2048\n{account},{other},0,1024,1024\n{account},-unknown,0,1,1\n"
    made = created(send(api, "march", body, name="march.csv"))
    assert (made["state"], made["manifest"], made["rows"], made["matched_rows"]) == ("compared", "march.csv", 3, 0)
    assert (made["difference_credits"], made["charges_to_post"], made["for_a_person"], made["lines"]) == (53, 1, 2, 3)
    assert [(one["kind"], one["lines"], one["difference_credits"]) for one in made["by_kind"]] == [
        ("delivered_not_charged", 1, 0), ("wrong_size_tier", 1, 53), ("other_account", 1, 0),
    ]  # fmt: skip
    assert replayed(send(api, "march", body, "admin")) == made
    other = problem(send(api, "march", HEADER + f"{account},{request},0,1024,1024\n"), 409, "id_reused")
    assert other["differs"] == ["manifest"]

    at = "/v1/reconciliations/march"
    first = api.get(f"{at}/lines", limit=2).json()
    second = api.get(f"{at}/lines", limit=2, cursor=first["next_cursor"]).json()
    assert [line["line"] for line in first["data"] + second["data"]] == [1, 2, 3]
    assert second["has_more"] is False
    (line,) = api.get(f"{at}/lines", kind="wrong_size_tier", action="correct", account_id=account).json()["data"]
    assert (line["charged_tier"], line["delivered_tier"], line["manifest_line"], line["outcome"]) == (
        "1K",
        "2K",
        2,
        None,
    )
    assert "53 credits too few were charged." in line["explanation"]
    assert api.get(f"{at}/lines", outcome="posted").json()["data"] == []

    report = api.get(f"{at}/report").json()
    assert {name: report[name] for name in made} == made
    assert len(report["data"]) == 3
    written = api.get(f"{at}/report", format="csv")
    rows = list(csv.DictReader(io.StringIO(written.text)))
    assert [row["request_id"] for row in rows if row["request_id"].startswith("'")] == ["'-unknown"]
    assert 'filename="reconciliation-march.csv"' in written.headers["content-disposition"]

    before = api.balance(account)["posted"]
    done = api.post(f"{at}/apply", WHY, "finance").json()
    assert (done["state"], done["posted"]["credits"], done["reason"]) == ("applied", 53, WHY["reason"])
    assert api.balance(account)["posted"] == before - 53
    assert replayed(api.post(f"{at}/apply", WHY, "admin")) == done
    assert [one["reconciliation_id"] for one in api.get("/v1/reconciliations").json()["data"]] == ["march"]
    problem(api.post(f"{at}/approve", WHY), 409, "approval_not_awaited")


def test_in_the_callers_language(small: Api) -> None:
    """Whatever of a reconciliation is for people is in the language that is asked for, and says so; the rest is the same."""
    account, request = charged(small)
    body = HEADER + f"{account},{request},0,2048,2048\n"
    made = created(send(small, "march", body))
    spanish = replayed(send(small, "march", body, lang="es"))
    assert [one["title"] for one in made["by_kind"]] == ["Charged in another size tier"]
    assert [one["title"] for one in spanish["by_kind"]] == ["Cobrada en otro tramo"]
    assert spanish | {"by_kind": None} == made | {"by_kind": None}
    at = "/v1/reconciliations/march"
    for path in (at, f"{at}/lines", f"{at}/report", "/v1/reconciliations"):
        for asked, language in (({}, "en"), ({"lang": "es"}, "es"), ({"lang": "en"}, "en")):
            answer = small.get(path, **asked)
            assert (answer.headers["content-language"], answer.headers["vary"]) == (language, "Accept-Language")
            assert ("Cobrada en otro tramo" in answer.text or "Cobrado de menos" in answer.text) == (language == "es")
    answer = small.call("GET", f"{at}/report", headers={"Accept-Language": "es-MX"}, params={"format": "csv"})
    assert (answer.headers["content-language"], answer.headers["vary"]) == ("es", "Accept-Language")
    (row,) = csv.DictReader(io.StringIO(answer.text))
    assert row["explanation"].endswith("Cobrado de menos: 53 créditos.")
    done = small.post(f"{at}/apply?lang=es", WHY, "finance")
    assert (done.json()["state"], done.json()["by_kind"][0]["title"]) == ("applied", "Cobrada en otro tramo")
    assert done.headers["content-language"] == "es"
    problem(small.get(f"{at}/lines", lang="fr"), 422, "validation_error")


def test_a_second_key(small: Api) -> None:
    api = small
    account, request = charged(api)
    created(send(api, "april", HEADER + f"{account},{request},0,3840,2160\n"))
    for _ in range(2):
        assert api.post("/v1/reconciliations/april/apply", WHY, "finance").json()["state"] == "awaiting_approval"
    problem(api.post("/v1/reconciliations/april/approve", WHY, "finance"), 403, "second_key_needed")
    problem(api.post("/v1/reconciliations/april/approve", {"reason": ""}, "admin"), 422, "validation_error")
    done = api.post("/v1/reconciliations/april/approve", {"reason": "seen"}, "admin").json()
    assert (done["state"], done["posted"]["credits"], done["approved_by"]) == ("applied", 119, "environment")
    assert replayed(api.post("/v1/reconciliations/april/approve", {"reason": "seen"}, "admin")) == done


def test_bodies_that_are_no_manifest(small: Api) -> None:
    api = small
    before = api.contents()
    refusal = problem(send(api, "x", HEADER + "acme,r,0,-1,1\n"), 422, "manifest_unreadable")
    assert (refusal["line"], "width must be pixels" in refusal["detail"]) == (2, True)
    assert (
        problem(send(api, "x", "nonsense", media="application/vnd.apache.parquet"), 422, "manifest_unreadable")["line"]
        is None
    )
    problem(send(api, "x", HEADER, media="image/png"), 422, "validation_error")
    assert problem(send(api, "x", "a" * 2_001), 413, "payload_too_large")["limit_bytes"] == 2_000
    pieces = (b"account_id," for _ in range(300))
    endless = api.call("POST", "/v1/reconciliations", params={"reconciliation_id": "x"}, content=pieces,
                       headers={"Content-Type": "text/csv"})  # fmt: skip
    problem(endless, 413, "payload_too_large")
    good = HEADER + "acme,r,0,1,1\n"
    problem(send(api, "x", good, account_id="acme"), 404, "account_not_found")
    for query in ({"complete": True}, {"start": "2026-01-01T00:00:00Z"}, {"name": "é"},
                  {"start": "2026-01-01T00:00:00Z", "end": "2999-01-01T00:00:00Z"}):  # fmt: skip
        problem(send(api, "x", good, **query), 422, "validation_error")
    problem(send(api, "no spaces", good), 422, "validation_error")
    problem(send(api, "x", good, "gateway"), 403, "forbidden")
    assert api.contents() == before
