"""Normalisation: numbers brought to mean 0, variance 1 or length 1 along some axes.

Statistics of half-precision numbers are taken in float32.
"""

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from numpy.lib.array_utils import normalize_axis_tuple

from lamina.core.graph import op
from lamina.core.variable import Array
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
    mean, variance = _moments(_wide(x), None, _axes(axes, x.ndim), mapped)
    if not keepdims:
        mean, variance = jnp.squeeze(mean, _axes(axes, x.ndim)), jnp.squeeze(variance, _axes(axes, x.ndim))
    return mean.astype(x.dtype), variance.astype(x.dtype)


def mapped_axes() -> tuple[Any, ...]:
    """Returns the names of the axes that are mapped over here, by `lamina.vmap`, `jax.vmap`, `jax.shard_map` or `jax.pmap`.

    Inside a mapped function an array is one lane's, or one device's. What is compiled for sharded data without such a function
    is about the whole array, and its statistics are those of all devices by themselves.
    """
    from jax.extend.core import unsafe_get_axis_names_DO_NOT_USE as names  # here, because it loads much of JAX

    return tuple(names())


def _moments(x: Array, mask: Array | None, axes: tuple[int, ...], mapped: tuple[Any, ...] = ()) -> tuple[Array, Array]:
    """Returns the mean and the variance of what the mask lets count, axes kept."""
    mean = _average(x, mask, axes, mapped)
    return mean, _average(jnp.square(jnp.abs(x - mean)), mask, axes, mapped)


def _average(x: Array, mask: Array | None, axes: tuple[int, ...], mapped: tuple[Any, ...]) -> Array:
    """Returns the mean of what the mask lets count, 0 where that is nothing; axes kept."""
    if mask is None:
        mean = jnp.mean(x, axes, keepdims=True)
        return jax.lax.pmean(mean, mapped) if mapped else mean
    total = jnp.sum(jnp.where(mask, x, 0), axes, keepdims=True)
    count = jnp.sum(jnp.broadcast_to(mask, x.shape), axes, dtype=x.dtype, keepdims=True)
    if mapped:
        total, count = jax.lax.psum(total, mapped), jax.lax.psum(count, mapped)
    return total / jnp.maximum(count, 1)


def _rate(variance: Array, epsilon: Any) -> Array:
    return jax.lax.rsqrt(variance + epsilon)


# --- shapes and dtypes -----------------------------------------------------------------------------------------------


def _wide(x: Any) -> Array:
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))


def _axes(axes: Axes, ndim: int) -> tuple[int, ...]:
    """Returns the axes as numbers that are not negative, in order; None is all. Raises ValueError for one that is not there."""
    return tuple(range(ndim)) if axes is None else tuple(sorted(normalize_axis_tuple(axes, ndim)))


def _along(vector: Any, axes: Axes, ndim: int) -> Array:
    """Returns an array of the sizes of some axes of another, reshaped so that it broadcasts to that one."""
    vector = jnp.asarray(vector)
    sizes = [1] * ndim
    for axis, size in zip(_axes(axes, ndim), vector.shape, strict=True):
        sizes[axis] = size
    return vector.reshape(sizes)


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
    factor = _rate(_along(variance, axis, x.ndim), epsilon)
    if scale is not None:
        factor = factor * _along(scale, axis, x.ndim)
    shift = -_along(mean, axis, x.ndim) * factor
    if offset is not None:
        shift = shift + _along(offset, axis, x.ndim)
    return (x * factor + shift).astype(x.dtype)


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
    y, mean, variance = _by_batch(_wide(x), gamma, beta, epsilon, mask, axes, mapped)
    return y.astype(x.dtype), mean.reshape(-1), variance.reshape(-1)


@functools.partial(jax.custom_jvp, nondiff_argnums=(5, 6))
def _by_batch(
    x: Array,
    gamma: Array | None,
    beta: Array | None,
    epsilon: Any,
    mask: Array | None,
    axes: tuple[int, ...],
    mapped: tuple[Any, ...],
) -> tuple[Array, Array, Array]:
    mean, variance = _moments(x, mask, axes, mapped)
    factor = _rate(variance, epsilon)
    if gamma is not None:
        factor = factor * gamma
    y = (x - mean) * factor
    return y if beta is None else y + beta, mean, variance


@_by_batch.defjvp
def _by_batch_rule(
    axes: tuple[int, ...], mapped: tuple[Any, ...], primals: tuple[Any, ...], tangents: tuple[Any, ...]
) -> tuple[tuple[Array, Array, Array], tuple[Array, Array, Array]]:
    """The derivative, written so that its transpose adds up over x twice, and gets the gradients of gamma and beta from that.

    JAX's own adds up more often: it does not know that the mean of x − mean is zero.
    """
    x, gamma, beta, epsilon, mask = primals
    dx, dgamma, dbeta, depsilon, _ = tangents
    y, mean, variance = _by_batch(x, gamma, beta, epsilon, mask, axes, mapped)
    centred, rate = x - mean, _rate(variance, epsilon)
    dmean = _average(dx, mask, axes, mapped)
    half_dvariance = _average(centred * dx, mask, axes, mapped)
    factor = rate if gamma is None else rate * gamma
    slope = -factor * rate * rate * (half_dvariance + depsilon / 2)
    shift = -factor * dmean
    if gamma is not None:
        slope = slope + rate * dgamma
    if beta is not None:
        shift = shift + dbeta
    return (y, mean, variance), (factor * dx + centred * slope + shift, dmean, 2 * half_dvariance)


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
        outputs, beta = wide * _rate(_moments(wide, None, axes)[1], epsilon), None
    else:
        outputs = _standardize(wide, epsilon, axes)
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
    return _scaled(_standardize(_wide(x), epsilon, axes, (axis, groups)), gamma, beta, axis).astype(x.dtype)


@functools.partial(jax.custom_jvp, nondiff_argnums=(2, 3))
def _standardize(x: Array, epsilon: Any, axes: tuple[int, ...], groups: tuple[int, int] | None = None) -> Array:
    """Returns x̂ = (x − mean) / √(variance + ε), means as of `_mean`."""
    centred = x - _mean(x, axes, groups)
    return centred * _rate(_mean(jnp.square(centred), axes, groups), epsilon)


@_standardize.defjvp
def _standardize_rule(
    axes: tuple[int, ...], groups: tuple[int, int] | None, primals: tuple[Array, Any], tangents: tuple[Array, Any]
) -> tuple[Array, Array]:
    """dx̂ = (dx − mean(dx) − x̂ · mean(x̂ · dx)) / √(variance + ε): its own transpose, with no more sums than needed."""
    (x, epsilon), (dx, depsilon) = primals, tangents
    y, variance = _standardize(x, epsilon, axes, groups), _mean(jnp.square(x - _mean(x, axes, groups)), axes, groups)
    rate = _rate(variance, epsilon)
    along = _mean(y * dx, axes, groups) + rate * depsilon / 2
    return y, rate * (dx - _mean(dx, axes, groups) - y * along)


def _mean(x: Array, axes: tuple[int, ...], groups: tuple[int, int] | None) -> Array:
    """Returns the mean along some axes, which are kept; also that of each group along an axis: `groups` is (axis, number).

    Groups are averaged last, and their means given to each of their places, so that what runs over all of x has the channels of x
    as its innermost loop: that of a group is often too short to be fast.
    """
    mean = jnp.mean(x, axes, keepdims=True)
    if groups is None:
        return mean
    axis, number = groups
    grouped = mean.reshape(*mean.shape[:axis], number, mean.shape[axis] // number, *mean.shape[axis + 1 :])
    return jnp.broadcast_to(jnp.mean(grouped, axis + 1, keepdims=True), grouped.shape).reshape(mean.shape)


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
    return _scaled(wide * _rate(power, _or_least(epsilon)), scale, None, axes).astype(x.dtype)


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
