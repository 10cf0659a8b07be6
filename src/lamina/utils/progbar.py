"""The progress of loops of one's own."""

from collections.abc import Iterable
from contextlib import ExitStack
from typing import Any

import lamina.training.progress as progress
from lamina.core.text import ReprMixin


class Progbar(ReprMixin):
    """Shows the progress of a loop of one's own as `fit` does: a bar that moves in a terminal, and a line at the end.

    Args:
        target: how many steps there are; None if that is not known.
        width: taken as Keras has it; the terminal says how wide the bar is.
        verbose: 0 shows nothing, 1 a bar, 2 a line at the end.
        interval: taken as Keras has it; the bar moves ten times a second at most.
        stateful_metrics: names of values that are shown as they are; the others are shown as their mean over the steps.
        stateless_metrics: instead, names of values that are shown as their mean; the others are shown as they are.
        unit_name: what is counted.

    Raises:
        ValueError: where both kinds of metrics are named.

    >>> bar = lamina.utils.Progbar(3, verbose=2, unit_name="word")
    >>> for step, loss in enumerate([3.0, 2.0, 1.0]):
    ...     bar.update(step + 1, [("loss", loss)])
    3 words - ... ms - loss 2.0000
    """

    def __init__(
        self,
        target: int | None,
        width: int = 20,
        verbose: int = 1,
        interval: float = 0.05,
        stateful_metrics: Iterable[str] | None = None,
        stateless_metrics: Iterable[str] | None = None,
        unit_name: str = "step",
    ) -> None:
        if stateful_metrics is not None and stateless_metrics is not None:
            raise ValueError("Progbar takes stateful_metrics or stateless_metrics, not both: the one names what the other leaves.")
        self.target, self.width, self.verbose, self.interval, self.unit_name = target, width, verbose, interval, unit_name
        self.stateful_metrics = None if stateless_metrics is not None else set(stateful_metrics or ())
        self.stateless_metrics = None if stateless_metrics is None else set(stateless_metrics)
        self._sums: dict[str, tuple[float, int]] = {}
        self._done = 0
        self._shown: ExitStack | None = None
        self._reporter = progress.reporter(verbose)

    def update(self, current: int, values: Iterable[tuple[str, Any]] | None = None, finalize: bool | None = None) -> None:
        """Shows how far the loop is.

        Args:
            current: how many steps are done.
            values: names and values of the last step.
            finalize: True says that the loop is over, and that values are those of all its steps. By default it is over when
                `current` has reached the target.
        """
        if self._shown is None:
            self._shown = ExitStack()
            title = f"{'' if self.target is None else f'{self.target} '}{self.unit_name}s"
            self._shown.enter_context(self._reporter.shown(title, self.target))
        steps = max(current - self._done, 1)
        for name, value in values or ():
            total, count = self._sums.get(name, (0.0, 0))
            averaged = self._is_averaged(name) and not finalize
            self._sums[name] = (total + value * steps, count + steps) if averaged else (value, 1)
        self._done = current
        logs = {name: total / count for name, (total, count) in self._sums.items()}
        self._reporter.update(current, logs)
        if finalize or (finalize is None and self.target is not None and current >= self.target):
            self._reporter.finish(logs)
            self._shown.close()
            self._shown = None

    def add(self, n: int, values: Iterable[tuple[str, Any]] | None = None) -> None:
        """Shows that n more steps are done; values as in `update`."""
        self.update(self._done + n, values)

    def _is_averaged(self, name: str) -> bool:
        return name not in self.stateful_metrics if self.stateful_metrics is not None else name in (self.stateless_metrics or ())
