"""Metrics: values accumulated over batches."""

import functools
from typing import Any

import lamina.losses as losses
from lamina.core.config import resolve
from lamina.core.metric import Mean, Metric
from lamina.metrics.accuracy import Accuracy, BinaryAccuracy, CategoricalAccuracy, SparseCategoricalAccuracy
from lamina.metrics.from_loss import LossMetric
from lamina.metrics.mean_of import MeanOf

_LOSSES = {
    "mse": losses.MeanSquaredError,
    "mae": losses.MeanAbsoluteError,
    "mean_squared_error": losses.MeanSquaredError,
    "mean_absolute_error": losses.MeanAbsoluteError,
    "binary_crossentropy": losses.BinaryCrossentropy,
    "categorical_crossentropy": losses.CategoricalCrossentropy,
    "sparse_categorical_crossentropy": losses.SparseCategoricalCrossentropy,
}
_NAMES: dict[str, Any] = {
    "accuracy": Accuracy,
    "acc": functools.partial(Accuracy, "acc"),
    "binary_accuracy": BinaryAccuracy,
    "categorical_accuracy": CategoricalAccuracy,
    "sparse_categorical_accuracy": SparseCategoricalAccuracy,
    **{name: functools.partial(lambda name, loss: LossMetric(loss(), name), name, loss) for name, loss in _LOSSES.items()},
}


def get(identifier: Any) -> Metric | None:
    """Returns the metric that a user's argument means: None, a Metric, a name, a config, a Loss, or a function."""
    found = resolve(identifier, Metric, _NAMES, "metric")
    return found if found is None or isinstance(found, Metric) else LossMetric(found)


__all__ = [
    "Accuracy",
    "BinaryAccuracy",
    "CategoricalAccuracy",
    "Mean",
    "MeanOf",
    "Metric",
    "SparseCategoricalAccuracy",
    "get",
]
