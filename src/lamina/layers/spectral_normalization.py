"""SpectralNormalization: a kernel divided by its largest singular value."""

from typing import Any

import jax
import jax.numpy as jnp

import lamina.initializers as initializers
from lamina.core.layer import Layer
from lamina.core.variable import Array
from lamina.layers.checks import positive
from lamina.layers.wrapper import Wrapper
from lamina.ops.normalization import normalize
from lamina.ops.wrap import compiled


class SpectralNormalization(Wrapper):
    """Keeps the spectral norm σ of a layer's kernel near 1, and so the layer's Lipschitz constant.

    Each call while training (and trainable) sets kernel ← kernel / σ before the layer is called; other calls leave it as it is.
    The kernel is taken as a matrix W with the last axis as its columns, and σ = v W uᵀ is found by power iteration from the u
    of the last call: v ← u Wᵀ / |u Wᵀ|, u ← v W / |v W|. The gradient flows through the division, not through u and v.

    Args:
        layer: a layer with a `kernel` or `embeddings`.
        power_iterations: how often u and v are computed in a call.
        kwargs: what `lamina.Layer` takes.

    Raises:
        ValueError: if power_iterations is not a positive integer; from the first call, for a layer that has no kernel.

    Source: Miyato, Kataoka, Koyama and Yoshida, Spectral Normalization for Generative Adversarial Networks, 2018.

    >>> layer = lamina.layers.SpectralNormalization(lamina.layers.Dense(3), power_iterations=20)
    >>> layer(np.ones((1, 5)), training=True).shape
    (1, 3)
    >>> print(np.round(np.linalg.norm(layer.kernel, 2), 3))
    1.0
    """

    def __init__(self, layer: Layer, power_iterations: int = 1, **kwargs: Any) -> None:
        super().__init__(layer, **kwargs)
        self.power_iterations = positive(power_iterations, "power_iterations", self)

    def build(self, input_shape: Any) -> None:
        """Builds the layer and creates u."""
        self.layer.build(input_shape)
        kernel = getattr(self.layer, "kernel", None)
        if kernel is None:
            kernel = getattr(self.layer, "embeddings", None)
        if kernel is None:
            raise ValueError(f"SpectralNormalization needs a layer with a kernel or embeddings; {self.layer!r} has neither.")
        self.kernel = kernel
        self.vector_u = self.add_weight(
            (1, kernel.shape[-1]),
            initializers.TruncatedNormal(stddev=0.02),
            dtype=kernel.dtype,
            trainable=False,
            autocast=False,
        )

    def call(self, inputs: Array, training: bool = False) -> Array:
        """Divides the kernel while training, and calls the layer."""
        if training and self.trainable:
            kernel, u = _divided(self.kernel._read(), self.vector_u.value, self.power_iterations)
            self.kernel.assign(kernel)
            self.vector_u.assign(u)
        outputs: Array = self.layer(inputs)
        return outputs


@compiled("iterations")
def _divided(kernel: Array, u: Array, iterations: int) -> tuple[Array, Array]:
    """Returns kernel / σ and the new u; a kernel of zeros stays as it is, and so does u."""
    matrix = kernel.reshape(-1, kernel.shape[-1])
    fixed, new = jax.lax.stop_gradient(matrix), u
    for _ in range(iterations):
        v = normalize(new @ fixed.T, None)
        new = normalize(v @ fixed, None)
    zero = jnp.all(fixed == 0)
    sigma = jnp.where(zero, 1, (v @ matrix @ new.T)[0, 0])
    return kernel / sigma, jnp.where(zero, u, new)
