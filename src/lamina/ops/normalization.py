"""Normalisation: numbers brought to mean 0, variance 1 or length 1 along some axes.

Statistics of half-precision numbers are taken in float32.
"""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
from numpy.lib.array_utils import normalize_axis_tuple

from lamina.core.graph import op
from lamina.core.jax_internals import axis_names
from lamina.core.variable import Array
from lamina.ops.kernels import batch_standardization, standardization
from lamina.ops.standardization import moments_of, rate_of
from lamina.ops.wrap import compiled, unary

__all__ = ["batch_normalization", "layer_normalization", "moments", "normalize", "rms_normalization"]

Axes = int | Sequence[int] | None


# --- statistics ------------------------------------------------------------------------------------------------------


@unary
def moments(x: Any, axes: Axes, keepdims: bool = False, synchronized: bool = False) -> tuple[Array, Array]:
    """Returns the mean and the variance along some axes.

    Args:
        x: an array.
        axes: along which they are taken; None is all.
        keepdims: whether those axes stay, with size 1.
        synchronized: whether they are taken over all mapped axes too; see `mapped_axes`.
    """
    return _compiled_moments(x, axes, keepdims, mapped_axes() if synchronized else ())


@compiled("axes", "keepdims", "mapped")
def _compiled_moments(x: Any, axes: Axes, keepdims: bool, mapped: tuple[Any, ...]) -> tuple[Array, Array]:
    mean, variance = moments_of(_wide(x), None, _axes(axes, x.ndim), mapped)
    if not keepdims:
        mean, variance = jnp.squeeze(mean, _axes(axes, x.ndim)), jnp.squeeze(variance, _axes(axes, x.ndim))
    return mean.astype(x.dtype), variance.astype(x.dtype)


def mapped_axes() -> tuple[Any, ...]:
    """Returns the names of the axes that are mapped over here, by `lamina.vmap`, `jax.vmap`, `jax.shard_map` or `jax.pmap`.

    Inside a mapped function an array is one lane's, or one device's. What is compiled for sharded data without such a function
    is about the whole array, and its statistics are those of all devices by themselves.
    """
    return axis_names()


# --- shapes and dtypes -----------------------------------------------------------------------------------------------


def _wide(x: Array) -> Array:
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))


def _axes(axes: Axes, ndim: int) -> tuple[int, ...]:
    """Returns the axes as numbers that are not negative, in order; None is all. Raises ValueError for one that is not there."""
    return tuple(range(ndim)) if axes is None else tuple(sorted(normalize_axis_tuple(axes, ndim)))


def _along(vector: Any, axes: Axes, ndim: int) -> Array:
    """Returns an array of the sizes of some axes of another, reshaped so that it broadcasts to that one."""
    array, sizes = jnp.asarray(vector), [1] * ndim
    for axis, size in zip(_axes(axes, ndim), array.shape, strict=True):
        sizes[axis] = size
    return array.reshape(sizes)


def _scaled(x: Array, gamma: Any, beta: Any, axes: Axes) -> Array:
    x = x if gamma is None else x * _along(gamma, axes, x.ndim)
    return x if beta is None else x + _along(beta, axes, x.ndim)


# --- by channel ------------------------------------------------------------------------------------------------------


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
    factor = rate_of(_along(variance, axis, x.ndim), epsilon)
    if scale is not None:
        factor = factor * _along(scale, axis, x.ndim)
    shift = -_along(mean, axis, x.ndim) * factor
    if offset is not None:
        shift = shift + _along(offset, axis, x.ndim)
    normalized: Array = (x * factor + shift).astype(x.dtype)
    return normalized


@compiled("axis", "mapped")
def normalize_batch(
    x: Array,
    gamma: Array | None,
    beta: Array | None,
    axis: int,
    epsilon: float,
    mask: Array | None = None,
    mapped: tuple[Any, ...] = (),
) -> tuple[Array, Array, Array]:
    """Returns what `batch_normalization` does by the batch's own mean and variance; and these, in at least float32.

    Args:
        x: an array.
        gamma: one for each position along `axis`, or None; so is beta.
        beta: see `gamma`.
        axis: the axis that is not averaged over.
        epsilon: keeps the root from being zero.
        mask: what counts in the mean and the variance, of the leading axes of x; None is all.
        mapped: the names of the mapped axes over which they are taken too.
    """
    axes = tuple(i for i in range(x.ndim) if i != axis % x.ndim)
    gamma, beta = (vector if vector is None else _along(vector, axis, x.ndim) for vector in (gamma, beta))
    if mask is not None:
        mask = mask.astype(bool).reshape(*mask.shape, *[1] * (x.ndim - mask.ndim))
    y, mean, variance = batch_standardization(_wide(x), gamma, beta, epsilon, mask, axes=axes, mapped=mapped)
    return y.astype(x.dtype), mean.reshape(-1), variance.reshape(-1)


# --- by sample -------------------------------------------------------------------------------------------------------


@unary
@compiled("axis", "rms_scaling")
def layer_normalization(
    x: Any, gamma: Any = None, beta: Any = None, axis: Axes = -1, epsilon: float | None = None, rms_scaling: bool = False
) -> Array:
    """Returns (x − mean(x)) / √(var(x) + ε) · gamma + beta (Ba, Kiros and Hinton, 2016).

    Args:
        x: an array.
        gamma: multiplied with, of the sizes of the axes that are normalised, or None.
        beta: added at last, likewise, or None.
        axis: the axis or axes over which mean and variance are taken.
        epsilon: keeps the root from being zero; 1e-7 by default.
        rms_scaling: whether to leave out − mean(x) and beta. Old models need it; it is not `rms_normalization`.
    """
    wide, axes, epsilon = _wide(x), _axes(axis, x.ndim), _or_least(epsilon)
    if rms_scaling:
        outputs, beta = wide * rate_of(moments_of(wide, None, axes)[1], epsilon), None
    else:
        outputs = standardization(wide, epsilon, axes=axes)
    return _scaled(outputs, gamma, beta, axes).astype(x.dtype)


@compiled("groups", "axis")
def group_normalization(x: Array, groups: int, gamma: Array | None, beta: Array | None, axis: int, epsilon: float) -> Array:
    """Returns (x − mean) / √(var + ε) · gamma + beta, mean and variance for each sample and group of channels.

    Args:
        x: an array whose first axis is the samples.
        groups: their number, which divides the channels.
        gamma: one for each channel, or None; so is beta.
        beta: see `gamma`.
        axis: the channels' axis.
        epsilon: keeps the root from being zero.
    """
    axis %= x.ndim
    axes = tuple(i for i in range(1, x.ndim) if i != axis)
    outputs = standardization(_wide(x), epsilon, axes=axes, groups=(axis, groups))
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
    wide, axes = _wide(x), _axes(axis, x.ndim)
    power = jnp.mean(jnp.square(wide), axes, keepdims=True)
    return _scaled(wide * rate_of(power, _or_least(epsilon)), scale, None, axes).astype(x.dtype)


@unary
@compiled("axis", "order")
def normalize(x: Any, axis: Axes = -1, order: float = 2, epsilon: float | None = None) -> Array:
    """Returns x / max(norm(x), ε): vectors of length 1. The gradient at 0 is 1 / ε.

    Args:
        x: an array.
        axis: the axis or axes that make up one vector; None is all.
        order: of the norm (Σ |x|^order)^(1/order), at least 1.
        epsilon: the least norm to divide by; 1e-7 by default.

    >>> print(lamina.ops.normalize([[3.0, 4.0]]))
    [[0.6 0.8]]
    """
    wide = _wide(x)
    # The bound is set before the root, whose slope at 0 is infinite.
    least = jnp.maximum(_or_least(epsilon) ** order, jnp.finfo(wide.dtype).tiny)
    power = jnp.maximum(jnp.sum(jnp.abs(wide) ** order, _axes(axis, x.ndim), keepdims=True), least)
    norm = jnp.sqrt(power) if order == 2 else power ** (1 / order)
    return (wide / norm).astype(x.dtype if jnp.issubdtype(x.dtype, jnp.inexact) else wide.dtype)


def _or_least(epsilon: float | None) -> Any:
    return 1e-7 if epsilon is None else epsilon
