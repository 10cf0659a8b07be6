"""LSTM: a state that gates write to, keep and read."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import lamina.activations as activations
from lamina.core.input_spec import InputSpec
from lamina.core.variable import Variable
from lamina.layers.checks import positive, without_cudnn
from lamina.layers.recurrence import Parts, Recurrence, States
from lamina.layers.recurrent import CellRNN, cell_for
from lamina.layers.recurrent_cell import DenseProduct, DenseProjection, RecurrentCell
from lamina.layers.weight_settings import WeightSettings, add_weight
from lamina.ops.kernels import lstm_step


@dataclass(frozen=True)
class LSTMStep:
    """c = f · c + i · activation(g), h = o · activation(c), where i, f and o are the recurrent activation of their sums."""

    activation: Callable[[Any], Any]
    recurrent_activation: Callable[[Any], Any]

    def __call__(self, total: Parts, states: States) -> States:
        i, f, g, o = total
        gate = self.recurrent_activation
        c = gate(f) * states[1] + gate(i) * self.activation(g)
        return gate(o) * self.activation(c), c


@dataclass(frozen=True)
class UsualLSTMStep:
    """`LSTMStep` with σ and tanh, of the sums of all gates as one array: a kernel of its own."""

    def __call__(self, total: Parts, states: States) -> States:
        return lstm_step(total[0], states[1])


@dataclass(frozen=True)
class ForgetBias:
    """Makes the bias of an LSTM: that of another initializer, but ones for the forget gate."""

    initializer: Callable[..., Any]

    def __call__(self, shape: Any, dtype: Any = "float32") -> np.ndarray:
        units = shape[0] // 4
        first, last = (np.asarray(self.initializer((size,), dtype)) for size in (units, 2 * units))
        return np.concatenate([first, np.ones(units, first.dtype), last])


class LSTMCell(RecurrentCell):
    """One step of `LSTM`: from the inputs and the states h and c to the output, the new h, and the states [h, c].

    i, f, g, o = inputs @ kernel + h @ recurrent_kernel + bias, c = σ(f) · c + σ(i) · tanh(g), h = σ(o) · tanh(c). The inputs have
    shape (batch, features), the kernel (features, 4 units), the recurrent kernel (units, 4 units).

    Args:
        units: the size of the output.
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
        kernel_constraint: applied to the kernel after each update.
        recurrent_constraint: likewise for the recurrent kernel.
        bias_constraint: likewise for the bias.
        dropout: the probability that an input counts as zero while training, from 0 to 1.
        recurrent_dropout: likewise for the last output, for each gate by itself.
        seed: an integer, for the same draws in each run.
        implementation: 1 draws the dropout of the inputs for each gate by itself, 2 for all at once. Otherwise they are the same.
        kwargs: what `lamina.Layer` takes.

    Raises:
        ValueError: if units is not a positive integer, or a probability is not from 0 to 1.

    >>> cell = lamina.layers.LSTMCell(4)
    >>> output, states = cell(np.ones((2, 3)), cell.get_initial_state(2))
    >>> output.shape, len(states)
    ((2, 4), 2)
    """

    _gates = 4

    def __init__(
        self,
        units: int,
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
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        implementation: int = 2,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._keep_sizes(positive(units, "units", self), states=2)
        self.activation, self.recurrent_activation = activations.get(activation), activations.get(recurrent_activation)
        self.use_bias, self.unit_forget_bias = use_bias, unit_forget_bias
        WeightSettings(kernel_initializer, kernel_regularizer, kernel_constraint).keep(self, "kernel")
        WeightSettings(recurrent_initializer, recurrent_regularizer, recurrent_constraint).keep(self, "recurrent")
        WeightSettings(bias_initializer, bias_regularizer, bias_constraint).keep(self, "bias")
        self._keep_dropout(dropout, recurrent_dropout, seed, implementation)

    def _add_bias(self, size: int) -> Variable:
        return add_weight(self, "bias", (size,), ForgetBias(self.bias_initializer) if self.unit_forget_bias else None)

    def _recurrence(self) -> Recurrence:
        usual = self.activation is activations.tanh and self.recurrent_activation is activations.sigmoid
        if usual and self.compute_dtype in ("float32", "float64"):
            product = DenseProduct(4, joined=True)
            return Recurrence(DenseProjection(product), product, (0,), UsualLSTMStep())
        product = DenseProduct(4)
        return Recurrence(DenseProjection(product), product, (0, 1, 2, 3), LSTMStep(self.activation, self.recurrent_activation))


class LSTM(CellRNN):
    """Long short-term memory: an output h and a state c that gates write to, keep and read.

    i, f, g, o = inputs[t] @ kernel + h @ recurrent_kernel + bias, c = σ(f) · c + σ(i) · tanh(g), h = σ(o) · tanh(c).

    Inputs of shape (batch, time, features) give outputs of shape (batch, units), or (batch, time, units) with
    `return_sequences`; the kernel has shape (features, 4 units), the recurrent kernel (units, 4 units). For steps, states
    and masks see `RNN`, whose arguments it takes too.

    Args:
        units: the size of the output.
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
        dropout: the probability that an input counts as zero while training, from 0 to 1; the same ones in all steps.
        recurrent_dropout: likewise for the last output, for each gate by itself.
        seed: an integer, for the same draws in each run.
        return_sequences: whether the outputs of all steps are returned.
        return_state: whether the last states h and c are returned too.
        go_backwards: whether the steps are taken from the last to the first.
        stateful: whether the last states of a batch are the first of the next one.
        unroll: whether the steps are compiled one by one.
        use_cudnn: "auto" or False. The loop is compiled for every device alike and never handed to cuDNN, so True is refused.
        implementation: 1 draws the dropout of the inputs for each gate by itself, 2 for all at once. Otherwise they are the same.
        kwargs: what `RNN` and `lamina.Layer` take.

    Raises:
        ValueError: if units is not a positive integer, or a probability is not from 0 to 1.

    Source: Hochreiter and Schmidhuber, Long Short-Term Memory, 1997; the forget gate: Gers, Schmidhuber and Cummins, 2000; its
    bias: Jozefowicz, Zaremba and Sutskever, 2015; dropout: Gal and Ghahramani, 2016.

    >>> lamina.layers.LSTM(4)(np.ones((2, 5, 3))).shape
    (2, 4)
    >>> outputs, h, c = lamina.layers.LSTM(4, return_sequences=True, return_state=True)(np.ones((2, 5, 3)))
    >>> outputs.shape, c.shape, bool((outputs[:, -1] == h).all())
    ((2, 5, 4), (2, 4), True)
    """

    def __init__(
        self,
        units: int,
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
        unroll: bool = False,
        use_cudnn: Any = "auto",
        implementation: int = 2,
        **kwargs: Any,
    ) -> None:
        cell = cell_for(LSTMCell, locals(), "lstm_cell")
        super().__init__(
            cell,
            return_sequences,
            return_state,
            go_backwards,
            stateful,
            unroll,
            activity_regularizer=activity_regularizer,
            **kwargs,
        )
        self.input_spec = InputSpec(ndim=3)
        self.use_cudnn = without_cudnn(use_cudnn, self)
