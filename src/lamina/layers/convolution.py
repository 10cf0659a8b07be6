"""Convolution: the same small kernel at every place of a sequence, an image or a volume."""

from typing import Any

import lamina.activations as activations
from lamina.core.variable import Array
from lamina.layers.checks import positive
from lamina.layers.weight_settings import WeightSettings, add_weight
from lamina.layers.window import WindowLayer
from lamina.ops.convolution import conv


class _Convolution(WindowLayer):
    """The convolution over any number of spatial axes."""

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
        groups: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self._keep_window(kernel_size, strides, padding, data_format, dilation_rate)
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        WeightSettings(kernel_initializer, kernel_regularizer, kernel_constraint).keep(self, "kernel")
        WeightSettings(bias_initializer, bias_regularizer, bias_constraint).keep(self, "bias")
        self.filters = positive(filters, "filters", self)
        self.groups = positive(groups, "groups", self)
        if self.filters % self.groups:
            raise ValueError(f"filters of {type(self).__name__} ({filters}) must be a multiple of groups ({groups}).")

    def build(self, input_shape: Any) -> None:
        """Creates the kernel and the bias."""
        channels = self._take_channels(input_shape)
        if channels % self.groups:
            raise ValueError(f"The layer {self.path!r} has {self.groups} groups, which do not divide {channels} input channels.")
        self.kernel = add_weight(self, "kernel", (*self.kernel_size, channels // self.groups, self.filters))
        if self.use_bias:
            self.bias = add_weight(self, "bias", (self.filters,))

    def call(self, inputs: Array) -> Array:
        """Computes activation(convolution(inputs, kernel) + bias)."""
        inputs, padding = self._pad_causally(inputs)
        return self._finish(conv(inputs, self.kernel.value, self.strides, padding, self.data_format, self.dilation_rate))


class Conv1D(_Convolution):
    """activation(convolution(inputs, kernel) + bias), over the steps of sequences.

    outputs[b, t, f] = sum over i, c of inputs[b, s t + d i, c] kernel[i, c, f], with stride s and dilation d. Inputs have shape
    (batch, steps, channels), the kernel (size, channels / groups, filters).

    Args:
        filters: the number of output channels.
        kernel_size: the kernel's size.
        strides: the step between outputs.
        padding: "valid" for outputs only where the kernel fits; "same" pads with zeros to ceil(steps / stride) outputs;
            "causal" pads before the first step alone, so that no output sees inputs later than its own.
        data_format: "channels_last" (the default) or "channels_first".
        dilation_rate: the step between the kernel's elements.
        groups: the channels are split into so many groups, each convolved by itself.
        activation: a name or a function; None is linear.
        use_bias: whether there is a bias.
        kernel_initializer: makes the first kernel.
        bias_initializer: makes the first bias.
        kernel_regularizer: its penalty on the kernel is one of the losses.
        bias_regularizer: likewise for the bias.
        activity_regularizer: likewise for the outputs.
        kernel_constraint: applied to the kernel after each update.
        bias_constraint: likewise for the bias.
        kwargs: what `lamina.Layer` takes.

    Raises:
        ValueError: for sizes that are not positive integers, an unknown padding or data format, or channels or filters that
            the groups do not divide.

    Causal convolution: van den Oord et al., WaveNet, 2016.

    >>> lamina.layers.Conv1D(4, 3, padding="causal")(np.ones((2, 9, 5))).shape
    (2, 9, 4)
    """

    _axes = 1


class Conv2D(_Convolution):
    """activation(convolution(inputs, kernel) + bias), over the two spatial axes of images.

    outputs[b, y, x, f] = sum over i, j, c of inputs[b, s y + d i, s x + d j, c] kernel[i, j, c, f], with strides s and dilation d.
    Inputs have shape (batch, height, width, channels), the kernel (height, width, channels / groups, filters).

    Arguments and errors are those of `Conv1D`, where sizes, strides and dilations are one integer or two, and no padding is
    causal.

    >>> lamina.layers.Conv2D(4, 3, padding="same", strides=2)(np.ones((1, 9, 9, 2))).shape
    (1, 5, 5, 4)
    """

    _axes = 2


class Conv3D(_Convolution):
    """activation(convolution(inputs, kernel) + bias), over the three spatial axes of volumes.

    Inputs have shape (batch, depth, height, width, channels), the kernel (depth, height, width, channels / groups, filters).
    Arguments and errors are those of `Conv1D`, where sizes, strides and dilations are one integer or three, and no padding is
    causal.

    >>> lamina.layers.Conv3D(4, (1, 3, 3))(np.ones((1, 5, 5, 5, 2))).shape
    (1, 5, 3, 3, 4)
    """

    _axes = 3
