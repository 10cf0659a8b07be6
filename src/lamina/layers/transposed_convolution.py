"""Transposed convolution: what takes the outputs of a convolution back to the sizes of its inputs."""

from typing import Any

import lamina.activations as activations
from lamina.core.variable import Array
from lamina.layers.checks import positive
from lamina.layers.weight_settings import WeightSettings, add_weight
from lamina.layers.window import WindowLayer
from lamina.ops.convolution import conv_transpose


class _TransposedConvolution(WindowLayer):
    """The transposed convolution over any number of spatial axes."""

    _may_be_causal = False

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        output_padding: Any = None,
        data_format: str | None = None,
        dilation_rate: Any = 1,
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
        self.output_padding = None if output_padding is None else self._take_output_padding(output_padding)

    def _take_output_padding(self, given: Any) -> tuple[int, ...]:
        values = tuple(given) if isinstance(given, (tuple, list)) else (given,) * self._axes
        integers = all(isinstance(value, int) and value >= 0 for value in values)
        if not integers or len(values) != self._axes or any(a >= b for a, b in zip(values, self.strides, strict=True)):
            raise ValueError(
                f"output_padding of {type(self).__name__} must be, for each spatial axis, at least 0 and less than its stride "
                f"{self.strides}, not {given!r}."
            )
        return values

    def build(self, input_shape: Any) -> None:
        """Creates the kernel and the bias."""
        channels = self._take_channels(input_shape)
        self.kernel = add_weight(self, "kernel", (*self.kernel_size, self.filters, channels))
        if self.use_bias:
            self.bias = add_weight(self, "bias", (self.filters,))

    def call(self, inputs: Array) -> Array:
        """Computes activation(transposed convolution(inputs, kernel) + bias)."""
        window = (self.strides, self.padding, self.output_padding, self.data_format, self.dilation_rate)
        return self._finish(conv_transpose(inputs, self.kernel.value, *window))


class Conv1DTranspose(_TransposedConvolution):
    """activation(transposed convolution(inputs, kernel) + bias), over the steps of sequences.

    The transpose, as a linear map, of the convolution with the same kernel, strides and padding: outputs[b, s t + d i, f] is
    the sum over t, i and c of inputs[b, t, c] kernel[i, f, c], with stride s and dilation d. Inputs have shape
    (batch, steps, channels), the kernel (size, filters, channels).

    Args:
        filters: the number of output channels.
        kernel_size: the kernel's size.
        strides: by how much the steps grow.
        padding: "valid" gives (steps − 1) · stride + max(size, stride) outputs, "same" gives steps · stride.
        output_padding: if given, less than the stride: the outputs are (steps − 1) · stride + size + this, less twice half the
            size for "same".
        data_format: "channels_last" (the default) or "channels_first".
        dilation_rate: the step between the kernel's elements.
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
        ValueError: for sizes that are not positive integers, an unknown padding or data format, or an output padding that is
            not less than the stride.

    Zeiler et al., Deconvolutional Networks, 2010.

    >>> lamina.layers.Conv1DTranspose(4, 3, strides=2)(np.ones((2, 5, 6))).shape
    (2, 11, 4)
    """

    _axes = 1


class Conv2DTranspose(_TransposedConvolution):
    """activation(transposed convolution(inputs, kernel) + bias), over the two spatial axes of images.

    Inputs have shape (batch, height, width, channels), the kernel (height, width, filters, channels). Arguments and errors are
    those of `Conv1DTranspose`, where sizes, strides, dilations and output paddings are one integer or two.

    >>> lamina.layers.Conv2DTranspose(4, 3, strides=2, padding="same")(np.ones((1, 5, 5, 6))).shape
    (1, 10, 10, 4)
    """

    _axes = 2


class Conv3DTranspose(_TransposedConvolution):
    """activation(transposed convolution(inputs, kernel) + bias), over the three spatial axes of volumes.

    Inputs have shape (batch, depth, height, width, channels), the kernel (depth, height, width, filters, channels). Arguments
    and errors are those of `Conv1DTranspose`, where sizes, strides, dilations and output paddings are one integer or three.

    >>> lamina.layers.Conv3DTranspose(4, 2, strides=(1, 2, 2))(np.ones((1, 3, 3, 3, 6))).shape
    (1, 4, 6, 6, 4)
    """

    _axes = 3
