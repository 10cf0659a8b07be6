"""The largest element of each window: by XLA's windows, or, for the CPU, along one axis after the other.

XLA's own gradient of a window's largest element takes ten times as long on the CPU. Where the largest is found along one axis after
the other, a window of p · q elements takes p + q steps, each over whole rows of the array.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from lamina.core.variable import Array

Windows = tuple[tuple[int, int, int], ...]  # (axis, size, step) for each axis that a window goes along


def by_windows(x: Array, *, window: tuple[int, ...], steps: tuple[int, ...], padding: str) -> Array:
    """Returns the largest element of each window, found in all windows at once.

    Args:
        x: an array.
        window: the size of the window along each axis.
        steps: how far it moves along each.
        padding: "VALID" for whole windows only, "SAME" for those that reach over the edge too.
    """
    largest: Array = lax.reduce_window(x, _least(x), lax.max, window, steps, padding)
    return largest


def by_axis(x: Array, *, window: tuple[int, ...], steps: tuple[int, ...], padding: str) -> Array:
    """Returns the same, found along one axis after the other; see `by_windows`."""
    if not all(isinstance(size, int) and size for size in x.shape):
        return by_windows(x, window=window, steps=steps, padding=padding)
    pads = lax.padtype_to_pads(x.shape, window, steps, padding)
    padded = lax.pad(x, _least(x), [(before, after, 0) for before, after in pads])
    sizes = enumerate(zip(window, steps, strict=True))
    return _largest(padded, tuple((axis, size, step) for axis, (size, step) in sizes if size > 1 or step > 1))


def _least(x: Array) -> np.ndarray:
    integer = jnp.issubdtype(x.dtype, jnp.integer)
    return np.asarray(jnp.iinfo(x.dtype).min if integer else -jnp.inf, x.dtype)


@functools.partial(jax.custom_jvp, nondiff_argnums=(1,))
def _largest(x: Array, windows: Windows) -> Array:
    if all(size == step for _, size, step in windows):
        for axis, size, _ in reversed(windows):
            x = in_blocks(x, axis, size)
        return jnp.max(x, tuple(axis + place + 1 for place, (axis, _, _) in enumerate(windows)))
    for window in windows:
        x = functools.reduce(jnp.maximum, _elements(x, *window))
    return x


@_largest.defjvp
def _largest_jvp(windows: Windows, primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    """The tangent is that of the largest element; of several, that of the first.

    Written with `jax.lax`: functions of `jax.numpy` are compiled functions each, and take several times as long to differentiate.
    """
    best, tangent = primals[0], tangents[0]
    place = jnp.zeros(best.shape, jnp.int32)  # where in its window an element stood, among the axes that are done
    for window in windows:
        (best, *others), (tangent, *their_tangents) = _elements(best, *window), _elements(tangent, *window)
        first, *their_places = _elements(place, *window)
        place = lax.mul(first, window[1])
        for i, (x, dx, before) in enumerate(zip(others, their_tangents, their_places, strict=True), 1):
            better = lax.bitwise_or(lax.gt(x, best), lax.bitwise_and(lax.eq(x, best), lax.lt(before, first)))
            best, tangent = lax.select(better, x, best), lax.select(better, dx, tangent)
            first, place = lax.select(better, before, first), lax.select(better, lax.add(lax.mul(before, window[1]), i), place)
    return _largest(*primals, windows), tangent


def _elements(x: Array, axis: int, size: int, step: int) -> list[Array]:
    """Returns each element of the windows along an axis, for all windows."""
    if size == step:
        blocks = in_blocks(x, axis, size)
        return [lax.index_in_dim(blocks, i, axis + 1, keepdims=False) for i in range(size)]
    last = x.shape[axis] - size + 1
    return [lax.slice_in_dim(x, i, i + last, step, axis) for i in range(size)]


def in_blocks(x: Array, axis: int, size: int) -> Array:
    """Returns an axis as two, of blocks and of their elements; what fills no whole block is left out."""
    count = x.shape[axis] // size
    whole = lax.slice_in_dim(x, 0, count * size, axis=axis)
    return whole.reshape(*x.shape[:axis], count, size, *x.shape[axis + 1 :])
