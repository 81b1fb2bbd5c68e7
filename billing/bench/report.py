"""The report: a run's figures as JSON."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from billing.bench.measurement import Measurement, Side
from billing.bench.options import Options

FORMAT = 1


def write(
    path: Path, options: Options, machine: Mapping[str, str], sections: Mapping[str, Sequence[Measurement]]
) -> None:
    document = {
        "format": FORMAT,
        "options": asdict(options) | {"json": str(options.json)},
        "machine": dict(machine),
        "sections": {title: [_measurement(one) for one in found] for title, found in sections.items()},
    }
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _measurement(one: Measurement) -> dict[str, Any]:
    return {
        "name": one.name,
        "unit": one.unit,
        "ratio": one.ratio,
        "ours": _side(one.ours),
        "floor": None if one.floor is None else _side(one.floor),
        "targets": [asdict(target) | {"reached": target.reached} for target in one.targets],
    }


def _side(side: Side) -> dict[str, Any]:
    return {
        "name": side.name,
        "rate": side.rate,
        "p50_ms": side.percentile_ms(50),
        "p99_ms": side.percentile_ms(99),
        "cores_busy": asdict(side.cpu),
        "turns": [{"count": turn.count, "seconds": turn.seconds, "rate": turn.rate} for turn in side.turns],
    }
