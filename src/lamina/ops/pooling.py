"""Pooling: the largest element, or the mean, of each window over the spatial axes.

With "channels_last", inputs have shape (batch, *spatial, channels), with "channels_first" (batch, channels, *spatial).
There may be any number of spatial axes.
"""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lamina.core.graph import op
from lamina.core.variable import Array
from lamina.ops.windows import CHANNELS_LAST, check_fits, check_padding, on_cpu, per_axis, spatial_axes
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
    integer = jnp.issubdtype(inputs.dtype, jnp.integer)
    least = np.asarray(jnp.iinfo(inputs.dtype).min if integer else -jnp.inf, inputs.dtype)
    if not (on_cpu() and all(isinstance(size, int) and size for size in inputs.shape)):
        return jax.lax.reduce_window(inputs, least, jax.lax.max, window, steps, padding.upper())
    pads = jax.lax.padtype_to_pads(inputs.shape, window, steps, padding.upper())
    padded = jax.lax.pad(inputs, least, [(before, after, 0) for before, after in pads])
    return _largest(padded, tuple((axis, window[axis], steps[axis]) for axis in spatial_axes(inputs.ndim, data_format)))


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
        return jax.lax.reduce_window(x, np.zeros((), x.dtype), jax.lax.add, window, steps, padding.upper())

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


# --- the largest element, with a gradient that is fast on the CPU ---------------------------------------------------------

# XLA's own gradient of a window's largest element takes ten times as long on the CPU. Here the largest is found along one axis
# after the other, so that a window of p · q elements takes p + q steps, each over whole rows of the array.

Windows = tuple[tuple[int, int, int], ...]  # (axis, size, step) for each spatial axis


@functools.partial(jax.custom_jvp, nondiff_argnums=(1,))
def _largest(x: Array, windows: Windows) -> Array:
    if all(size == step for _, size, step in windows):
        for axis, size, _ in reversed(windows):
            x = _in_blocks(x, axis, size)
        return jnp.max(x, tuple(axis + place + 1 for place, (axis, _, _) in enumerate(windows)))
    for window in windows:
        x = functools.reduce(jnp.maximum, _elements(x, *window))
    return x


@_largest.defjvp
def _largest_jvp(windows: Windows, primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    """The tangent is that of the largest element; of several, that of the first."""
    best, tangent = primals[0], tangents[0]
    place = jnp.zeros(best.shape, jnp.int32)  # where in its window an element stood, among the axes that are done
    for window in windows:
        (best, *others), (tangent, *their_tangents) = _elements(best, *window), _elements(tangent, *window)
        first, *their_places = _elements(place, *window)
        place = first * window[1]
        for i, (x, dx, before) in enumerate(zip(others, their_tangents, their_places, strict=True), 1):
            better = (x > best) | ((x == best) & (before < first))
            best, tangent = jnp.where(better, x, best), jnp.where(better, dx, tangent)
            first, place = jnp.where(better, before, first), jnp.where(better, before * window[1] + i, place)
    return _largest(*primals, windows), tangent


def _elements(x: Array, axis: int, size: int, step: int) -> list[Array]:
    """Returns each element of the windows along an axis, for all windows."""
    if size == step:
        blocks = _in_blocks(x, axis, size)
        return [jax.lax.index_in_dim(blocks, i, axis + 1, keepdims=False) for i in range(size)]
    last = x.shape[axis] - size + 1
    return [jax.lax.slice_in_dim(x, i, i + last, step, axis) for i in range(size)]


def _in_blocks(x: Array, axis: int, size: int) -> Array:
    """Returns an axis as two, of blocks and of their elements; what fills no whole block is left out."""
    count = x.shape[axis] // size
    whole = jax.lax.slice_in_dim(x, 0, count * size, axis=axis)
    return whole.reshape(*x.shape[:axis], count, size, *x.shape[axis + 1 :])


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
        return jnp.squeeze(_largest(windows, ((axis, inside.shape[1], inside.shape[1]),)), axis)

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
        return jnp.sum(windows * inside, axis) / inside.sum(1).astype(windows.dtype)

    return _adaptive(inputs, output_size, data_format, mean)


def _adaptive(inputs: Any, output_size: Sizes, data_format: str | None, reduce: Callable[[Array, int, np.ndarray], Array]) -> Array:
    """Reduces one spatial axis after the other: its windows, filled up with their last element, become an axis more."""
    outputs = inputs
    spatial = spatial_axes(outputs.ndim, data_format)
    for axis, size in zip(spatial, per_axis(output_size, len(spatial), "output_size"), strict=True):
        length = outputs.shape[axis]
        if length % size == 0:
            outputs = reduce(_in_blocks(outputs, axis, length // size), axis + 1, np.ones((size, length // size), bool))
            continue
        starts, stops = np.arange(size) * length // size, -(-np.arange(1, size + 1) * length // size)
        elements = starts[:, None] + np.arange((stops - starts).max())
        inside = elements < stops[:, None]
        windows = jnp.take(outputs, np.minimum(elements, stops[:, None] - 1), axis)
        outputs = reduce(windows, axis + 1, inside)
    return outputs
