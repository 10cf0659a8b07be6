"""Positions for attention, which has no order of its own: as waves to add, and as rotations."""

from typing import Any

import jax.numpy as jnp

from lamina.core.layer import Layer
from lamina.core.text import show_shape
from lamina.core.variable import Array
from lamina.layers.checks import integer, positive_number
from lamina.ops.wrap import compiled


class SinePositionEncoding(Layer):
    """sin(position · wᵢ) in each even feature 2i, cos(position · wᵢ) in the next, with wᵢ = max_wavelength^(-2i / features).

    Gives the encoding alone, of the inputs' shape (..., time, features), to be added to them. The call takes, beside the inputs,
    `start_index`: the position of the first.

    Args:
        max_wavelength: the wavelength of the last feature is 2π times nearly this.
        kwargs: what `lamina.Layer` takes.

    Raises:
        ValueError: for a wavelength that is not positive.

    Source: Vaswani et al., Attention Is All You Need, 2017.

    >>> print(np.array(lamina.layers.SinePositionEncoding()(np.zeros((1, 2, 4)))))
    [[[0.         1.         0.         1.        ]
      [0.84147096 0.5403023  0.00999983 0.99995   ]]]
    """

    def __init__(self, max_wavelength: float = 10000, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.max_wavelength = positive_number(max_wavelength, "max_wavelength", self)

    def call(self, inputs: Array, start_index: Any = 0) -> Array:
        time, features = inputs.shape[-2:]
        feature = jnp.arange(features)
        angles = _angles(start_index + jnp.arange(time), feature // 2 * 2 / features, self.max_wavelength)
        waves = jnp.where(feature % 2 == 0, jnp.sin(angles), jnp.cos(angles))
        return jnp.broadcast_to(waves.astype(self.compute_dtype), inputs.shape)


class RotaryEmbedding(Layer):
    """Each pair of features turned by position · wᵢ, with wᵢ = max_wavelength^(-2i / features): query · key sees distances alone.

    Feature i of the first half, x, and of the second, y, become x cos a - y sin a and y cos a + x sin a, with a the angle. Call it
    on queries and on keys. The call takes, beside the inputs, `start_index`: the position of the first; or `positions`: all of
    them, of shape (time,) or (batch, time).

    Args:
        max_wavelength: the last pair turns once in nearly 2π times so many positions.
        scaling_factor: positions are divided by it.
        sequence_axis: the axis of time.
        feature_axis: the axis of features, an even number of them.
        kwargs: what `lamina.Layer` takes.

    Raises:
        TypeError: for axes that are not integers.
        ValueError: for a wavelength or a factor that is not positive; from the call, for an odd number of features, or positions of
            another shape.

    Source: Su et al., RoFormer: Enhanced Transformer with Rotary Position Embedding, 2021.

    >>> layer = lamina.layers.RotaryEmbedding()
    >>> query, key = layer(np.ones((1, 5, 8))), layer(np.ones((1, 5, 8)))
    >>> products = query[0] @ key[0].T
    >>> bool(jnp.allclose(products[2, 1], products[4, 3], atol=1e-5))
    True
    """

    def __init__(
        self,
        max_wavelength: float = 10000,
        scaling_factor: float = 1.0,
        sequence_axis: int = 1,
        feature_axis: int = -1,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.max_wavelength = positive_number(max_wavelength, "max_wavelength", self)
        self.scaling_factor = positive_number(scaling_factor, "scaling_factor", self)
        self.sequence_axis = integer(sequence_axis, "sequence_axis", self)
        self.feature_axis = integer(feature_axis, "feature_axis", self)

    def call(self, inputs: Array, start_index: Any = 0, positions: Array | None = None) -> Array:
        x = jnp.moveaxis(inputs, (self.sequence_axis, self.feature_axis), (1, -1))
        time, features = x.shape[1], x.shape[-1]
        if features % 2:
            raise ValueError(
                f"The layer {self.path!r} turns pairs of features, but inputs of {show_shape(inputs.shape)} have {features}."
            )
        if positions is None:
            positions = start_index + jnp.arange(time)
        elif positions.shape not in ((time,), (x.shape[0], time)):
            raise ValueError(
                f"The positions for the layer {self.path!r} must have shape ({time},) or {show_shape((x.shape[0], time))}, not "
                f"{show_shape(positions.shape)}."
            )
        angles = _angles(positions / self.scaling_factor, jnp.arange(0, features, 2) / features, self.max_wavelength)
        angles = angles.reshape(*((1,) if positions.ndim == 1 else ()), *angles.shape[:-1], *(1,) * (x.ndim - 3), -1)
        turned = _turned(x, jnp.cos(angles).astype(x.dtype), jnp.sin(angles).astype(x.dtype))
        return jnp.moveaxis(turned, (1, -1), (self.sequence_axis, self.feature_axis))


@compiled()
def _turned(x: Array, cos: Array, sin: Array) -> Array:
    first, second = jnp.split(x, 2, -1)
    return jnp.concatenate([first * cos - second * sin, second * cos + first * sin], -1)


@compiled()
def _angles(positions: Array, exponents: Array, max_wavelength: float) -> Array:
    """Returns position · max_wavelength^(-exponent), of shape (*positions, exponents), in float32 whatever the layer's dtype."""
    return positions.astype(jnp.float32)[..., None] * max_wavelength ** -exponents.astype(jnp.float32)
