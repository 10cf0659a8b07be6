"""Metrics that are functions of sums over all samples seen."""

from collections.abc import Iterable
from typing import Any

import jax.numpy as jnp

from lamina.core.masks import mask_of
from lamina.core.metric import Metric
from lamina.core.sample_weights import weights_of
from lamina.core.text import show_shape
from lamina.core.variable import Array, Variable
from lamina.losses.formula import at_least_float32


class FromSums(Metric):
    """A metric that is a function of sums, `_from_sums(sums)`, and takes a batch in by `_add_sums`. One variable holds them all.

    It is made with the first batch where the number of classes, say, is in its shape.
    """

    _sums: Variable | None = None

    def _make_sums(self, shape: tuple[int, ...]) -> None:
        """Makes the variable."""
        self._sums = self.add_variable(shape, name="sums")

    def _make_late(self, shape: tuple[int, ...]) -> None:
        self._make_sums(shape)

    def _add_sums(self, sums: Array) -> None:
        """Adds the sums of a batch. Raises ValueError if they do not have the shape of those before."""
        if self._sums is None:
            self._make_sums(sums.shape)
        assert self._sums is not None
        if sums.shape != self._sums.shape:
            raise ValueError(
                f"{self!r} has seen batches whose sums have shape {show_shape(self._sums.shape)}, and this one's have "
                f"{show_shape(sums.shape)}: is the number of classes another one? reset_state() does not change it."
            )
        self._sums.assign_add(sums.astype(self.dtype))

    def _from_sums(self, sums: Array) -> Array:
        """Returns the value of the metric."""
        raise NotImplementedError(f"{type(self).__name__} has no _from_sums(self, sums). Define it.")

    def result(self) -> Array:
        """Returns the value so far; 0 before any batch."""
        return jnp.zeros(()) if self._sums is None else self._from_sums(self._sums.value)

    def merge_state(self, metrics: Iterable[Metric]) -> None:
        others = list(metrics)
        made = next((other._sums for other in others if isinstance(other, FromSums) and other._sums is not None), None)
        if self._sums is None and made is not None:
            self._make_sums(made.shape)
        super().merge_state(other for other in others if not isinstance(other, FromSums) or other._sums is not None)


def weigh(y_true: Any, y_pred: Any, sample_weight: Any) -> tuple[Array, Array, Array]:
    """Returns targets and predictions as floats, and one weight for each prediction: 0 where its mask leaves it out."""
    mask = mask_of(y_pred)
    y_true, y_pred = at_least_float32(y_true), at_least_float32(y_pred)
    weights = weights_of(sample_weight, (mask,), y_pred)
    return y_true, y_pred, jnp.ones_like(y_pred) if weights is None else weights
