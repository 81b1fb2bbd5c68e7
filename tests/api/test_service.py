"""Health, metrics, and what is answered when the service cannot do its work."""

import asyncio
import re
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from zlib import crc32

import asyncpg
import pytest
from prometheus_client.parser import text_string_to_metric_families

from billing.embedded import EmbeddedPostgres
from billing.store.keys import new_secret
from billing.store.schema import migrate
from tests.leftovers import new_directory

from .service import MODEL, Api, ask, check_problem, image, path_of, problem, replayed, serving, until

OPS = Path(__file__).parents[2] / "ops"


def samples(api: Api) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    answer = api.get("/metrics")  # the environment's key: it is known without a database
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def total(api: Api, name: str, **labels: str) -> float:
    wanted = set(labels.items())
    return sum(value for (known, has), value in samples(api).items() if known == name and wanted <= set(has))


def test_health_needs_no_key(api: Api) -> None:
    for path in ("/healthz", "/readyz"):
        answer = api.get(path, None)
        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_not_ready_until_every_migration_is_there(fresh: Api) -> None:
    assert fresh.get("/readyz", None).status_code == 200
    ask(fresh.dsn, "UPDATE alembic_version SET version_num = 'of_a_newer_program'")
    until(lambda: fresh.get("/readyz", None).status_code == 503, "somebody has looked")
    told = problem(fresh.get("/readyz", None), 503, "wrong_schema")
    assert "of_a_newer_program, which this program" in told["detail"]
    assert [reason["code"] for reason in told["reasons"]] == ["wrong_schema"]
    assert fresh.get("/healthz", None).status_code == 200


def test_metrics_say_what_was_done(api: Api) -> None:
    account = api.account(100)
    route = "/v1/accounts/{account_id}/charges"
    told = ("billing_http_requests_total", "billing_posting_commands_total", "billing_retention_rows_total")
    before = {name: total(api, name) for name in told}
    created = total(api, told[0], route=route, status="201")
    api.authorize(account)
    problem(
        api.post(f"/v1/accounts/{account}/charges", {"request_id": "r", "model": MODEL, "n": 10}),
        402,
        "insufficient_credits",
    )
    assert total(api, told[0], route=route, status="201") == created + 1
    assert total(api, told[0], route=route, status="402") >= 1
    assert total(api, told[1]) >= before[told[1]] + 2
    assert total(api, "billing_http_request_seconds_count", route=route) >= 2


def test_a_job_computes_what_is_summed_over_all_accounts(fresh_database: str) -> None:
    with serving(fresh_database) as api:
        api.account(100)
    with serving(fresh_database) as api:
        until(lambda: total(api, "billing_gauges_timestamp_seconds") > 0, "the job has been there")
        computed = samples(api)
        api.account(100)  # nobody who reads has it computed
        assert {key: value for key, value in samples(api).items() if key[0].startswith("billing_ledger")} == {
            key: value for key, value in computed.items() if key[0].startswith("billing_ledger")
        }
        assert total(api, "billing_ledger_posted") == 100


def test_alerts_and_papers_ask_for_metrics_that_there_are(api: Api) -> None:
    exposed = {name for name, _ in samples(api)}
    papers = [path for path in OPS.iterdir() if path.suffix in (".md", ".yml")]
    named = {name for path in papers for name in re.findall(r"\bbilling_[a-z_]+[a-z]\b", path.read_text())}
    assert named - exposed - {"billing_service"} == set()  # that is the role


def test_metrics_do_not_grow_with_what_strangers_send(api: Api) -> None:
    def send(first: int) -> None:
        for number in range(first, first + 20):
            api.get(f"/nothing/{number}", None)
            api.call(f"METHOD{number}", "/healthz", role=None)
            api.call(f"METHOD{number}", "/v1/accounts", role=None)
            api.get(f"/v1/accounts/nobody-{number}", None)

    send(0)
    until(lambda: total(api, "billing_gauges_timestamp_seconds") > 0, "the job has been there")
    known = set(samples(api))
    send(20)
    assert set(samples(api)) == known
    assert not any("METHOD" in value for _, has in known for _, value in has)


def test_a_full_queue_says_when_to_come_back(fresh_database: str) -> None:
    """The lanes wait for a lock that somebody else holds; what comes then finds the queue full."""
    with serving(fresh_database, queue=3) as api:
        account = api.account(100)
        path = f"/v1/accounts/{account}/charges"
        with asyncio.Runner() as runner, ThreadPoolExecutor(4) as pool:
            lock = runner.run(asyncpg.connect(fresh_database))
            runner.run(lock.execute("BEGIN"))
            runner.run(lock.execute("SELECT 1 FROM account WHERE account_id = $1 FOR UPDATE", account))
            waiting = [
                pool.submit(api.post, path, {"request_id": f"r{number}", "model": MODEL}, "gateway")
                for number in range(3)
            ]
            until(lambda: total(api, "billing_posting_waiting") == 3, "the queue is full")
            refused = problem(api.post(path, {"request_id": "r3", "model": MODEL}), 503, "overloaded")
            assert "same id" in refused["detail"]
            (result,) = api.batch({"op": "authorize", "account_id": account, "request_id": "r3", "model": MODEL})
            check_problem(result["body"], 503, "overloaded")
            assert api.balance(account)["held"] == 0
            runner.run(lock.execute("COMMIT"))
            runner.run(lock.close())
            assert [answer.result().status_code for answer in waiting] == [201] * 3
        assert api.balance(account)["held"] == 42
        assert api.authorize(account, "r3")["balance"]["held"] == 56


@pytest.fixture
def own_server() -> Iterator[EmbeddedPostgres]:
    directory = new_directory()
    server = EmbeddedPostgres(directory / "data")
    yield server
    server.stop()
    shutil.rmtree(directory)


def test_a_database_that_is_stopped_and_comes_back(own_server: EmbeddedPostgres) -> None:
    """Every route says 503 and when to come back; afterwards the same calls are answered right."""
    own_server.start()
    asyncio.run(migrate(own_server.dsn()))
    with serving(own_server.dsn()) as api:
        account = api.account(100)
        other = until(lambda: (name := api.new_id()) and lane_of(name) != lane_of(account) and name, "another lane")
        charge = api.authorize(account)
        account_path = f"/v1/accounts/{account}"
        own_server.stop()
        until(lambda: api.get("/readyz").status_code == 503, "somebody has looked")
        for path in (
            "/readyz",
            "/v1/accounts",
            account_path,
            f"{account_path}/balance",
            f"{account_path}/charges",
            f"{account_path}/transfers",
            f"{account_path}/grants",
            f"{account_path}/changes",
            path_of(charge),
            f"{path_of(charge)}/explain",
            f"{path_of(charge)}/refunds",
            "/v1/charges",
            "/v1/keys",
            "/v1/price-books",
            "/v1/price-books/current",
        ):
            problem(api.get(path), 503, "database_unavailable")
        assert api.get("/healthz", None).status_code == 200
        assert total(api, "billing_workers_ready") == 0
        problem(api.get("/v1/accounts", new_secret()), 503, "database_unavailable")
        problem(api.post("/v1/quotes", {"model": MODEL}), 503, "database_unavailable")
        problem(api.post("/v1/keys", {"role": "finance", "name": "n"}), 503, "database_unavailable")
        problem(api.call("DELETE", "/v1/keys/key_0"), 503, "database_unavailable")
        book = {"effective_from": "2090-01-01T00:00:00Z", "models": {"m": FLAT}}
        problem(api.post("/v1/price-books", book), 503, "database_unavailable")
        with ThreadPoolExecutor(4) as pool:
            lost = [
                pool.submit(api.post, f"{path_of(charge)}/settle", {"outputs": [image()]}),
                pool.submit(api.batch, {"op": "void", "account_id": other, "request_id": "none"}, role="admin"),
            ]
            settled, batch = (one.result() for one in lost)
        problem(settled, 503, "database_unavailable")
        check_problem(batch[0]["body"], 503, "database_unavailable")
        own_server.start()
        until(lambda: api.get("/readyz", None).status_code == 200, "ready again")
        assert api.settle(charge, image())["balance"] == {"posted": 86, "held": 0, "available": 86}
        replayed(api.post(f"{path_of(charge)}/settle", {"outputs": [image()]}))


def lane_of(account_id: str) -> int:
    return crc32(account_id.encode()) % 2


FLAT = {"tiers": [{"name": "T", "max_edge": 1}], "qualities": {"q": "q"}, "sizes": ["auto"], "prices": 1}
