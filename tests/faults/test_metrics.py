"""Several workers are one service: whichever is asked, metrics are the sums over all of them, and go on when one is killed."""

import socket
from collections.abc import Iterator

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from billing.embedded import EmbeddedPostgres
from tests.conftest import copied
from tests.faults.served import Served, client_of, kill, until

ROUTE = "/v1/accounts/{account_id}"
ANSWERED = ("billing_http_requests_total", (("method", "GET"), ("route", ROUTE), ("status", "404")))
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


class Place:
    """Two workers, and a port for who watches."""

    def __init__(self, service: Served, metrics_url: str) -> None:
        self.service = service
        self.outside = client_of(metrics_url, key=None)

    def anywhere(self, method: str, path: str) -> httpx.Response:
        """Each call on a connection of its own: the kernel chooses the worker."""
        with client_of(self.service.url) as client:
            return client.request(method, path)

    def samples(self, text: str) -> Samples:
        return {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def scraped(self) -> Samples:
        return self.samples(self.anywhere("GET", "/metrics").text)


@pytest.fixture(scope="module")
def place(server: EmbeddedPostgres, template: str) -> Iterator[Place]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (
        copied(server, template) as dsn,
        Served(dsn, BILLING_WORKERS="2", BILLING_METRICS_PORT=str(port)) as service,
    ):
        place = Place(service, f"http://127.0.0.1:{port}")
        until(lambda: place.outside.get("/readyz").status_code == 200, "both are ready")
        yield place
        place.outside.close()


def test_every_worker_and_the_port_tell_the_same_sums_and_none_goes_back_when_one_is_killed(place: Place) -> None:
    for _ in range(40):
        assert place.anywhere("GET", "/v1/accounts/nobody").status_code == 404
    until(lambda: place.scraped().get(ANSWERED) == 40, "all are counted")
    assert {place.scraped()[ANSWERED] for _ in range(20)} == {40}
    before = place.scraped()
    assert before["billing_workers_ready", ()] == before["billing_workers", ()] == 2
    [first, _] = place.service.workers
    kill(first)
    told = until(
        lambda: (answer := place.outside.get("/readyz")).status_code == 503 and answer.json(), "one is missing"
    )
    assert (told["code"], told["detail"]) == ("workers_missing", "1 of 2 workers answer.")
    until(lambda: place.outside.get("/readyz").status_code == 200, "there is another")
    for _ in range(10):
        assert place.anywhere("GET", "/v1/accounts/nobody").status_code == 404
    after = until(lambda: (now := place.scraped())[ANSWERED] == 50 and now, "all are counted")
    counters = {key: value for key, value in before.items() if key[0].endswith(("_total", "_count", "_bucket"))}
    assert counters
    assert not [key for key, value in counters.items() if after[key] < value]


def test_metrics_need_a_key_but_on_their_own_port(place: Place) -> None:
    with client_of(place.service.url, key=None) as stranger:
        assert stranger.get("/metrics").status_code == 401
        assert stranger.get("/healthz").status_code == 200
    told = place.outside.get("/metrics")
    assert told.headers["content-type"] == "text/plain; version=0.0.4"
    until(lambda: ("billing_ledger_accounts", ()) in place.samples(place.outside.get("/metrics").text), "computed")
    for path in ("/metrics", "/readyz", "/healthz"):
        got, head = place.outside.get(path), place.outside.head(path)
        assert (got.status_code, head.status_code, head.content) == (200, 200, b"")
        assert head.headers["content-type"] == got.headers["content-type"]
    assert place.outside.get("/v1/accounts").status_code == 404
    assert place.outside.post("/metrics").status_code == 405
    for nonsense in (b"\r\n\r\n", b"GET\r\n\r\n", b"\x00" * 100, b"GET / " + b"x" * 20_000 + b"\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", place.outside.base_url.port)) as line:
            line.sendall(nonsense)
            line.shutdown(socket.SHUT_WR)
            line.recv(1)
    assert place.outside.get("/healthz").status_code == 200
    second = Served(place.service.database, BILLING_METRICS_PORT=str(place.outside.base_url.port))
    refused = second.run("serve")
    second.close()
    assert refused.returncode == 1
    assert refused.stderr.strip().endswith(": Address already in use. BILLING_METRICS_PORT names another port.")
    assert "Traceback" not in refused.stderr
