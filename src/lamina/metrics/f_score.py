"""F-scores: precision and recall in one number."""

from typing import Any

import jax.numpy as jnp

from lamina.core.text import show_shape
from lamina.core.variable import Array
from lamina.losses.formula import same_shape
from lamina.metrics.from_sums import FromSums, weigh
from lamina.ops.numpy import divide_no_nan

_AVERAGES = (None, "micro", "macro", "weighted")


class FBetaScore(FromSums):
    """(1 + β²) TP / ((1 + β²) TP + β² FN + FP) for each class: the weighted harmonic mean of precision and recall.

    Targets and predictions have shape (batch, ..., classes).

    Source: van Rijsbergen, Information Retrieval, 1979.

    Args:
        average: None gives one value for each class; `micro` counts all classes together, `macro` is the mean over classes, and
            `weighted` weighs them by how often they occur.
        beta: β, how many times as important recall is as precision. Default 1.
        threshold: predictions above it count as 1; in (0, 1]. None, the default, is for those that are the sample's largest.
        name: its name in logs.
        dtype: the dtype of its variables; by default float32.

    Raises:
        ValueError: for another average, a β that is not positive, or a threshold out of range.

    >>> score = lamina.metrics.FBetaScore(beta=2.0, threshold=0.5)
    >>> print(score([[1, 1], [1, 0]], [[0.9, 0.2], [0.8, 0.7]]))
    [1. 0.]
    """

    def __init__(
        self,
        average: str | None = None,
        beta: float = 1.0,
        threshold: float | None = None,
        name: str | None = "fbeta_score",
        dtype: Any = None,
    ) -> None:
        super().__init__(name, dtype)
        if average not in _AVERAGES:
            raise ValueError(f"Unknown average {average!r}. Known ones: {', '.join(map(str, _AVERAGES))}.")
        if not beta > 0:
            raise ValueError(f"beta must be positive, not {beta!r}.")
        if threshold is not None and not 0 < threshold <= 1:
            raise ValueError(f"threshold must be above 0 and at most 1, not {threshold!r}.")
        self.average, self.beta, self.threshold = average, beta, threshold

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Takes a batch in; positions that the mask of `y_pred` leaves out do not count."""
        y_true, y_pred, weights = weigh(y_true, y_pred, sample_weight)
        y_true, y_pred = same_shape(y_true, y_pred, type(self).__name__)
        if y_pred.ndim < 2:
            raise ValueError(
                f"{type(self).__name__} takes predictions of shape (batch, classes), not {show_shape(y_pred.shape)}. For two "
                "classes with one output reshape them to (batch, 1)."
            )
        if self.threshold is None:
            found = (y_pred == jnp.max(y_pred, axis=-1, keepdims=True)) & (jnp.abs(y_pred) > 1e-9)
        else:
            found = y_pred > self.threshold
        terms = weights * jnp.stack([found * y_true, found * (1 - y_true), ~found * y_true])
        self._add_sums(jnp.sum(terms, axis=tuple(range(1, terms.ndim - 1))))

    def _from_sums(self, sums: Array) -> Array:
        true_positives, false_positives, false_negatives = jnp.sum(sums, axis=-1) if self.average == "micro" else sums
        right = (1 + self.beta**2) * true_positives
        score = divide_no_nan(right, right + self.beta**2 * false_negatives + false_positives)
        if self.average == "macro":
            return jnp.mean(score)
        if self.average == "weighted":
            occurring = true_positives + false_negatives
            return divide_no_nan(jnp.sum(score * occurring), jnp.sum(occurring))
        return score


class F1Score(FBetaScore):
    """2 TP / (2 TP + FN + FP) for each class: the harmonic mean of precision and recall.

    Args:
        average: see `FBetaScore`.
        threshold: see `FBetaScore`.
        name: its name in logs.
        dtype: the dtype of its variables; by default float32.

    Raises:
        ValueError: for another average, or a threshold out of range.

    >>> print(lamina.metrics.F1Score(average="micro")([[1, 0], [1, 0]], [[0.9, 0.1], [0.2, 0.8]]))
    0.5
    """

    def __init__(
        self, average: str | None = None, threshold: float | None = None, name: str | None = "f1_score", dtype: Any = None
    ) -> None:
        super().__init__(average=average, beta=1.0, threshold=threshold, name=name, dtype=dtype)
