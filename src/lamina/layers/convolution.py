"""Convolution over images."""

from typing import Any

import jax
import jax.numpy as jnp

from lamina.core.input_spec import InputSpec
from lamina.core.variable import Array
from lamina.layers.checks import channels_axis, known, pair, positive
from lamina.layers.kernel import KernelLayer

# Up to this many numbers under the kernel, XLA's convolution on the CPU loses against a matrix product over patches.
_SMALL_PATCH = 512


class Conv2D(KernelLayer):
    """activation(convolution(inputs, kernel) + bias), over the two spatial axes of images.

    outputs[b, y, x, f] = sum over i, j, c of inputs[b, s y + d i, s x + d j, c] kernel[i, j, c, f], with strides s and dilation d.
    Inputs have shape (batch, height, width, channels), the kernel (height, width, channels / groups, filters).

    Args:
        filters: the number of output channels.
        kernel_size: its height and width, or one integer for both.
        strides: the step between outputs, likewise.
        padding: "valid" for outputs only where the kernel fits; "same" pads with zeros to ceil(size / stride) outputs.
        data_format: "channels_last" (the default) or "channels_first".
        dilation_rate: the step between the kernel's elements, likewise.
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
        ValueError: for sizes that are no positive integers, an unknown padding or data format, or channels or filters that
            the groups do not divide.

    >>> lamina.layers.Conv2D(4, 3, padding="same", strides=2)(np.ones((1, 9, 9, 2))).shape
    (1, 5, 5, 4)
    """

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = (1, 1),
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = (1, 1),
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
        super().__init__(
            activation,
            kernel_initializer,
            bias_initializer,
            kernel_regularizer,
            bias_regularizer,
            kernel_constraint,
            bias_constraint,
            activity_regularizer=activity_regularizer,
            **kwargs,
        )
        self.filters = positive(filters, "filters", self)
        self.kernel_size = pair(kernel_size, "kernel_size", self)
        self.strides = pair(strides, "strides", self)
        self.dilation_rate = pair(dilation_rate, "dilation_rate", self)
        self.groups = positive(groups, "groups", self)
        if padding.lower() not in ("valid", "same"):
            raise ValueError(f"padding of Conv2D must be 'valid' or 'same', not {padding!r}.")
        if self.filters % self.groups:
            raise ValueError(f"filters of Conv2D ({filters}) must be a multiple of groups ({groups}).")
        self.padding = padding.lower()
        self.axis = channels_axis(data_format, self)
        self.use_bias = use_bias
        self.input_spec = InputSpec(ndim=4)

    def build(self, input_shape: Any) -> None:
        """Creates the kernel and the bias."""
        channels = known(input_shape[self.axis], "the channels", self)
        if channels % self.groups:
            raise ValueError(f"The layer {self.path!r} has {self.groups} groups, which do not divide {channels} input channels.")
        self.kernel = self.add_kernel((*self.kernel_size, channels // self.groups, self.filters))
        self.bias = None
        if self.use_bias:
            self.bias = self.add_bias((self.filters,))
        self.input_spec = InputSpec(ndim=4, axes={self.axis: channels})

    def call(self, inputs: Array) -> Array:
        """Computes activation(convolution(inputs, kernel) + bias)."""
        if self.axis == 1:
            inputs = jnp.moveaxis(inputs, 1, -1)
        outputs = convolve(inputs, self.kernel.value, self.strides, self.padding.upper(), self.dilation_rate, self.groups)
        if self.bias is not None:
            outputs = outputs + self.bias.value
        outputs = self.activation(outputs)
        return jnp.moveaxis(outputs, -1, 1) if self.axis == 1 else outputs


def convolve(x: Array, kernel: Array, strides: tuple[int, int], padding: str, dilation: tuple[int, int], groups: int) -> Array:
    """Returns the convolution of images of shape (batch, height, width, channels).

    Small kernels on the CPU become one matrix product over the patches under the kernel: XLA's own convolution is slow there,
    and several times slower still inside a loop on the device. On other devices it is XLA's.
    """
    height, width, channels, filters = kernel.shape
    if groups == 1 and height * width * channels <= _SMALL_PATCH and jax.default_backend() == "cpu":
        patches = _patches(x, (height, width), strides, padding, dilation)
        return jnp.tensordot(patches, jnp.swapaxes(kernel, 0, 1).reshape(-1, filters), 1)
    return jax.lax.conv_general_dilated(
        x,
        kernel,
        strides,
        padding,
        rhs_dilation=dilation,
        feature_group_count=groups,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )


def _patches(x: Array, size: tuple[int, int], strides: tuple[int, int], padding: str, dilation: tuple[int, int]) -> Array:
    """Returns what is under the kernel at each output position, of shape (batch, height, width, patch).

    A patch holds the kernel's columns one after the other, each with its rows, each with the channels: gathering rows first
    and then columns takes height + width slices, not height * width.
    """
    spans = [(k - 1) * d + 1 for k, d in zip(size, dilation, strict=True)]
    if padding == "SAME":
        pads = jax.lax.padtype_to_pads(x.shape[1:3], spans, strides, padding)
        x = jnp.pad(x, ((0, 0), *pads, (0, 0)))
    counts = [(n - span) // stride + 1 for n, span, stride in zip(x.shape[1:3], spans, strides, strict=True)]
    ends = [(count - 1) * stride + 1 for count, stride in zip(counts, strides, strict=True)]
    rows = [x[:, i : i + ends[0] : strides[0]] for i in range(0, spans[0], dilation[0])]
    x = jnp.concatenate(rows, axis=-1)
    return jnp.concatenate([x[:, :, j : j + ends[1] : strides[1]] for j in range(0, spans[1], dilation[1])], axis=-1)
