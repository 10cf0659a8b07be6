"""How callbacks read and change the learning rate."""

import math
from typing import Any

import numpy as np

from lamina.callbacks.callback import Callback, Logs


def optimizer_of(callback: Callback) -> Any:
    """Returns the optimizer of a callback's model; raises RuntimeError, saying what to do, if it has none."""
    optimizer = getattr(callback.model, "optimizer", None)
    if not hasattr(optimizer, "learning_rate"):
        raise RuntimeError(
            f"{type(callback).__name__} needs a model whose optimizer has a learning_rate, but the optimizer is {optimizer!r}. "
            "Give one to compile(optimizer=...)."
        )
    return optimizer


def log_rate(callback: Callback, logs: Logs) -> float:
    """Returns the learning rate, after putting it in the logs as `learning_rate`."""
    rate = float(optimizer_of(callback).learning_rate)
    if logs is not None:
        logs["learning_rate"] = rate
    return rate


def log_rates(callback: Callback, logs: Logs) -> dict[Any, float]:
    """Returns the learning rate of each optimizer, after putting them in the logs.

    One goes by `learning_rate`; several, as a `MultiOptimizer` has, each go by `learning_rate_` and their name.
    """
    several = getattr(getattr(callback.model, "optimizer", None), "optimizers", None)
    if several is None:
        return {optimizer_of(callback): log_rate(callback, logs)}
    rates = {optimizer: float(optimizer.learning_rate) for optimizer in several}
    if logs is not None:
        logs.update({f"learning_rate_{optimizer.name}": rate for optimizer, rate in rates.items()})
    return rates


def as_rate(value: Any, whence: str) -> float:
    """Returns a learning rate; raises ValueError, saying where it comes from, for what is not a finite number from 0 up."""
    array = np.asarray(value)
    if array.ndim or array.dtype.kind not in "iuf" or not 0 <= array < math.inf:
        raise ValueError(f"A learning rate must be a number that is not negative, but {whence} is {value!r}.")
    return float(array)
