"""Wrong keys, many and long, from a process that is really served: nothing is kept of them, and nobody waits for them."""

import http.client
import threading
from collections import Counter
from pathlib import Path

from billing.embedded import EmbeddedPostgres
from billing.http.attempts import BURST
from billing.store.keys import new_secret
from tests.conftest import copied
from tests.faults.served import Served

WRONG = 600
LONG = 100_000
SPARE_BYTES = 32 << 20  # for what a process that has just begun allocates anyway; all keys together are twice that


def memory_of(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))


def test_wrong_keys_are_not_kept_and_right_ones_are_served_meanwhile(server: EmbeddedPostgres, template: str) -> None:
    statuses: Counter[int] = Counter()

    def send(secrets: list[str]) -> None:
        for secret in secrets:
            line = http.client.HTTPConnection("127.0.0.1", service.port, timeout=60)
            try:
                line.request("GET", "/v1/accounts", headers={"Authorization": f"Bearer {secret}"})
                statuses[line.getresponse().status] += 1
            except ConnectionError:  # a server may also refuse to read as much
                statuses[0] += 1
            finally:
                line.close()

    with copied(server, template) as dsn, Served(dsn) as service:
        [worker] = service.workers
        unmet = service.client.post("/v1/keys", json={"role": "finance", "name": "unmet"}).json()["key"]
        send(["x" * LONG] * 20)
        statuses.clear()
        before = memory_of(worker)
        long = [f"{number:06}" + "x" * LONG for number in range(WRONG)]
        strangers = [threading.Thread(target=send, args=(long[part::4],)) for part in range(4)]
        for stranger in strangers:
            stranger.start()
        served = [service.client.get("/v1/accounts").status_code for _ in range(20)]
        for stranger in strangers:
            stranger.join()
        assert served == [200] * 20
        assert statuses.total() == WRONG
        assert set(statuses) <= {401, 431, 0}
        assert memory_of(worker) - before < SPARE_BYTES

        statuses.clear()
        send([new_secret() for _ in range(BURST + 10)])
        assert statuses[401] >= BURST - 1
        assert statuses[429] >= 1
        assert service.client.get("/v1/accounts", headers={"Authorization": f"Bearer {unmet}"}).status_code == 200
