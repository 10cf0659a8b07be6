"""Losses for classes."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from lamina.core.errors import show_shape
from lamina.core.variable import Array
from lamina.losses.loss import Loss, same_shape

_EPSILON = 1e-7


class SparseCategoricalCrossentropy(Loss):
    """-log p[y_true], for integer targets.

    Targets have shape (batch, ...) or (batch, ..., 1), predictions (batch, ..., classes).

    Args:
        from_logits: whether predictions are logits (p = softmax(y_pred)) rather than probabilities.
        name: its name.
        reduction: see `Loss`.

    Raises:
        ValueError: when called, if targets do not have the shape of the predictions less the last axis.

    >>> loss = lamina.losses.SparseCategoricalCrossentropy(from_logits=True)
    >>> print(loss([1], [[0.0, 0.0]]))
    0.6931472
    """

    integer_targets = True

    def __init__(
        self,
        from_logits: bool = False,
        name: str = "sparse_categorical_crossentropy",
        reduction: str | None = "sum_over_batch_size",
    ) -> None:
        super().__init__(name, reduction)
        self.from_logits = from_logits

    def check(self, y_true: Any, shape: Sequence[int]) -> None:
        """Raises ValueError for a label that is no class."""
        low, high = int(y_true.min()), int(y_true.max())
        if not 0 <= low <= high < shape[-1]:
            wrong = low if low < 0 else high
            raise ValueError(
                f"There is a label {wrong}, but predictions of shape {show_shape(shape)} are for the {shape[-1]} classes 0 to "
                f"{shape[-1] - 1}."
            )

    def call(self, y_true: Array, y_pred: Array) -> Array:
        """Returns one value a sample (and position)."""
        if y_true.ndim == y_pred.ndim and y_true.shape[-1] == 1:
            y_true = y_true[..., 0]
        if y_true.shape != y_pred.shape[:-1]:
            raise ValueError(
                f"SparseCategoricalCrossentropy takes one integer a sample: for predictions of shape {show_shape(y_pred.shape)} "
                f"targets of shape {show_shape(y_pred.shape[:-1])}, not {show_shape(y_true.shape)}. For one-hot targets use "
                "CategoricalCrossentropy."
            )
        log_p = _log_probabilities(y_pred, self.from_logits)
        return -jnp.take_along_axis(log_p, y_true.astype("int32")[..., None], axis=-1)[..., 0]


class CategoricalCrossentropy(Loss):
    """-sum(y_true log p) over the last axis, for one-hot targets or probabilities.

    Args:
        from_logits: whether predictions are logits (p = softmax(y_pred)) rather than probabilities.
        label_smoothing: s replaces y_true by y_true (1 - s) + s / classes (Szegedy et al., 2016).
        name: its name.
        reduction: see `Loss`.
    """

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        name: str = "categorical_crossentropy",
        reduction: str | None = "sum_over_batch_size",
    ) -> None:
        super().__init__(name, reduction)
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing

    def call(self, y_true: Array, y_pred: Array) -> Array:
        """Returns one value a sample (and position)."""
        y_true, y_pred = same_shape(y_true, y_pred, "CategoricalCrossentropy")
        s = self.label_smoothing
        y_true = y_true * (1 - s) + s / y_true.shape[-1]
        return -jnp.sum(y_true * _log_probabilities(y_pred, self.from_logits), axis=-1)


class BinaryCrossentropy(Loss):
    """-mean(y_true log p + (1 - y_true) log(1 - p)) over the last axis.

    Args:
        from_logits: whether predictions are logits (p = sigmoid(y_pred)) rather than probabilities.
        label_smoothing: s replaces y_true by y_true (1 - s) + s / 2.
        name: its name.
        reduction: see `Loss`.
    """

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        name: str = "binary_crossentropy",
        reduction: str | None = "sum_over_batch_size",
    ) -> None:
        super().__init__(name, reduction)
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing

    def call(self, y_true: Array, y_pred: Array) -> Array:
        """Returns one value a sample (and position)."""
        y_true, y_pred = same_shape(y_true, y_pred, "BinaryCrossentropy")
        y_true = y_true * (1 - self.label_smoothing) + self.label_smoothing / 2
        if self.from_logits:
            log_p, log_not_p = jax.nn.log_sigmoid(y_pred), jax.nn.log_sigmoid(-y_pred)
        else:
            p = jnp.clip(y_pred, _EPSILON, 1 - _EPSILON)
            log_p, log_not_p = jnp.log(p), jnp.log1p(-p)
        return -jnp.mean(y_true * log_p + (1 - y_true) * log_not_p, axis=-1)


def _log_probabilities(y_pred: Array, from_logits: bool) -> Array:
    if from_logits:
        return jax.nn.log_softmax(y_pred)
    p = y_pred / jnp.sum(y_pred, axis=-1, keepdims=True)
    return jnp.log(jnp.clip(p, _EPSILON, 1 - _EPSILON))
