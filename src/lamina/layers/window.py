"""What the layers that pass a window over signals, images and volumes share."""

from typing import Any, ClassVar

import jax.numpy as jnp

from lamina.core.input_spec import InputSpec
from lamina.core.variable import Array, Variable
from lamina.layers.checks import channels_axis, known, one_of, sizes
from lamina.layers.kernel import KernelLayer


class WindowLayer(KernelLayer):
    """What the layers that pass a kernel over their inputs share: the window, the bias and the activation.

    Args:
        kernel_size: the window's size along each spatial axis, or one integer for all.
        strides: the step between outputs, likewise.
        padding: "valid" or "same"; "causal" too where there is one spatial axis and `may_be_causal`.
        data_format: "channels_last" (the default) or "channels_first".
        dilation_rate: the step between the kernel's elements, as `kernel_size`.
        use_bias: whether there is a bias.
        kernel_settings: what `KernelLayer` takes, in its order.
        kwargs: what `lamina.Layer` takes.
    """

    axes: ClassVar[int]
    may_be_causal: ClassVar[bool] = True
    bias: Variable | None = None

    def __init__(
        self,
        kernel_size: Any,
        strides: Any,
        padding: str,
        data_format: str | None,
        dilation_rate: Any,
        use_bias: bool,
        *kernel_settings: Any,
        **kwargs: Any,
    ) -> None:
        super().__init__(*kernel_settings, **kwargs)
        self.kernel_size = sizes(kernel_size, self.axes, "kernel_size", self)
        self.strides = sizes(strides, self.axes, "strides", self)
        self.dilation_rate = sizes(dilation_rate, self.axes, "dilation_rate", self)
        paddings = ("valid", "same", "causal") if self.axes == 1 and self.may_be_causal else ("valid", "same")
        self.padding = one_of(paddings, padding, "padding", self)
        self.data_format = data_format or "channels_last"
        self.channels_axis = channels_axis(data_format, self)
        self.use_bias = use_bias
        self.input_spec = InputSpec(ndim=self.axes + 2)

    def take_channels(self, input_shape: Any) -> int:
        """Returns the number of channels that the layer is built for, and expects it from now on."""
        channels = known(input_shape[self.channels_axis], "the channels", self)
        self.input_spec = InputSpec(ndim=self.axes + 2, axes={self.channels_axis: channels})
        return channels

    def pad_causally(self, inputs: Array) -> tuple[Array, str]:
        """Returns the inputs and the padding that they still need: where that is causal, zeros stand before the first step."""
        if self.padding != "causal":
            return inputs, self.padding
        zeros = [(0, 0)] * 3
        zeros[2 if self.channels_axis == 1 else 1] = ((self.kernel_size[0] - 1) * self.dilation_rate[0], 0)
        return jnp.pad(inputs, zeros), "valid"

    def finish(self, outputs: Array) -> Array:
        """Returns activation(outputs + bias)."""
        if self.bias is not None:
            bias = self.bias.value
            outputs = outputs + (bias.reshape(-1, *[1] * self.axes) if self.channels_axis == 1 else bias)
        return self.activation(outputs)
