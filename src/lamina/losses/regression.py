"""Losses for numbers: functions that return one value a sample (and position), and each as a Loss."""

from typing import Any

import jax
import jax.numpy as jnp

from lamina.core.variable import Array
from lamina.losses.formula import EPSILON, formula
from lamina.losses.loss import Loss, PlainLoss
from lamina.ops.normalization import normalize

# --- squares and magnitudes ------------------------------------------------------------------------------------------


@formula()
def mean_squared_error(y_true: Any, y_pred: Any) -> Array:
    """Returns mean((y_true − y_pred)²) over the last axis.

    Args:
        y_true: targets.
        y_pred: predictions, of the same shape.

    Raises:
        ValueError: for shapes that do not fit.

    >>> print(lamina.losses.mean_squared_error([[0.0, 1.0]], [[1.0, 1.0]]))
    [0.5]
    """
    return jnp.mean(jnp.square(y_true - y_pred), axis=-1)


class MeanSquaredError(PlainLoss):
    """mean((y_true − y_pred)²) over the last axis.

    Args:
        reduction: see `Loss`.
        name: its name.
        dtype: see `Loss`.

    >>> print(lamina.losses.MeanSquaredError()([[0.0, 1.0]], [[1.0, 1.0]]))
    0.5
    """

    call = staticmethod(mean_squared_error)


@formula()
def mean_absolute_error(y_true: Any, y_pred: Any) -> Array:
    """Returns mean(|y_true − y_pred|) over the last axis.

    Args:
        y_true: targets.
        y_pred: predictions, of the same shape.

    Raises:
        ValueError: for shapes that do not fit.

    >>> print(lamina.losses.mean_absolute_error([[0.0, 1.0]], [[2.0, 1.0]]))
    [1.]
    """
    return jnp.mean(jnp.abs(y_true - y_pred), axis=-1)


class MeanAbsoluteError(PlainLoss):
    """mean(|y_true − y_pred|) over the last axis.

    Args:
        reduction: see `Loss`.
        name: its name.
        dtype: see `Loss`.

    >>> print(lamina.losses.MeanAbsoluteError()([[0.0, 1.0]], [[2.0, 1.0]]))
    1.0
    """

    call = staticmethod(mean_absolute_error)


@formula()
def mean_absolute_percentage_error(y_true: Any, y_pred: Any) -> Array:
    """Returns 100 · mean(|y_true − y_pred| / max(|y_true|, 1e-7)) over the last axis.

    Args:
        y_true: targets.
        y_pred: predictions, of the same shape.

    Raises:
        ValueError: for shapes that do not fit.

    >>> print(lamina.losses.mean_absolute_percentage_error([[2.0, 4.0]], [[1.0, 4.0]]))
    [25.]
    """
    return 100 * jnp.mean(jnp.abs(y_true - y_pred) / jnp.maximum(jnp.abs(y_true), EPSILON), axis=-1)


class MeanAbsolutePercentageError(PlainLoss):
    """100 · mean(|y_true − y_pred| / |y_true|) over the last axis; targets of 0 count as 1e-7.

    Args:
        reduction: see `Loss`.
        name: its name.
        dtype: see `Loss`.

    >>> print(lamina.losses.MeanAbsolutePercentageError()([[2.0, 4.0]], [[1.0, 4.0]]))
    25.0
    """

    call = staticmethod(mean_absolute_percentage_error)


@formula()
def mean_squared_logarithmic_error(y_true: Any, y_pred: Any) -> Array:
    """Returns mean((log(1 + y_true) − log(1 + y_pred))²) over the last axis; what is below 1e-7 counts as that.

    Args:
        y_true: targets, not negative.
        y_pred: predictions, of the same shape.

    Raises:
        ValueError: for shapes that do not fit.

    >>> print(f"{lamina.losses.mean_squared_logarithmic_error([[0.0, 1.0]], [[0.0, 0.0]])[0]:.4f}")
    0.2402
    """
    log_true, log_pred = (jnp.log1p(jnp.maximum(y, EPSILON)) for y in (y_true, y_pred))
    return jnp.mean(jnp.square(log_true - log_pred), axis=-1)


class MeanSquaredLogarithmicError(PlainLoss):
    """mean((log(1 + y_true) − log(1 + y_pred))²) over the last axis; what is below 1e-7 counts as that.

    Args:
        reduction: see `Loss`.
        name: its name.
        dtype: see `Loss`.

    >>> print(f"{lamina.losses.MeanSquaredLogarithmicError()([[0.0, 1.0]], [[0.0, 0.0]]):.4f}")
    0.2402
    """

    call = staticmethod(mean_squared_logarithmic_error)


# --- squares near zero, magnitudes far from it -----------------------------------------------------------------------


@formula()
def huber(y_true: Any, y_pred: Any, delta: Any = 1.0) -> Array:
    """Returns the mean over the last axis of e² / 2 where |e| ≤ δ, else δ |e| − δ² / 2, with e = y_pred − y_true.

    Source: Huber, Robust Estimation of a Location Parameter, 1964.

    Args:
        y_true: targets.
        y_pred: predictions, of the same shape.
        delta: δ, from where on the loss grows as a line. Default 1.

    Raises:
        ValueError: for shapes that do not fit.

    >>> print(lamina.losses.huber([[0.0, 0.0]], [[1.0, 3.0]]))
    [1.5]
    """
    error = jnp.abs(y_pred - y_true)
    return jnp.mean(jnp.where(error <= delta, jnp.square(error) / 2, delta * error - delta**2 / 2), axis=-1)


class Huber(Loss):
    """The mean over the last axis of e² / 2 where |e| ≤ δ, else δ |e| − δ² / 2, with e = y_pred − y_true.

    Source: Huber, Robust Estimation of a Location Parameter, 1964.

    Args:
        delta: δ, from where on the loss grows as a line. Default 1.
        reduction: see `Loss`.
        name: its name.
        dtype: see `Loss`.

    >>> print(lamina.losses.Huber()([[0.0, 0.0]], [[1.0, 3.0]]))
    1.5
    """

    def __init__(
        self, delta: float = 1.0, reduction: str | None = "sum_over_batch_size", name: str = "huber_loss", dtype: Any = None
    ) -> None:
        super().__init__(name, reduction, dtype)
        self.delta = delta

    def call(self, y_true: Any, y_pred: Any) -> Array:
        return huber(y_true, y_pred, self.delta)


@formula()
def log_cosh(y_true: Any, y_pred: Any) -> Array:
    """Returns mean(log(cosh(y_pred − y_true))) over the last axis: e² / 2 near 0, |e| − log 2 far from it.

    Args:
        y_true: targets.
        y_pred: predictions, of the same shape.

    Raises:
        ValueError: for shapes that do not fit.

    >>> print(f"{lamina.losses.log_cosh([[0.0, 0.0]], [[0.0, 1.0]])[0]:.4f}")
    0.2169
    """
    error = y_pred - y_true
    return jnp.mean(error + jax.nn.softplus(-2 * error) - jnp.log(2.0).astype(error.dtype), axis=-1)


class LogCosh(PlainLoss):
    """mean(log(cosh(y_pred − y_true))) over the last axis: e² / 2 near 0, |e| − log 2 far from it.

    Args:
        reduction: see `Loss`.
        name: its name.
        dtype: see `Loss`.

    >>> print(f"{lamina.losses.LogCosh()([[0.0, 0.0]], [[0.0, 1.0]]):.4f}")
    0.2169
    """

    call = staticmethod(log_cosh)


# --- directions ------------------------------------------------------------------------------------------------------


@formula("axis")
def cosine_similarity(y_true: Any, y_pred: Any, axis: int = -1) -> Array:
    """Returns −y_true · y_pred / (‖y_true‖ ‖y_pred‖): −1 for equal directions, 1 for opposite ones, 0 if either is zero.

    Args:
        y_true: targets.
        y_pred: predictions, of the same shape.
        axis: the axis of the vectors.

    Raises:
        ValueError: for shapes that do not fit.

    >>> print(lamina.losses.cosine_similarity([[0.0, 1.0], [1.0, 0.0]], [[0.0, 3.0], [0.0, 2.0]]))
    [-1. -0.]
    """
    return -jnp.sum(normalize(y_true, axis=axis) * normalize(y_pred, axis=axis), axis=axis)


class CosineSimilarity(Loss):
    """−y_true · y_pred / (‖y_true‖ ‖y_pred‖): −1 for equal directions, 1 for opposite ones, 0 if either is zero.

    Args:
        axis: the axis of the vectors. Default the last.
        reduction: see `Loss`.
        name: its name.
        dtype: see `Loss`.

    >>> print(lamina.losses.CosineSimilarity()([[0.0, 1.0]], [[0.0, 3.0]]))
    -1.0
    """

    def __init__(
        self, axis: int = -1, reduction: str | None = "sum_over_batch_size", name: str | None = None, dtype: Any = None
    ) -> None:
        super().__init__(name, reduction, dtype)
        self.axis = axis

    def call(self, y_true: Any, y_pred: Any) -> Array:
        return cosine_similarity(y_true, y_pred, axis=self.axis)
