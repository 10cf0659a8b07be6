"""Random draws. The seed of each is a SeedGenerator (a new draw each time), an integer (always the same), or None (shared)."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from lamina.core.dtypes import dtype_policy
from lamina.core.graph import op
from lamina.core.variable import Array
from lamina.random.generator import SeedGenerator, key_of

Seed = int | SeedGenerator | None
Shape = Sequence[int]


def _floating(dtype: Any) -> Any:
    return jnp.dtype(dtype or dtype_policy().variable_dtype)


def normal(shape: Shape, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = None, seed: Seed = None) -> Array:
    """Returns draws from the normal distribution of the given mean and standard deviation."""
    dtype = _floating(dtype)
    return jax.random.normal(key_of(seed), tuple(shape), dtype) * jnp.asarray(stddev, dtype) + jnp.asarray(mean, dtype)


def uniform(shape: Shape, minval: Any = 0.0, maxval: Any = 1.0, dtype: Any = None, seed: Seed = None) -> Array:
    """Returns draws that are uniform in [minval, maxval)."""
    return jax.random.uniform(key_of(seed), tuple(shape), _floating(dtype), minval, maxval)


def truncated_normal(shape: Shape, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = None, seed: Seed = None) -> Array:
    """Returns draws from the normal distribution, those more than two standard deviations off drawn again."""
    dtype = _floating(dtype)
    standard = jax.random.truncated_normal(key_of(seed), -2.0, 2.0, tuple(shape), dtype)
    return standard * jnp.asarray(stddev, dtype) + jnp.asarray(mean, dtype)


@op
def bernoulli(p: Any = 0.5, shape: Shape | None = None, dtype: Any = "bool", seed: Seed = None) -> Array:
    """Returns True (or 1, for another dtype) with probability `p`; the shape is by default that of `p`."""
    return jax.random.bernoulli(key_of(seed), p, None if shape is None else tuple(shape)).astype(dtype)


@op
def categorical(logits: Any, num_samples: int, dtype: Any = "int32", seed: Seed = None) -> Array:
    """Returns class numbers of shape (batch, num_samples), drawn with probabilities softmax(logits).

    Args:
        logits: of shape (batch, classes).
        num_samples: how many draws for each row.
        dtype: an integer dtype.
        seed: see the module.
    """
    logits = jnp.asarray(logits)
    draws = jax.random.categorical(key_of(seed), logits[:, None], shape=(logits.shape[0], num_samples))
    return draws.astype(dtype)


def randint(shape: Shape, minval: Any, maxval: Any, dtype: Any = "int32", seed: Seed = None) -> Array:
    """Returns integers from minval to maxval - 1, all equally likely."""
    return jax.random.randint(key_of(seed), tuple(shape), minval, maxval, jnp.dtype(dtype))


def gamma(shape: Shape, alpha: Any, dtype: Any = None, seed: Seed = None) -> Array:
    """Returns draws from the gamma distribution of shape parameter `alpha` and scale 1."""
    return jax.random.gamma(key_of(seed), alpha, tuple(shape), _floating(dtype))


def beta(shape: Shape, alpha: Any, beta: Any, dtype: Any = None, seed: Seed = None) -> Array:
    """Returns draws from the beta distribution with concentrations `alpha` and `beta`."""
    return jax.random.beta(key_of(seed), alpha, beta, tuple(shape), _floating(dtype))


def binomial(shape: Shape, counts: Any, probabilities: Any, dtype: Any = None, seed: Seed = None) -> Array:
    """Returns how many of `counts` trials succeeded, each with the given probability."""
    return jax.random.binomial(key_of(seed), counts, probabilities, tuple(shape), _floating(dtype))


@op
def shuffle(x: Any, axis: int = 0, seed: Seed = None) -> Array:
    """Returns `x` with its slices along `axis` in random order."""
    return jax.random.permutation(key_of(seed), jnp.asarray(x), axis)


@op
def dropout(inputs: Any, rate: float, noise_shape: Sequence[int | None] | None = None, seed: Seed = None) -> Array:
    """Returns `inputs` with each element 0 with probability `rate` and the others scaled by 1 / (1 - rate).

    Args:
        inputs: of any shape and floating dtype.
        rate: from 0 up to, but not, 1.
        noise_shape: sizes of the random mask, 1 for axes along which elements fall together; None is the input's size.
        seed: see the module.

    Source: Srivastava et al., Dropout, 2014.
    """
    inputs = jnp.asarray(inputs)
    sizes = noise_shape if noise_shape is not None else inputs.shape
    shape = tuple(own if size is None else size for size, own in zip(sizes, inputs.shape, strict=True))
    keep = jax.random.bernoulli(key_of(seed), 1.0 - rate, shape)
    return jnp.where(keep, inputs / jnp.asarray(1.0 - rate, inputs.dtype), jnp.zeros((), inputs.dtype))
