"""LSTM: a state that gates write to, keep and read."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import lamina.activations as activations
from lamina.core.input_spec import InputSpec
from lamina.core.variable import Variable
from lamina.layers.checks import without_cudnn
from lamina.layers.recurrence import Parts, Recurrence, States
from lamina.layers.recurrent import CellRNN
from lamina.layers.recurrent_cell import DenseProduct, DenseProjection, RecurrentCell, split
from lamina.ops.windows import on_cpu


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
class JoinedLSTMStep:
    """`LSTMStep` with σ and tanh, of the sums of all gates as one array.

    On a CPU a function of the whole array takes a fraction of the time that functions of its parts take. Since
    σ(x) = (1 + tanh(x / 2)) / 2, one tanh serves all gates. (In half precision that would lose small values of σ.)
    """

    def __call__(self, total: Parts, states: States) -> States:
        factor = np.repeat(np.array([0.5, 0.5, 1.0, 0.5], total[0].dtype), total[0].shape[-1] // 4)
        gates = jax.lax.optimization_barrier(jnp.tanh(total[0] * factor)) * factor + (1 - factor)
        i, f, g, o = split(gates, 4)
        c = jax.lax.optimization_barrier(f * states[1] + i * g)
        return o * jnp.tanh(c), c


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
        ValueError: if units is no positive integer, or a probability is not from 0 to 1.

    >>> cell = lamina.layers.LSTMCell(4)
    >>> output, states = cell(np.ones((2, 3)), cell.get_initial_state(2))
    >>> output.shape, len(states)
    ((2, 4), 2)
    """

    gates = 4

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
        super().__init__(
            units,
            activation,
            recurrent_activation,
            use_bias,
            kernel_initializer,
            recurrent_initializer,
            bias_initializer,
            kernel_regularizer,
            recurrent_regularizer,
            bias_regularizer,
            kernel_constraint,
            recurrent_constraint,
            bias_constraint,
            dropout,
            recurrent_dropout,
            seed,
            implementation,
            **kwargs,
        )
        self.unit_forget_bias = unit_forget_bias
        self.state_size = [self.units, self.units]

    def add_bias(self, shape: Sequence[int], initializer: Any = None) -> Variable:
        """Returns a new bias; that of the forget gate starts from ones where it should."""
        initializer = initializer or self.bias_initializer
        return super().add_bias(shape, ForgetBias(initializer) if self.unit_forget_bias else initializer)

    def recurrence(self) -> Recurrence:
        usual = self.activation is activations.tanh and self.recurrent_activation is activations.sigmoid
        if usual and on_cpu() and self.compute_dtype in ("float32", "float64"):
            product = DenseProduct(4, joined=True)
            return Recurrence(DenseProjection(product), product, (0,), JoinedLSTMStep())
        product = DenseProduct(4)
        return Recurrence(DenseProjection(product), product, (0, 1, 2, 3), LSTMStep(self.activation, self.recurrent_activation))


class LSTM(CellRNN):
    """Long short-term memory: an output h and a state c that gates write to, keep and read.

    i, f, g, o = inputs[t] @ kernel + h @ recurrent_kernel + bias, c = σ(f) · c + σ(i) · tanh(g), h = σ(o) · tanh(c).

    Inputs of shape (batch, time, features) give outputs of shape (batch, units), or (batch, time, units) with
    `return_sequences`; the kernel has shape (features, 4 units), the recurrent kernel (units, 4 units). How steps, states and
    masks are dealt with `RNN` tells, whose arguments it takes too.

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
        ValueError: if units is no positive integer, or a probability is not from 0 to 1.

    Source: Hochreiter and Schmidhuber, Long Short-Term Memory, 1997; the forget gate: Gers, Schmidhuber and Cummins, 2000; its
    bias: Jozefowicz, Zaremba and Sutskever, 2015; dropout: Gal and Ghahramani, 2016.

    >>> lamina.layers.LSTM(4)(np.ones((2, 5, 3))).shape
    (2, 4)
    >>> outputs, h, c = lamina.layers.LSTM(4, return_sequences=True, return_state=True)(np.ones((2, 5, 3)))
    >>> outputs.shape, c.shape, bool((outputs[:, -1] == h).all())
    ((2, 5, 4), (2, 4), True)
    """

    cell_class = LSTMCell

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
        cell = LSTMCell(
            units,
            activation,
            recurrent_activation,
            use_bias,
            kernel_initializer,
            recurrent_initializer,
            bias_initializer,
            unit_forget_bias,
            kernel_regularizer,
            recurrent_regularizer,
            bias_regularizer,
            kernel_constraint,
            recurrent_constraint,
            bias_constraint,
            dropout,
            recurrent_dropout,
            seed,
            implementation,
            name="lstm_cell",
            dtype=kwargs.get("dtype"),
        )
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
