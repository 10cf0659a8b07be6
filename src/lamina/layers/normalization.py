"""Normalisation."""

from typing import Any

import jax
import jax.numpy as jnp

import lamina.constraints as constraints
import lamina.initializers as initializers
import lamina.regularizers as regularizers
from lamina.core.input_spec import InputSpec
from lamina.core.layer import Layer
from lamina.core.variable import Array
from lamina.layers.checks import known


class BatchNormalization(Layer):
    """gamma (x - mean) / sqrt(variance + epsilon) + beta, channel by channel.

    While training (and trainable) mean and variance are those of the batch, and their moving averages are kept:
    moving ← momentum * moving + (1 - momentum) * batch. Otherwise they are the moving averages.

    Args:
        axis: the channels' axis.
        momentum: how much of the moving averages is kept at each step.
        epsilon: keeps the denominator from zero.
        center: whether there is a beta.
        scale: whether there is a gamma.
        beta_initializer: makes the first beta.
        gamma_initializer: makes the first gamma.
        moving_mean_initializer: makes the first moving mean.
        moving_variance_initializer: makes the first moving variance.
        beta_regularizer: its penalty on beta is one of the losses.
        gamma_regularizer: likewise for gamma.
        beta_constraint: applied to beta after each update.
        gamma_constraint: likewise for gamma.
        kwargs: what `lamina.Layer` takes.

    Source: Ioffe and Szegedy, Batch Normalization, 2015.

    >>> layer = lamina.layers.BatchNormalization()
    >>> print(np.round(layer(np.array([[1.0], [3.0]]), training=True), 4))
    [[-0.9995]
     [ 0.9995]]
    >>> print(layer.moving_mean.numpy())
    [0.02]
    """

    supports_masking = True

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        moving_mean_initializer: Any = "zeros",
        moving_variance_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.axis = int(axis)
        self.momentum = float(momentum)
        self.epsilon = float(epsilon)
        self.center = center
        self.scale = scale
        self.beta_initializer = initializers.get(beta_initializer)
        self.gamma_initializer = initializers.get(gamma_initializer)
        self.moving_mean_initializer = initializers.get(moving_mean_initializer)
        self.moving_variance_initializer = initializers.get(moving_variance_initializer)
        self.beta_regularizer = regularizers.get(beta_regularizer)
        self.gamma_regularizer = regularizers.get(gamma_regularizer)
        self.beta_constraint = constraints.get(beta_constraint)
        self.gamma_constraint = constraints.get(gamma_constraint)

    def build(self, input_shape: Any) -> None:
        """Creates gamma, beta and the moving averages."""
        if not -len(input_shape) <= self.axis < len(input_shape):
            raise ValueError(f"The layer {self.path!r} normalises axis {self.axis}, which inputs of shape {input_shape} lack.")
        size = (known(input_shape[self.axis], f"axis {self.axis}", self),)
        self.gamma = self.beta = None
        if self.scale:
            self.gamma = self.add_weight(
                size, self.gamma_initializer, regularizer=self.gamma_regularizer, constraint=self.gamma_constraint
            )
        if self.center:
            self.beta = self.add_weight(
                size, self.beta_initializer, regularizer=self.beta_regularizer, constraint=self.beta_constraint
            )
        self.moving_mean = self.add_weight(size, self.moving_mean_initializer, trainable=False, autocast=False)
        self.moving_variance = self.add_weight(size, self.moving_variance_initializer, trainable=False, autocast=False)
        self.input_spec = InputSpec(ndim=len(input_shape), axes={self.axis: size[0]})

    def call(self, inputs: Array, training: bool | None = None) -> Array:
        """Computes the formula, and moves the averages while training."""
        x = inputs.astype(jnp.promote_types(inputs.dtype, "float32"))
        if training and self.trainable:
            axes = tuple(i for i in range(x.ndim) if i != self.axis % x.ndim)
            mean, variance = jnp.mean(x, axes), jnp.var(x, axes)
            self._move(self.moving_mean, mean)
            self._move(self.moving_variance, variance)
        else:
            mean, variance = self.moving_mean.value, self.moving_variance.value
        scale = jax.lax.rsqrt(variance + self.epsilon)
        if self.gamma is not None:
            scale = scale * self.gamma.value
        shift = -mean * scale
        if self.beta is not None:
            shift = shift + self.beta.value
        shape = [1] * x.ndim
        shape[self.axis] = -1
        return (x * scale.reshape(shape) + shift.reshape(shape)).astype(inputs.dtype)

    def _move(self, average: Any, value: Array) -> None:
        average.assign(average.value * self.momentum + value * (1 - self.momentum))
