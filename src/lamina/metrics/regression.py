"""Metrics for numbers that are not the mean of a loss."""

from typing import Any

import jax.numpy as jnp

from lamina.core.text import show_shape
from lamina.core.variable import Array
from lamina.losses.formula import formula, same_shape
from lamina.metrics.from_sums import FromSums, weigh
from lamina.metrics.mean_of import MeanOf
from lamina.ops.numpy import divide_no_nan

_AGGREGATIONS = (None, "uniform_average", "variance_weighted_average")


@formula()
def _squared_error(y_true: Any, y_pred: Any) -> Array:
    return jnp.square(y_true - y_pred)


class RootMeanSquaredError(MeanOf):
    """√(mean of (y_true − y_pred)²).

    Args:
        name: its name in logs.
        dtype: the dtype of its variables; by default float32.

    >>> print(lamina.metrics.RootMeanSquaredError()([[0.0, 1.0]], [[3.0, 1.0]]).round(4))
    2.1213
    """

    values = staticmethod(_squared_error)

    def result(self) -> Array:
        return jnp.sqrt(super().result())


class R2Score(FromSums):
    """1 − Σ w (y_true − y_pred)² / Σ w (y_true − mean)² for each output: the share of the variance that is explained.

    Where targets are all the same it is 1 if they are predicted exactly (Keras: NaN), else 0. With p regressors and n samples it
    is 1 − (1 − R²) (n − 1) / (n − p − 1), as long as n > p + 1. (Keras counts a sample with several outputs several times.)

    Args:
        class_aggregation: `uniform_average` is the mean over outputs, `variance_weighted_average` weighs them by their variance,
            None gives one value for each.
        num_regressors: p, the number of independent regressors, for the adjusted score; 0, the default, for the plain one.
        name: its name in logs.
        dtype: the dtype of its variables; by default float32.

    Raises:
        ValueError: for another aggregation, or a negative number.

    >>> print(lamina.metrics.R2Score()([[1.0], [2.0], [3.0]], [[1.0], [2.0], [4.0]]))
    0.5
    """

    def __init__(
        self,
        class_aggregation: str | None = "uniform_average",
        num_regressors: int = 0,
        name: str | None = "r2_score",
        dtype: Any = None,
    ) -> None:
        super().__init__(name, dtype)
        if class_aggregation not in _AGGREGATIONS:
            raise ValueError(f"Unknown class_aggregation {class_aggregation!r}. Known ones: {', '.join(map(str, _AGGREGATIONS))}.")
        if num_regressors < 0:
            raise ValueError(f"num_regressors must not be negative, as {num_regressors!r} is.")
        self.class_aggregation, self.num_regressors = class_aggregation, num_regressors

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Takes a batch in: targets and predictions of shape (batch, ..., outputs)."""
        y_true, y_pred, weights = weigh(y_true, y_pred, sample_weight)
        y_true, y_pred = same_shape(y_true, y_pred, "R2Score")
        if y_pred.ndim < 2:
            raise ValueError(f"R2Score takes predictions of shape (batch, outputs), not {show_shape(y_pred.shape)}.")
        samples = jnp.broadcast_to(jnp.any(weights != 0, axis=-1, keepdims=True), weights.shape)
        terms = jnp.stack([weights, weights * y_true, weights * y_true**2, weights * (y_true - y_pred) ** 2, samples])
        self._add_sums(jnp.sum(terms, axis=tuple(range(1, terms.ndim - 1))))

    def _from_sums(self, sums: Array) -> Array:
        weight, linear, square, residual, samples = sums
        variance = square - divide_no_nan(linear**2, weight)
        score = jnp.where(variance == 0, (residual == 0) & (weight > 0), 1 - divide_no_nan(residual, variance))
        if self.class_aggregation == "uniform_average":
            score = jnp.mean(score)
        elif self.class_aggregation == "variance_weighted_average":
            score = divide_no_nan(jnp.sum(variance * score), jnp.sum(variance))
        free = samples[0] - self.num_regressors - 1
        adjusted = 1 - divide_no_nan((1 - score) * (samples[0] - 1), free)
        return jnp.where(free > 0, adjusted, score) if self.num_regressors else score
