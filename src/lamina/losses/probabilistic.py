"""Losses for distributions and counts."""

from typing import Any

import jax.numpy as jnp

from lamina.core.variable import Array
from lamina.losses.formula import EPSILON, formula
from lamina.losses.loss import PlainLoss


@formula()
def kl_divergence(y_true: Any, y_pred: Any) -> Array:
    """Returns Σ y_true · log(y_true / y_pred) over the last axis, of probabilities, which are kept in [1e-7, 1].

    Source: Kullback and Leibler, On Information and Sufficiency, 1951.

    Args:
        y_true: targets.
        y_pred: predictions, of the same shape.

    Raises:
        ValueError: for shapes that do not fit.

    >>> print(f"{lamina.losses.kl_divergence([[0.5, 0.5]], [[0.25, 0.75]])[0]:.4f}")
    0.1438
    """
    y_true, y_pred = (jnp.clip(y, EPSILON, 1) for y in (y_true, y_pred))
    return jnp.sum(y_true * jnp.log(y_true / y_pred), axis=-1)


class KLDivergence(PlainLoss):
    """Σ y_true · log(y_true / y_pred) over the last axis, of probabilities, which are kept in [1e-7, 1].

    Source: Kullback and Leibler, On Information and Sufficiency, 1951.

    Args:
        reduction: see `Loss`.
        name: its name.
        dtype: see `Loss`.

    >>> print(f"{lamina.losses.KLDivergence()([[0.5, 0.5]], [[0.25, 0.75]]):.4f}")
    0.1438
    """

    call = staticmethod(kl_divergence)


@formula()
def poisson(y_true: Any, y_pred: Any) -> Array:
    """Returns mean(y_pred − y_true · log(y_pred + 1e-7)) over the last axis: −log of a Poisson likelihood, but for a constant.

    Args:
        y_true: counts.
        y_pred: the rates that are predicted, of the same shape.

    Raises:
        ValueError: for shapes that do not fit.

    >>> print(f"{lamina.losses.poisson([[0.0, 2.0]], [[1.0, 1.0]])[0]:.3f}")
    1.000
    """
    return jnp.mean(y_pred - y_true * jnp.log(y_pred + EPSILON), axis=-1)


class Poisson(PlainLoss):
    """mean(y_pred − y_true · log(y_pred + 1e-7)) over the last axis: −log of a Poisson likelihood, but for a constant.

    Args:
        reduction: see `Loss`.
        name: its name.
        dtype: see `Loss`.

    >>> print(f"{lamina.losses.Poisson()([[0.0, 2.0]], [[1.0, 1.0]]):.3f}")
    1.000
    """

    call = staticmethod(poisson)
