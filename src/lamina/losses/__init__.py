"""Losses: how far predictions are from targets."""

from typing import Any

from lamina.core.config import resolve
from lamina.losses.classification import BinaryCrossentropy, CategoricalCrossentropy, SparseCategoricalCrossentropy
from lamina.losses.loss import FunctionLoss, Loss
from lamina.losses.regression import MeanAbsoluteError, MeanSquaredError

_NAMES = {
    "mse": MeanSquaredError,
    "mean_squared_error": MeanSquaredError,
    "mae": MeanAbsoluteError,
    "mean_absolute_error": MeanAbsoluteError,
    "binary_crossentropy": BinaryCrossentropy,
    "categorical_crossentropy": CategoricalCrossentropy,
    "sparse_categorical_crossentropy": SparseCategoricalCrossentropy,
}


def get(identifier: Any) -> Loss | None:
    """Returns the loss that a user's argument means: None, a Loss, a name, a config, or a function of two arguments."""
    found = resolve(identifier, Loss, _NAMES, "loss")
    return found if found is None or isinstance(found, Loss) else FunctionLoss(found)


__all__ = [
    "BinaryCrossentropy",
    "CategoricalCrossentropy",
    "Loss",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "SparseCategoricalCrossentropy",
    "get",
]
