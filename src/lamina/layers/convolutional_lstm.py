"""ConvLSTM: an LSTM whose products are convolutions, over sequences of signals, images or volumes."""

from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

import lamina.activations as activations
from lamina.core.input_spec import InputSpec
from lamina.core.variable import Array, Variable
from lamina.layers.checks import channels_axis, known, one_of, positive, sizes
from lamina.layers.lstm import ForgetBias, LSTMStep
from lamina.layers.recurrence import Parts, Recurrence
from lamina.layers.recurrent import CellRNN, cell_for
from lamina.layers.recurrent_cell import RecurrentCell
from lamina.layers.weight_settings import WeightSettings, add_weight
from lamina.ops.convolution import conv


@dataclass(frozen=True)
class ConvProduct:
    """The convolution of inputs with any leading axes and a kernel, split among the gates.

    Dropout masks are of shape (gates, batch, ...): each gate has its own.
    """

    gates: int
    strides: tuple[int, ...]
    padding: str
    data_format: str
    dilation_rate: tuple[int, ...]

    def __call__(self, inputs: Array, kernel: Array, keep: Array | None) -> Parts:
        axis = -1 if self.data_format == "channels_last" else 1 - kernel.ndim
        if keep is None:
            return tuple(jnp.split(self._convolve(inputs, kernel), self.gates, axis))
        kernels = jnp.split(kernel, self.gates, axis=-1)
        return tuple(self._convolve(inputs * own, part) for own, part in zip(keep, kernels, strict=True))

    def _convolve(self, inputs: Array, kernel: Array) -> Array:
        """Computes the convolution with all axes before those of a sample as one."""
        leading = inputs.shape[: 1 - kernel.ndim]
        samples = inputs.reshape(-1, *inputs.shape[1 - kernel.ndim :])
        outputs = conv(samples, kernel, self.strides, self.padding, self.data_format, self.dilation_rate)
        return outputs.reshape(*leading, *outputs.shape[1:])


@dataclass(frozen=True)
class ConvProjection:
    """The convolution, and the bias."""

    product: ConvProduct

    def __call__(self, inputs: Array, kernel: Array, bias: Array | None, keep: Array | None) -> Parts:
        parts = self.product(inputs, kernel, keep)
        if bias is None:
            return parts
        last = [1] * (kernel.ndim - 2) if self.product.data_format == "channels_first" else []
        return tuple(part + own.reshape(-1, *last) for part, own in zip(parts, jnp.split(bias, self.product.gates), strict=True))


class _ConvLSTMCell(RecurrentCell):
    """One step of a convolutional LSTM, over any number of spatial axes."""

    _axes: ClassVar[int]
    _gates = 4

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any,
        padding: str,
        data_format: str | None,
        dilation_rate: Any,
        activation: Any,
        recurrent_activation: Any,
        use_bias: bool,
        kernel_initializer: Any,
        recurrent_initializer: Any,
        bias_initializer: Any,
        unit_forget_bias: bool,
        kernel_regularizer: Any,
        recurrent_regularizer: Any,
        bias_regularizer: Any,
        kernel_constraint: Any,
        recurrent_constraint: Any,
        bias_constraint: Any,
        dropout: float,
        recurrent_dropout: float,
        seed: int | None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.filters = positive(filters, "filters", self)
        self._keep_sizes(self.filters, states=2)
        self.activation, self.recurrent_activation = activations.get(activation), activations.get(recurrent_activation)
        self.use_bias, self.unit_forget_bias = use_bias, unit_forget_bias
        WeightSettings(kernel_initializer, kernel_regularizer, kernel_constraint).keep(self, "kernel")
        WeightSettings(recurrent_initializer, recurrent_regularizer, recurrent_constraint).keep(self, "recurrent")
        WeightSettings(bias_initializer, bias_regularizer, bias_constraint).keep(self, "bias")
        self._keep_dropout(dropout, recurrent_dropout, seed, implementation=1)
        self.kernel_size = sizes(kernel_size, self._axes, "kernel_size", self)
        self.strides = sizes(strides, self._axes, "strides", self)
        self.dilation_rate = sizes(dilation_rate, self._axes, "dilation_rate", self)
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise ValueError(f"Of strides {self.strides} and dilation_rate {self.dilation_rate} only one may be more than 1.")
        self.padding = one_of(("valid", "same"), padding, "padding", self)
        self._channels_axis = channels_axis(data_format, self)
        self.data_format = data_format or "channels_last"

    def build(self, input_shape: Any) -> None:
        """Creates the kernels and the bias, and finds the shape of the outputs."""
        self._input_sizes = tuple(known(size, "each axis but the first two", self) for size in input_shape[1:])
        channels = input_shape[self._channels_axis]
        self._add_weights((*self.kernel_size, channels), (*self.kernel_size, self.filters))
        sample = jax.ShapeDtypeStruct((1, *self._input_sizes), self.compute_dtype)
        kernel = jax.ShapeDtypeStruct(self.kernel.shape, self.compute_dtype)
        self._output_sizes: tuple[int, ...] = jax.eval_shape(lambda x, k: self._product()(x, k, None)[0], sample, kernel).shape[1:]

    def _add_bias(self, size: int) -> Variable:
        return add_weight(self, "bias", (size,), ForgetBias(self.bias_initializer) if self.unit_forget_bias else None)

    def _recurrence(self) -> Recurrence:
        once = (1,) * self._axes
        product = ConvProduct(self._gates, once, "same", self.data_format, once)
        step = LSTMStep(self.activation, self.recurrent_activation)
        return Recurrence(ConvProjection(self._product()), product, (0, 1, 2, 3), step)

    def _product(self) -> ConvProduct:
        return ConvProduct(self._gates, self.strides, self.padding, self.data_format, self.dilation_rate)


class ConvLSTM1DCell(_ConvLSTMCell):
    """One step of `ConvLSTM1D`."""

    _axes = 1


class ConvLSTM2DCell(_ConvLSTMCell):
    """One step of `ConvLSTM2D`."""

    _axes = 2


class ConvLSTM3DCell(_ConvLSTMCell):
    """One step of `ConvLSTM3D`."""

    _axes = 3


class _ConvLSTM(CellRNN):
    """The convolutional LSTM, over any number of spatial axes."""

    _cell_class: ClassVar[type[_ConvLSTMCell]]

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        unit_forget_bias: bool = True,
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        **kwargs: Any,
    ) -> None:
        cell = cell_for(self._cell_class, locals(), "conv_lstm_cell")
        super().__init__(
            cell,
            return_sequences,
            return_state,
            go_backwards,
            stateful,
            activity_regularizer=activity_regularizer,
            **kwargs,
        )
        self.input_spec = InputSpec(ndim=cell._axes + 3)


class ConvLSTM1D(_ConvLSTM):
    """The LSTM whose products are convolutions over signals.

    i, f, g, o = inputs[t] * kernel + h * recurrent_kernel + bias, where * is a convolution; c = σ(f) · c + σ(i) · tanh(g),
    h = σ(o) · tanh(c). The inputs have shape (batch, time, length, channels), the kernel (size, channels, 4 filters), the recurrent
    kernel (size, filters, 4 filters); the convolution with h keeps its size. For steps, states and masks see `RNN`,
    whose arguments it takes too.

    Args:
        filters: the number of output channels.
        kernel_size: the kernels' size.
        strides: the step between outputs of the inputs' convolution.
        padding: "valid" for outputs only where the kernel fits on the inputs, "same" for ceil(length / stride) outputs.
        data_format: "channels_last" (the default), or "channels_first" for inputs of shape (batch, time, channels, length).
        dilation_rate: the step between the kernel's elements.
        activation: a name or a function; None is linear.
        recurrent_activation: that of the gates, likewise.
        use_bias: whether there is a bias.
        kernel_initializer: makes the first kernel.
        recurrent_initializer: makes the first recurrent kernel.
        bias_initializer: makes the first bias.
        unit_forget_bias: whether ones are the first bias of the forget gate, so that it starts open.
        kernel_regularizer: its penalty on the kernel is one of the losses.
        recurrent_regularizer: likewise for the recurrent kernel.
        bias_regularizer: likewise for the bias.
        activity_regularizer: likewise for the outputs.
        kernel_constraint: applied to the kernel after each update.
        recurrent_constraint: likewise for the recurrent kernel.
        bias_constraint: likewise for the bias.
        dropout: the probability that an input counts as zero while training, for each gate by itself; the same ones in all steps.
        recurrent_dropout: likewise for the last output.
        seed: an integer, for the same draws in each run.
        return_sequences: whether the outputs of all steps are returned.
        return_state: whether the last states h and c are returned too.
        go_backwards: whether the steps are taken from the last to the first.
        stateful: whether the last states of a batch are the first of the next one.
        kwargs: what `RNN` and `lamina.Layer` take.

    Raises:
        ValueError: for sizes that are not positive integers, an unknown padding or data format, or strides and dilation at once.

    Source: Shi et al., Convolutional LSTM Network, 2015, without the gates' products with the state.

    >>> lamina.layers.ConvLSTM1D(4, 3)(np.ones((2, 5, 9, 3))).shape
    (2, 7, 4)
    """

    _cell_class = ConvLSTM1DCell


class ConvLSTM2D(_ConvLSTM):
    """The LSTM whose products are convolutions over images.

    Inputs have shape (batch, time, height, width, channels), the kernel (height, width, channels, 4 filters). Formula, arguments
    and errors are those of `ConvLSTM1D`, where sizes, strides and dilations are one integer or two.

    >>> lamina.layers.ConvLSTM2D(4, 3, padding="same", return_sequences=True)(np.ones((2, 5, 6, 6, 3))).shape
    (2, 5, 6, 6, 4)
    """

    _cell_class = ConvLSTM2DCell


class ConvLSTM3D(_ConvLSTM):
    """The LSTM whose products are convolutions over volumes.

    Inputs have shape (batch, time, depth, height, width, channels). Formula, arguments and errors are those of `ConvLSTM1D`, where
    sizes, strides and dilations are one integer or three.

    >>> lamina.layers.ConvLSTM3D(2, 2)(np.ones((1, 3, 4, 4, 4, 1))).shape
    (1, 3, 3, 3, 2)
    """

    _cell_class = ConvLSTM3DCell
