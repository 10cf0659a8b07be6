"""What layers with a scale gamma and a shift beta share."""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp

from lamina.core.layer import Layer
from lamina.core.variable import Array
from lamina.layers.weight_settings import add_weight


class ScaleAndShift(Layer):
    """A layer that ends in x · gamma + beta.

    It computes in float32 at least, also where its dtype policy is of half precision: the inputs are not cast before, and the
    weights not when they are read.
    """

    _casts_inputs = False
    center: bool
    scale: bool
    beta_initializer: Any
    beta_regularizer: Any
    beta_constraint: Any
    gamma_initializer: Any
    gamma_regularizer: Any
    gamma_constraint: Any

    def _add_gamma_and_beta(self, shape: Sequence[int]) -> None:
        """Creates those that the layer has."""
        self.gamma = add_weight(self, "gamma", shape, autocast=False) if self.scale else None
        self.beta = add_weight(self, "beta", shape, autocast=False) if self.center else None

    def _gamma_and_beta(self) -> tuple[Array | None, Array | None]:
        """Returns their values, None for what the layer has not."""
        return None if self.gamma is None else self.gamma.value, None if self.beta is None else self.beta.value


def wide(inputs: Array) -> Array:
    """Returns the inputs in at least float32."""
    return inputs.astype(jnp.promote_types(inputs.dtype, jnp.float32))
