"""Normalisation: numbers brought to mean 0, variance 1 or length 1 along some axes."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from lamina.core.graph import op
from lamina.core.variable import Array
from lamina.ops.wrap import compiled, unary

__all__ = ["batch_normalization", "layer_normalization", "moments", "normalize", "rms_normalization"]

Axes = int | Sequence[int] | None


@unary
@compiled("axes", "keepdims")
def moments(x: Any, axes: Axes, keepdims: bool = False) -> tuple[Array, Array]:
    """Returns the mean and the variance along some axes; half-precision numbers are added up in float32."""
    mean, variance = _moments(x, axes)
    if not keepdims:
        mean, variance = jnp.squeeze(mean, _axes(axes, x.ndim)), jnp.squeeze(variance, _axes(axes, x.ndim))
    return mean.astype(x.dtype), variance.astype(x.dtype)


def _moments(x: Array, axes: Axes) -> tuple[Array, Array]:
    """Returns the mean and the variance, axes kept, in at least float32."""
    wide = x.astype(jnp.promote_types(x.dtype, jnp.float32))
    mean = jnp.mean(wide, _axes(axes, x.ndim), keepdims=True)
    return mean, jnp.mean(jnp.square(jnp.abs(wide - mean)), _axes(axes, x.ndim), keepdims=True)


def _axes(axes: Axes, ndim: int) -> tuple[int, ...]:
    """Returns the axes as numbers that are not negative, in order; None is all."""
    if axes is None:
        return tuple(range(ndim))
    return tuple(sorted(axis % ndim for axis in ((axes,) if isinstance(axes, int) else axes)))


@op
@compiled("axis")
def batch_normalization(
    x: Any, mean: Any, variance: Any, axis: int, offset: Any = None, scale: Any = None, epsilon: float = 1e-3
) -> Array:
    """Returns (x − mean) / √(variance + ε) · scale + offset (Ioffe and Szegedy, 2015).

    Args:
        x: an array.
        mean: one for each position along `axis`; so are the variance, the offset and the scale.
        variance: see `mean`.
        axis: the axis of `x` that is not averaged over, the channels most often.
        offset: added at last, or None.
        scale: multiplied with, or None.
        epsilon: keeps the root from being zero.
    """
    factor = jax.lax.rsqrt(_along(variance, axis, x.ndim) + epsilon)
    if scale is not None:
        factor = factor * _along(scale, axis, x.ndim)
    shift = -_along(mean, axis, x.ndim) * factor
    if offset is not None:
        shift = shift + _along(offset, axis, x.ndim)
    return (x * factor + shift).astype(x.dtype)


def _along(vector: Any, axes: Axes, ndim: int) -> Array:
    """Returns an array of the sizes of some axes of another, reshaped so that it broadcasts to that one."""
    vector = jnp.asarray(vector)
    sizes = [1] * ndim
    for axis, size in zip(_axes(axes, ndim), vector.shape, strict=True):
        sizes[axis] = size
    return vector.reshape(sizes)


@unary
@compiled("axis")
def layer_normalization(x: Any, gamma: Any = None, beta: Any = None, axis: Axes = -1, epsilon: float | None = None) -> Array:
    """Returns (x − mean(x)) / √(var(x) + ε) · gamma + beta (Ba, Kiros and Hinton, 2016).

    Args:
        x: an array.
        gamma: multiplied with, of the sizes of the axes that are normalised, or None.
        beta: added at last, likewise, or None.
        axis: the axis or axes over which mean and variance are taken.
        epsilon: keeps the root from being zero; 1e-7 by default.
    """
    mean, variance = _moments(x, axis)
    outputs = (x - mean) * jax.lax.rsqrt(variance + (1e-7 if epsilon is None else epsilon))
    return _scaled(outputs, gamma, beta, axis).astype(x.dtype)


@unary
@compiled("axis")
def rms_normalization(x: Any, scale: Any = None, axis: Axes = -1, epsilon: float | None = None) -> Array:
    """Returns x / √(mean(x²) + ε) · scale (Zhang and Sennrich, 2019).

    Args:
        x: an array.
        scale: multiplied with, of the sizes of the axes that are normalised, or None.
        axis: the axis or axes over which the mean is taken.
        epsilon: keeps the root from being zero; 1e-7 by default.
    """
    wide = x.astype(jnp.promote_types(x.dtype, jnp.float32))
    power = jnp.mean(jnp.square(wide), _axes(axis, x.ndim), keepdims=True)
    outputs = wide * jax.lax.rsqrt(power + (1e-7 if epsilon is None else epsilon))
    return _scaled(outputs, scale, None, axis).astype(x.dtype)


def _scaled(x: Array, scale: Any, offset: Any, axes: Axes) -> Array:
    x = x if scale is None else x * _along(scale, axes, x.ndim)
    return x if offset is None else x + _along(offset, axes, x.ndim)


@unary
@compiled("axis", "order")
def normalize(x: Any, axis: Axes = -1, order: float = 2, epsilon: float | None = None) -> Array:
    """Returns x / max(norm(x), ε): vectors of length 1.

    Args:
        x: an array.
        axis: the axis or axes that make up one vector; None is all.
        order: of the norm (Σ |x|^order)^(1/order), at least 1.
        epsilon: the least norm to divide by; 1e-7 by default.

    >>> print(lamina.ops.normalize([[3.0, 4.0]]))
    [[0.6 0.8]]
    """
    x = x.astype(jnp.promote_types(x.dtype, jnp.float16))
    norm = jnp.sum(jnp.abs(x) ** order, _axes(axis, x.ndim), keepdims=True) ** (1 / order)
    return x / jnp.maximum(norm, 1e-7 if epsilon is None else epsilon)
