"""Metrics of what is found and missed at thresholds: true and false positives and negatives.

Targets are 0 or 1, predictions probabilities; both of any shape. A prediction above a threshold is positive.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lamina.core.text import show_shape
from lamina.core.variable import Array
from lamina.losses.classification import share
from lamina.losses.formula import same_shape
from lamina.metrics.accuracy import positive
from lamina.metrics.from_sums import FromSums, weigh
from lamina.ops.numpy import divide_no_nan

_LOWEST = -1e10  # what `top_k` leaves out is as low, and all else above it


def count(y_true: Array, y_pred: Array, weights: Array, thresholds: Sequence[float]) -> Array:
    """Returns the weights of true positives, false positives, true negatives and false negatives, at each threshold.

    Args:
        y_true: targets of shape (samples, labels); all but 0 are positive.
        y_pred: predictions, of the same shape; NaN is negative.
        weights: likewise.
        thresholds: in any order.

    Returns:
        An array of shape (4, thresholds, labels).
    """
    order = np.argsort(thresholds)
    levels = jnp.asarray(np.asarray(thresholds)[order], y_pred.dtype)
    labels = y_pred.shape[1]
    passed = jnp.where(jnp.isnan(y_pred), 0, jnp.searchsorted(levels, y_pred, side="left"))  # how many thresholds it is above
    terms = jnp.stack([weights * (y_true != 0), weights * (y_true == 0)], axis=-1).reshape(-1, 2)
    cells = (passed * labels + jnp.arange(labels)).reshape(-1)
    histogram = jax.ops.segment_sum(terms, cells, (len(levels) + 1) * labels).reshape(-1, labels, 2)
    above = jnp.cumsum(histogram[::-1], axis=0)[-2::-1]
    below = jnp.cumsum(histogram, axis=0)[:-1]
    counts = jnp.stack([above[..., 0], above[..., 1], below[..., 1], below[..., 0]])
    return counts[:, np.argsort(order)]


class AtThresholds(FromSums):
    """A metric of the true positives, false positives, true negatives and false negatives at thresholds.

    Its sums have shape (4, thresholds, labels).

    Args:
        thresholds: what predictions are compared with.
        name: its name in logs; by default the class's in snake case.
        dtype: the dtype of its variables; by default float32.
        class_id: the index in the last axis of the only predictions that count; None is all.
        top_k: how many predictions in the last axis, the largest, may be positive; None is all.
        labels: how many labels are counted apart; None is as many as the first batch has.
    """

    def __init__(
        self,
        thresholds: Sequence[float],
        name: str | None = None,
        dtype: Any = None,
        class_id: int | None = None,
        top_k: int | None = None,
        labels: int | None = 1,
    ) -> None:
        super().__init__(name, dtype)
        self.thresholds = list(thresholds)
        self.class_id, self.top_k = class_id, top_k if top_k is None else positive(top_k, "top_k")
        if labels is not None:
            self._make_sums((4, len(self.thresholds), labels))

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Takes a batch in; positions that the mask of `y_pred` leaves out do not count."""
        y_true, y_pred, weights = weigh(y_true, y_pred, sample_weight)
        y_true, y_pred = same_shape(y_true, y_pred, type(self).__name__)
        self._add_sums(count(*self._columns(y_true, self._probabilities(y_pred), weights.reshape(y_pred.shape)), self.thresholds))

    def _probabilities(self, y_pred: Array) -> Array:
        """Returns what is compared with the thresholds."""
        return y_pred

    def _columns(self, y_true: Array, y_pred: Array, weights: Array) -> tuple[Array, Array, Array]:
        """Returns targets, predictions and weights in shape (samples, labels): what counts of them."""
        if self.top_k is not None:
            chosen = jax.lax.top_k(y_pred, self.top_k)[1]
            y_pred = jnp.where(jnp.any(jax.nn.one_hot(chosen, y_pred.shape[-1], dtype=bool), axis=-2), y_pred, _LOWEST)
        if self.class_id is not None:
            if y_pred.ndim < 2:
                raise ValueError(f"A class_id needs predictions of shape (batch, classes), not {show_shape(y_pred.shape)}.")
            y_true, y_pred, weights = (each[..., self.class_id] for each in (y_true, y_pred, weights))
        return y_true.reshape(-1, 1), y_pred.reshape(-1, 1), weights.reshape(-1, 1)


# --- counts ----------------------------------------------------------------------------------------------------------


def _checked(thresholds: Any, default: float = 0.5) -> list[float]:
    """Returns thresholds as a list; raises ValueError for one that is not in [0, 1]."""
    given = default if thresholds is None else thresholds
    listed = list(given) if isinstance(given, (Sequence, np.ndarray)) else [given]
    if not listed:
        raise ValueError("thresholds must not be empty.")
    return listed if thresholds is None else [share(threshold, "A threshold") for threshold in listed]


def _one_or_all(by_threshold: Array) -> Array:
    return by_threshold[0] if by_threshold.shape == (1,) else by_threshold


class _Count(AtThresholds):
    """One of the four counts.

    Args:
        thresholds: a number in [0, 1], or a list of them; None, the default, is 0.5.
        name: its name in logs.
        dtype: the dtype of its variables; by default float32.

    Raises:
        ValueError: for a threshold out of range.
    """

    _row = 0

    def __init__(self, thresholds: Any = None, name: str | None = None, dtype: Any = None) -> None:
        super().__init__(_checked(thresholds), name, dtype)

    def _from_sums(self, sums: Array) -> Array:
        return _one_or_all(sums[self._row, :, 0])


class TruePositives(_Count):
    """How many targets of 1 are predicted to be above a threshold.

    Args:
        thresholds: a number in [0, 1], or a list of them, for as many results; None, the default, is 0.5.
        name: its name in logs.
        dtype: the dtype of its variables; by default float32.

    Raises:
        ValueError: for a threshold out of range.

    >>> print(lamina.metrics.TruePositives()([0, 1, 1, 1], [0.9, 0.1, 0.8, 0.7]))
    2.0
    """


class FalsePositives(_Count):
    """How many targets of 0 are predicted to be above a threshold.

    Args:
        thresholds: a number in [0, 1], or a list of them, for as many results; None, the default, is 0.5.
        name: its name in logs.
        dtype: the dtype of its variables; by default float32.

    Raises:
        ValueError: for a threshold out of range.

    >>> print(lamina.metrics.FalsePositives()([0, 1, 1, 1], [0.9, 0.1, 0.8, 0.7]))
    1.0
    """

    _row = 1


class TrueNegatives(_Count):
    """How many targets of 0 are predicted not to be above a threshold.

    Args:
        thresholds: a number in [0, 1], or a list of them, for as many results; None, the default, is 0.5.
        name: its name in logs.
        dtype: the dtype of its variables; by default float32.

    Raises:
        ValueError: for a threshold out of range.

    >>> print(lamina.metrics.TrueNegatives()([0, 1, 0, 0], [0.9, 0.1, 0.2, 0.3]))
    2.0
    """

    _row = 2


class FalseNegatives(_Count):
    """How many targets of 1 are predicted not to be above a threshold.

    Args:
        thresholds: a number in [0, 1], or a list of them, for as many results; None, the default, is 0.5.
        name: its name in logs.
        dtype: the dtype of its variables; by default float32.

    Raises:
        ValueError: for a threshold out of range.

    >>> print(lamina.metrics.FalseNegatives()([0, 1, 1, 1], [0.9, 0.1, 0.8, 0.7]))
    1.0
    """

    _row = 3


# --- shares ----------------------------------------------------------------------------------------------------------


def precision_of(sums: Array) -> Array:
    """Returns TP / (TP + FP), how much of what is found is right."""
    return divide_no_nan(sums[0], sums[0] + sums[1])


def recall_of(sums: Array) -> Array:
    """Returns TP / (TP + FN), how much of what is there is found; it is also called sensitivity."""
    return divide_no_nan(sums[0], sums[0] + sums[3])


def specificity_of(sums: Array) -> Array:
    """Returns TN / (TN + FP), how much of what is not there is not found."""
    return divide_no_nan(sums[2], sums[2] + sums[1])


class _Share(AtThresholds):
    """Precision or recall."""

    def __init__(
        self,
        thresholds: Any = None,
        top_k: int | None = None,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(_checked(thresholds, 0.5 if top_k is None else _LOWEST), name, dtype, class_id, top_k)


class Precision(_Share):
    """TP / (TP + FP): how much of what is found is right; 0 if nothing is found.

    Args:
        thresholds: a number in [0, 1], or a list of them, for as many results; None is 0.5, or no threshold where there is a top_k.
        top_k: how many predictions in the last axis, the largest, may be positive; None is all.
        class_id: the index in the last axis of the only predictions that count; None is all.
        name: its name in logs.
        dtype: the dtype of its variables; by default float32.

    Raises:
        ValueError: for a threshold out of range, or a top_k that is not a positive integer.

    >>> print(lamina.metrics.Precision()([0, 1, 1, 1], [0.9, 0.1, 0.8, 0.2]))
    0.5
    """

    def _from_sums(self, sums: Array) -> Array:
        return _one_or_all(precision_of(sums)[:, 0])


class Recall(_Share):
    """TP / (TP + FN): how much of what is there is found; 0 if nothing is there.

    Args:
        thresholds: a number in [0, 1], or a list of them, for as many results; None is 0.5, or no threshold where there is a top_k.
        top_k: how many predictions in the last axis, the largest, may be positive; None is all.
        class_id: the index in the last axis of the only predictions that count; None is all.
        name: its name in logs.
        dtype: the dtype of its variables; by default float32.

    Raises:
        ValueError: for a threshold out of range, or a top_k that is not a positive integer.

    >>> print(lamina.metrics.Recall()([0, 1, 1, 1, 1], [0.9, 0.1, 0.8, 0.2, 0.3]))
    0.25
    """

    def _from_sums(self, sums: Array) -> Array:
        return _one_or_all(recall_of(sums)[:, 0])


# --- the best of one share where another is good enough --------------------------------------------------------------


class _BestAt(AtThresholds):
    """The best of one share among thresholds at which another is at least a value."""

    def __init__(self, value: float, what: str, num_thresholds: int, class_id: int | None, name: str | None, dtype: Any) -> None:
        count = positive(num_thresholds, "num_thresholds")
        super().__init__([0.5] if count == 1 else np.linspace(0, 1, count).tolist(), name, dtype, class_id)
        self.value = share(value, what)

    def _probabilities(self, y_pred: Array) -> Array:
        return jnp.clip(y_pred, 0, 1)

    def _best(self, wanted: Array, bound: Array) -> Array:
        return jnp.max(jnp.where(bound >= self.value, wanted, 0))


class SensitivityAtSpecificity(_BestAt):
    """The best sensitivity, TP / (TP + FN), at thresholds where the specificity, TN / (TN + FP), is at least a value.

    Args:
        specificity: the value, in [0, 1].
        num_thresholds: how many thresholds, evenly spaced from 0 to 1, are tried. Default 200.
        class_id: the index in the last axis of the only predictions that count; None is all.
        name: its name in logs.
        dtype: the dtype of its variables; by default float32.

    Raises:
        ValueError: for a value out of range, or a number that is not positive.

    >>> metric = lamina.metrics.SensitivityAtSpecificity(0.5)
    >>> print(metric([0, 0, 0, 1, 1], [0, 0.3, 0.8, 0.3, 0.8]))
    0.5
    """

    def __init__(
        self,
        specificity: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(specificity, "specificity", num_thresholds, class_id, name, dtype)

    def _from_sums(self, sums: Array) -> Array:
        return self._best(recall_of(sums), specificity_of(sums))


class SpecificityAtSensitivity(_BestAt):
    """The best specificity, TN / (TN + FP), at thresholds where the sensitivity, TP / (TP + FN), is at least a value.

    Args:
        sensitivity: the value, in [0, 1].
        num_thresholds: how many thresholds, evenly spaced from 0 to 1, are tried. Default 200.
        class_id: the index in the last axis of the only predictions that count; None is all.
        name: its name in logs.
        dtype: the dtype of its variables; by default float32.

    Raises:
        ValueError: for a value out of range, or a number that is not positive.

    >>> metric = lamina.metrics.SpecificityAtSensitivity(0.5)
    >>> print(f"{metric([0, 0, 0, 1, 1], [0, 0.3, 0.8, 0.3, 0.8]):.4f}")
    0.6667
    """

    def __init__(
        self,
        sensitivity: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(sensitivity, "sensitivity", num_thresholds, class_id, name, dtype)

    def _from_sums(self, sums: Array) -> Array:
        return self._best(specificity_of(sums), recall_of(sums))


class PrecisionAtRecall(_BestAt):
    """The best precision, TP / (TP + FP), at thresholds where the recall, TP / (TP + FN), is at least a value.

    Args:
        recall: the value, in [0, 1].
        num_thresholds: how many thresholds, evenly spaced from 0 to 1, are tried. Default 200.
        class_id: the index in the last axis of the only predictions that count; None is all.
        name: its name in logs.
        dtype: the dtype of its variables; by default float32.

    Raises:
        ValueError: for a value out of range, or a number that is not positive.

    >>> print(lamina.metrics.PrecisionAtRecall(0.5)([0, 0, 0, 1, 1], [0, 0.3, 0.8, 0.3, 0.8]))
    0.5
    """

    def __init__(
        self,
        recall: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(recall, "recall", num_thresholds, class_id, name, dtype)

    def _from_sums(self, sums: Array) -> Array:
        return self._best(precision_of(sums), recall_of(sums))


class RecallAtPrecision(_BestAt):
    """The best recall, TP / (TP + FN), at thresholds where the precision, TP / (TP + FP), is at least a value.

    Args:
        precision: the value, in [0, 1].
        num_thresholds: how many thresholds, evenly spaced from 0 to 1, are tried. Default 200.
        class_id: the index in the last axis of the only predictions that count; None is all.
        name: its name in logs.
        dtype: the dtype of its variables; by default float32.

    Raises:
        ValueError: for a value out of range, or a number that is not positive.

    >>> print(lamina.metrics.RecallAtPrecision(0.8)([0, 0, 1, 1], [0, 0.5, 0.3, 0.9]))
    0.5
    """

    def __init__(
        self,
        precision: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(precision, "precision", num_thresholds, class_id, name, dtype)

    def _from_sums(self, sums: Array) -> Array:
        return self._best(recall_of(sums), precision_of(sums))
