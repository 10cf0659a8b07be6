"""Convolutions of each channel by itself, and those followed by a mixing of the channels."""

from typing import Any

import lamina.activations as activations
from lamina.core.variable import Array
from lamina.layers.checks import positive
from lamina.layers.weight_settings import WeightSettings, add_weight
from lamina.layers.window import WindowLayer
from lamina.ops.convolution import depthwise_conv, separable_conv


class _DepthwiseConvolution(WindowLayer):
    """The convolution of each channel by itself, over any number of spatial axes."""

    def __init__(
        self,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        depth_multiplier: int = 1,
        data_format: str | None = None,
        dilation_rate: Any = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self._keep_window(kernel_size, strides, padding, data_format, dilation_rate)
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        WeightSettings(depthwise_initializer, depthwise_regularizer, depthwise_constraint).keep(self, "depthwise")
        WeightSettings(bias_initializer, bias_regularizer, bias_constraint).keep(self, "bias")
        self.depth_multiplier = positive(depth_multiplier, "depth_multiplier", self)

    def build(self, input_shape: Any) -> None:
        """Creates the kernel and the bias."""
        channels = self._take_channels(input_shape)
        self.kernel = add_weight(self, "depthwise", (*self.kernel_size, channels, self.depth_multiplier))
        if self.use_bias:
            self.bias = add_weight(self, "bias", (channels * self.depth_multiplier,))

    def call(self, inputs: Array) -> Array:
        """Computes activation(convolution of each channel + bias)."""
        inputs, padding = self._pad_causally(inputs)
        return self._finish(depthwise_conv(inputs, self.kernel.value, self.strides, padding, self.data_format, self.dilation_rate))


class DepthwiseConv1D(_DepthwiseConvolution):
    """activation(convolution of each channel by itself + bias), over the steps of sequences.

    outputs[b, t, m c + j] = sum over i of inputs[b, s t + d i, c] kernel[i, c, j], with stride s, dilation d, and m kernels for
    each channel. Inputs have shape (batch, steps, channels), the kernel (size, channels, depth_multiplier).

    Args:
        kernel_size: the kernel's size.
        strides: the step between outputs.
        padding: "valid" for outputs only where the kernel fits; "same" pads with zeros to ceil(steps / stride) outputs;
            "causal" pads before the first step alone.
        depth_multiplier: how many kernels, and so outputs, each channel has.
        data_format: "channels_last" (the default) or "channels_first".
        dilation_rate: the step between the kernel's elements.
        activation: a name or a function; None is linear.
        use_bias: whether there is a bias.
        depthwise_initializer: makes the first kernel.
        bias_initializer: makes the first bias.
        depthwise_regularizer: its penalty on the kernel is one of the losses.
        bias_regularizer: likewise for the bias.
        activity_regularizer: likewise for the outputs.
        depthwise_constraint: applied to the kernel after each update.
        bias_constraint: likewise for the bias.
        kwargs: what `lamina.Layer` takes.

    Raises:
        ValueError: for sizes that are not positive integers, or an unknown padding or data format.

    >>> lamina.layers.DepthwiseConv1D(3, depth_multiplier=2)(np.ones((2, 9, 5))).shape
    (2, 7, 10)
    """

    _axes = 1


class DepthwiseConv2D(_DepthwiseConvolution):
    """activation(convolution of each channel by itself + bias), over the two spatial axes of images.

    Inputs have shape (batch, height, width, channels), the kernel (height, width, channels, depth_multiplier). Arguments and
    errors are those of `DepthwiseConv1D`, where sizes, strides and dilations are one integer or two, and no padding is causal.

    >>> lamina.layers.DepthwiseConv2D(3, strides=2, padding="same")(np.ones((1, 9, 9, 5))).shape
    (1, 5, 5, 5)
    """

    _axes = 2


class _SeparableConvolution(WindowLayer):
    """The convolution of each channel by itself, then of all of them with a kernel of size one."""

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
        depth_multiplier: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        pointwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        pointwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        pointwise_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self._keep_window(kernel_size, strides, padding, data_format, dilation_rate)
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        WeightSettings(depthwise_initializer, depthwise_regularizer, depthwise_constraint).keep(self, "depthwise")
        WeightSettings(pointwise_initializer, pointwise_regularizer, pointwise_constraint).keep(self, "pointwise")
        WeightSettings(bias_initializer, bias_regularizer, bias_constraint).keep(self, "bias")
        self.filters = positive(filters, "filters", self)
        self.depth_multiplier = positive(depth_multiplier, "depth_multiplier", self)

    def build(self, input_shape: Any) -> None:
        """Creates both kernels and the bias."""
        channels = self._take_channels(input_shape)
        self.depthwise_kernel = add_weight(self, "depthwise", (*self.kernel_size, channels, self.depth_multiplier))
        mixing = (*[1] * self._axes, channels * self.depth_multiplier, self.filters)
        self.pointwise_kernel = add_weight(self, "pointwise", mixing)
        if self.use_bias:
            self.bias = add_weight(self, "bias", (self.filters,))

    def call(self, inputs: Array) -> Array:
        """Computes activation(mixed channels of the convolution of each + bias)."""
        inputs, padding = self._pad_causally(inputs)
        kernels = self.depthwise_kernel.value, self.pointwise_kernel.value
        return self._finish(separable_conv(inputs, *kernels, self.strides, padding, self.data_format, self.dilation_rate))


class SeparableConv1D(_SeparableConvolution):
    """activation(convolution of each channel by itself, mixed · pointwise kernel + bias), over the steps of sequences.

    The depthwise kernel has shape (size, channels, depth_multiplier), the pointwise kernel (1, channels · depth_multiplier,
    filters): far fewer numbers than in a convolution's kernel. Inputs have shape (batch, steps, channels).

    Args:
        filters: the number of output channels.
        kernel_size: the depthwise kernel's size.
        strides: the step between outputs.
        padding: "valid" for outputs only where the kernel fits; "same" pads with zeros to ceil(steps / stride) outputs;
            "causal" pads before the first step alone.
        data_format: "channels_last" (the default) or "channels_first".
        dilation_rate: the step between the depthwise kernel's elements.
        depth_multiplier: how many depthwise kernels each channel has.
        activation: a name or a function; None is linear.
        use_bias: whether there is a bias.
        depthwise_initializer: makes the first depthwise kernel.
        pointwise_initializer: makes the first pointwise kernel.
        bias_initializer: makes the first bias.
        depthwise_regularizer: its penalty on the depthwise kernel is one of the losses.
        pointwise_regularizer: likewise for the pointwise kernel.
        bias_regularizer: likewise for the bias.
        activity_regularizer: likewise for the outputs.
        depthwise_constraint: applied to the depthwise kernel after each update.
        pointwise_constraint: likewise for the pointwise kernel.
        bias_constraint: likewise for the bias.
        kwargs: what `lamina.Layer` takes.

    Raises:
        ValueError: for sizes that are not positive integers, or an unknown padding or data format.

    Chollet, Xception: Deep Learning with Depthwise Separable Convolutions, 2017.

    >>> lamina.layers.SeparableConv1D(4, 3)(np.ones((2, 9, 5))).shape
    (2, 7, 4)
    """

    _axes = 1


class SeparableConv2D(_SeparableConvolution):
    """activation(convolution of each channel by itself, mixed · pointwise kernel + bias), over the spatial axes of images.

    The depthwise kernel has shape (height, width, channels, depth_multiplier), the pointwise kernel
    (1, 1, channels · depth_multiplier, filters). Inputs have shape (batch, height, width, channels). Arguments and errors are
    those of `SeparableConv1D`, where sizes, strides and dilations are one integer or two, and no padding is causal.

    >>> lamina.layers.SeparableConv2D(4, 3, padding="same")(np.ones((1, 9, 9, 5))).shape
    (1, 9, 9, 4)
    """

    _axes = 2
