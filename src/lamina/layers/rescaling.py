"""Rescaling: inputs brought to another range."""

from typing import Any

import jax.numpy as jnp

from lamina.core.layer import Layer
from lamina.core.variable import Array
from lamina.layers.checks import numeric


class Rescaling(Layer):
    """inputs · scale + offset, in the compute dtype.

    Args:
        scale: a number, or numbers whose shape broadcasts to that of the inputs.
        offset: likewise.
        kwargs: what `lamina.Layer` takes.

    Raises:
        TypeError: for what are not numbers.

    >>> print(lamina.layers.Rescaling(1 / 127.5, offset=-1)(np.array([0, 255], "uint8")))
    [-1.  1.]
    """

    supports_masking = True

    def __init__(self, scale: Any, offset: Any = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scale, self.offset = numeric(scale, "scale", self), numeric(offset, "offset", self)

    def call(self, inputs: Array) -> Array:
        """Computes the formula."""
        scale, offset = (jnp.asarray(value, self.compute_dtype) for value in (self.scale, self.offset))
        return jnp.asarray(inputs, self.compute_dtype) * scale + offset
