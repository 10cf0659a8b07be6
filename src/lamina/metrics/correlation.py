"""Correlations between the targets and the predictions of each sample."""

from typing import Any

import jax.numpy as jnp

from lamina.core.variable import Array
from lamina.losses.formula import formula
from lamina.metrics.mean_of import MeanOf
from lamina.ops.numpy import divide_no_nan


def _moments(x: Array, y: Array, axis: int) -> tuple[Array, Array, Array, Array]:
    """Returns the difference of the means, both variances, and the covariance."""
    mean_x, mean_y = (jnp.mean(values, axis=axis, keepdims=True) for values in (x, y))
    x, y = x - mean_x, y - mean_y
    return jnp.squeeze(mean_x - mean_y, axis), jnp.mean(x * x, axis), jnp.mean(y * y, axis), jnp.mean(x * y, axis)


@formula("axis")
def pearson_correlation(y_true: Any, y_pred: Any, axis: int = -1) -> Array:
    """Returns cov(y_true, y_pred) / (σ_true σ_pred) along an axis; 0, where Keras has NaN, if one of them is constant.

    Source: Pearson, Note on Regression and Inheritance in the Case of Two Parents, 1895.

    Args:
        y_true: targets.
        y_pred: predictions, of the same shape.
        axis: the axis along which they are correlated.

    Raises:
        ValueError: for shapes that do not fit.

    >>> print(f"{lamina.metrics.pearson_correlation([[0.0, 1.0, 2.0]], [[1.0, 2.0, 6.0]])[0]:.4f}")
    0.9449
    """
    _, var_true, var_pred, covariance = _moments(y_true, y_pred, axis)
    return divide_no_nan(covariance, jnp.sqrt(var_true) * jnp.sqrt(var_pred))


class PearsonCorrelation(MeanOf):
    """The mean over samples of cov(y_true, y_pred) / (σ_true σ_pred) along an axis; a constant sample counts as 0.

    Args:
        name: its name in logs.
        dtype: the dtype of its variables; by default float32.
        axis: the axis along which they are correlated; the last, which is default, correlates the features of a sample.

    >>> print(f"{lamina.metrics.PearsonCorrelation()([[0.0, 1.0, 2.0]], [[1.0, 2.0, 6.0]]):.4f}")
    0.9449
    """

    def __init__(self, name: str | None = None, dtype: Any = None, axis: int = -1) -> None:
        super().__init__(name, dtype)
        self.axis = axis

    def values(self, y_true: Array, y_pred: Array) -> Array:
        return pearson_correlation(y_true, y_pred, axis=self.axis)


@formula("axis")
def concordance_correlation(y_true: Any, y_pred: Any, axis: int = -1) -> Array:
    """Returns 2 cov(y_true, y_pred) / (σ²_true + σ²_pred + (μ_true − μ_pred)²) along an axis; 0 if both are the same constant.

    Source: Lin, A Concordance Correlation Coefficient to Evaluate Reproducibility, 1989.

    Args:
        y_true: targets.
        y_pred: predictions, of the same shape.
        axis: the axis along which they are correlated.

    Raises:
        ValueError: for shapes that do not fit.

    >>> print(f"{lamina.metrics.concordance_correlation([[0.0, 1.0, 2.0]], [[1.0, 2.0, 3.0]])[0]:.4f}")
    0.5714
    """
    difference, var_true, var_pred, covariance = _moments(y_true, y_pred, axis)
    return divide_no_nan(2 * covariance, var_true + var_pred + difference**2)


class ConcordanceCorrelation(MeanOf):
    """The mean over samples of 2 cov(y_true, y_pred) / (σ²_true + σ²_pred + (μ_true − μ_pred)²) along an axis.

    Args:
        name: its name in logs.
        dtype: the dtype of its variables; by default float32.
        axis: the axis along which they are correlated; the last, which is default, correlates the features of a sample.

    >>> print(f"{lamina.metrics.ConcordanceCorrelation()([[0.0, 1.0, 2.0]], [[1.0, 2.0, 3.0]]):.4f}")
    0.5714
    """

    def __init__(self, name: str | None = None, dtype: Any = None, axis: int = -1) -> None:
        super().__init__(name, dtype)
        self.axis = axis

    def values(self, y_true: Array, y_pred: Array) -> Array:
        return concordance_correlation(y_true, y_pred, axis=self.axis)
