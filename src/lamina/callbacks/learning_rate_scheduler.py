"""LearningRateScheduler: the learning rate of each epoch from a function."""

import inspect
from collections.abc import Callable
from typing import Any

from lamina.callbacks.callback import Callback, Logs
from lamina.callbacks.learning_rate import as_rate, log_rate, optimizer_of


class LearningRateScheduler(Callback):
    """Sets the learning rate at the beginning of each epoch: rate ← schedule(epoch, rate).

    At its end the epoch's rate is put in the logs as `learning_rate`, for the callbacks that follow.

    Args:
        schedule: a function of the epoch, counted from 0, and the current rate that returns the new rate; or of the epoch alone.
        verbose: 1 says the rate of each epoch; 0 is silent.

    Raises:
        TypeError: if schedule cannot be called so.
        ValueError: at the beginning of an epoch, if it returns what cannot be a learning rate.

    >>> model = lamina.Sequential([lamina.layers.Dense(1)])
    >>> model.compile(lamina.optimizers.SGD(1.0), "mse")
    >>> halve = lamina.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2 if epoch else rate)
    >>> _ = model.fit(np.ones((8, 2)), np.zeros((8, 1)), epochs=3, verbose=0, callbacks=[halve])
    >>> float(model.optimizer.learning_rate)
    0.25
    """

    def __init__(self, schedule: Callable[..., Any], verbose: int = 0) -> None:
        self.schedule = schedule
        self.verbose = verbose
        self._takes_rate = _takes(schedule, 0, 0.1)
        if not self._takes_rate and not _takes(schedule, 0):
            raise TypeError(f"schedule of LearningRateScheduler must be a function of epoch and learning rate, not {schedule!r}.")

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """An epoch begins: sets its rate."""
        optimizer = optimizer_of(self)
        new = self.schedule(epoch, float(optimizer.learning_rate)) if self._takes_rate else self.schedule(epoch)
        rate = as_rate(new, f"what the schedule of LearningRateScheduler returned for epoch {epoch}")
        optimizer.learning_rate = rate
        if self.verbose:
            print(f"Epoch {epoch + 1}: the learning rate is {rate}.")

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """An epoch is over: logs its rate."""
        log_rate(self, logs)


def _takes(function: Any, *args: Any) -> bool:
    """Tells whether a function can be called with so many arguments, as far as that can be told."""
    if not callable(function):
        return False
    try:
        inspect.signature(function).bind(*args)
    except TypeError:
        return False
    except ValueError:  # a builtin without a signature
        return True
    return True
