"""Normalisation of each sample by itself: layer, group, root-mean-square and unit normalisation."""

from collections.abc import Sequence
from typing import Any

from lamina.core.checks import is_integer
from lamina.core.input_spec import InputSpec
from lamina.core.layer import Layer
from lamina.core.variable import Array
from lamina.layers.checks import axes_in, integer, integers, known, not_negative
from lamina.layers.scale_and_shift import ScaleAndShift, wide
from lamina.layers.weight_settings import WeightSettings
from lamina.ops.normalization import group_normalization, layer_normalization, normalize, rms_normalization


class LayerNormalization(ScaleAndShift):
    """(inputs − mean) / √(variance + epsilon) · gamma + beta, mean and variance for each sample along `axis`.

    Args:
        axis: the axis or axes along which it normalises; gamma and beta have their sizes, in the order in which inputs have
            them.
        epsilon: keeps the root from being zero.
        center: whether there is a beta.
        scale: whether there is a gamma.
        beta_initializer: makes the first beta.
        gamma_initializer: makes the first gamma.
        beta_regularizer: its penalty on beta is one of the losses.
        gamma_regularizer: likewise for gamma.
        beta_constraint: applied to beta after each update.
        gamma_constraint: likewise for gamma.
        rms_scaling: whether to compute inputs / √(variance + epsilon) · gamma instead, which models of old may need. It is not
            the root mean square that divides: that is `RMSNormalization`.
        kwargs: what `lamina.Layer` takes.

    Raises:
        TypeError: if axis is neither an integer nor some of them.
        ValueError: for an epsilon below zero; from the first call, for an axis that inputs lack.

    Source: Ba, Kiros and Hinton, Layer Normalization, 2016.

    >>> layer = lamina.layers.LayerNormalization()
    >>> print(np.round(layer(np.array([[1.0, 3.0], [10.0, 30.0]])), 4))
    [[-0.9995  0.9995]
     [-1.      1.    ]]
    """

    supports_masking = True

    def __init__(
        self,
        axis: int | Sequence[int] = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        rms_scaling: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.center, self.scale = bool(center and not rms_scaling), bool(scale or rms_scaling)
        WeightSettings(beta_initializer, beta_regularizer, beta_constraint).keep(self, "beta")
        WeightSettings(gamma_initializer, gamma_regularizer, gamma_constraint).keep(self, "gamma")
        self.axis = integers(axis, "axis", self)
        self.epsilon = float(not_negative(epsilon, "epsilon", self))
        self.rms_scaling = bool(rms_scaling)

    def build(self, input_shape: Any) -> None:
        """Creates gamma and beta."""
        self._add_gamma_and_beta(_sizes(input_shape, self.axis, self))

    def call(self, inputs: Array) -> Array:
        """Computes the formula."""
        outputs = layer_normalization(wide(inputs), *self._gamma_and_beta(), self.axis, self.epsilon, self.rms_scaling)
        return outputs.astype(self.compute_dtype)


class GroupNormalization(ScaleAndShift):
    """(inputs − mean) / √(variance + epsilon) · gamma + beta, mean and variance for each sample and group of channels.

    Gamma and beta have one number for each channel.

    Args:
        groups: into so many groups the channels are split; -1 is one group for each channel, instance normalisation.
        axis: the channels' axis; not the first, which is the samples'.
        epsilon: keeps the root from being zero.
        center: whether there is a beta.
        scale: whether there is a gamma.
        beta_initializer: makes the first beta.
        gamma_initializer: makes the first gamma.
        beta_regularizer: its penalty on beta is one of the losses.
        gamma_regularizer: likewise for gamma.
        beta_constraint: applied to beta after each update.
        gamma_constraint: likewise for gamma.
        kwargs: what `lamina.Layer` takes.

    Raises:
        TypeError: if axis is not an integer.
        ValueError: if groups is neither a positive integer nor -1, or epsilon is below zero; from the first call, if the groups do
            not divide the channels.

    Source: Wu and He, Group Normalization, 2018.

    >>> layer = lamina.layers.GroupNormalization(groups=2)
    >>> print(np.round(layer(np.array([[1.0, 3.0, 10.0, 30.0]])), 4))
    [[-0.9995  0.9995 -1.      1.    ]]
    """

    supports_masking = True

    def __init__(
        self,
        groups: int = 32,
        axis: int = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.center, self.scale = bool(center), bool(scale)
        WeightSettings(beta_initializer, beta_regularizer, beta_constraint).keep(self, "beta")
        WeightSettings(gamma_initializer, gamma_regularizer, gamma_constraint).keep(self, "gamma")
        if not is_integer(groups) or (groups <= 0 and groups != -1):
            raise ValueError(f"groups of GroupNormalization must be a positive integer, or -1, not {groups!r}.")
        self.groups = int(groups)
        self.axis = integer(axis, "axis", self)
        self.epsilon = float(not_negative(epsilon, "epsilon", self))

    def build(self, input_shape: Any) -> None:
        """Creates gamma and beta."""
        (axis,) = axes_in(input_shape, self.axis, self)
        if axis == 0:
            raise ValueError(f"The layer {self.path!r} was given the axis {self.axis}, which is that of the samples.")
        channels = known(input_shape[axis], f"axis {self.axis}", self)
        if channels % self.groups:
            raise ValueError(f"The layer {self.path!r} has {self.groups} groups, which do not divide {channels} channels.")
        self._add_gamma_and_beta((channels,))
        self.input_spec = InputSpec(ndim=len(input_shape), axes={self.axis: channels})

    def call(self, inputs: Array) -> Array:
        """Computes the formula."""
        groups = inputs.shape[self.axis] if self.groups == -1 else self.groups
        outputs = group_normalization(wide(inputs), groups, *self._gamma_and_beta(), self.axis, self.epsilon)
        return outputs.astype(self.compute_dtype)


class RMSNormalization(Layer):
    """inputs / √(mean(inputs²) + epsilon) · scale, the mean for each sample along `axis`.

    Args:
        axis: the axis or axes along which it normalises; scale has their sizes.
        epsilon: keeps the root from being zero.
        kwargs: what `lamina.Layer` takes.

    Raises:
        TypeError: if axis is neither an integer nor some of them.
        ValueError: for an epsilon below zero; from the first call, for an axis that inputs lack.

    Source: Zhang and Sennrich, Root Mean Square Layer Normalization, 2019.

    >>> print(np.round(lamina.layers.RMSNormalization()(np.array([[-3.0, 0.0, 0.0, 0.0]])), 4))
    [[-2.  0.  0.  0.]]
    """

    _casts_inputs = False

    def __init__(self, axis: int | Sequence[int] = -1, epsilon: float = 1e-6, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = integers(axis, "axis", self)
        self.epsilon = float(not_negative(epsilon, "epsilon", self))

    def build(self, input_shape: Any) -> None:
        """Creates the scale."""
        self.scale = self.add_weight(_sizes(input_shape, self.axis, self), "ones", autocast=False)

    def call(self, inputs: Array) -> Array:
        """Computes the formula."""
        return rms_normalization(wide(inputs), self.scale.value, self.axis, self.epsilon).astype(self.compute_dtype)


class UnitNormalization(Layer):
    """inputs / √(sum of inputs²), the sum for each sample along `axis`: vectors of length 1. Zeros stay zeros.

    Args:
        axis: the axis or axes that make up one vector.
        kwargs: what `lamina.Layer` takes.

    Raises:
        TypeError: if axis is neither an integer nor some of them.

    >>> print(lamina.layers.UnitNormalization()(np.array([[3.0, 4.0], [0.0, 0.0]])))
    [[0.6 0.8]
     [0.  0. ]]
    """

    supports_masking = True

    def __init__(self, axis: int | Sequence[int] = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = integers(axis, "axis", self)

    def call(self, inputs: Array) -> Array:
        """Computes the formula."""
        return normalize(inputs, self.axis, 2, 1e-12)


def _sizes(shape: Any, axis: int | tuple[int, ...], layer: Layer) -> tuple[int, ...]:
    return tuple(known(shape[i], f"axis {i}", layer) for i in axes_in(shape, axis, layer))
