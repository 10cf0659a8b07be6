"""Accuracy: the share of predictions that are right."""

from typing import Any

import jax.numpy as jnp

import lamina.ops as ops
from lamina.core.variable import Array
from lamina.losses.by_shape import kind_of_targets
from lamina.losses.formula import formula
from lamina.metrics.mean_of import MeanOf

# --- each prediction by itself ---------------------------------------------------------------------------------------


@formula()
def equal(y_true: Any, y_pred: Any) -> Array:
    """Returns 1 where predictions equal targets, else 0."""
    right: Array = (y_true == y_pred).astype("float32")
    return right


class Accuracy(MeanOf):
    """The share of predictions that equal their targets: of class numbers, say. `metrics=["accuracy"]` is more than that.

    Args:
        name: its name in logs.
        dtype: the dtype of its variables; by default float32.

    >>> print(lamina.metrics.Accuracy()([1, 2, 3, 4], [0, 2, 3, 4]))
    0.75
    """

    values = staticmethod(equal)


@formula()
def binary_accuracy(y_true: Any, y_pred: Any, threshold: Any = 0.5) -> Array:
    """Returns 1 for each prediction that is on its target's side of a threshold, else 0.

    Args:
        y_true: 0 or 1.
        y_pred: probabilities, of the same shape.
        threshold: predictions above it count as 1. Default 0.5.

    Raises:
        ValueError: for shapes that do not fit.

    >>> print(lamina.metrics.binary_accuracy([[1.0], [0.0]], [[0.9], [0.8]])[:, 0])
    [1. 0.]
    """
    right: Array = (y_true == (y_pred > threshold)).astype("float32")
    return right


class BinaryAccuracy(MeanOf):
    """The share of predictions on the same side of the threshold as their targets (0 or 1).

    Args:
        name: its name in logs.
        dtype: the dtype of its variables; by default float32.
        threshold: predictions above it count as 1. Default 0.5.

    >>> print(lamina.metrics.BinaryAccuracy()([1, 0], [0.9, 0.8]))
    0.5
    """

    def __init__(self, name: str | None = None, dtype: Any = None, threshold: float = 0.5) -> None:
        super().__init__(name, dtype)
        self.threshold = threshold

    def values(self, y_true: Array, y_pred: Array) -> Array:
        return binary_accuracy(y_true, y_pred, self.threshold)


# --- the largest of several ------------------------------------------------------------------------------------------


@formula()
def categorical_accuracy(y_true: Any, y_pred: Any) -> Array:
    """Returns 1 for each sample whose target and prediction are largest at the same index, else 0.

    Args:
        y_true: one-hot targets of shape (batch, ..., classes).
        y_pred: predictions, of the same shape.

    Raises:
        ValueError: for shapes that do not fit.

    >>> print(lamina.metrics.categorical_accuracy([[0, 1], [0, 1]], [[0.1, 0.9], [0.8, 0.2]]))
    [1. 0.]
    """
    return (jnp.argmax(y_true, axis=-1) == jnp.argmax(y_pred, axis=-1)).astype("float32")


class CategoricalAccuracy(MeanOf):
    """The share of samples whose largest prediction is where the target is largest; targets are one-hot.

    Args:
        name: its name in logs.
        dtype: the dtype of its variables; by default float32.

    >>> print(lamina.metrics.CategoricalAccuracy()([[0, 1]], [[0.1, 0.9]]))
    1.0
    """

    values = staticmethod(categorical_accuracy)


def _labels(y_true: Array, y_pred: Array) -> Array:
    """Returns class numbers without a last axis of size 1 in place of the classes."""
    return jnp.squeeze(y_true, -1) if y_true.ndim == y_pred.ndim and y_true.shape[-1] == 1 else y_true


@formula(labels=True)
def sparse_categorical_accuracy(y_true: Any, y_pred: Any) -> Array:
    """Returns 1 for each sample whose largest prediction is at the target's index, else 0.

    Args:
        y_true: class numbers of shape (batch, ...) or (batch, ..., 1).
        y_pred: predictions of shape (batch, ..., classes).

    >>> print(lamina.metrics.sparse_categorical_accuracy([1, 1], [[0.1, 0.9], [0.8, 0.2]]))
    [1. 0.]
    """
    return (_labels(y_true, y_pred) == jnp.argmax(y_pred, axis=-1)).astype("float32")


class SparseCategoricalAccuracy(MeanOf):
    """The share of samples whose largest prediction is at the target's index.

    Targets are integers of shape (batch, ...) or (batch, ..., 1), predictions have shape (batch, ..., classes).

    Args:
        name: its name in logs.
        dtype: the dtype of its variables; by default float32.

    >>> accuracy = lamina.metrics.SparseCategoricalAccuracy()
    >>> print(accuracy([1, 0], [[0.1, 0.9], [0.2, 0.8]]))
    0.5
    """

    values = staticmethod(sparse_categorical_accuracy)


# --- the k largest ---------------------------------------------------------------------------------------------------


@formula("k")
def top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5) -> Array:
    """Returns 1 for each sample whose target is among the k largest predictions, else 0; a tie counts as being there.

    Args:
        y_true: one-hot targets of shape (batch, ..., classes).
        y_pred: predictions, of the same shape.
        k: how many predictions count. Default 5.

    Raises:
        ValueError: for shapes that do not fit.

    >>> print(lamina.metrics.top_k_categorical_accuracy([[0, 0, 1]], [[0.5, 0.2, 0.3]], k=2))
    [1.]
    """
    return ops.in_top_k(jnp.argmax(y_true, axis=-1), y_pred, k).astype("float32")


class TopKCategoricalAccuracy(MeanOf):
    """The share of samples whose target, one-hot, is among the k largest predictions.

    Args:
        k: how many predictions count, at least 1. Default 5.
        name: its name in logs.
        dtype: the dtype of its variables; by default float32.

    Raises:
        ValueError: for a k that is not a positive integer.

    >>> print(lamina.metrics.TopKCategoricalAccuracy(k=2)([[0, 0, 1]], [[0.5, 0.2, 0.3]]))
    1.0
    """

    def __init__(self, k: int = 5, name: str | None = None, dtype: Any = None) -> None:
        super().__init__(name, dtype)
        self.k = positive(k, "k")

    def values(self, y_true: Array, y_pred: Array) -> Array:
        return top_k_categorical_accuracy(y_true, y_pred, self.k)


@formula("k", "from_sorted_ids", labels=True)
def sparse_top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5, from_sorted_ids: bool = False) -> Array:
    """Returns 1 for each sample whose target is among the k largest predictions, else 0; a tie counts as being there.

    Args:
        y_true: class numbers of shape (batch, ...) or (batch, ..., 1).
        y_pred: predictions of shape (batch, ..., classes).
        k: how many predictions count. Default 5.
        from_sorted_ids: whether `y_pred` holds class numbers instead, the likeliest first.

    >>> print(lamina.metrics.sparse_top_k_categorical_accuracy([2], [[0.5, 0.2, 0.3]], k=2))
    [1.]
    """
    labels = _labels(y_true, y_pred)
    if from_sorted_ids:
        return jnp.any(labels[..., None] == y_pred[..., :k], axis=-1).astype("float32")
    return ops.in_top_k(labels.astype("int32"), y_pred, k).astype("float32")


class SparseTopKCategoricalAccuracy(MeanOf):
    """The share of samples whose target, a class number, is among the k largest predictions.

    Args:
        k: how many predictions count, at least 1. Default 5.
        name: its name in logs.
        dtype: the dtype of its variables; by default float32.
        from_sorted_ids: whether predictions are class numbers, the likeliest first.

    Raises:
        ValueError: for a k that is not a positive integer.

    >>> print(lamina.metrics.SparseTopKCategoricalAccuracy(k=2)([2], [[0.5, 0.2, 0.3]]))
    1.0
    """

    def __init__(self, k: int = 5, name: str | None = None, dtype: Any = None, from_sorted_ids: bool = False) -> None:
        super().__init__(name, dtype)
        self.k, self.from_sorted_ids = positive(k, "k"), from_sorted_ids

    def values(self, y_true: Array, y_pred: Array) -> Array:
        return sparse_top_k_categorical_accuracy(y_true, y_pred, self.k, self.from_sorted_ids)


# --- whichever the shapes ask for ------------------------------------------------------------------------------------

_ACCURACIES = {"binary": binary_accuracy, "one-hot": categorical_accuracy, "sparse": sparse_categorical_accuracy}


class AccuracyByShape(MeanOf):
    """What `metrics=["accuracy"]` means: sparse, categorical or binary accuracy.

    Predictions whose last axis is 1 (or missing) are binary; targets of the predictions' shape are one-hot; other targets
    are integers.

    Args:
        name: its name in logs.
        dtype: the dtype of its variables; by default float32.

    >>> print(lamina.metrics.get("accuracy")([1, 0], [[0.1, 0.9], [0.2, 0.8]]))
    0.5
    """

    def __init__(self, name: str | None = "accuracy", dtype: Any = None) -> None:
        super().__init__(name, dtype)

    def values(self, y_true: Array, y_pred: Array) -> Array:
        return _ACCURACIES[kind_of_targets(y_true, y_pred)](y_true, y_pred)


def positive(value: int, name: str) -> int:
    """Returns an integer of at least 1; raises ValueError, with the argument's name, for anything else."""
    if not isinstance(value, int) or value < 1:
        raise ValueError(f"{name} must be a positive integer, not {value!r}.")
    return value
