"""AUC: the area under a curve that thresholds draw."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lamina.core.text import show_shape
from lamina.core.variable import Array
from lamina.losses.classification import share
from lamina.losses.formula import EPSILON
from lamina.metrics.confusion import AtThresholds, precision_of, recall_of
from lamina.ops.numpy import divide_no_nan

_CURVES = ("ROC", "PR", "PRGAIN")
_METHODS = ("interpolation", "majoring", "minoring")


class AUC(AtThresholds):
    """The area under a curve that thresholds draw, approximately.

    `ROC` is recall over the rate of false positives, `PR` precision over recall, `PRGAIN` both of the last rescaled so that a
    guess has the area 0. The area is a sum over neighbouring thresholds: with `interpolation` by the trapezoid rule, for `PR` with
    true positives interpolated instead; `minoring` and `majoring` take the lower or the upper of two neighbours.

    Sources: Davis and Goadrich, The Relationship Between Precision-Recall and ROC Curves, 2006; Flach and Kull,
    Precision-Recall-Gain Curves, 2015.

    Args:
        num_thresholds: how many thresholds, evenly spaced from 0 to 1, at least 2. Default 200.
        curve: `ROC` (default), `PR` or `PRGAIN`.
        summation_method: `interpolation` (default), `majoring` or `minoring`.
        name: its name in logs.
        dtype: the dtype of its variables; by default float32.
        thresholds: numbers in [0, 1], to which 0 and 1 are added; then `num_thresholds` is not used.
        multi_label: whether predictions have shape (batch, labels), and the area is the mean of those of the labels. If not, all
            predictions count as of one label.
        num_labels: how many labels there are; by default as many as the first batch has.
        label_weights: a weight for each label.
        from_logits: whether predictions are logits rather than probabilities.

    Raises:
        ValueError: for an unknown curve or method, thresholds out of range, or labels without `multi_label`.

    >>> print(lamina.metrics.AUC(num_thresholds=3)([0, 0, 1, 1], [0, 0.5, 0.3, 0.9]))
    0.75
    """

    def __init__(
        self,
        num_thresholds: int = 200,
        curve: str = "ROC",
        summation_method: str = "interpolation",
        name: str | None = None,
        dtype: Any = None,
        thresholds: Sequence[float] | None = None,
        multi_label: bool = False,
        num_labels: int | None = None,
        label_weights: Sequence[float] | None = None,
        from_logits: bool = False,
    ) -> None:
        if str(curve).upper() not in _CURVES:
            raise ValueError(f"Unknown curve {curve!r}. Known ones: {', '.join(_CURVES)}.")
        if str(summation_method).lower() not in _METHODS:
            raise ValueError(f"Unknown summation_method {summation_method!r}. Known ones: {', '.join(_METHODS)}.")
        if thresholds is None and not (isinstance(num_thresholds, int) and num_thresholds > 1):
            raise ValueError(f"num_thresholds must be an integer above 1, not {num_thresholds!r}.")
        if num_labels and not multi_label:
            raise ValueError("num_labels is for multi_label=True.")
        if thresholds is None:
            inner = np.linspace(0, 1, num_thresholds)[1:-1].tolist()
        else:
            inner = sorted(share(threshold, "A threshold") for threshold in thresholds)
        labels = num_labels if multi_label else 1
        super().__init__([-EPSILON, *inner, 1 + EPSILON], name, dtype, labels=labels)
        self.curve, self.summation_method = str(curve).upper(), str(summation_method).lower()
        self.num_thresholds, self.multi_label, self.num_labels = len(self.thresholds), multi_label, num_labels
        self.label_weights = None if label_weights is None else np.asarray(label_weights, "float32")
        self.from_logits = from_logits

    def _probabilities(self, y_pred: Array) -> Array:
        return jnp.clip(jax.nn.sigmoid(y_pred) if self.from_logits else y_pred, 0, 1)

    def _columns(self, y_true: Array, y_pred: Array, weights: Array) -> tuple[Array, Array, Array]:
        if not self.multi_label:
            weights = weights if self.label_weights is None else weights * self.label_weights
            return super()._columns(y_true, y_pred, weights)
        if y_pred.ndim != 2:
            raise ValueError(f"multi_label=True takes predictions of shape (batch, labels), not {show_shape(y_pred.shape)}.")
        return y_true, y_pred, weights

    def _from_sums(self, sums: Array) -> Array:
        areas = self._interpolated(sums) if (self.curve, self.summation_method) == ("PR", "interpolation") else self._summed(sums)
        if self.label_weights is None or not self.multi_label:
            return jnp.mean(areas)
        return divide_no_nan(jnp.sum(areas * self.label_weights), jnp.sum(self.label_weights))

    def _summed(self, sums: Array) -> Array:
        """Returns the area for each label, from the heights of neighbours."""
        x, y = _points(self.curve, sums)
        left, right = y[:-1], y[1:]
        if self.summation_method == "interpolation":
            heights = (left + right) / 2
        else:
            heights = jnp.minimum(left, right) if self.summation_method == "minoring" else jnp.maximum(left, right)
        return jnp.sum((x[:-1] - x[1:]) * heights, axis=0)

    def _interpolated(self, sums: Array) -> Array:
        """Returns the area under precision over recall for each label, with true positives linear in what is found."""
        true_positives, false_positives, _, false_negatives = sums
        found = true_positives + false_positives
        step, widened = true_positives[:-1] - true_positives[1:], jnp.maximum(found[:-1] - found[1:], 0)
        slope = divide_no_nan(step, widened)
        intercept = true_positives[1:] - slope * found[1:]
        both = (found[:-1] > 0) & (found[1:] > 0)
        ratio = jnp.where(both, divide_no_nan(found[:-1], found[1:]), 1)
        there = (true_positives + false_negatives)[1:]
        return jnp.sum(divide_no_nan(slope * (step + intercept * jnp.log(ratio)), there), axis=0)


def _points(curve: str, sums: Array) -> tuple[Array, Array]:
    """Returns x and y of the curve at each threshold."""
    if curve == "ROC":
        return divide_no_nan(sums[1], sums[1] + sums[2]), recall_of(sums)
    if curve == "PR":
        return recall_of(sums), precision_of(sums)
    true_positives, false_positives, true_negatives, false_negatives = sums
    odds = divide_no_nan(true_positives + false_negatives, true_negatives + false_positives)
    recall_gain = 1 - odds * divide_no_nan(false_negatives, true_positives)
    precision_gain = 1 - odds * divide_no_nan(false_positives, true_positives)
    none = true_positives == 0
    return jnp.maximum(jnp.where(none, 0, recall_gain), 0), jnp.where(none, 1, precision_gain)
