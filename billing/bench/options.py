"""Options: how long and how large a run is."""

from dataclasses import dataclass, replace
from pathlib import Path

STORED = 2_000_000
USAGE_OUTPUTS = 1_000_000
EXPORTED_CHARGES = 1_000_000
STORED_SECONDS = 60.0  # long enough to span a checkpoint and what it costs afterwards


@dataclass(frozen=True, slots=True)
class Options:
    """A full run by default. `seconds` is the time of each side of a measurement, in all its turns."""

    quick: bool = False
    stored: int = STORED
    json: Path | None = None
    seconds: float | None = None
    accounts: int = 10_000
    connections: int = 64
    callers: int = 4
    turn_seconds: float = 2.0
    warm_up_seconds: float = 1.0
    usage_outputs: int = USAGE_OUTPUTS
    exported_charges: int = EXPORTED_CHARGES
    export_turns: int = 3
    least_turns: int = 3  # so that a median means something

    def filled_in(self) -> "Options":
        """With what `quick` means and the defaults that depend on it."""
        if self.quick:
            return replace(
                self,
                stored=0,
                usage_outputs=min(self.usage_outputs, USAGE_OUTPUTS // 10),
                exported_charges=min(self.exported_charges, EXPORTED_CHARGES // 10),
                seconds=self.seconds or 4.0,
            )
        return replace(self, seconds=self.seconds or 10.0)

    @property
    def turns(self) -> int:
        """How often floor and ours take turns."""
        return max(self.least_turns, round((self.seconds or 0.0) / self.turn_seconds))

    def with_stored(self) -> "Options":
        """The same over a full database: at least a minute for each side."""
        return replace(self, seconds=max(self.seconds or 0.0, STORED_SECONDS))
