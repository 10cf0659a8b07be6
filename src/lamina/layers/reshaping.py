"""Layers that only change shapes."""

import math
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp

from lamina.core.checks import is_integer
from lamina.core.input_spec import InputSpec
from lamina.core.layer import Layer
from lamina.core.text import show_shape
from lamina.core.variable import Array
from lamina.layers.checks import channels_axis, positive
from lamina.ops.wrap import compiled


class Flatten(Layer):
    """One axis for all of a sample: (batch, a, b, …) to (batch, a · b · …), and (batch,) to (batch, 1).

    Args:
        data_format: "channels_last" (the default), or "channels_first" for inputs whose axis 1 is to vary fastest.
        kwargs: what `lamina.Layer` takes.

    Raises:
        ValueError: for an unknown data format.

    >>> lamina.layers.Flatten()(np.ones((2, 3, 4))).shape
    (2, 12)
    """

    def __init__(self, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = channels_axis(data_format, self)
        self.input_spec = InputSpec(min_ndim=1)

    def call(self, inputs: Array) -> Array:
        if inputs.ndim > 1:
            inputs = jnp.moveaxis(inputs, self.axis, -1)
        return inputs.reshape(inputs.shape[0], math.prod(inputs.shape[1:]))


class Reshape(Layer):
    """Another shape for each sample: (batch, …) to (batch, *target_shape).

    Args:
        target_shape: the sizes of a sample, one of which may be -1: then it follows from the others.
        kwargs: what `lamina.Layer` takes.

    Raises:
        ValueError: for sizes that are not such integers, or from the call, if they do not hold what a sample holds.

    >>> lamina.layers.Reshape((-1, 2))(np.ones((5, 6))).shape
    (5, 3, 2)
    """

    def __init__(self, target_shape: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        whole = isinstance(target_shape, (tuple, list)) and all(is_integer(size) and size >= -1 for size in target_shape)
        if not whole or target_shape.count(-1) > 1:
            raise ValueError(f"target_shape of Reshape must hold sizes, one of which may be -1, not {target_shape!r}.")
        self.target_shape = tuple(target_shape)

    def call(self, inputs: Array) -> Array:
        size, wanted = math.prod(inputs.shape[1:]), math.prod(self.target_shape)
        if isinstance(size, int) and (size % wanted if wanted < 0 else size != wanted):
            raise ValueError(
                f"Samples of shape {show_shape(inputs.shape[1:])} hold {size} numbers, which the target_shape "
                f"{show_shape(self.target_shape)} does not fit."
            )
        return inputs.reshape(inputs.shape[0], *(size // -wanted if n == -1 else n for n in self.target_shape))


class Permute(Layer):
    """Another order of a sample's axes: axis i of the outputs is axis dims[i - 1] of the inputs.

    Args:
        dims: the axes 1 to n in their new order; the batch stays where it is.
        kwargs: what `lamina.Layer` takes.

    Raises:
        ValueError: if dims are not all of 1 to n.

    >>> lamina.layers.Permute((2, 1))(np.ones((5, 3, 4))).shape
    (5, 4, 3)
    """

    def __init__(self, dims: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        whole = isinstance(dims, (tuple, list)) and all(map(is_integer, dims))
        if not whole or sorted(dims) != list(range(1, len(dims) + 1)):
            raise ValueError(f"dims of Permute must hold each of 1, 2, ..., n once, not {dims!r}.")
        self.dims = tuple(dims)
        self.input_spec = InputSpec(ndim=len(self.dims) + 1)

    def call(self, inputs: Array) -> Array:
        return jnp.transpose(inputs, (0, *self.dims))


class RepeatVector(Layer):
    """The same vector at each of n steps: (batch, features) to (batch, n, features).

    Args:
        n: how many steps.
        kwargs: what `lamina.Layer` takes.

    Raises:
        ValueError: if n is not a positive integer.

    >>> lamina.layers.RepeatVector(3)(np.ones((5, 2))).shape
    (5, 3, 2)
    """

    def __init__(self, n: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.n = positive(n, "n", self)
        self.input_spec = InputSpec(ndim=2)

    def call(self, inputs: Array) -> Array:
        return _repeat(inputs, self.n)


@compiled("n")
def _repeat(inputs: Array, n: int) -> Array:
    return jnp.broadcast_to(inputs[:, None], (inputs.shape[0], n, inputs.shape[1]))
