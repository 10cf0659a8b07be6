"""Hinge losses, which ask that the right class wins by a margin of 1.

In binary ones targets are −1 or 1; those of a batch that are all 0 or 1 are taken as −1 and 1.
"""

from typing import Any

import jax.numpy as jnp

from lamina.core.variable import Array
from lamina.losses.formula import formula
from lamina.losses.loss import PlainLoss


def _shortfall(y_true: Any, y_pred: Any) -> Array:
    """Returns how far each prediction is from its margin."""
    binary = jnp.all((y_true == 0) | (y_true == 1))
    return jnp.maximum(1 - jnp.where(binary, 2 * y_true - 1, y_true) * y_pred, 0)


@formula()
def hinge(y_true: Any, y_pred: Any) -> Array:
    """Returns mean(max(1 − y_true · y_pred, 0)) over the last axis.

    Args:
        y_true: targets, −1 or 1; or 0 or 1.
        y_pred: predictions, of the same shape.

    Raises:
        ValueError: for shapes that do not fit.

    >>> print(lamina.losses.hinge([[-1.0, 1.0]], [[-2.0, 0.5]]))
    [0.25]
    """
    return jnp.mean(_shortfall(y_true, y_pred), axis=-1)


class Hinge(PlainLoss):
    """mean(max(1 − y_true · y_pred, 0)) over the last axis, for targets −1 and 1, or 0 and 1.

    Args:
        reduction: see `Loss`.
        name: its name.
        dtype: see `Loss`.

    >>> print(lamina.losses.Hinge()([[-1.0, 1.0]], [[-2.0, 0.5]]))
    0.25
    """

    call = staticmethod(hinge)


@formula()
def squared_hinge(y_true: Any, y_pred: Any) -> Array:
    """Returns mean(max(1 − y_true · y_pred, 0)²) over the last axis.

    Args:
        y_true: targets, −1 or 1; or 0 or 1.
        y_pred: predictions, of the same shape.

    Raises:
        ValueError: for shapes that do not fit.

    >>> print(lamina.losses.squared_hinge([[-1.0, 1.0]], [[-2.0, 0.0]]))
    [0.5]
    """
    return jnp.mean(jnp.square(_shortfall(y_true, y_pred)), axis=-1)


class SquaredHinge(PlainLoss):
    """mean(max(1 − y_true · y_pred, 0)²) over the last axis, for targets −1 and 1, or 0 and 1.

    Args:
        reduction: see `Loss`.
        name: its name.
        dtype: see `Loss`.

    >>> print(lamina.losses.SquaredHinge()([[-1.0, 1.0]], [[-2.0, 0.0]]))
    0.5
    """

    call = staticmethod(squared_hinge)


@formula()
def categorical_hinge(y_true: Any, y_pred: Any) -> Array:
    """Returns max(1 + max((1 − y_true) · y_pred) − Σ y_true · y_pred, 0) over the last axis.

    Args:
        y_true: one-hot targets.
        y_pred: predictions, of the same shape.

    Raises:
        ValueError: for shapes that do not fit.

    >>> print(lamina.losses.categorical_hinge([[0.0, 1.0]], [[0.5, 1.0]]))
    [0.5]
    """
    right = jnp.sum(y_true * y_pred, axis=-1)
    wrong = jnp.max((1 - y_true) * y_pred, axis=-1)
    return jnp.maximum(1 + wrong - right, 0)


class CategoricalHinge(PlainLoss):
    """max(1 + max((1 − y_true) · y_pred) − Σ y_true · y_pred, 0) over the last axis, for one-hot targets.

    Args:
        reduction: see `Loss`.
        name: its name.
        dtype: see `Loss`.

    >>> print(lamina.losses.CategoricalHinge()([[0.0, 1.0]], [[0.5, 1.0]]))
    0.5
    """

    call = staticmethod(categorical_hinge)
