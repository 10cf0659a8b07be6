"""Losses for numbers."""

import jax.numpy as jnp

from lamina.core.variable import Array
from lamina.losses.loss import Loss, same_shape


class MeanSquaredError(Loss):
    """mean((y_true - y_pred)^2) over the last axis.

    >>> print(lamina.losses.MeanSquaredError()([[0.0, 1.0]], [[1.0, 1.0]]))
    0.5
    """

    def call(self, y_true: Array, y_pred: Array) -> Array:
        """Returns one value a sample (and position)."""
        y_true, y_pred = same_shape(y_true, y_pred, "MeanSquaredError")
        return jnp.mean(jnp.square(y_true - y_pred), axis=-1)


class MeanAbsoluteError(Loss):
    """mean(|y_true - y_pred|) over the last axis.

    >>> print(lamina.losses.MeanAbsoluteError()([[0.0, 1.0]], [[2.0, 1.0]]))
    1.0
    """

    def call(self, y_true: Array, y_pred: Array) -> Array:
        """Returns one value a sample (and position)."""
        y_true, y_pred = same_shape(y_true, y_pred, "MeanAbsoluteError")
        return jnp.mean(jnp.abs(y_true - y_pred), axis=-1)
