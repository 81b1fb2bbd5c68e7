"""A journal of acknowledged answers: gateways that work while things break, and what their database says afterwards.

Every write has an id and is repeated under it until it is answered; what was answered with 200 or 201 must be in the
database, once, and nothing may be there that nobody began.
"""

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

import httpx

from tests.faults.served import BOUND_SECONDS, KEY, LOST, client_of, fetch, until, verified

GRANTED = 1_000_000
MODEL = "gpt-image-2"
CREDITS = 1  # an image of 1K in low quality
OUTPUTS = [{"index": 0, "status": "succeeded", "width": 1024, "height": 1024}]
REPEAT_SECONDS = 0.1
LATER = (503, 429)  # and no other answer of failure: what is 500 or 4xx fails the test


@dataclass(slots=True)
class Figures:
    """What a journal came to. Counts, and seconds as measured by the gateways."""

    operations: int = 0  # writes that were begun
    acknowledged: int = 0
    lost: int = 0
    later: int = 0  # tries that were told to come later
    unanswered: int = 0  # tries that nobody answered
    faults: Counter[str] = field(default_factory=Counter)
    longest_wait_seconds: float = 0.0
    longest_recovery_seconds: float = 0.0

    def line(self) -> str:
        faults = ", ".join(f"{name} ×{count}" for name, count in sorted(self.faults.items())) or "none"
        return (
            f"{self.operations:,} operations, {sum(self.faults.values())} faults ({faults}), "
            f"{self.acknowledged:,} acknowledged, {self.lost} lost, {self.later:,} told to come later, "
            f"{self.unanswered:,} unanswered; longest answer {self.longest_wait_seconds:.1f} s, "
            f"longest recovery {self.longest_recovery_seconds:.1f} s"
        )

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def _asked(step: str, request_id: str, account_id: str) -> tuple[str, dict[str, Any]]:
    """The path and the body of a step."""
    charges = f"/v1/accounts/{account_id}/charges"
    charge = {"request_id": request_id, "model": MODEL, "quality": "low"}
    return {
        "authorize": (charges, charge),
        "one step": (charges, charge | {"outputs": OUTPUTS}),
        "settle": (f"{charges}/{request_id}/settle", {"outputs": OUTPUTS}),
        "void": (f"{charges}/{request_id}/void", {}),
    }[step]


class Gateway:
    """One caller: charges in two steps, in one, and voids, one after the other."""

    def __init__(self, journal: "Journal", name: str, account_id: str) -> None:
        self.acknowledged: dict[tuple[str, str], dict[str, Any]] = {}  # (step, request_id) → answer
        self.begun: set[str] = set()
        self.failure: BaseException | None = None
        self.last_answered = time.monotonic()
        self._journal, self._name, self._account_id = journal, name, account_id
        self._client = client_of(journal.url, key=journal.key, timeout=journal.timeout)
        self.thread = threading.Thread(target=self._run, name=name, daemon=True)

    def close(self) -> None:
        self._client.close()

    def _run(self) -> None:
        try:
            number = 0
            while not self._journal.stopping.is_set():
                number += 1
                self._charge(f"{self._name}-{number}", number)
        except BaseException as failure:
            self.failure = failure

    def _charge(self, request_id: str, number: int) -> None:
        self.begun.add(request_id)
        for step in (("one step",), ("authorize", "settle"), ("authorize", "void"))[number % 3]:
            self._post(step, request_id, *_asked(step, request_id, self._account_id))

    def _post(self, step: str, request_id: str, path: str, body: dict[str, Any]) -> None:
        figures, deadline = self._journal.figures, time.monotonic() + BOUND_SECONDS
        with self._journal.lock:
            figures.operations += 1
        while time.monotonic() < deadline:
            began = time.monotonic()
            answer: httpx.Response | None
            try:
                answer = self._client.post(path, json=body)
            except LOST:
                answer = None
            waited = time.monotonic() - began
            with self._journal.lock:
                figures.longest_wait_seconds = max(figures.longest_wait_seconds, waited)
                figures.unanswered += answer is None
                figures.later += answer is not None and answer.status_code in LATER
            if answer is None or answer.status_code in LATER:
                assert answer is None or "Retry-After" in answer.headers, answer.text
                self._journal.pause.wait(REPEAT_SECONDS)
                continue
            assert answer.status_code in (200, 201), f"{answer.status_code}: {answer.text}"
            with self._journal.lock:
                figures.acknowledged += 1
            self.acknowledged[step, request_id] = answer.json()
            self.last_answered = time.monotonic()
            return
        raise AssertionError(f"{step} of {request_id} was never answered")


def _post(client: httpx.Client, path: str, body: dict[str, Any]) -> httpx.Response:
    return client.post(path, json=body)


class Journal:
    """`gateways` callers on `accounts` accounts of the service at `url`; `timeout` is how long each waits for an answer.

    with Journal(served.url) as journal:
        with journal.fault("frozen database"):      # the fault; leaving it waits until every gateway got on again
            wire.freeze(); …; wire.thaw()
    print(journal.check(dsn).line())
    """

    def __init__(
        self, url: str, *, key: str = KEY, gateways: int = 8, accounts: int = 4, timeout: float = 10, name: str = "j"
    ) -> None:
        self.url, self.key, self.timeout = url, key, timeout
        self.figures = Figures()
        self.lock, self.stopping, self.pause = threading.Lock(), threading.Event(), threading.Event()
        self.accounts = [f"{name}-{number}" for number in range(accounts)]
        self._gateways = [Gateway(self, f"{name}-{n}", self.accounts[n % accounts]) for n in range(gateways)]

    def __enter__(self) -> "Journal":
        with client_of(self.url, key=self.key) as client:
            for account_id in self.accounts:
                grant = {"grant_id": "g", "kind": "purchase", "credits": GRANTED}
                for path, body in (("", {"account_id": account_id}), (f"/{account_id}/grants", grant)):
                    assert client.post(f"/v1/accounts{path}", json=body).status_code in (200, 201)
        for gateway in self._gateways:
            gateway.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        for gateway in self._gateways:
            gateway.thread.join(BOUND_SECONDS)
            gateway.close()
        for gateway in self._gateways:
            assert not gateway.thread.is_alive(), "a gateway waits for ever"
            if gateway.failure is not None:
                raise gateway.failure

    def gets_on(self, answers: int = 20) -> None:
        """Returns when so many more answers came, whichever gateways they came to."""
        goal = self.figures.acknowledged + answers
        until(lambda: self.figures.acknowledged >= goal or self._failed(), "the gateways get on")

    @contextmanager
    def fault(self, name: str) -> Iterator[None]:
        """A fault, named for the figures. When it is over, every gateway must get on."""
        with self.lock:
            self.figures.faults[name] += 1
        yield
        over = time.monotonic()
        until(lambda: self._failed() or min(g.last_answered for g in self._gateways) > over, f"recovered from {name}")
        with self.lock:
            recovery = max(g.last_answered for g in self._gateways) - over
            self.figures.longest_recovery_seconds = max(self.figures.longest_recovery_seconds, recovery)

    def _failed(self) -> bool:
        return any(gateway.failure is not None for gateway in self._gateways)

    def check_repeats(self, dsn: str, *, most: int = 12) -> None:
        """Any step repeated under its id is answered as it was, and changes nothing. The service must be ready."""
        query = "SELECT account_id, posted, held, wallet_seq FROM account ORDER BY 1"
        before = fetch(dsn, query)
        chance = random.Random(7)
        with client_of(self.url, key=self.key) as client:
            for gateway in self._gateways:
                acknowledged = sorted(gateway.acknowledged.items())
                for (step, request_id), answer in chance.sample(acknowledged, min(most, len(acknowledged))):
                    again = _post(client, *_asked(step, request_id, answer["account_id"]))
                    assert (again.status_code, again.headers.get("idempotent-replayed")) == (200, "true"), again.text
                    if step != "authorize":
                        assert again.json() | {"balance": 0} == answer | {"balance": 0}
                    path, body = _asked("authorize", request_id, answer["account_id"])
                    assert client.post(path, json=body | {"model": "x"}).json()["code"] == "id_reused"
        assert fetch(dsn, query) == before

    def check(self, dsn: str) -> Figures:
        """Compares all that was acknowledged with the database, and verifies it. For after the `with`."""
        query = "SELECT request_id, status, settled_credits FROM charge WHERE account_id = ANY($1::text[])"
        stored = {request_id: (status, credits) for request_id, status, credits in fetch(dsn, query, self.accounts)}
        wanted = {"settle": ("settled", CREDITS), "one step": ("settled", CREDITS), "void": ("voided", 0)}
        for gateway in self._gateways:
            for (step, request_id), answer in gateway.acknowledged.items():
                assert answer["request_id"] == request_id
                found = stored.get(request_id)
                self.figures.lost += found is None or (step in wanted and found != wanted[step])
        assert set(stored) <= {request_id for gateway in self._gateways for request_id in gateway.begun}
        settled = sorted(request_id for request_id, (status, _) in stored.items() if status == "settled")
        query = """
            SELECT request_id, count(*), sum(amount)::bigint FROM transfer
            WHERE kind = 'settle' AND account_id = ANY($1::text[]) GROUP BY 1 ORDER BY 1"""
        assert sorted(fetch(dsn, query, self.accounts)) == [(request_id, 1, CREDITS) for request_id in settled]
        assert self.figures.lost == 0, self.figures.line()
        verified(dsn)
        return self.figures
