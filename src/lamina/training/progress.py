"""What a person sees of training: a bar in a terminal, one line an epoch elsewhere."""

import sys
import time
from collections.abc import Mapping
from typing import Any

import numpy as np


def show_logs(logs: Mapping[str, Any]) -> str:
    """Returns logs as text.

    >>> show_logs({"loss": 0.25, "accuracy": 0.875})
    'loss 0.2500 - accuracy 0.8750'
    """
    return " - ".join(f"{name} {float(np.mean(value)):.4f}" for name, value in logs.items())


class Silent:
    """Shows nothing."""

    def start(self, title: str, steps: int) -> None:
        """A pass over the data begins."""

    def update(self, done: int, logs: Any) -> None:
        """Some of its steps are done."""

    def finish(self, logs: Mapping[str, Any]) -> None:
        """It is over; logs hold what there is to say."""


class Lines(Silent):
    """One line for each pass."""

    def start(self, title: str, steps: int) -> None:
        """Notes when it began."""
        self._title, self._began = title, time.perf_counter()

    def finish(self, logs: Mapping[str, Any]) -> None:
        """Prints the line."""
        print(f"{self._title} - {time.perf_counter() - self._began:.1f} s - {show_logs(logs)}", flush=True)


class Bar(Silent):
    """A bar that moves, by rich: batches done, time left, the running logs."""

    def start(self, title: str, steps: int) -> None:
        """Draws the bar."""
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(24), MofNCompleteColumn(), TimeRemainingColumn())
        self._progress = Progress(*columns, TextColumn("{task.fields[logs]}"), transient=True)
        self._task = self._progress.add_task(title, total=steps, logs="")
        self._lines = Lines()
        self._lines.start(title, steps)
        self._progress.start()

    def update(self, done: int, logs: Any) -> None:
        """Moves the bar."""
        text = show_logs(logs) if isinstance(logs, Mapping) else ""
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
