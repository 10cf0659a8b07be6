"""The mean over all samples of a function of targets and predictions."""

from typing import Any

import jax.numpy as jnp

from lamina.core.masks import mask_of
from lamina.core.metric import Mean, Metric
from lamina.core.variable import Array


class MeanOf(Metric):
    """The weighted mean over all samples seen of `values(y_true, y_pred)`, which a subclass defines.

    Args:
        name: its name in logs; by default the class's in snake case.
        dtype: the dtype of its variables.
    """

    def __init__(self, name: str | None = None, dtype: Any = None) -> None:
        super().__init__(name, dtype)
        self.mean = Mean(dtype=dtype)

    def values(self, y_true: Array, y_pred: Array) -> Array:
        """Returns one value a sample (and position)."""
        raise NotImplementedError(f"{type(self).__name__} has no values(self, y_true, y_pred). Define it.")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Takes a batch in; positions that the mask of `y_pred` leaves out do not count."""
        mask = mask_of(y_pred)
        if mask is not None:
            weights = jnp.ones(()) if sample_weight is None else jnp.asarray(sample_weight)
            sample_weight = weights.reshape(weights.shape + (1,) * (mask.ndim - weights.ndim)) * mask
        self.mean.update_state(self.values(jnp.asarray(y_true), jnp.asarray(y_pred)), sample_weight)

    def result(self) -> Array:
        """Returns the mean so far."""
        return self.mean.result()
