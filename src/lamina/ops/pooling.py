"""Pooling: the largest element, or the mean, of each window over the spatial axes.

With "channels_last", inputs have shape (batch, *spatial, channels), with "channels_first" (batch, channels, *spatial).
There may be any number of spatial axes.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lamina.core.graph import op
from lamina.core.variable import Array
from lamina.ops.kernels import max_pooling
from lamina.ops.window_maximum import in_blocks
from lamina.ops.windows import CHANNELS_LAST, check_fits, check_padding, per_axis, spatial_axes
from lamina.ops.wrap import compiled

__all__ = ["adaptive_average_pool", "adaptive_max_pool", "average_pool", "max_pool"]

Sizes = int | Sequence[int]


@op
@compiled("pool_size", "strides", "padding", "data_format")
def max_pool(
    inputs: Any, pool_size: Sizes, strides: Sizes | None = None, padding: str = "valid", data_format: str | None = CHANNELS_LAST
) -> Array:
    """Returns the largest element of each window.

    Args:
        inputs: see the module for shapes.
        pool_size: the size of the window, for all spatial axes or for each.
        strides: how far the window moves; by default its size.
        padding: "valid" for whole windows only, "same" for those that reach over the edge too.
        data_format: "channels_last" or "channels_first".

    >>> lamina.ops.max_pool(jnp.ones((1, 8, 8, 3)), 2).shape
    (1, 4, 4, 3)
    """
    window, steps = _window(inputs, pool_size, strides, padding, data_format)
    return max_pooling(inputs, window=tuple(window), steps=tuple(steps), padding=padding.upper())


@op
@compiled("pool_size", "strides", "padding", "data_format")
def average_pool(
    inputs: Any, pool_size: Sizes, strides: Sizes | None = None, padding: str = "valid", data_format: str | None = CHANNELS_LAST
) -> Array:
    """Returns the mean of each window; of one that reaches over the edge, the mean of what lies inside.

    Args:
        inputs: see the module for shapes.
        pool_size: the size of the window, for all spatial axes or for each.
        strides: how far the window moves; by default its size.
        padding: "valid" for whole windows only, "same" for those that reach over the edge too.
        data_format: "channels_last" or "channels_first".
    """
    window, steps = _window(inputs, pool_size, strides, padding, data_format)

    def total(x: Array) -> Array:
        summed: Array = jax.lax.reduce_window(x, np.zeros((), x.dtype), jax.lax.add, window, steps, padding.upper())
        return summed

    if padding.upper() == "VALID":
        return total(inputs) / math.prod(window)
    spatial = spatial_axes(inputs.ndim, data_format)
    return total(inputs) / total(jnp.ones([size if axis in spatial else 1 for axis, size in enumerate(inputs.shape)], inputs.dtype))


def _window(
    inputs: Array, pool_size: Sizes, strides: Sizes | None, padding: str, data_format: str | None
) -> tuple[list[int], list[int]]:
    """Returns the window's size and its step along all axes. Raises ValueError for a window that does not fit."""
    spatial = spatial_axes(inputs.ndim, data_format)
    window, steps = [1] * inputs.ndim, [1] * inputs.ndim
    sizes = per_axis(pool_size, len(spatial), "pool_size")
    window[spatial.start : spatial.stop] = sizes
    steps[spatial.start : spatial.stop] = per_axis(pool_size if strides is None else strides, len(spatial), "strides")
    if check_padding(padding) == "VALID":
        check_fits(inputs.shape, sizes, data_format, "window")
    return window, steps


# --- windows that follow from the size of the outputs ---------------------------------------------------------------------


@op
@compiled("output_size", "data_format")
def adaptive_max_pool(inputs: Any, output_size: Sizes, data_format: str | None = CHANNELS_LAST) -> Array:
    """Returns outputs of a given size: element i is the largest from ⌊i·n/size⌋ to ⌈(i+1)·n/size⌉ − 1, along each axis.

    Args:
        inputs: see the module for shapes; the sizes n of the spatial axes must be known.
        output_size: the sizes of the outputs, for all spatial axes or for each.
        data_format: "channels_last" or "channels_first".
    """

    def largest(windows: Array, axis: int, inside: np.ndarray) -> Array:
        window = tuple(inside.shape[1] if i == axis else 1 for i in range(windows.ndim))
        return jnp.squeeze(max_pooling(windows, window=window, steps=window, padding="VALID"), axis)

    return _adaptive(inputs, output_size, data_format, largest)


@op
@compiled("output_size", "data_format")
def adaptive_average_pool(inputs: Any, output_size: Sizes, data_format: str | None = CHANNELS_LAST) -> Array:
    """Returns outputs of a given size: element i is the mean from ⌊i·n/size⌋ to ⌈(i+1)·n/size⌉ − 1, along each axis.

    Args:
        inputs: see the module for shapes; the sizes n of the spatial axes must be known.
        output_size: the sizes of the outputs, for all spatial axes or for each.
        data_format: "channels_last" or "channels_first".

    >>> lamina.ops.adaptive_average_pool(jnp.ones((1, 7, 5, 3)), (2, 1)).shape
    (1, 2, 1, 3)
    """

    def mean(windows: Array, axis: int, inside: np.ndarray) -> Array:
        inside = inside.reshape(*inside.shape, *[1] * (windows.ndim - axis - 1))
        means: Array = jnp.sum(windows * inside, axis) / inside.sum(1).astype(windows.dtype)
        return means

    return _adaptive(inputs, output_size, data_format, mean)


def _adaptive(
    inputs: Array, output_size: Sizes, data_format: str | None, reduce: Callable[[Array, int, np.ndarray], Array]
) -> Array:
    """Reduces one spatial axis after the other: its windows, filled up with their last element, become an axis more."""
    outputs = inputs
    spatial = spatial_axes(outputs.ndim, data_format)
    for axis, size in zip(spatial, per_axis(output_size, len(spatial), "output_size"), strict=True):
        length = outputs.shape[axis]
        if length % size == 0:
            outputs = reduce(in_blocks(outputs, axis, length // size), axis + 1, np.ones((size, length // size), bool))
            continue
        starts, stops = np.arange(size) * length // size, -(-np.arange(1, size + 1) * length // size)
        elements = starts[:, None] + np.arange((stops - starts).max())
        inside = elements < stops[:, None]
        windows = jnp.take(outputs, np.minimum(elements, stops[:, None] - 1), axis)
        outputs = reduce(windows, axis + 1, inside)
    return outputs
