"""Noise that keeps a model from relying on single numbers: dropout and its relatives, in training only."""

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from lamina.core.input_spec import InputSpec
from lamina.core.layer import Layer
from lamina.core.text import show_shape
from lamina.core.variable import Array
from lamina.layers.checks import channels_axis, fraction
from lamina.ops.wrap import compiled
from lamina.random import SeedGenerator


class _Noise(Layer):
    """What the layers of this family share: a source of randomness, if there is anything to draw."""

    supports_masking = True
    seed_generator: Any = None

    def __init__(self, draws: bool, seed: int | None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.seed = seed
        if draws:
            self.seed_generator = SeedGenerator(seed)


def _noise_sizes(noise_shape: Any, layer: Layer) -> tuple[int | None, ...] | None:
    """Returns a `noise_shape` as a tuple; raises ValueError for what is not a sequence of positive integers and None."""
    if noise_shape is None:
        return None
    sizes = tuple(noise_shape) if isinstance(noise_shape, (tuple, list)) else (0,)
    if not all(size is None or (isinstance(size, int) and size > 0) for size in sizes):
        raise ValueError(
            f"noise_shape of {type(layer).__name__} must hold a positive integer or None for each axis, not {noise_shape!r}."
        )
    return sizes


def _full_sizes(sizes: tuple[int | None, ...] | None, inputs: Array, layer: Layer) -> tuple[int, ...]:
    """Returns the shape of the draws; raises ValueError if they would not broadcast to the inputs."""
    if sizes is None:
        return inputs.shape
    if len(sizes) != inputs.ndim or any(size not in (None, 1, own) for size, own in zip(sizes, inputs.shape, strict=True)):
        raise ValueError(
            f"The noise_shape {show_shape(sizes)} of the layer {layer.path!r} does not broadcast to inputs of shape "
            f"{show_shape(inputs.shape)}: each of its sizes must be 1, None or that of the inputs."
        )
    return tuple(own if size is None else size for size, own in zip(sizes, inputs.shape, strict=True))


class Dropout(_Noise):
    """inputs · keep / (1 - rate) in training, where keep is 0 with probability rate, else 1; otherwise inputs.

    Args:
        rate: the probability of a zero, from 0 to 1.
        noise_shape: sizes of keep: 1 for an axis along which numbers fall together, None for the inputs' own size. By
            default each number falls alone.
        seed: an integer, for the same draws in each run; None takes the next one that `lamina.random.set_seed` leads to.
        kwargs: what `lamina.Layer` takes.

    Raises:
        ValueError: for a rate outside [0, 1], or a noise shape that does not broadcast to the inputs.

    Source: Srivastava et al., Dropout: A Simple Way to Prevent Neural Networks from Overfitting, 2014.

    >>> layer = lamina.layers.Dropout(0.5, seed=1)
    >>> print(layer(np.ones((2, 4)), training=True))
    [[2. 0. 0. 2.]
     [0. 2. 0. 0.]]
    >>> print(layer(np.ones(4)))
    [1. 1. 1. 1.]
    """

    def __init__(
        self, rate: float, noise_shape: Sequence[int | None] | None = None, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(rate != 0, seed, **kwargs)
        self.rate = fraction(rate, "rate", self)
        self.noise_shape = _noise_sizes(noise_shape, self)

    def call(self, inputs: Array, training: bool = False) -> Array:
        if not training or self.rate == 0:
            return inputs
        if self.rate == 1:
            return jnp.zeros_like(inputs)
        return _dropout(self.seed_generator.next(), inputs, self.rate, _full_sizes(self.noise_shape, inputs, self))


@compiled("shape")
def _dropout(key: Array, inputs: Array, rate: float, shape: tuple[int, ...]) -> Array:
    keep = jax.random.bernoulli(key, 1 - rate, shape)
    return jnp.where(keep, inputs / (1 - rate), 0)


class SpatialDropout1D(Dropout):
    """Dropout of whole channels of sequences, of shape (batch, time, channels).

    Args:
        rate: the probability that a channel is zero.
        seed: see `Dropout`.
        name: the layer's name.
        dtype: its dtype policy.

    Raises:
        ValueError: for a rate outside [0, 1].

    Source: Tompson et al., Efficient Object Localization Using Convolutional Networks, 2015.

    >>> print(lamina.layers.SpatialDropout1D(0.5, seed=1)(np.ones((1, 3, 4)), training=True))
    [[[2. 0. 0. 2.]
      [2. 0. 0. 2.]
      [2. 0. 0. 2.]]]
    """

    def __init__(self, rate: float, seed: int | None = None, name: str | None = None, dtype: Any = None) -> None:
        super().__init__(rate, (None, 1, None), seed, name=name, dtype=dtype)
        self.input_spec = InputSpec(ndim=3)


class _SpatialDropout(Dropout):
    """Dropout of whole channels, along so many spatial axes."""

    _spatial_axes: int

    def __init__(
        self,
        rate: float,
        data_format: str | None = None,
        seed: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        shared = (1,) * self._spatial_axes
        first = channels_axis(data_format, self) == 1
        super().__init__(rate, (None, None, *shared) if first else (None, *shared, None), seed, name=name, dtype=dtype)
        self.input_spec = InputSpec(ndim=2 + self._spatial_axes)


class SpatialDropout2D(_SpatialDropout):
    """Dropout of whole channels of images, of shape (batch, height, width, channels).

    Args:
        rate: the probability that a channel is zero.
        data_format: "channels_last" (the default) or "channels_first".
        seed: see `Dropout`.
        name: the layer's name.
        dtype: its dtype policy.

    Raises:
        ValueError: for a rate outside [0, 1] or an unknown data format.

    >>> outputs = lamina.layers.SpatialDropout2D(0.5)(np.ones((1, 9, 9, 4)), training=True)
    >>> bool((outputs == outputs[:, :1, :1]).all())
    True
    """

    _spatial_axes = 2


class SpatialDropout3D(_SpatialDropout):
    """Dropout of whole channels of volumes, of shape (batch, depth, height, width, channels).

    Arguments and errors are those of `SpatialDropout2D`.

    >>> outputs = lamina.layers.SpatialDropout3D(0.5)(np.ones((1, 3, 3, 3, 4)), training=True)
    >>> bool((outputs == outputs[:, :1, :1, :1]).all())
    True
    """

    _spatial_axes = 3


class GaussianDropout(_Noise):
    """inputs · noise in training, with noise ~ N(1, rate / (1 - rate)); otherwise inputs.

    Args:
        rate: as in `Dropout`, whose mean and variance it has; below 1.
        seed: see `Dropout`.
        kwargs: what `lamina.Layer` takes.

    Raises:
        ValueError: for a rate outside [0, 1).

    Source: Srivastava et al., Dropout: A Simple Way to Prevent Neural Networks from Overfitting, 2014.

    >>> outputs = lamina.layers.GaussianDropout(0.5)(np.ones((100, 100)), training=True)
    >>> print(f"{outputs.mean():.1f} {outputs.var():.1f}")
    1.0 1.0
    """

    def __init__(self, rate: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(rate != 0, seed, **kwargs)
        self.rate = _below_one(rate, self)

    def call(self, inputs: Array, training: bool = False) -> Array:
        if not training or self.rate == 0:
            return inputs
        stddev = math.sqrt(self.rate / (1 - self.rate))
        return inputs * _normal(self.seed_generator.next(), inputs.shape, 1, stddev, self.compute_dtype)


class GaussianNoise(_Noise):
    """inputs + noise in training, with noise ~ N(0, stddev²); otherwise inputs.

    Args:
        stddev: the noise's standard deviation, from 0 to 1.
        seed: see `Dropout`.
        kwargs: what `lamina.Layer` takes.

    Raises:
        ValueError: for a standard deviation outside [0, 1].

    >>> outputs = lamina.layers.GaussianNoise(0.3)(np.ones((100, 100)), training=True)
    >>> print(f"{outputs.mean():.1f} {outputs.std():.1f}")
    1.0 0.3
    """

    def __init__(self, stddev: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(stddev != 0, seed, **kwargs)
        self.stddev = fraction(stddev, "stddev", self)

    def call(self, inputs: Array, training: bool = False) -> Array:
        if not training or self.stddev == 0:
            return inputs
        return inputs + _normal(self.seed_generator.next(), inputs.shape, 0, self.stddev, self.compute_dtype)


@compiled("shape", "dtype")
def _normal(key: Array, shape: tuple[int, ...], mean: float, stddev: float, dtype: str) -> Array:
    """Returns normal draws in `dtype`, made in at least float32: drawn in bfloat16 itself their mean would be off."""
    return (mean + stddev * jax.random.normal(key, shape, jnp.promote_types(dtype, "float32"))).astype(dtype)


class AlphaDropout(_Noise):
    """Dropout that keeps the mean and variance of what `selu` makes: a · (inputs where kept, else α′) + b in training.

    α′ = -1.7581 is what `selu` approaches for very negative numbers; a = ((1 - rate) (1 + rate α′²))^(-1/2) and
    b = -a α′ rate.

    Args:
        rate: the probability that a number is dropped; below 1.
        noise_shape: see `Dropout`.
        seed: see `Dropout`.
        kwargs: what `lamina.Layer` takes.

    Raises:
        ValueError: for a rate outside [0, 1), or a noise shape that does not broadcast to the inputs.

    Source: Klambauer et al., Self-Normalizing Neural Networks, 2017.

    >>> inputs = lamina.random.normal((100, 100), seed=0)
    >>> outputs = lamina.layers.AlphaDropout(0.2)(inputs, training=True)
    >>> print(f"{abs(outputs.mean()):.1f} {outputs.var():.1f}")
    0.0 1.0
    """

    def __init__(
        self, rate: float, noise_shape: Sequence[int | None] | None = None, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(rate != 0, seed, **kwargs)
        self.rate = _below_one(rate, self)
        self.noise_shape = _noise_sizes(noise_shape, self)

    def call(self, inputs: Array, training: bool = False) -> Array:
        if not training or self.rate == 0:
            return inputs
        return _alpha_dropout(self.seed_generator.next(), inputs, self.rate, _full_sizes(self.noise_shape, inputs, self))


@compiled("rate", "shape")
def _alpha_dropout(key: Array, inputs: Array, rate: float, shape: tuple[int, ...]) -> Array:
    alpha = -1.6732632423543772 * 1.0507009873554805
    keep = jax.random.bernoulli(key, 1 - rate, shape)
    scale: float = ((1 - rate) * (1 + rate * alpha**2)) ** -0.5
    return scale * jnp.where(keep, inputs, alpha) - scale * alpha * rate


def _below_one(rate: float, layer: Layer) -> float:
    if fraction(rate, "rate", layer) == 1:
        raise ValueError(f"rate of {type(layer).__name__} must be below 1: nothing would be left of the inputs.")
    return rate
