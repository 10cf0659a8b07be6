"""What layers with a scale gamma and a shift beta share."""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp

import lamina.constraints as constraints
import lamina.initializers as initializers
import lamina.regularizers as regularizers
from lamina.core.layer import Layer
from lamina.core.variable import Array, Variable


class ScaleAndShift(Layer):
    """A layer that ends in x · gamma + beta: how those are made, regularised and constrained.

    It computes in float32 at least, also where its dtype policy is of half precision: the inputs are not cast before, and the
    weights not when they are read.

    Args:
        center: whether there is a beta.
        scale: whether there is a gamma.
        beta_initializer: makes the first beta.
        gamma_initializer: makes the first gamma.
        beta_regularizer: its penalty on beta is one of the losses.
        gamma_regularizer: likewise for gamma.
        beta_constraint: applied to beta after each update.
        gamma_constraint: likewise for gamma.
        kwargs: what `lamina.Layer` takes.
    """

    casts_inputs = False
    gamma: Variable | None
    beta: Variable | None

    def __init__(
        self,
        center: bool,
        scale: bool,
        beta_initializer: Any,
        gamma_initializer: Any,
        beta_regularizer: Any,
        gamma_regularizer: Any,
        beta_constraint: Any,
        gamma_constraint: Any,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.center = bool(center)
        self.scale = bool(scale)
        self.beta_initializer = initializers.get(beta_initializer)
        self.gamma_initializer = initializers.get(gamma_initializer)
        self.beta_regularizer = regularizers.get(beta_regularizer)
        self.gamma_regularizer = regularizers.get(gamma_regularizer)
        self.beta_constraint = constraints.get(beta_constraint)
        self.gamma_constraint = constraints.get(gamma_constraint)

    def add_gamma_and_beta(self, shape: Sequence[int]) -> None:
        """Creates those that the layer has."""
        self.gamma = self.beta = None
        if self.scale:
            self.gamma = self.add_weight(
                shape,
                self.gamma_initializer,
                autocast=False,
                regularizer=self.gamma_regularizer,
                constraint=self.gamma_constraint,
            )
        if self.center:
            self.beta = self.add_weight(
                shape,
                self.beta_initializer,
                autocast=False,
                regularizer=self.beta_regularizer,
                constraint=self.beta_constraint,
            )

    def gamma_and_beta(self) -> tuple[Array | None, Array | None]:
        """Returns their values, None for what the layer has not."""
        return None if self.gamma is None else self.gamma.value, None if self.beta is None else self.beta.value


def wide(inputs: Array) -> Array:
    """Returns the inputs in at least float32."""
    return inputs.astype(jnp.promote_types(inputs.dtype, jnp.float32))
