"""Progress: what is being measured now, and how far it is. Silent where nobody looks."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars


class Step:
    """One bar."""

    def __init__(self, bars: Bars, task: TaskID) -> None:
        self._bars = bars
        self._task = task

    def advance(self, by: float = 1) -> None:
        self._bars.advance(self._task, by)


class Progress:
    """Bars on the terminal's error stream, each gone when its step has ended."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        self._bars = Bars(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )

    def __enter__(self) -> "Progress":
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    @contextmanager
    def step(self, name: str, total: float) -> Iterator[Step]:
        task = self._bars.add_task(name, total=total)
        try:
            yield Step(self._bars, task)
        finally:
            self._bars.remove_task(task)
