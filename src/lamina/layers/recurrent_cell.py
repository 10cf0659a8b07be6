"""What recurrent cells share: their weights, their dropout, and one step or all of them."""

from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

import lamina.activations as activations
from lamina.core.variable import Array, Variable
from lamina.layers.checks import fraction, known
from lamina.layers.recurrence import Keep, Order, Parts, Recurrence, States, Weights, recur
from lamina.layers.weight_settings import KernelLayer, add_weight
from lamina.random import SeedGenerator


class RecurrentCell(KernelLayer):
    """A cell whose gates are sums of a product with the inputs and one with its last output.

    A subclass says how many gates there are, and what a step does (`_recurrence`).
    """

    _gates: ClassVar[int]
    _input_sizes: tuple[int, ...]  # the shape of a sample's inputs, and of its output
    _output_sizes: tuple[int, ...]
    recurrent_activation: Any
    recurrent_initializer: Any
    recurrent_regularizer: Any
    recurrent_constraint: Any
    recurrent_kernel: Variable
    seed_generator: SeedGenerator | None = None

    def _keep_sizes(self, units: int, states: int) -> None:
        """Keeps the size of the outputs, and of so many states."""
        self.units = self.output_size = units
        self._output_sizes = (units,)
        self.state_size: Any = units if states == 1 else [units] * states

    def _keep_dropout(self, dropout: float, recurrent_dropout: float, seed: int | None, implementation: int = 2) -> None:
        """Checks and keeps what is about dropout.

        Args:
            dropout: the probability that an input counts as zero while training, from 0 to 1, the same ones in all steps.
            recurrent_dropout: likewise for the last output, where the recurrent kernel multiplies it.
            seed: an integer, for the same draws in each run.
            implementation: 1 draws the dropout of the inputs for each gate by itself, 2 for all at once; with recurrent dropout
                it is 1. Otherwise they are the same.
        """
        self.dropout = fraction(dropout, "dropout", self)
        self.recurrent_dropout = fraction(recurrent_dropout, "recurrent_dropout", self)
        if implementation not in (1, 2):
            raise ValueError(f"implementation of {type(self).__name__} must be 1 or 2, not {implementation!r}.")
        self.implementation = 1 if self.recurrent_dropout else implementation
        self.seed = seed
        if self.dropout or self.recurrent_dropout:
            self.seed_generator = SeedGenerator(seed)

    # --- weights -----------------------------------------------------------------------------------------------------

    def build(self, input_shape: Any) -> None:
        """Creates the kernels and the bias."""
        self._input_sizes = (known(input_shape[-1], "the last axis", self),)
        self._add_weights(self._input_sizes, (self.units,))

    def _add_weights(self, kernel_sizes: tuple[int, ...], recurrent_sizes: tuple[int, ...]) -> None:
        """Creates the kernels, of these sizes before that of the gates, and the bias."""
        size = self._gates * self.units
        self.kernel = add_weight(self, "kernel", (*kernel_sizes, size))
        self.recurrent_kernel = add_weight(self, "recurrent", (*recurrent_sizes, size))
        if self.use_bias:
            self.bias = self._add_bias(size)

    def _add_bias(self, size: int) -> Variable:
        return add_weight(self, "bias", (size,))

    # --- states and dropout ------------------------------------------------------------------------------------------

    def get_initial_state(self, batch_size: Any = None) -> list[Array]:
        """Returns the states before the first step: zeros."""
        count = len(self.state_size) if isinstance(self.state_size, list) else 1
        return [jnp.zeros((batch_size, *self._output_sizes), self.compute_dtype) for _ in range(count)]

    def _draw_keep(self, batch_size: Any) -> Keep:
        """Draws the dropout of all steps of a sequence: 0 where something is dropped, else 1 / (1 - rate); None for no dropout."""
        count = self._gates if self.implementation == 1 else 1
        return (
            self._draw(self.dropout, (count, batch_size, *self._input_sizes)),
            self._draw(self.recurrent_dropout, (count, batch_size, *self._output_sizes)),
        )

    def _draw(self, rate: float, shape: tuple[Any, ...]) -> Array | None:
        if rate == 0 or self.seed_generator is None:
            return None
        if rate == 1:
            return jnp.zeros(shape, self.compute_dtype)
        return jax.random.bernoulli(self.seed_generator.next(), 1 - rate, shape).astype(self.compute_dtype) / (1 - rate)

    # --- the formula -------------------------------------------------------------------------------------------------

    def _recurrence(self) -> Recurrence:
        """Returns what a step does."""
        raise NotImplementedError(f"{type(self).__name__} must define _recurrence().")

    def _read_weights(self) -> Weights:
        """Returns the weights in the compute dtype."""
        read = (
            None if v is None else v._read().astype(self.compute_dtype) for v in (self.kernel, self.bias, self.recurrent_kernel)
        )
        return Weights(*read)  # type: ignore[arg-type]

    # --- the call ----------------------------------------------------------------------------------------------------

    def call(self, inputs: Array, states: Any, training: bool = False, keep: Keep | None = None) -> tuple[Array, Any]:
        """Computes one step.

        Args:
            inputs: the inputs of the step.
            states: the states after the last one.
            training: whether there is dropout.
            keep: what `_draw_keep` returned for the sequence; by default it is drawn for this step.

        Returns:
            The output, and the new states, nested as `states` is.
        """
        given = tuple(states) if isinstance(states, (list, tuple)) else (states,)
        if keep is None:
            keep = self._draw_keep(inputs.shape[0]) if training else (None, None)
        new = self._advance(inputs, given, self._read_weights(), keep)
        return new[0], list(new) if isinstance(states, (list, tuple)) else new[0]

    def _advance(self, inputs: Array, states: States, weights: Weights, keep: Keep) -> States:
        """Returns the states after a step."""
        return self._recurrence().once(inputs, states, weights, keep)

    def _is_one_loop(self) -> bool:
        """Tells whether `_call_all` does what `call` does at each step: that is not overridden, and has functions without state."""
        named = all(map(activations.is_own, filter(None, (self.activation, getattr(self, "recurrent_activation", None)))))
        return named and type(self).call is RecurrentCell.call

    def _call_all(
        self, sequences: Array, states: list[Array], mask: Array | None, order: Order, keep: Keep
    ) -> tuple[list[Array], Array | None]:
        """Computes all steps; see `recur`.

        Args:
            sequences: the inputs, of shape (time, batch, ...).
            states: the first states.
            mask: which samples count in which step, (time, batch), or None.
            order: how the loop runs.
            keep: the dropout of the sequences.

        Returns:
            The last states and the outputs of all steps, (time, batch, ...).
        """
        inputs = sequences.astype(self.compute_dtype)
        last, outputs = recur(self._recurrence(), order, inputs, tuple(states), self._read_weights(), keep, mask)
        return list(last), outputs


@dataclass(frozen=True)
class DenseProduct:
    """inputs @ kernel, for inputs with any leading axes: split among so many gates, or joined, as one part for them all.

    Dropout masks are of shape (1, batch, features), or (gates, batch, features), for each gate's own.
    """

    gates: int
    joined: bool = False

    def __call__(self, inputs: Array, kernel: Array, keep: Array | None) -> Parts:
        if keep is None or keep.shape[0] == 1:
            inputs = inputs if keep is None else inputs * keep[0]
            return split(_product_of_rows(inputs, kernel), 1 if self.joined else self.gates)
        kernels = jnp.split(kernel, self.gates, axis=-1)
        parts = tuple(_product_of_rows(inputs * own, part) for own, part in zip(keep, kernels, strict=True))
        return (jnp.concatenate(parts, -1),) if self.joined else parts


@dataclass(frozen=True)
class DenseProjection:
    """inputs @ kernel + bias; see `DenseProduct`."""

    product: DenseProduct

    def __call__(self, inputs: Array, kernel: Array, bias: Array | None, keep: Array | None) -> Parts:
        parts = self.product(inputs, kernel, keep)
        return parts if bias is None else tuple(part + own for part, own in zip(parts, split(bias, len(parts)), strict=True))


def split(array: Array, gates: int) -> Parts:
    """Returns an array's equal parts along its last axis."""
    return tuple(jnp.split(array, gates, axis=-1))


def _product_of_rows(inputs: Array, kernel: Array) -> Array:
    rows = inputs.reshape(-1, inputs.shape[-1]) @ kernel
    return rows.reshape(*inputs.shape[:-1], kernel.shape[-1])
