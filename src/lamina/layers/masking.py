"""Masking: leaves out the steps of a sequence that hold nothing."""

from typing import Any

import jax.numpy as jnp

from lamina.core.layer import Layer
from lamina.core.variable import Array
from lamina.layers.checks import numeric
from lamina.ops.wrap import compiled


class Masking(Layer):
    """Passes its inputs on with a mask: a step counts unless all its numbers are mask_value; then the outputs there are 0.

    Args:
        mask_value: the number that padding consists of.
        kwargs: what `lamina.Layer` takes.

    Raises:
        TypeError: for a mask value that is not a number.

    >>> layer = lamina.layers.Masking(mask_value=-1.0)
    >>> inputs = np.array([[[1.0, 2.0], [-1.0, -1.0]]])
    >>> print(layer(inputs), layer.compute_mask(inputs))
    [[[1. 2.]
      [0. 0.]]] [[ True False]]
    """

    supports_masking = True

    def __init__(self, mask_value: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mask_value = numeric(mask_value, "mask_value", self)

    def call(self, inputs: Array) -> Array:
        return _blank(inputs, self.mask_value)

    def compute_mask(self, inputs: Array, mask: Any = None) -> Array:
        return _counts(inputs, self.mask_value)


@compiled()
def _blank(inputs: Array, mask_value: Any) -> Array:
    return jnp.where(_counts(inputs, mask_value)[..., None], inputs, 0)


@compiled()
def _counts(inputs: Array, mask_value: Any) -> Array:
    return jnp.any(inputs != mask_value, axis=-1)
