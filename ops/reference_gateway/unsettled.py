"""Bills that could not be posted: images were delivered, and billing was away. They are posted when it is back.

Each is a file, so that a restart forgets none. Posting one twice bills it once.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import os
from pathlib import Path

from billing.client import BillingClient, Problem, Settlement

_log = logging.getLogger("gateway")


class UnsettledBills:
    """A directory of bills, one file each, and a loop that posts them every `pause_seconds`."""

    def __init__(self, directory: Path, billing: BillingClient, pause_seconds: float) -> None:
        self._directory = directory
        self._billing = billing
        self._pause = pause_seconds
        directory.mkdir(parents=True, exist_ok=True)

    def keep(self, settlement: Settlement) -> None:
        """On disk when this returns; where it cannot be written it still is in the log, as the client wrote it."""
        name = hashlib.sha256(json.dumps([settlement["account_id"], settlement["request_id"]]).encode()).hexdigest()
        half = self._directory / f"{name}.part"
        try:
            with half.open("w") as file:
                json.dump(settlement, file)
                file.flush()
                os.fsync(file.fileno())
            half.replace(self._directory / f"{name}.json")
        except OSError:
            _log.exception("a bill could not be kept: take it from the log")

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            for path in self._kept():
                try:
                    await self._post(json.loads(path.read_text()))
                except Problem as problem:
                    _log.error("a bill waits in %s: %s", path.name, problem)
                else:
                    path.unlink()
            await asyncio.sleep(self._pause)

    def _kept(self) -> list[Path]:
        return sorted(self._directory.glob("*.json"))

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
