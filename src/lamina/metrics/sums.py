"""Sum: all values seen together."""

from typing import Any

import jax.numpy as jnp

from lamina.core.masks import mask_of
from lamina.core.metric import Metric
from lamina.core.sample_weights import weights_of
from lamina.core.variable import Array


class Sum(Metric):
    """The weighted sum of all values seen: Σ w x. Values that a mask leaves out do not count.

    Args:
        name: its name in logs.
        dtype: the dtype of its variable; by default float32.

    >>> total = lamina.metrics.Sum()
    >>> total.update_state([1.0, 3.0], sample_weight=[1.0, 0.5])
    >>> print(total.result())
    2.5
    """

    def __init__(self, name: str | None = "sum", dtype: Any = None) -> None:
        super().__init__(name, dtype)
        self.total = self.add_variable(name="total")

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        """Takes values in, of any shape, with weights for samples, or for each value."""
        mask, values = mask_of(values), jnp.asarray(values, self.dtype)
        weights = weights_of(sample_weight, (mask,), values)
        self.total.assign_add(jnp.sum(values if weights is None else values * weights))

    def result(self) -> Array:
        """Returns the sum so far."""
        return self.total.value
