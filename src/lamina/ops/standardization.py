"""Numbers brought to mean 0 and variance 1, by batch or by sample, with derivatives that add up no more often than they need."""

import functools
from typing import Any

import jax
import jax.numpy as jnp

from lamina.core.variable import Array

# --- statistics -----------------------------------------------------------------------------------------------------------


def moments_of(x: Array, mask: Array | None, axes: tuple[int, ...], mapped: tuple[Any, ...] = ()) -> tuple[Array, Array]:
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


def rate_of(variance: Array, epsilon: Any) -> Array:
    """Returns 1 / √(variance + ε)."""
    return jax.lax.rsqrt(variance + epsilon)


# --- by batch -------------------------------------------------------------------------------------------------------------


def by_batch(
    x: Array,
    gamma: Array | None,
    beta: Array | None,
    epsilon: Any,
    mask: Array | None,
    *,
    axes: tuple[int, ...],
    mapped: tuple[Any, ...],
) -> tuple[Array, Array, Array]:
    """Returns (x − mean) / √(variance + ε) · gamma + beta, the mean and the variance, axes kept.

    Args:
        x: an array.
        gamma: multiplied with; broadcasts to x, as beta does. None is 1.
        beta: added at last. None is 0.
        epsilon: keeps the root from being zero.
        mask: what counts in the mean and the variance; broadcasts likewise. None is all.
        axes: along which they are taken.
        mapped: the names of the mapped axes over which they are taken too.
    """
    return _by_batch(x, gamma, beta, epsilon, mask, axes, mapped)


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
    mean, variance = moments_of(x, mask, axes, mapped)
    factor = rate_of(variance, epsilon)
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
    centred, rate = x - mean, rate_of(variance, epsilon)
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


# --- by sample ------------------------------------------------------------------------------------------------------------


def by_sample(x: Array, epsilon: Any, *, axes: tuple[int, ...], groups: tuple[int, int] | None = None) -> Array:
    """Returns x̂ = (x − mean) / √(variance + ε).

    Args:
        x: an array.
        epsilon: keeps the root from being zero.
        axes: along which mean and variance are taken.
        groups: an axis, and how many groups its positions fall into, each of which has a mean and a variance; None is one for
            each position.
    """
    return _standardize(x, epsilon, axes, groups)


@functools.partial(jax.custom_jvp, nondiff_argnums=(2, 3))
def _standardize(x: Array, epsilon: Any, axes: tuple[int, ...], groups: tuple[int, int] | None = None) -> Array:
    """Returns x̂ = (x − mean) / √(variance + ε), means as of `_mean`."""
    centred = x - _mean(x, axes, groups)
    return centred * rate_of(_mean(jnp.square(centred), axes, groups), epsilon)


@_standardize.defjvp
def _standardize_rule(
    axes: tuple[int, ...], groups: tuple[int, int] | None, primals: tuple[Array, Any], tangents: tuple[Array, Any]
) -> tuple[Array, Array]:
    """dx̂ = (dx − mean(dx) − x̂ · mean(x̂ · dx)) / √(variance + ε): its own transpose, with no more sums than needed."""
    (x, epsilon), (dx, depsilon) = primals, tangents
    y, variance = _standardize(x, epsilon, axes, groups), _mean(jnp.square(x - _mean(x, axes, groups)), axes, groups)
    rate = rate_of(variance, epsilon)
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
