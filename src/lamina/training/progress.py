"""What a person sees of training: a bar in a terminal, one line an epoch elsewhere."""

import contextlib
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np


def show_logs(logs: Mapping[str, Any]) -> str:
    """Returns logs as text; very small and very large numbers in scientific notation.

    >>> show_logs({"loss": 0.25, "accuracy": 0.875, "rate": 1e-5})
    'loss 0.2500 - accuracy 0.8750 - rate 1.0000e-05'
    """
    return " - ".join(f"{name} {_number(float(np.mean(value)))}" for name, value in logs.items())


def _number(value: float) -> str:
    return f"{value:.4f}" if value == 0 or 1e-3 <= abs(value) < 1e6 else f"{value:.4e}"


class Silent:
    """Shows nothing."""

    @contextlib.contextmanager
    def shown(self, title: str, steps: int | None) -> Iterator[None]:
        """Shows a pass over the data: its title, and how many steps it has, if that is known."""
        yield

    def update(self, done: int, logs: Any) -> None:
        """Some of its steps are done."""

    def finish(self, logs: Mapping[str, Any]) -> None:
        """It is over; logs hold what there is to say."""


class Lines(Silent):
    """One line for each pass."""

    @contextlib.contextmanager
    def shown(self, title: str, steps: int | None) -> Iterator[None]:
        """Notes when it began."""
        self._title, self._began = title, time.perf_counter()
        yield

    def finish(self, logs: Mapping[str, Any]) -> None:
        """Prints the line."""
        seconds = time.perf_counter() - self._began
        print(" - ".join([self._title, f"{seconds:.1f} s", *([show_logs(logs)] if logs else [])]), flush=True)


class Bar(Silent):
    """A bar that moves, by rich: batches done, time left, the running logs. A line takes its place at the end."""

    @contextlib.contextmanager
    def shown(self, title: str, steps: int | None) -> Iterator[None]:
        """Draws the bar, and takes it away however the pass ends."""
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(24), MofNCompleteColumn(), TimeRemainingColumn())
        self._progress = Progress(*columns, TextColumn("{task.fields[logs]}"), transient=True)
        self._task = self._progress.add_task(title, total=steps, logs="")
        self._lines = Lines()
        with self._lines.shown(title, steps), self._progress:
            yield

    def update(self, done: int, logs: Any) -> None:
        """Moves the bar."""
        text = show_logs({name: value for name, value in logs.items() if name != "outputs"})
        self._progress.update(self._task, completed=done, logs=text)

    def finish(self, logs: Mapping[str, Any]) -> None:
        """Puts a line in the bar's place."""
        self._progress.stop()
        self._lines.finish(logs)


def reporter(verbose: Any) -> Silent:
    """Returns what shows progress: for 0 nothing, for 1 (or "auto") a bar or lines, for 2 lines.

    Raises:
        ValueError: for anything else.
    """
    if verbose not in (0, 1, 2, "auto"):
        raise ValueError(f"verbose is 0 (silent), 1 (a bar), 2 (a line an epoch) or 'auto', not {verbose!r}.")
    if verbose == 0:
        return Silent()
    return Lines() if verbose == 2 or not sys.stdout.isatty() else Bar()
