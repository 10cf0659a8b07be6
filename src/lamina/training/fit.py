"""Passes over data: fitting, evaluating and predicting with any object that has variables and steps."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import jax
import numpy as np

from lamina.core.host import next_host_generator
from lamina.training.data import ArrayData
from lamina.training.loop import CompiledLoop, PythonLoop
from lamina.training.progress import reporter


class Trainable(Protocol):
    """What can be trained: steps that are stateful code, and metrics that are reset before each pass."""

    def reset_metrics(self) -> None:
        """Forgets what the metrics have seen."""

    def loop(self, kind: str) -> CompiledLoop | PythonLoop:
        """Returns the loop for a kind of step: "train", "test" or "predict"."""
        ...


class History:
    """What `fit` returns.

    Attributes:
        history: for each name in the logs, its values, one an epoch.
        epoch: the epochs' numbers, from 0.
    """

    def __init__(self) -> None:
        self.history: dict[str, list[float]] = {}
        self.epoch: list[int] = []

    def add(self, epoch: int, logs: Mapping[str, float]) -> None:
        """Takes the logs of one epoch."""
        self.epoch.append(epoch)
        for name, value in logs.items():
            self.history.setdefault(name, []).append(value)


def fit(model: Trainable, data: ArrayData, *, epochs: int, shuffle: bool, validation: ArrayData | None, verbose: Any) -> History:
    """Runs the model's train step over the data, epoch after epoch, and its test step over the validation data."""
    report, history = reporter(verbose), History()
    arrays = data.on_device()
    held_out = None if validation is None else validation.on_device()
    for epoch in range(epochs):
        order = next_host_generator().permutation(data.size) if shuffle else np.arange(data.size)
        model.reset_metrics()
        report.start(f"Epoch {epoch + 1}/{epochs}", data.steps)
        logs: dict[str, float] = {}
        try:
            logs = numbers(model.loop("train").run(data, arrays, order, report.update))
            if validation is not None:
                logs |= {f"val_{name}": value for name, value in _test(model, validation, held_out).items()}
        finally:
            report.finish(logs)
        history.add(epoch, logs)
    return history


def evaluate(model: Trainable, data: ArrayData, *, verbose: Any) -> dict[str, float]:
    """Runs the model's test step over the data and returns its logs."""
    report = reporter(verbose)
    report.start("Evaluate", data.steps)
    logs: dict[str, float] = {}
    try:
        logs = _test(model, data, data.on_device(), report.update)
    finally:
        report.finish(logs)
    return logs


def _test(
    model: Trainable, data: ArrayData, arrays: Any, progress: Callable[[int, Any], None] = lambda done, logs: None
) -> dict[str, float]:
    model.reset_metrics()
    return numbers(model.loop("test").run(data, arrays, np.arange(data.size), progress))


def predict(step: Callable[[Any], Any], data: ArrayData, *, verbose: Any) -> Any:
    """Returns the outputs of a step for all samples, as NumPy arrays.

    Args:
        step: takes a batch and returns outputs, whose first axis is the samples.
        data: the samples.
        verbose: see `reporter`.
    """
    report = reporter(verbose)
    report.start("Predict", data.steps)
    parts = []
    try:
        for start in range(0, data.size, data.batch_size):
            batch = [leaf[start : start + data.batch_size] for leaf in data.leaves]
            parts.append(jax.device_get(step(jax.tree.unflatten(data.tree, batch))))
            report.update(len(parts), {})
    finally:
        report.finish({})
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts)


def numbers(logs: Any) -> dict[str, float]:
    """Returns a step's logs as Python numbers."""
    return {name: float(np.mean(jax.device_get(value))) for name, value in logs.items()}
