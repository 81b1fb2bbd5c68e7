"""Processor time, read from /proc: who was busy, PostgreSQL or Python."""

import os
from dataclasses import dataclass
from pathlib import Path

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Cpu:
    """Processor seconds: of PostgreSQL, of the process that posts, of the load generator, of all others."""

    postgres: float = 0.0
    python: float = 0.0
    load: float = 0.0
    idle: float = 0.0
    others: float = 0.0

    def __add__(self, other: "Cpu") -> "Cpu":
        return Cpu(*(mine + its for mine, its in zip(self._parts, other._parts, strict=True)))

    def __sub__(self, other: "Cpu") -> "Cpu":
        return Cpu(*(mine - its for mine, its in zip(self._parts, other._parts, strict=True)))

    def per(self, seconds: float) -> "Cpu":
        return Cpu(*(part / seconds for part in self._parts))

    @property
    def described(self) -> str:
        """Of an average per second: cores that were busy."""
        parts = [f"PostgreSQL {self.postgres:.2f}", f"Python {self.python:.2f}"]
        if self.load >= 0.01:
            parts.append(f"load {self.load:.2f}")
        if self.others >= 0.05:
            parts.append(f"other programs {self.others:.2f}")
        return ", ".join([*parts, f"idle {self.idle:.2f}"])

    @property
    def _parts(self) -> tuple[float, ...]:
        return (self.postgres, self.python, self.load, self.idle, self.others)


@dataclass(slots=True)
class Meter:
    """Reads processor time by process id: the server that `postmaster` is, who posts, who makes load."""

    postmaster: int
    python: int
    load: int | None = None

    def read(self) -> Cpu:
        postgres = _seconds_of(self.postmaster) + sum(_seconds_of(pid) for pid in children_of(self.postmaster))
        python = _seconds_of(self.python)
        load = _seconds_of(self.load) if self.load is not None else 0.0
        busy, idle = _machine_seconds()
        return Cpu(postgres, python, load, idle, busy - postgres - python - load)


def children_of(parent: int) -> list[int]:
    """The process ids below `parent`, one step down."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = _fields(int(entry.name))
            except OSError:  # it has ended
                continue
            if int(fields[1]) == parent:
                found.append(int(entry.name))
    return found


def _seconds_of(pid: int) -> float:
    try:
        fields = _fields(pid)
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_SECOND


def _fields(pid: int) -> list[str]:
    """What follows the command's name, which may hold spaces."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _machine_seconds() -> tuple[float, float]:
    """Of all cores: busy and idle."""
    with Path("/proc/stat").open() as stat:
        times = [int(value) / _TICKS_PER_SECOND for value in stat.readline().split()[1:9]]
    idle = times[3] + times[4]
    return sum(times) - idle, idle
