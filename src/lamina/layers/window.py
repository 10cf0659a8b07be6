"""What the layers that pass a window over signals, images and volumes share."""

from typing import Any, ClassVar

import jax.numpy as jnp

from lamina.core.input_spec import InputSpec
from lamina.core.variable import Array
from lamina.layers.checks import channels_axis, known, one_of, sizes
from lamina.layers.weight_settings import KernelLayer


class WindowLayer(KernelLayer):
    """What the layers that pass a kernel over their inputs share: the window, the bias and the activation."""

    _axes: ClassVar[int]
    _may_be_causal: ClassVar[bool] = True

    def _keep_window(self, kernel_size: Any, strides: Any, padding: str, data_format: str | None, dilation_rate: Any) -> None:
        """Checks and keeps what describes the window.

        Args:
            kernel_size: the window's size along each spatial axis, or one integer for all.
            strides: the step between outputs, likewise.
            padding: "valid" or "same"; "causal" too where there is one spatial axis and `_may_be_causal`.
            data_format: "channels_last" (the default) or "channels_first".
            dilation_rate: the step between the kernel's elements, as `kernel_size`.
        """
        self.kernel_size = sizes(kernel_size, self._axes, "kernel_size", self)
        self.strides = sizes(strides, self._axes, "strides", self)
        self.dilation_rate = sizes(dilation_rate, self._axes, "dilation_rate", self)
        paddings = ("valid", "same", "causal") if self._axes == 1 and self._may_be_causal else ("valid", "same")
        self.padding = one_of(paddings, padding, "padding", self)
        self.data_format = data_format or "channels_last"
        self._channels_axis = channels_axis(data_format, self)
        self.input_spec = InputSpec(ndim=self._axes + 2)

    def _take_channels(self, input_shape: Any) -> int:
        """Returns the number of channels that the layer is built for, and expects it from now on."""
        channels = known(input_shape[self._channels_axis], "the channels", self)
        self.input_spec = InputSpec(ndim=self._axes + 2, axes={self._channels_axis: channels})
        return channels

    def _pad_causally(self, inputs: Array) -> tuple[Array, str]:
        """Returns the inputs and the padding that they still need: where that is causal, zeros stand before the first step."""
        if self.padding != "causal":
            return inputs, self.padding
        zeros = [(0, 0)] * 3
        zeros[2 if self._channels_axis == 1 else 1] = ((self.kernel_size[0] - 1) * self.dilation_rate[0], 0)
        return jnp.pad(inputs, zeros), "valid"

    def _finish(self, outputs: Array) -> Array:
        """Returns activation(outputs + bias)."""
        if self.bias is not None:
            bias = self.bias.value
            outputs = outputs + (bias.reshape(-1, *[1] * self._axes) if self._channels_axis == 1 else bias)
        return self.activation(outputs)
