"""Accuracy: the share of predictions that are right."""

from typing import Any

import jax.numpy as jnp

from lamina.core.variable import Array
from lamina.metrics.mean_of import MeanOf


def sparse_matches(y_true: Array, y_pred: Array) -> Array:
    """Returns, for integer targets, where the largest prediction is at the target's index."""
    labels = y_true[..., 0] if y_true.ndim == y_pred.ndim and y_true.shape[-1] == 1 else y_true
    return labels == jnp.argmax(y_pred, axis=-1)


def categorical_matches(y_true: Array, y_pred: Array) -> Array:
    """Returns, for one-hot targets, where prediction and target are largest at the same index."""
    return jnp.argmax(y_true, axis=-1) == jnp.argmax(y_pred, axis=-1)


def binary_matches(y_true: Array, y_pred: Array, threshold: float = 0.5) -> Array:
    """Returns, for targets 0 and 1, the share of each sample's predictions that are on the target's side."""
    right = y_true.reshape(y_pred.shape) == (y_pred > threshold)
    return jnp.mean(right, axis=-1) if right.ndim > 1 else right


class SparseCategoricalAccuracy(MeanOf):
    """The share of samples whose largest prediction is at the target's index.

    Targets are integers of shape (batch, ...) or (batch, ..., 1), predictions have shape (batch, ..., classes).

    >>> accuracy = lamina.metrics.SparseCategoricalAccuracy()
    >>> print(accuracy([1, 0], [[0.1, 0.9], [0.2, 0.8]]))
    0.5
    """

    def values(self, y_true: Array, y_pred: Array) -> Array:
        """Returns where the prediction is right."""
        return sparse_matches(y_true, y_pred)


class CategoricalAccuracy(MeanOf):
    """The share of samples whose largest prediction is where the target is largest; targets are one-hot.

    >>> print(lamina.metrics.CategoricalAccuracy()([[0, 1]], [[0.1, 0.9]]))
    1.0
    """

    def values(self, y_true: Array, y_pred: Array) -> Array:
        """Returns where the prediction is right."""
        return categorical_matches(y_true, y_pred)


class BinaryAccuracy(MeanOf):
    """The share of predictions on the same side of the threshold as their targets (0 or 1).

    Args:
        name: its name.
        dtype: the dtype of its variables.
        threshold: predictions above it count as 1.

    >>> print(lamina.metrics.BinaryAccuracy()([1, 0], [0.9, 0.8]))
    0.5
    """

    def __init__(self, name: str | None = None, dtype: Any = None, threshold: float = 0.5) -> None:
        super().__init__(name, dtype)
        self.threshold = threshold

    def values(self, y_true: Array, y_pred: Array) -> Array:
        """Returns the share of each sample's predictions that are right."""
        return binary_matches(y_true, y_pred, self.threshold)


class Accuracy(MeanOf):
    """What `metrics=["accuracy"]` means: sparse, categorical or binary accuracy, whichever the shapes ask for.

    Predictions whose last axis is 1 (or missing) are binary; targets of the predictions' shape are one-hot; other targets
    are integers.

    >>> print(lamina.metrics.Accuracy()([1, 0], [[0.1, 0.9], [0.2, 0.8]]))
    0.5
    """

    def values(self, y_true: Array, y_pred: Array) -> Array:
        """Returns where, or in which share, the prediction is right."""
        if y_pred.ndim == 1 or y_pred.shape[-1] == 1:
            return binary_matches(y_true, y_pred)
        return (categorical_matches if y_true.shape == y_pred.shape else sparse_matches)(y_true, y_pred)
