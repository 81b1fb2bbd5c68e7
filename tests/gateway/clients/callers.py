"""What customers call a gateway with, as they come from PyPI and npm; each wish in the words that the client itself wants.

openai for Node (two versions) and the AI SDK live in `node_modules`, litellm in `.venv`: `make clients` installs both here,
as the lock files say. openai for Python is the suite's own.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import os
import queue
import shutil
import subprocess
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import openai
import pytest

HERE = Path(__file__).parent
PYTHON = HERE / ".venv" / "bin" / "python"
MISSING = "these clients are missing: `make clients` installs them, where there is npm"

OF_NODE = ("openai", "openai-6", "ai", "ai-compatible")
OF_LITELLM = ("litellm", "litellm-router")
CLIENTS = ("openai-python", *OF_NODE, *OF_LITELLM)

BOUND_SECONDS = 120.0
"""Loading litellm alone takes long on a busy machine."""


@dataclass(frozen=True)
class Answered:
    """What the customer holds in the end: the SHA-256 of each image; what it cost, where the client passes it on; the types
    of a stream's events; or the error that was raised."""

    images: tuple[str, ...] = ()
    credits: int | None = None
    events: tuple[str, ...] = ()
    error: Any = None


class Callers:
    """All clients, each in a process that is started when it is first needed; `with` ends them."""

    def __init__(self) -> None:
        self._programs: dict[str, _Program] = {}
        self._threads = ThreadPoolExecutor(16)
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for program in self._programs.values():
            program.close()
        self._threads.shutdown()

    def begin(self, client: str, url: str, key: str, *, name: str | None = None, **asked: Any) -> Future[Answered]:
        """The wish under way. `name` is its idempotency key; `repeats` and `seconds` are the client's own unless given;
        `option` is Node's `idempotencyKey`; all else is OpenAI's."""
        own = {member: asked.pop(member, None) for member in ("repeats", "seconds", "option")}
        wish = {"model": "gpt-image-2", "prompt": "a lighthouse", **asked}
        document = {"client": client, "url": f"{url}/v1", "key": key, "wish": wish, "name": name, **own}
        if client == "openai-python":
            return self._threads.submit(_by_openai, document)
        return self._threads.submit(self._program(client).ask, document)

    def call(self, client: str, url: str, key: str, **asked: Any) -> Answered:
        """What came of the wish."""
        return self.begin(client, url, key, **asked).result(BOUND_SECONDS)

    def _program(self, client: str) -> _Program:
        command = ("node", "call.mjs") if client in OF_NODE else (str(PYTHON), "call.py")
        with self._lock:
            if command[-1] not in self._programs:
                self._programs[command[-1]] = _Program(*command)
            return self._programs[command[-1]]


def installed() -> None:
    """Skips the test where the clients are not, unless BILLING_CLIENTS=required: then it fails."""
    if (HERE / "node_modules").is_dir() and PYTHON.exists() and shutil.which("node"):
        return
    if os.environ.get("BILLING_CLIENTS") == "required":
        pytest.fail(MISSING, pytrace=False)
    pytest.skip(MISSING)


class _Program:
    """A process that takes and gives lines of JSON, many at a time."""

    def __init__(self, *command: str) -> None:
        environment = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "NO_PROXY": "*"}
        self._process = subprocess.Popen(
            command,
            cwd=HERE,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._numbers = itertools.count()
        self._waiting: dict[int, queue.Queue[Any]] = {}
        self._lock = threading.Lock()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def ask(self, document: Any) -> Answered:
        assert self._process.stdin is not None
        with self._lock:
            number = next(self._numbers)
            answer = self._waiting[number] = queue.Queue()
            self._process.stdin.write(json.dumps({"id": number, **document}) + "\n")
            self._process.stdin.flush()
        said = answer.get(timeout=BOUND_SECONDS)
        images, events = (tuple(said.get(member) or ()) for member in ("images", "events"))
        credits = said.get("credits")
        return Answered(images, None if credits is None else int(credits), events, said.get("error"))

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            said = json.loads(line)
            self._waiting[said["id"]].put(said)


def _by_openai(asked: dict[str, Any]) -> Answered:
    wish, name, own = asked["wish"], asked["name"], {"max_retries": asked["repeats"], "timeout": asked["seconds"]}
    image = {"image": ("day.png", base64.b64decode(wish.pop("image")), "image/png")} if "image" in wish else {}
    given = {member: value for member, value in own.items() if value is not None}
    with openai.OpenAI(base_url=asked["url"], api_key=asked["key"], **given) as client:
        call: Any = client.images.edit if image else client.images.generate
        try:
            answer = call(**wish, **image, extra_headers={"Idempotency-Key": name} if name else None)
            if not wish.get("stream"):
                return Answered(
                    tuple(_digest(item) for item in answer.data), getattr(answer, "billing", {}).get("credits")
                )
            events = list(answer)
            return Answered(
                (_digest(events[-1]),), events[-1].billing["credits"], tuple(event.type for event in events)
            )
        except Exception as error:
            told = {"kind": type(error).__name__, "message": str(error), "cause": type(error.__cause__).__name__}
            status, code = getattr(error, "status_code", None), getattr(error, "code", None)
            return Answered(error={**told, "status": status, "code": code})


def _digest(item: Any) -> str:
    return hashlib.sha256(base64.b64decode(item.b64_json)).hexdigest()
