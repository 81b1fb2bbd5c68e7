"""`billing serve` against kill -9 of each of its processes: what was acknowledged is there once, and nothing lingers.

Every process is real, and killed by its id. Clients repeat what was not answered, under the same id.
"""

import asyncio
import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

import billing.embedded
from billing.embedded import EmbeddedPostgres

BOUND_SECONDS = 90.0
CODE = Path(billing.embedded.__file__).parents[2]
KEY = "the-key-of-the-crash-tests"
ACCOUNTS = 4
GRANTED = 1_000_000
MODEL = "gpt-image-2"
LOST = (httpx.TransportError,)


def until(condition: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + BOUND_SECONDS
    pause = threading.Event()
    while not (value := condition()):
        if time.monotonic() > deadline:
            pytest.fail(f"never came true: {what}")
        pause.wait(0.01)
    return value


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def children_of(pid: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if int((entry / "stat").read_text().rpartition(") ")[2].split()[1]) == pid:
                    found.append(int(entry.name))
    return found


def client_of(url: str) -> httpx.Client:
    return httpx.Client(base_url=url, headers={"Authorization": f"Bearer {KEY}"}, timeout=30, verify=False)


class Service:
    """`billing serve` on a data directory and a port of its own."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None
        self.client = client_of(self.url)

    @property
    def environment(self) -> dict[str, str]:
        inherited = {
            name: text
            for name, text in os.environ.items()
            if name != "DATABASE_URL" and not name.startswith("BILLING_")
        }
        mine = {"BILLING_ADMIN_KEY": KEY, "BILLING_DATA_DIR": str(self.data_dir), "BILLING_PORT": str(self.port)}
        return {**inherited, **mine, "PYTHONPATH": str(CODE), "PYTHONDONTWRITEBYTECODE": "1"}

    @property
    def parent(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def postgres(self) -> int:
        return int((self.data_dir / "cluster" / "postmaster.pid").read_text().split()[0])

    @property
    def workers(self) -> list[int]:
        return [pid for pid in children_of(self.parent) if pid != self.postgres]

    @property
    def dsn(self) -> str:
        return EmbeddedPostgres(self.data_dir).dsn()

    def start(self) -> None:
        log = (self.data_dir.parent / "serve.log").open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "billing", "serve"], env=self.environment, cwd="/", stdout=log, stderr=log
        )
        log.close()
        until(self.is_ready, "the service is ready")

    def is_ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.data_dir.parent / "serve.log").read_text()
        try:
            return self.client.get("/readyz").status_code == 200
        except LOST:
            return False

    def end(self, with_signal: int) -> int:
        """Ends the parent and waits until nothing of the service is left; its exit status."""
        assert self.process is not None
        everyone = [self.parent, *children_of(self.parent)]
        self.process.send_signal(with_signal)
        status = self.process.wait(BOUND_SECONDS)
        for pid in everyone:
            until(lambda pid=pid: not is_alive(pid), f"process {pid} is gone")
        self.process = None
        return status

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "billing", *words],
            env=self.environment,
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
            timeout=BOUND_SECONDS,
        )

    def fetch(self, query: str, *arguments: Any) -> list[Any]:
        async def rows() -> list[Any]:
            connection = await asyncpg.connect(self.dsn)
            try:
                return [tuple(row) for row in await connection.fetch(query, *arguments)]
            finally:
                await connection.close()

        return asyncio.run(rows())


@pytest.fixture
def service() -> Iterator[Service]:
    place = Path(tempfile.mkdtemp(prefix="billing-test-", dir="/tmp"))
    place.chmod(0o711)  # the server's own user must get through
    service = Service(place / "data")
    try:
        yield service
    finally:
        if service.process is not None:
            if service.process.poll() is None:
                service.end(signal.SIGKILL)
            service.process = None
        service.client.close()
        shutil.rmtree(place)


class Caller:
    """One gateway: authorizes and settles one request after the other, and repeats whatever was not answered."""

    def __init__(self, service: Service, name: str, account_id: str, stop: threading.Event) -> None:
        self.acknowledged: dict[tuple[str, str], dict[str, Any]] = {}  # (step, request_id) → answer
        self.begun: set[str] = set()
        self.failure: BaseException | None = None
        self._name, self._account_id, self._stop = name, account_id, stop
        self._client = client_of(service.url)
        self._thread = threading.Thread(target=self._run, name=name)
        self._thread.start()

    def finish(self) -> None:
        self._thread.join(BOUND_SECONDS)
        self._client.close()
        assert not self._thread.is_alive()
        if self.failure is not None:
            raise self.failure

    def _run(self) -> None:
        try:
            number = 0
            while not self._stop.is_set():
                number += 1
                self._charge(f"{self._name}-{number}", number)
        except BaseException as failure:
            self.failure = failure

    def _charge(self, request_id: str, number: int) -> None:
        charges = f"/v1/accounts/{self._account_id}/charges"
        outputs = [{"index": 0, "status": "succeeded", "width": 1024, "height": 1024}]
        body: dict[str, Any] = {"request_id": request_id, "model": MODEL, "quality": "low"}
        self.begun.add(request_id)
        if number % 3 == 0:
            self._post("one step", request_id, charges, body | {"outputs": outputs})
            return
        self._post("authorize", request_id, charges, body)
        if number % 3 == 1:
            self._post("settle", request_id, f"{charges}/{request_id}/settle", {"outputs": outputs})
        else:
            self._post("void", request_id, f"{charges}/{request_id}/void", {})

    def _post(self, step: str, request_id: str, path: str, body: dict[str, Any]) -> None:
        deadline = time.monotonic() + BOUND_SECONDS
        while time.monotonic() < deadline:
            try:
                answer = self._client.post(path, json=body)
            except LOST:
                answer = None
            if answer is None or answer.status_code == 503:
                self._stop.wait(0.02)
                continue
            assert answer.status_code in (200, 201), answer.text
            self.acknowledged[step, request_id] = answer.json()
            return
        raise AssertionError(f"{step} of {request_id} was never answered")


def post(service: Service, path: str, body: Any) -> httpx.Response:
    return service.client.post(path, json=body)


def open_accounts(service: Service) -> list[str]:
    accounts = [f"account-{number}" for number in range(ACCOUNTS)]
    for account_id in accounts:
        assert post(service, "/v1/accounts", {"account_id": account_id}).status_code == 201
        grant = {"grant_id": "g", "kind": "purchase", "credits": GRANTED}
        assert post(service, f"/v1/accounts/{account_id}/grants", grant).status_code == 201
    return accounts


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    until(lambda: not is_alive(pid), f"process {pid} is gone")


def kill_parent(service: Service) -> None:
    """Its worker and PostgreSQL must not outlive it."""
    assert len(children_of(service.parent)) >= 2
    service.end(signal.SIGKILL)
    service.start()


def kill_worker(service: Service) -> None:
    """The parent starts another."""
    (worker,) = service.workers
    kill(worker)
    until(lambda: service.workers and service.workers != [worker], "there is another worker")
    until(service.is_ready, "the service is ready again")


def kill_postgres(service: Service) -> None:
    """The service starts its PostgreSQL again, and its lanes find it."""
    kill(service.postgres)
    until(service.is_ready, "the service is ready again")


def kill_a_session(service: Service) -> None:
    """PostgreSQL throws all sessions out and recovers by itself."""
    sessions = "SELECT pid FROM pg_stat_activity WHERE application_name = 'billing lane'"
    (session, *_) = until(lambda: service.fetch(sessions), "a lane has its session")
    kill(session[0])
    until(service.is_ready, "the service is ready again")


def test_whatever_is_killed_what_was_acknowledged_is_there_once(service: Service) -> None:
    chance = random.Random(7)
    service.start()
    accounts = open_accounts(service)
    stop = threading.Event()
    callers = [Caller(service, f"caller-{n}", accounts[n % ACCOUNTS], stop) for n in range(8)]
    try:
        for blow in (kill_worker, kill_a_session, kill_postgres, kill_parent, kill_worker):
            goal = sum(len(caller.acknowledged) for caller in callers) + chance.randrange(40, 160)
            until(
                lambda goal=goal: (
                    sum(len(caller.acknowledged) for caller in callers) >= goal
                    or any(caller.failure for caller in callers)
                ),
                "the callers get on",
            )
            blow(service)
    finally:
        stop.set()
        for caller in callers:
            caller.finish()
    check_books(service, accounts, callers)
    check_repeats(service, callers, chance)
    assert service.end(signal.SIGTERM) == 0


def check_books(service: Service, accounts: list[str], callers: list[Caller]) -> None:
    begun = {request_id for caller in callers for request_id in caller.begun}
    stored = {
        request_id: (status, credits)
        for request_id, status, credits in service.fetch("SELECT request_id, status, settled_credits FROM charge")
    }
    assert set(stored) == begun
    for caller in callers:
        for (step, request_id), answer in caller.acknowledged.items():
            expected = {"authorize": None, "settle": ("settled", 1), "one step": ("settled", 1), "void": ("voided", 0)}[
                step
            ]
            assert expected is None or stored[request_id] == expected
            assert answer["request_id"] == request_id
    settled = [request_id for request_id, (status, _) in stored.items() if status == "settled"]
    journal = service.fetch(
        "SELECT request_id, count(*), sum(amount)::bigint FROM transfer WHERE kind = 'settle' GROUP BY 1"
    )
    assert sorted(journal) == sorted((request_id, 1, 1) for request_id in settled)
    sums = """
        SELECT a.account_id, a.posted, a.held, a.wallet_seq,
            (SELECT sum(CASE t.credit WHEN 'wallet' THEN t.amount ELSE -t.amount END)::bigint FROM transfer t
             WHERE t.account_id = a.account_id AND t.book = 'wallet'),
            (SELECT count(*) FROM transfer t WHERE t.account_id = a.account_id AND t.book = 'wallet'),
            (SELECT max(seq) FROM transfer t WHERE t.account_id = a.account_id AND t.book = 'wallet'),
            (SELECT sum(remaining)::bigint FROM "grant" g WHERE g.account_id = a.account_id),
            (SELECT coalesce(sum(held_credits), 0)::bigint FROM charge c
             WHERE c.account_id = a.account_id AND c.status = 'authorized'),
            (SELECT count(*) FROM hold h WHERE h.account_id = a.account_id),
            (SELECT sum(settled_credits)::bigint FROM charge c WHERE c.account_id = a.account_id)
        FROM account a ORDER BY 1"""
    found = service.fetch(sums)
    assert [row[0] for row in found] == accounts
    for _, posted, held, seq, journal_sum, rows, last, remaining, holds, open_holds, billed in found:
        assert posted == journal_sum == remaining == GRANTED - billed
        assert seq == rows == last
        assert (held, holds, open_holds) == (0, 0, 0)
    verified = service.run("verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr


def check_repeats(service: Service, callers: list[Caller], chance: random.Random) -> None:
    """Any step repeated under its id is answered as it was, and changes nothing."""
    before = service.fetch("SELECT account_id, posted, held, wallet_seq FROM account ORDER BY 1")
    for caller in callers:
        acknowledged = sorted(caller.acknowledged.items())
        for (step, request_id), answer in chance.sample(acknowledged, min(12, len(acknowledged))):
            path = f"/v1/accounts/{answer['account_id']}/charges"
            body: dict[str, Any] = {"request_id": request_id, "model": MODEL, "quality": "low"}
            outputs = {"outputs": [{"index": 0, "status": "succeeded", "width": 1024, "height": 1024}]}
            match step:
                case "settle":
                    path, body = f"{path}/{request_id}/settle", outputs
                case "void":
                    path, body = f"{path}/{request_id}/void", {}
                case "one step":
                    body |= outputs
            again = post(service, path, body)
            assert (again.status_code, again.headers.get("idempotent-replayed")) == (200, "true"), (step, again.text)
            now = again.json()
            assert now["status"] in ("settled", "voided")
            if step != "authorize":
                assert now | {"balance": 0} == answer | {"balance": 0}
            other = post(
                service, f"/v1/accounts/{answer['account_id']}/charges", {"request_id": request_id, "model": "x"}
            )
            assert other.json()["code"] == "id_reused"
    assert service.fetch("SELECT account_id, posted, held, wallet_seq FROM account ORDER BY 1") == before


def test_sigterm_finishes_what_is_in_flight(service: Service) -> None:
    """A request waits for a lock that somebody else holds while the service is told to end."""
    service.start()
    (account, *_) = open_accounts(service)
    answers: list[httpx.Response] = []
    body = {"request_id": "in-flight", "model": MODEL}
    path = f"/v1/accounts/{account}/charges"
    request = threading.Thread(target=lambda: answers.append(post(service, path, body)))
    waiting = "SELECT 1 FROM pg_stat_activity WHERE application_name = 'billing lane' AND wait_event_type = 'Lock'"
    with asyncio.Runner() as runner:
        lock = runner.run(asyncpg.connect(service.dsn))
        runner.run(lock.execute("BEGIN"))
        runner.run(lock.execute("SELECT 1 FROM account WHERE account_id = $1 FOR UPDATE", account))
        request.start()
        until(lambda: service.fetch(waiting), "the request waits for the lock")
        os.kill(service.parent, signal.SIGTERM)
        until(lambda: not listens(service), "no new calls are taken")
        assert request.is_alive()
        assert is_alive(service.postgres)
        runner.run(lock.execute("COMMIT"))
        runner.run(lock.close())
    request.join(BOUND_SECONDS)
    assert [answer.status_code for answer in answers] == [201]
    assert service.process is not None
    assert service.process.wait(BOUND_SECONDS) == 0
    with EmbeddedPostgres(service.data_dir):
        assert service.fetch("SELECT request_id, status FROM charge") == [("in-flight", "authorized")]


def listens(service: Service) -> bool:
    try:
        return service.client.get("/healthz", headers={"Connection": "close"}).status_code == 200
    except LOST:
        return False


def test_a_second_service_is_refused_the_data_directory_and_the_first_leaves_nothing_running(service: Service) -> None:
    service.start()
    second = Service(service.data_dir)
    refused = second.run("serve")
    assert refused.returncode == 1
    assert "Traceback" not in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1
    second.client.close()
    assert service.is_ready()
    assert service.end(signal.SIGINT) == 0
    assert not (service.data_dir / "cluster" / "postmaster.pid").exists()


def test_migrations_at_the_same_time_do_not_collide(empty_database: str) -> None:
    environment = {**os.environ, "DATABASE_URL": empty_database, "PYTHONPATH": str(CODE)}
    command = [sys.executable, "-m", "billing", "migrate"]
    running = [
        subprocess.Popen(command, env=environment, cwd="/", stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    ended = [(process.communicate(timeout=BOUND_SECONDS), process.returncode) for process in running]
    assert [status for _, status in ended] == [0, 0, 0], ended

    async def versions() -> int:
        connection = await asyncpg.connect(empty_database)
        try:
            return int(await connection.fetchval("SELECT count(*) FROM alembic_version"))
        finally:
            await connection.close()

    assert asyncio.run(versions()) == 1


def test_commands_at_the_same_time_share_one_embedded_server() -> None:
    place = Path(tempfile.mkdtemp(prefix="billing-test-", dir="/tmp"))
    place.chmod(0o711)
    try:
        environment = {name: text for name, text in os.environ.items() if name != "DATABASE_URL"}
        environment |= {"BILLING_DATA_DIR": str(place / "data"), "PYTHONPATH": str(CODE)}
        command = [sys.executable, "-m", "billing", "migrate"]
        running = [
            subprocess.Popen(command, env=environment, cwd="/", stderr=subprocess.PIPE, text=True) for _ in range(3)
        ]
        ended = [(process.communicate(timeout=BOUND_SECONDS)[1], process.returncode) for process in running]
        assert [status for _, status in ended] == [0, 0, 0], ended
    finally:
        shutil.rmtree(place, ignore_errors=True)
