"""What it means to monitor a value: which one, and when another is better."""

import math
import re

from lamina.callbacks.callback import Callback, Logs
from lamina.callbacks.checks import number
from lamina.core.errors import warn

_MORE = "acc accuracy auc correlation f1 fbeta io iou precision r2 recall sensitivity similarity specificity true"
_LESS = "cosh crossentropy divergence entropy error false hinge huber logcosh loss mae mape mse msle perplexity poisson rmse"
_MODES = {**dict.fromkeys(_MORE.split(), "max"), **dict.fromkeys(_LESS.split(), "min")}


def mode_of(name: str) -> str | None:
    """Returns "max" or "min": what a value with this name should become. None if the name does not tell.

    The last word that is known counts.

    >>> [mode_of(name) for name in ("val_loss", "top_5_accuracy", "mean_absolute_error", "score")]
    ['min', 'max', 'min', None]
    """
    words = re.findall(r"[a-z0-9]+", name.lower())
    return next((_MODES[word] for word in reversed(words) if word in _MODES), None)


class MonitorCallback(Callback):
    """A callback that goes by a value in the logs.

    A value is better than another if it is less by more than min_delta, or, with mode "max", greater by more than min_delta.

    Args:
        monitor: the value's name in the logs.
        mode: "min", "max", or "auto": what the name says, as losses and errors should become less and accuracies more.
        min_delta: the least change that counts; its sign does not matter.

    Attributes:
        best: the best value so far, or None.

    Raises:
        ValueError: for an argument that is none of these, and in mode "auto" for a name that does not tell.
    """

    def __init__(self, monitor: str = "val_loss", mode: str = "auto", min_delta: float = 0.0) -> None:
        owner = type(self).__name__
        if not isinstance(monitor, str) or not monitor:
            raise ValueError(f"monitor of {owner} must be the name of a value in the logs, not {monitor!r}.")
        if mode not in ("auto", "min", "max"):
            raise ValueError(f"mode of {owner} must be 'auto', 'min' or 'max', not {mode!r}.")
        found = mode_of(monitor) if mode == "auto" else mode
        if found is None:
            raise ValueError(f"{owner} cannot tell whether more or less {monitor!r} is better. Give mode='max' or mode='min'.")
        self.monitor = monitor
        self.mode = found
        self.min_delta = abs(number(min_delta, "min_delta", self))
        self.best: float | None = None
        self._warned = False

    def on_train_begin(self, logs: Logs = None) -> None:
        """Training begins: it may warn again."""
        self._warned = False

    def _monitored(self, logs: Logs) -> float | None:
        """Returns the monitored value; where the logs lack it, None, after a warning the first time."""
        logs = logs or {}
        value = logs.get(self.monitor)
        if value is None and not self._warned:
            self._warned = True
            known = ", ".join(logs) or "nothing"
            warn(f"{type(self).__name__} monitors {self.monitor!r}, which is not in the logs. They hold {known}.")
        return value

    def _improves(self, value: float, reference: float | None) -> bool:
        """Tells whether a value is better than a reference. Anything is better than None, and any number than NaN."""
        if reference is None or (math.isnan(reference) and not math.isnan(value)):
            return True
        return value + self.min_delta < reference if self.mode == "min" else value - self.min_delta > reference
