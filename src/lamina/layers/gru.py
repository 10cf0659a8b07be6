"""GRU: an output that gates renew bit by bit."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp

import lamina.activations as activations
from lamina.core.input_spec import InputSpec
from lamina.core.variable import Array, Variable
from lamina.layers.checks import positive, without_cudnn
from lamina.layers.recurrence import Keep, Parts, Recurrence, States, Weights
from lamina.layers.recurrent import CellRNN, cell_for
from lamina.layers.recurrent_cell import DenseProduct, DenseProjection, RecurrentCell
from lamina.layers.weight_settings import WeightSettings, add_weight


@dataclass(frozen=True)
class GRUStep:
    """h = z · h + (1 - z) · activation(x + r · p), where z and r are the recurrent activation of their sums."""

    activation: Callable[[Any], Any]
    recurrent_activation: Callable[[Any], Any]

    def __call__(self, total: Parts, states: States) -> States:
        z, r, x, p = total
        z, r = self.recurrent_activation(z), self.recurrent_activation(r)
        return (z * states[0] + (1 - z) * self.activation(x + r * p),)


@dataclass(frozen=True)
class GRUProjection:
    """What the inputs and the biases add to z, r, the candidate, and the product that r multiplies."""

    def __call__(self, inputs: Array, kernel: Array, bias: Array | None, keep: Array | None) -> Parts:
        z, r, x = DenseProjection(DenseProduct(3))(inputs, kernel, None if bias is None else bias[0], keep)
        if bias is None:
            return z, r, x, jnp.zeros_like(x)
        for_z, for_r, for_p = jnp.split(bias[1], 3)
        return z + for_z, r + for_r, x, jnp.broadcast_to(for_p, x.shape)


class GRUCell(RecurrentCell):
    """One step of `GRU`: from the inputs and the state h to the new h, which is the output too.

    The inputs have shape (batch, features), the kernel (features, 3 units), the recurrent kernel (units, 3 units), the bias
    (2, 3 units), or (3 units,) without `reset_after`.

    Args:
        units: the size of the output.
        activation: a name or a function; None is linear.
        recurrent_activation: that of the gates, likewise.
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
        recurrent_dropout: likewise for the last output, for each gate by itself.
        reset_after: whether r multiplies the product, which then has a bias of its own, or the state before it.
        seed: an integer, for the same draws in each run.
        implementation: 1 draws the dropout of the inputs for each gate by itself, 2 for all at once. Otherwise they are the same.
        kwargs: what `lamina.Layer` takes.

    Raises:
        ValueError: if units is not a positive integer, or a probability is not from 0 to 1.

    >>> cell = lamina.layers.GRUCell(4)
    >>> output, states = cell(np.ones((2, 3)), cell.get_initial_state(2))
    >>> output.shape, len(states)
    ((2, 4), 1)
    """

    _gates = 3

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
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
        reset_after: bool = True,
        seed: int | None = None,
        implementation: int = 2,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._keep_sizes(positive(units, "units", self), states=1)
        self.activation, self.recurrent_activation = activations.get(activation), activations.get(recurrent_activation)
        self.use_bias = use_bias
        WeightSettings(kernel_initializer, kernel_regularizer, kernel_constraint).keep(self, "kernel")
        WeightSettings(recurrent_initializer, recurrent_regularizer, recurrent_constraint).keep(self, "recurrent")
        WeightSettings(bias_initializer, bias_regularizer, bias_constraint).keep(self, "bias")
        self._keep_dropout(dropout, recurrent_dropout, seed, implementation)
        self.reset_after = reset_after

    def _add_bias(self, size: int) -> Variable:
        """Returns a new bias: one for the inputs' products and one for the recurrent ones, if those have their own."""
        return add_weight(self, "bias", (2, size) if self.reset_after else (size,))

    def _recurrence(self) -> Recurrence:
        # r multiplies what the recurrent kernel gives the candidate before that joins what the inputs give: a part of its own.
        return Recurrence(GRUProjection(), DenseProduct(3), (0, 1, 3), GRUStep(self.activation, self.recurrent_activation))

    def _is_one_loop(self) -> bool:
        return self.reset_after and super()._is_one_loop()

    def _advance(self, inputs: Array, states: States, weights: Weights, keep: Keep) -> States:
        """Returns the state after a step, where r comes before the product with the recurrent kernel or after it."""
        if self.reset_after:
            return super()._advance(inputs, states, weights, keep)
        a, b, x = DenseProjection(DenseProduct(3))(inputs, weights.kernel, weights.bias, keep[0])
        for_z, for_r, for_x = jnp.split(weights.recurrent_kernel, 3, axis=-1)
        h = states[0]
        h_z, h_r, h_x = (h, h, h) if keep[1] is None else h * keep[1]
        z = self.recurrent_activation(a + h_z @ for_z)
        r = self.recurrent_activation(b + h_r @ for_r)
        return (z * h + (1 - z) * self.activation(x + (r * h_x) @ for_x),)


class GRU(CellRNN):
    """Gated recurrent units: an output h that gates renew bit by bit.

    With a, b, x = inputs[t] @ kernel + bias and u, v, p = h @ recurrent_kernel + recurrent bias: z = σ(a + u), r = σ(b + v), and
    h = z · h + (1 - z) · tanh(x + r · p). Without `reset_after` there is no recurrent bias, and r multiplies h before its product
    with the last third of the recurrent kernel.

    Inputs of shape (batch, time, features) give outputs of shape (batch, units), or (batch, time, units) with
    `return_sequences`; the kernel has shape (features, 3 units), the recurrent kernel (units, 3 units), the bias (2, 3 units), or
    (3 units,) without `reset_after`. For steps, states and masks see `RNN`, whose arguments it takes too.

    Args:
        units: the size of the output.
        activation: a name or a function; None is linear.
        recurrent_activation: that of the gates, likewise.
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
        recurrent_dropout: likewise for the last output, for each gate by itself.
        seed: an integer, for the same draws in each run.
        return_sequences: whether the outputs of all steps are returned.
        return_state: whether the last state is returned too.
        go_backwards: whether the steps are taken from the last to the first.
        stateful: whether the last state of a batch is the first of the next one.
        unroll: whether the steps are compiled one by one.
        reset_after: whether r multiplies the product, which then has a bias of its own, or the state before it.
        use_cudnn: "auto" or False. The loop is compiled for every device alike and never handed to cuDNN, so True is refused.
        implementation: 1 draws the dropout of the inputs for each gate by itself, 2 for all at once. Otherwise they are the same.
        kwargs: what `RNN` and `lamina.Layer` take.

    Raises:
        ValueError: if units is not a positive integer, or a probability is not from 0 to 1.

    Source: Cho et al., Learning Phrase Representations using RNN Encoder-Decoder, 2014; dropout: Gal and Ghahramani, 2016.

    >>> lamina.layers.GRU(4)(np.ones((2, 5, 3))).shape
    (2, 4)
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
        reset_after: bool = True,
        use_cudnn: Any = "auto",
        implementation: int = 2,
        **kwargs: Any,
    ) -> None:
        cell = cell_for(GRUCell, locals(), "gru_cell")
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
