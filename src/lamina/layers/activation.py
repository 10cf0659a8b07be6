"""Activations as layers."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

import lamina.activations as activations
from lamina.core.input_spec import InputSpec
from lamina.core.layer import Layer
from lamina.core.text import show_shape
from lamina.core.variable import Array
from lamina.layers.checks import integers, known, not_negative, number
from lamina.layers.weight_settings import WeightSettings, add_weight
from lamina.ops.wrap import compiled


class Activation(Layer):
    """activation(inputs).

    Args:
        activation: a name or a function; None is linear.
        kwargs: what `lamina.Layer` takes.

    Raises:
        ValueError: for an unknown name.

    >>> print(lamina.layers.Activation("relu")(np.array([-1.0, 2.0])))
    [0. 2.]
    """

    supports_masking = True

    def __init__(self, activation: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.activation = activations.get(activation)

    def call(self, inputs: Array) -> Array:
        return self.activation(inputs)


class ReLU(Layer):
    """min(x, max_value) where x > threshold, else negative_slope · (x - threshold); by default max(x, 0).

    Args:
        max_value: the greatest value; None means no bound.
        negative_slope: the slope below the threshold.
        threshold: where it starts to pass values on.
        kwargs: what `lamina.Layer` takes.

    Raises:
        ValueError: for a negative number.

    >>> print(lamina.layers.ReLU(max_value=6)(np.array([-1.0, 2.0, 9.0])))
    [0. 2. 6.]
    """

    supports_masking = True

    def __init__(self, max_value: float | None = None, negative_slope: float = 0.0, threshold: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.max_value = None if max_value is None else not_negative(max_value, "max_value", self)
        self.negative_slope = not_negative(negative_slope, "negative_slope", self)
        self.threshold = not_negative(threshold, "threshold", self)

    def call(self, inputs: Array) -> Array:
        return activations.relu(inputs, self.negative_slope, self.max_value, self.threshold)


class LeakyReLU(Layer):
    """x where x ≥ 0, else negative_slope · x.

    Args:
        negative_slope: the slope below zero.
        kwargs: what `lamina.Layer` takes.

    Raises:
        ValueError: for a negative slope of less than zero.

    Source: Maas et al., Rectifier Nonlinearities Improve Neural Network Acoustic Models, 2013.

    >>> print(lamina.layers.LeakyReLU(0.5)(np.array([-1.0, 2.0])))
    [-0.5  2. ]
    """

    supports_masking = True

    def __init__(self, negative_slope: float = 0.3, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.negative_slope = not_negative(negative_slope, "negative_slope", self)

    def call(self, inputs: Array) -> Array:
        return activations.leaky_relu(inputs, self.negative_slope)


class PReLU(Layer):
    """x where x ≥ 0, else alpha · x, with a slope alpha that is learned for each place in a sample.

    Args:
        alpha_initializer: makes the first slopes.
        alpha_regularizer: its penalty on the slopes is one of the losses.
        alpha_constraint: applied to the slopes after each update.
        shared_axes: the axis or axes, counted from 1, along which one slope serves all places: [1, 2] for one slope a
            channel of images.
        kwargs: what `lamina.Layer` takes.

    Raises:
        TypeError: for shared axes that are not integers.
        ValueError: when it is built, for shared axes that the inputs lack.

    Source: He et al., Delving Deep into Rectifiers, 2015.

    >>> layer = lamina.layers.PReLU("ones", shared_axes=1)
    >>> layer(np.ones((2, 7, 3))).shape, layer.alpha.shape
    ((2, 7, 3), (1, 3))
    """

    alpha_initializer: Any
    alpha_regularizer: Any
    alpha_constraint: Any
    supports_masking = True

    def __init__(
        self,
        alpha_initializer: Any = "zeros",
        alpha_regularizer: Any = None,
        alpha_constraint: Any = None,
        shared_axes: int | Sequence[int] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        WeightSettings(alpha_initializer, alpha_regularizer, alpha_constraint).keep(self, "alpha")
        axes = () if shared_axes is None else integers(shared_axes, "shared_axes", self)
        self.shared_axes = [axes] if isinstance(axes, int) else list(axes)

    def build(self, input_shape: Any) -> None:
        """Creates the slopes."""
        axes = range(1, len(input_shape))
        if not set(self.shared_axes) <= set(axes):
            raise ValueError(
                f"The layer {self.path!r} shares its slopes along the axes {self.shared_axes}, but inputs of shape "
                f"{show_shape(input_shape)} have the axes {list(axes)} to share along."
            )
        sizes = {axis: known(input_shape[axis], f"axis {axis}", self) for axis in axes if axis not in self.shared_axes}
        self.alpha = add_weight(self, "alpha", [sizes.get(axis, 1) for axis in axes])
        self.input_spec = InputSpec(ndim=len(input_shape), axes=sizes)

    def call(self, inputs: Array) -> Array:
        return _prelu(inputs, self.alpha.value)


@compiled()
def _prelu(x: Array, alpha: Array) -> Array:
    return jax.nn.relu(x) - alpha * jax.nn.relu(-x)


class ELU(Layer):
    """x where x > 0, else alpha · (eˣ - 1).

    Args:
        alpha: minus the value for very negative inputs.
        kwargs: what `lamina.Layer` takes.

    Raises:
        TypeError: for an alpha that is not a number.

    Source: Clevert et al., Fast and Accurate Deep Network Learning by Exponential Linear Units, 2016.

    >>> print(lamina.layers.ELU(2.0)(np.array([-100.0, 3.0])))
    [-2.  3.]
    """

    supports_masking = True

    def __init__(self, alpha: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.alpha = number(alpha, "alpha", self)

    def call(self, inputs: Array) -> Array:
        return activations.elu(inputs, self.alpha)


class Softmax(Layer):
    """e^xᵢ / Σⱼ e^xⱼ along an axis, where both i and j count only if the mask says so.

    The mask may be given in the call or carried by the inputs. It is true, or above 0.5, where an input counts, and must
    broadcast to the inputs; elsewhere the output is 0.

    Args:
        axis: the axis or axes that add up to 1.
        kwargs: what `lamina.Layer` takes.

    Raises:
        TypeError: if axis is neither an integer nor some of them.
        ValueError: from the call, for a mask that does not broadcast to the inputs.

    >>> layer = lamina.layers.Softmax()
    >>> print(layer(np.array([[1.0, 1.0, 9.0]]), mask=np.array([[True, True, False]])))
    [[0.5 0.5 0. ]]
    """

    supports_masking = True

    def __init__(self, axis: int | Sequence[int] = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = integers(axis, "axis", self)

    def call(self, inputs: Array, mask: Array | None = None) -> Array:
        if mask is None:
            return activations.softmax(inputs, self.axis)
        trailing = inputs.shape[inputs.ndim - mask.ndim :]
        if mask.ndim > inputs.ndim or any(size not in (1, own) for size, own in zip(mask.shape, trailing, strict=True)):
            raise ValueError(
                f"A mask of shape {show_shape(mask.shape)} does not broadcast to inputs of shape {show_shape(inputs.shape)}."
            )
        return _masked_softmax(inputs, mask, self.axis)


@compiled("axis")
def _masked_softmax(x: Array, mask: Array, axis: int | tuple[int, ...]) -> Array:
    counts = mask if mask.dtype == bool else mask > 0.5
    return jnp.where(counts, jax.nn.softmax(jnp.where(counts, x, jnp.finfo(x.dtype).min), axis), 0)
