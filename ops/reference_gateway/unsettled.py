"""Bills that could not be posted: images were delivered, and billing was away. They are posted when it is back.

Each is a file, so that a restart forgets none. Posting one twice bills it once, so several gateways may share a directory.
What is no bill, or one that billing will never take, is set aside in a directory within, for a person to look at: rename
it back to have it tried again. No file keeps the others from being posted.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import os
import uuid
from pathlib import Path

from billing.client import BillingClient, Problem, Settlement

SET_ASIDE = "set-aside"
_log = logging.getLogger("gateway")

_LATER = frozenset({401, 403, 408, 425, 429})
"""Refusals that are about us or about now, not about the bill."""


class NoBill(ValueError):
    """A file that is none of ours, or broken."""


class UnsettledBills:
    """A directory of bills, one file each, and a loop that posts them every `pause_seconds`."""

    def __init__(self, directory: Path, billing: BillingClient, pause_seconds: float) -> None:
        self._directory = directory
        self._billing = billing
        self._pause = pause_seconds
        directory.mkdir(parents=True, exist_ok=True)

    def keep(self, settlement: Settlement) -> None:
        """On disk when this returns; where it cannot be written it still is in the log, as the client wrote it."""
        name = _name(settlement["account_id"], settlement["request_id"])
        half = self._directory / f"{name}.{uuid.uuid4().hex}.part"  # another gateway may keep the same one
        try:
            with half.open("w") as file:
                json.dump(settlement, file)
                file.flush()
                os.fsync(file.fileno())
            half.replace(self._directory / f"{name}.json")
        except OSError:
            _log.exception("a bill could not be kept: take it from the log")

    def waiting(self) -> list[Path]:
        """The bills that are still to be posted."""
        return sorted(path for path in self._directory.glob("*.json") if path.is_file())

    def set_aside(self) -> list[Path]:
        """What was in the directory and could not be posted."""
        return sorted((self._directory / SET_ASIDE).glob("*"))

    def knows(self, account_id: str, request_id: str) -> bool:
        """Whether a bill of this charge waits here, or was set aside: its images were delivered."""
        name = f"{_name(account_id, request_id)}.json"
        return (self._directory / name).exists() or any((self._directory / SET_ASIDE).glob(f"*{name}"))

    async def run(self) -> None:
        """Until cancelled, whatever the directory holds."""
        while True:
            for path in self._listed():
                try:
                    await self._post_one(path)
                except Exception:
                    _log.exception("a bill waits in %s", path.name)
            await asyncio.sleep(self._pause)

    def _listed(self) -> list[Path]:
        try:
            return self.waiting()
        except OSError:
            _log.exception("bills may wait, and cannot be listed")
            return []

    async def _post_one(self, path: Path) -> None:
        try:
            settlement = _read(path)
        except FileNotFoundError:
            return None  # another gateway was faster
        except NoBill as error:
            return self._put_aside(path, str(error))
        try:
            await self._post(settlement)
        except Problem as problem:
            if _is_final(problem):
                self._put_aside(path, str(problem))
            else:
                _log.error("a bill waits in %s: %s", path.name, problem)
        except (ValueError, TypeError) as error:  # its ids can be nobody's: it cannot even be sent
            self._put_aside(path, str(error))
        else:
            self._put_away(path)

    def _put_away(self, path: Path) -> None:
        path.unlink(missing_ok=True)

    async def _post(self, settlement: Settlement) -> None:
        try:
            await self._billing.settle(**settlement)
        except Problem as problem:
            match problem.code, problem.facts.get("charge_status"):
                case "charge_not_open", "settled":
                    return  # by somebody else; that stands
                case "charge_not_open", _:
                    await self._billing.settle(**settlement, force=True)  # what was delivered is never unbillable
                case _:
                    raise
        _log.info("charge %s %s: settled at last", settlement["account_id"], settlement["request_id"])

    def _put_aside(self, path: Path, why: str) -> None:
        aside = self._directory / SET_ASIDE
        aside.mkdir(exist_ok=True)
        name = path.name if not (aside / path.name).exists() else f"{uuid.uuid4().hex}-{path.name}"
        try:
            path.replace(aside / name)
        except FileNotFoundError:
            return  # by another gateway
        _log.error("set aside, not posted: %s: %s", aside / name, why)


def _is_final(problem: Problem) -> bool:
    """Whether billing has understood the bill and will never take it."""
    of_a_proxy = problem.code == "unexpected_answer"
    return 400 <= problem.status < 500 and problem.status not in _LATER and not of_a_proxy


def _read(path: Path) -> Settlement:
    """The bill in a file. Raises `NoBill`, or OSError."""
    try:
        document = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        raise NoBill("not JSON") from None
    match document:
        case {"account_id": str(account_id), "request_id": str(request_id), "outputs": [*outputs], **rest} if not rest:
            if account_id and request_id and all(isinstance(output, dict) for output in outputs):
                return Settlement(account_id=account_id, request_id=request_id, outputs=outputs)
    raise NoBill("no bill")


def _name(account_id: str, request_id: str) -> str:
    return hashlib.sha256(json.dumps([account_id, request_id]).encode()).hexdigest()
