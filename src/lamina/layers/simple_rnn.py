"""SimpleRNN: a dense layer that is given its last output too."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import lamina.activations as activations
from lamina.core.input_spec import InputSpec
from lamina.layers.checks import positive
from lamina.layers.recurrence import Parts, Recurrence, States
from lamina.layers.recurrent import CellRNN, cell_for
from lamina.layers.recurrent_cell import DenseProduct, DenseProjection, RecurrentCell
from lamina.layers.weight_settings import WeightSettings


class SimpleRNNCell(RecurrentCell):
    """One step of `SimpleRNN`: h = activation(inputs @ kernel + bias + h @ recurrent_kernel), which is the output and the state.

    The inputs have shape (batch, features), the kernel (features, units), the recurrent kernel (units, units).

    Args:
        units: the size of the output.
        activation: a name or a function; None is linear.
        use_bias: whether there is a bias.
        kernel_initializer: makes the first kernel.
        recurrent_initializer: makes the first recurrent kernel.
        bias_initializer: makes the first bias.
        kernel_regularizer: its penalty on the kernel is one of the losses.
        recurrent_regularizer: likewise for the recurrent kernel.
        bias_regularizer: likewise for the bias.
        kernel_constraint: applied to the kernel after each update.
        recurrent_constraint: likewise for the recurrent kernel.
        bias_constraint: likewise for the bias.
        dropout: the probability that an input counts as zero while training, from 0 to 1.
        recurrent_dropout: likewise for the last output.
        seed: an integer, for the same draws in each run.
        kwargs: what `lamina.Layer` takes.

    Raises:
        ValueError: if units is not a positive integer, or a probability is not from 0 to 1.

    >>> cell = lamina.layers.SimpleRNNCell(4)
    >>> output, states = cell(np.ones((2, 3)), cell.get_initial_state(2))
    >>> output.shape, len(states)
    ((2, 4), 1)
    """

    _gates = 1

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._keep_sizes(positive(units, "units", self), states=1)
        self.activation, self.use_bias = activations.get(activation), use_bias
        WeightSettings(kernel_initializer, kernel_regularizer, kernel_constraint).keep(self, "kernel")
        WeightSettings(recurrent_initializer, recurrent_regularizer, recurrent_constraint).keep(self, "recurrent")
        WeightSettings(bias_initializer, bias_regularizer, bias_constraint).keep(self, "bias")
        self._keep_dropout(dropout, recurrent_dropout, seed)

    def _recurrence(self) -> Recurrence:
        return Recurrence(DenseProjection(DenseProduct(1)), DenseProduct(1), (0,), SimpleStep(self.activation))


@dataclass(frozen=True)
class SimpleStep:
    """h = activation(sum)."""

    activation: Callable[[Any], Any]

    def __call__(self, total: Parts, states: States) -> States:
        return (self.activation(total[0]),)


class SimpleRNN(CellRNN):
    """h[t] = activation(inputs[t] @ kernel + bias + h[t - 1] @ recurrent_kernel).

    Inputs of shape (batch, time, features) give outputs of shape (batch, units), or (batch, time, units) with
    `return_sequences`. For steps, states and masks see `RNN`, whose arguments it takes too.

    Args:
        units: the size of the outputs.
        activation: a name or a function; None is linear.
        use_bias: whether there is a bias.
        kernel_initializer: makes the first kernel.
        recurrent_initializer: makes the first recurrent kernel.
        bias_initializer: makes the first bias.
        kernel_regularizer: its penalty on the kernel is one of the losses.
        recurrent_regularizer: likewise for the recurrent kernel.
        bias_regularizer: likewise for the bias.
        activity_regularizer: likewise for the outputs.
        kernel_constraint: applied to the kernel after each update.
        recurrent_constraint: likewise for the recurrent kernel.
        bias_constraint: likewise for the bias.
        dropout: the probability that an input counts as zero while training, from 0 to 1; the same ones in all steps.
        recurrent_dropout: likewise for the last output.
        return_sequences: whether the outputs of all steps are returned.
        return_state: whether the last state is returned too.
        go_backwards: whether the steps are taken from the last to the first.
        stateful: whether the last state of a batch is the first of the next one.
        unroll: whether the steps are compiled one by one.
        seed: an integer, for the same draws in each run.
        kwargs: what `RNN` and `lamina.Layer` take.

    Raises:
        ValueError: if units is not a positive integer, or a probability is not from 0 to 1.

    Source: Elman, Finding Structure in Time, 1990; dropout: Gal and Ghahramani, 2016.

    >>> lamina.layers.SimpleRNN(4, return_sequences=True)(np.ones((2, 5, 3))).shape
    (2, 5, 4)
    """

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        cell = cell_for(SimpleRNNCell, locals(), "simple_rnn_cell")
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
