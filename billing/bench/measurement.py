"""Measurements: two sides that took turns, what they came to, and what was hoped for."""

from dataclasses import dataclass, field
from statistics import median

from billing.bench.cpu import Cpu


@dataclass(slots=True)
class Turn:
    """One side's turn: how much it did in how long, on how much processor, with which waits if it had any."""

    count: int
    seconds: float
    cpu: Cpu
    waits_ms: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        return self.count / self.seconds


@dataclass(slots=True)
class Side:
    """All turns of one side. `overall` counts every second, also those in which a checkpoint ran."""

    name: str
    overall: bool = False
    turns: list[Turn] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Of the whole where nothing may be hidden, else the median turn's."""
        if self.overall:
            return sum(turn.count for turn in self.turns) / sum(turn.seconds for turn in self.turns)
        return median(turn.rate for turn in self.turns)

    @property
    def cpu(self) -> Cpu:
        """Processor seconds per second, on average."""
        total = sum((turn.cpu for turn in self.turns), Cpu())
        return total.per(sum(turn.seconds for turn in self.turns))

    def percentile_ms(self, percent: float) -> float | None:
        """Over the waits of all turns."""
        waits = sorted(wait for turn in self.turns for wait in turn.waits_ms)
        return waits[min(len(waits) - 1, int(len(waits) * percent / 100))] if waits else None


@dataclass(frozen=True, slots=True)
class Target:
    """What a figure should come to: `at_least`, or `at_most`; `stretch` where more is hoped for."""

    figure: str
    value: float
    at_least: float | None = None
    at_most: float | None = None
    stretch: float | None = None

    @property
    def reached(self) -> bool:
        if self.at_least is not None:
            return self.value >= self.at_least
        return self.at_most is None or self.value <= self.at_most


@dataclass(slots=True)
class Measurement:
    """One line of the table. `floor` is what bounds ours from above; some figures have none."""

    name: str
    unit: str
    ours: Side
    floor: Side | None = None
    targets: list[Target] = field(default_factory=list)

    @property
    def ratio(self) -> float | None:
        """Ours of the floor: the median of the turns' ratios, unless every second counts."""
        if self.floor is None:
            return None
        if self.ours.overall:
            return self.ours.rate / self.floor.rate
        return median(a.rate / b.rate for a, b in zip(self.ours.turns, self.floor.turns, strict=True))

    @property
    def limit(self) -> str:
        """Who was busy during our turns, in cores: what limits the rate."""
        return self.ours.cpu.described
