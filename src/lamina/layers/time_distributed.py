"""TimeDistributed: a layer for one step, applied to a sequence."""

from typing import Any

import jax
import jax.numpy as jnp

from lamina.core import control
from lamina.core.input_spec import InputSpec
from lamina.core.layer import Layer
from lamina.core.masks import with_mask
from lamina.core.text import show_shape
from lamina.core.variable import Array
from lamina.layers.wrapper import Wrapper


class TimeDistributed(Wrapper):
    """Applies a layer to each step of a sequence: outputs[:, t] = layer(inputs[:, t]).

    All steps are computed at once, as one batch of batch · time samples; but one after the other where the layer keeps
    statistics of its batches while training, as `BatchNormalization` does: these are of one step each.

    Args:
        layer: the layer for one step. If its `call` takes a mask, it is given the mask of its step.
        kwargs: what `lamina.Layer` takes.

    Raises:
        TypeError: for what is not a layer.
        ValueError: from the call, for inputs of less than three axes, or a mask that is not of shape (batch, time, ...).

    >>> layer = lamina.layers.TimeDistributed(lamina.layers.Dense(4))
    >>> layer(np.ones((2, 10, 3))).shape
    (2, 10, 4)
    """

    supports_masking = True

    def __init__(self, layer: Layer, **kwargs: Any) -> None:
        super().__init__(layer, **kwargs)
        self.input_spec = InputSpec(min_ndim=3)

    def build(self, input_shape: Any) -> None:
        """Builds the layer for one step."""
        self.layer.build((input_shape[0], *input_shape[2:]))

    def call(self, inputs: Array, training: bool = False, mask: Array | None = None) -> Any:
        if mask is not None and mask.shape[:2] != inputs.shape[:2]:
            raise ValueError(
                f"A mask of shape {show_shape(mask.shape)} does not start with the batch and time of inputs of shape "
                f"{show_shape(inputs.shape)}."
            )
        keeps_statistics = training and any(not weight.trainable for weight in self.layer.weights)
        return self._one_by_one(inputs, mask) if keeps_statistics else self._at_once(inputs, mask)

    def _at_once(self, inputs: Array, mask: Array | None) -> Any:
        batch, time = inputs.shape[:2]
        samples = inputs.reshape(batch * time, *inputs.shape[2:])
        if mask is not None:
            with_mask(samples, mask.reshape(batch * time, *mask.shape[2:]), ())
        return jax.tree.map(lambda y: y.reshape(batch, time, *y.shape[1:]), self.layer(samples))

    def _one_by_one(self, inputs: Array, mask: Array | None) -> Any:
        def step(inputs_and_mask: tuple[Array, Array | None]) -> Any:
            return self.layer(with_mask(*inputs_and_mask, ()))

        steps = jax.tree.map(lambda x: jnp.moveaxis(x, 1, 0), (inputs, mask))
        return jax.tree.map(lambda y: jnp.moveaxis(y, 0, 1), control.map(step, steps))
