"""Losses for regions: how much of two sets is not common to both. Targets and predictions are 0 to 1 for each position."""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp

from lamina.core.variable import Array
from lamina.losses.formula import EPSILON, formula
from lamina.losses.loss import Loss

Axes = int | Sequence[int] | None


@formula("axis")
def dice(y_true: Any, y_pred: Any, axis: Axes = None) -> Array:
    """Returns 1 − 2 Σ t p / (Σ t + Σ p + 1e-7), for targets t and predictions p.

    Source: Dice, Measures of the Amount of Ecologic Association Between Species, 1945.

    Args:
        y_true: t, for each position 0 or 1.
        y_pred: p, of the same shape.
        axis: the axes of the sums; None is all, the batch too.

    Raises:
        ValueError: for shapes that do not fit.

    >>> print(lamina.losses.dice([[1.0, 0.0]], [[0.5, 0.5]]))
    0.5
    """
    return 1 - 2 * jnp.sum(y_true * y_pred, axis) / (jnp.sum(y_true, axis) + jnp.sum(y_pred, axis) + EPSILON)


class Dice(Loss):
    """1 − 2 Σ t p / (Σ t + Σ p + 1e-7), for targets t and predictions p.

    Source: Dice, Measures of the Amount of Ecologic Association Between Species, 1945.

    Args:
        reduction: see `Loss`.
        name: its name.
        axis: the axes of the sums; None, the default, is all, so that there is one value for the batch. With (1, 2, 3) there
            is one for each image, which sample weights need.
        dtype: see `Loss`.

    >>> print(lamina.losses.Dice()([[1.0, 0.0]], [[0.5, 0.5]]))
    0.5
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        axis: Axes = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction, dtype)
        self.axis = _checked(axis)

    def call(self, y_true: Any, y_pred: Any) -> Array:
        return dice(y_true, y_pred, axis=self.axis)


@formula("axis")
def tversky(y_true: Any, y_pred: Any, alpha: Any = 0.5, beta: Any = 0.5, axis: Axes = None) -> Array:
    """Returns 1 − Σ t p / (Σ t p + α Σ t (1 − p) + β Σ (1 − t) p + 1e-7), for targets t and predictions p.

    Keras says that α is for false positives and β for false negatives; by its numbers, which these are, it is the other way round.

    Source: Salehi et al., Tversky Loss Function for Image Segmentation, 2017.

    Args:
        y_true: t, for each position 0 or 1.
        y_pred: p, of the same shape.
        alpha: α, the weight of what is missed. Default 0.5.
        beta: β, the weight of what is wrongly found. Default 0.5, which with α = 0.5 is `dice`.
        axis: the axes of the sums; None is all, the batch too.

    Raises:
        ValueError: for shapes that do not fit.

    >>> print(f"{lamina.losses.tversky([[1.0, 0.0]], [[0.5, 0.5]]):.3f}")
    0.500
    """
    both, missed, wrong = (jnp.sum(part, axis) for part in (y_true * y_pred, y_true * (1 - y_pred), (1 - y_true) * y_pred))
    share: Array = both / (both + alpha * missed + beta * wrong + EPSILON)
    return 1 - share


class Tversky(Loss):
    """1 − Σ t p / (Σ t p + α Σ t (1 − p) + β Σ (1 − t) p + 1e-7), for targets t and predictions p.

    Keras says that α is for false positives and β for false negatives; by its numbers, which these are, it is the other way round.

    Source: Salehi et al., Tversky Loss Function for Image Segmentation, 2017.

    Args:
        alpha: α, the weight of what is missed. Default 0.5.
        beta: β, the weight of what is wrongly found. Default 0.5, which with α = 0.5 is `Dice`.
        reduction: see `Loss`.
        name: its name.
        axis: the axes of the sums; None, the default, is all, so that there is one value for the batch.
        dtype: see `Loss`.

    >>> print(f"{lamina.losses.Tversky(alpha=0.9, beta=0.1)([[1.0, 0.0]], [[0.5, 0.5]]):.3f}")
    0.500
    """

    def __init__(
        self,
        alpha: float = 0.5,
        beta: float = 0.5,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        axis: Axes = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction, dtype)
        self.alpha, self.beta, self.axis = alpha, beta, _checked(axis)

    def call(self, y_true: Any, y_pred: Any) -> Array:
        return tversky(y_true, y_pred, self.alpha, self.beta, axis=self.axis)


def _checked(axis: Axes) -> Axes:
    """Returns axes; raises TypeError for what is neither None, an integer nor some of them."""
    axes = axis if isinstance(axis, (list, tuple)) else (axis,)
    if axis is not None and not all(hasattr(one, "__index__") for one in axes):
        raise TypeError(f"axis must be an integer, some of them or None, not {axis!r}.")
    return axis
