"""BatchNormalization: each channel brought to the mean 0 and variance 1 of its batch."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import lamina.initializers as initializers
from lamina.core.checks import is_number
from lamina.core.input_spec import InputSpec
from lamina.core.masks import check_masks
from lamina.core.variable import Array, Variable
from lamina.layers.checks import axes_in, fraction, integer, known, not_negative
from lamina.layers.scale_and_shift import ScaleAndShift, wide
from lamina.layers.weight_settings import WeightSettings
from lamina.ops.normalization import batch_normalization, mapped_axes, normalize_batch
from lamina.ops.wrap import compiled


class BatchNormalization(ScaleAndShift):
    """(inputs − mean) / √(variance + epsilon) · gamma + beta, channel by channel.

    While training (and trainable) mean and variance are those of the batch, and their moving averages are kept:
    moving ← momentum · moving + (1 − momentum) · batch. Otherwise they are the moving averages.

    Args:
        axis: the channels' axis.
        momentum: how much of the moving averages is kept at each step, from 0 to 1.
        epsilon: keeps the root from being zero.
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
        renorm: whether training, too, goes by moving averages: batch renormalization. The normalised inputs become r x + d, where
            r = √(variance + epsilon) / σ and d = (mean − μ) / σ, and μ and σ are moving averages of the batch's; no gradient goes
            through r and d.
        renorm_clipping: limits of r, as `rmin` and `rmax`, and of the size of d, as `dmax`, in a dict; those left out do not limit.
        renorm_momentum: how much of μ and σ is kept at each step, from 0 to 1.
        synchronized: whether, inside a function that is mapped over devices or lanes (`lamina.vmap`, `jax.shard_map`,
            `jax.vmap` with an axis name), mean and variance are those of all of them, not of each by itself. A compiled
            program over sharded data needs no such thing: there the batch is the whole batch.
        kwargs: what `lamina.Layer` takes.

    A mask, given as `mask` or carried by the inputs, is of the sizes of their first axes; where it is false, inputs are not
    counted in the mean and the variance.

    Raises:
        ValueError: for a momentum that is not from 0 to 1, or limits that are none; from the call, for an axis that inputs lack, or
            a mask that is not of the sizes of their first axes.

    Source: Ioffe and Szegedy, Batch Normalization, 2015; Ioffe, Batch Renormalization, 2017.

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
        renorm: bool = False,
        renorm_clipping: dict[str, float] | None = None,
        renorm_momentum: float = 0.99,
        synchronized: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.center, self.scale = bool(center), bool(scale)
        WeightSettings(beta_initializer, beta_regularizer, beta_constraint).keep(self, "beta")
        WeightSettings(gamma_initializer, gamma_regularizer, gamma_constraint).keep(self, "gamma")
        self.axis = integer(axis, "axis", self)
        self.momentum = fraction(momentum, "momentum", self)
        self.epsilon = float(not_negative(epsilon, "epsilon", self))
        self.moving_mean_initializer = initializers.get(moving_mean_initializer)
        self.moving_variance_initializer = initializers.get(moving_variance_initializer)
        self.renorm = bool(renorm)
        self.renorm_clipping = _limits(renorm_clipping, self)
        self.renorm_momentum = fraction(renorm_momentum, "renorm_momentum", self)
        self.synchronized = bool(synchronized)

    def build(self, input_shape: Any) -> None:
        """Creates gamma, beta and the moving averages."""
        axes_in(input_shape, self.axis, self)
        channels = known(input_shape[self.axis], f"axis {self.axis}", self)
        self._add_gamma_and_beta((channels,))
        self.moving_mean = self.add_weight((channels,), self.moving_mean_initializer, trainable=False, autocast=False)
        self.moving_variance = self.add_weight((channels,), self.moving_variance_initializer, trainable=False, autocast=False)
        if self.renorm:
            mean, stddev = self.moving_mean.numpy(), np.sqrt(self.moving_variance.numpy())
            self.moving_stddev = self.add_weight((channels,), stddev, trainable=False, autocast=False)
            self.renorm_mean = self.add_weight((channels,), mean, trainable=False, autocast=False)
            self.renorm_stddev = self.add_weight((channels,), stddev, trainable=False, autocast=False)
        self.input_spec = InputSpec(ndim=len(input_shape), axes={self.axis: channels})

    def call(self, inputs: Array, training: bool | None = None, mask: Array | None = None) -> Array:
        """Computes the formula, and moves the averages while training."""
        check_masks(inputs, mask, self)
        x, (gamma, beta) = wide(inputs), self._gamma_and_beta()
        if training and self.trainable:
            mapped = mapped_axes() if self.synchronized else ()
            if self.renorm:
                return self._renormalized(x, gamma, beta, mask, mapped).astype(self.compute_dtype)
            outputs, mean, variance = normalize_batch(x, gamma, beta, self.axis, self.epsilon, mask, mapped)
            self._move(self.moving_mean, mean, self.momentum)
            self._move(self.moving_variance, variance, self.momentum)
        else:
            mean, variance = self.moving_mean.value, self.moving_variance.value
            outputs = batch_normalization(x, mean, variance, self.axis, beta, gamma, self.epsilon)
        return outputs.astype(self.compute_dtype)

    def _renormalized(
        self, x: Array, gamma: Array | None, beta: Array | None, mask: Array | None, mapped: tuple[Any, ...]
    ) -> Array:
        """Returns the outputs of batch renormalization, and moves its averages."""
        outputs, mean, variance = normalize_batch(x, None, None, self.axis, self.epsilon, mask, mapped)
        stddev = jnp.sqrt(variance + self.epsilon)
        held = jnp.maximum(self.renorm_stddev.value.astype(stddev.dtype), self.epsilon**0.5)
        r, d = stddev / held, (mean - self.renorm_mean.value) / held
        r = jax.lax.stop_gradient(jnp.clip(r, self.renorm_clipping.get("rmin"), self.renorm_clipping.get("rmax")))
        most = self.renorm_clipping.get("dmax")
        d = jax.lax.stop_gradient(d if most is None else jnp.clip(d, -most, most))
        self._move(self.renorm_mean, mean, self.renorm_momentum)
        self._move(self.renorm_stddev, stddev, self.renorm_momentum)
        self._move(self.moving_mean, mean, self.momentum)
        self._move(self.moving_stddev, stddev, self.momentum)
        self.moving_variance.assign(jnp.maximum(self.moving_stddev.value**2 - self.epsilon, 0))
        scale = r if gamma is None else r * gamma
        shift = d if gamma is None else d * gamma
        shape = [-1 if axis == self.axis % x.ndim else 1 for axis in range(x.ndim)]
        return outputs * scale.reshape(shape) + (shift if beta is None else shift + beta).reshape(shape)

    def _move(self, average: Variable, value: Array, momentum: float) -> None:
        average.assign(_between(average.value, value, momentum))


@compiled("momentum")
def _between(before: Array, value: Array, momentum: float) -> Array:
    return before.astype(value.dtype) * momentum + value * (1 - momentum)


def _limits(clipping: dict[str, float] | None, layer: BatchNormalization) -> dict[str, float]:
    limits = clipping or {}
    known = isinstance(limits, dict) and set(limits) <= {"rmin", "rmax", "dmax"} and all(map(is_number, limits.values()))
    if not known or limits.get("dmax", 0) < 0 or limits.get("rmin", 0) > limits.get("rmax", float("inf")):
        raise ValueError(
            f"renorm_clipping of {type(layer).__name__} holds rmin, at most rmax, and dmax, not negative; not {clipping!r}."
        )
    return dict(limits)
