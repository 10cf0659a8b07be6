"""What a person sees of training: a bar in a terminal, one line an epoch elsewhere."""

import contextlib
import logging
import os
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
    return " - ".join(f"{name} {show_number(value)}" for name, value in logs.items())


def show_time(seconds: float) -> str:
    """Returns how long something took, as text.

    >>> [show_time(seconds) for seconds in (0.0123, 4.56, 83.4)]
    ['12 ms', '4.6 s', '83 s']
    """
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"


def show_number(value: Any) -> str:
    """Returns a number of the logs, or the mean of several, as text; very small and very large ones in scientific notation."""
    value = float(np.mean(value))
    return f"{value:.4f}" if value == 0 or 1e-3 <= abs(value) < 1e6 else f"{value:.4e}"


class Silent:
    """Shows nothing."""

    @contextlib.contextmanager
    def shown(self, title: str, steps: int | None) -> Iterator[None]:
        """Shows a pass over the data: its title, and how many steps it has, if that is known."""
        yield

    def update(self, done: int, logs: Any) -> None:
        """Some of its steps are done."""

    def validates(self) -> None:
        """All of its steps are done, and validation begins."""

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
        _say(" - ".join([self._title, show_time(seconds), *([show_logs(logs)] if logs else [])]))


class Bar(Silent):
    """A bar that moves, by rich: batches done, time left, the running logs. A line takes its place at the end.

    On a narrow terminal the logs are cut and the bar is short or left out, so that all of it stays on one line. It first shows
    after a tenth of a second: what is over by then leaves its line without a flicker.
    """

    @contextlib.contextmanager
    def shown(self, title: str, steps: int | None) -> Iterator[None]:
        """Draws the bar, and takes it away however the pass ends."""
        from rich import get_console, progress
        from rich.table import Column

        console = get_console()
        bar = [progress.BarColumn(24 if console.width >= 100 else 12)] if console.width >= 72 else []
        self._progress = progress.Progress(
            progress.TextColumn("{task.description}", markup=False),
            *bar,
            progress.MofNCompleteColumn(table_column=Column(no_wrap=True)),
            progress.TimeElapsedColumn() if steps is None else progress.TimeRemainingColumn(compact=True),
            progress.TextColumn("{task.fields[logs]}", markup=False, table_column=Column(no_wrap=True, ratio=1)),
            console=console,
            expand=True,
            transient=True,
        )
        self._task = self._progress.add_task(title, total=steps, logs="")
        self._lines = Lines()
        with self._lines.shown(title, steps):
            self._progress.live.start(refresh=False)
            try:
                yield
            finally:
                self._progress.stop()

    def update(self, done: int, logs: Any) -> None:
        """Moves the bar."""
        text = show_logs({name: value for name, value in logs.items() if name != "outputs"})
        self._progress.update(self._task, completed=done, logs=text)

    def validates(self) -> None:
        """Says so in place of the running logs."""
        self._progress.update(self._task, logs="validating")

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
    return Lines() if verbose == 2 or not _interactive[0] or not _can_move() else Bar()


_interactive = [True]


def enable_interactive_logging() -> None:
    """Prints the progress of training, as is done unless something else is said."""
    _interactive[0] = True


def disable_interactive_logging() -> None:
    """Gives the progress of training to Python's logger "lamina", at the level INFO: a line for each pass.

    >>> lamina.config.disable_interactive_logging()
    >>> lamina.config.is_interactive_logging_enabled()
    False
    >>> lamina.config.enable_interactive_logging()
    """
    _interactive[0] = False


def is_interactive_logging_enabled() -> bool:
    """Tells whether the progress of training is printed."""
    return _interactive[0]


def _say(line: str) -> None:
    if _interactive[0]:
        print(line, flush=True)
    else:
        logging.getLogger("lamina").info(line)


def _can_move() -> bool:
    """Tells whether the output is a terminal that can write over what stands there."""
    return sys.stdout.isatty() and os.environ.get("TERM", "").lower() not in ("dumb", "unknown")
