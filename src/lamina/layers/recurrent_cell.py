"""What recurrent cells share: their weights, their dropout, and one step or all of them."""

from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

import lamina.activations as activations
import lamina.constraints as constraints
import lamina.initializers as initializers
import lamina.regularizers as regularizers
from lamina.core.variable import Array, Variable
from lamina.layers.checks import fraction, known, positive
from lamina.layers.kernel import KernelLayer
from lamina.layers.recurrence import Keep, Order, Parts, Recurrence, States, Weights, recur
from lamina.random import SeedGenerator


class RecurrentCell(KernelLayer):
    """A cell whose gates are sums of a product with the inputs and one with its last output.

    A subclass says how many gates there are, and what a step does (`recurrence`).

    Args:
        units: the size of the outputs.
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
        dropout: the probability that an input counts as zero while training, from 0 to 1, the same ones in all steps.
        recurrent_dropout: likewise for the last output, where the recurrent kernel multiplies it.
        seed: an integer, for the same draws in each run.
        implementation: 1 draws the dropout of the inputs for each gate by itself, 2 for all at once; with recurrent dropout it
            is 1. Otherwise they are the same.
        kwargs: what `lamina.Layer` takes.
    """

    gates: ClassVar[int]
    bias: Variable | None = None
    recurrent_kernel: Variable
    input_sizes: tuple[int, ...]
    seed_generator: SeedGenerator | None = None

    def __init__(
        self,
        units: int,
        activation: Any,
        recurrent_activation: Any,
        use_bias: bool,
        kernel_initializer: Any,
        recurrent_initializer: Any,
        bias_initializer: Any,
        kernel_regularizer: Any,
        recurrent_regularizer: Any,
        bias_regularizer: Any,
        kernel_constraint: Any,
        recurrent_constraint: Any,
        bias_constraint: Any,
        dropout: float,
        recurrent_dropout: float,
        seed: int | None,
        implementation: int = 2,
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
            **kwargs,
        )
        self.units = positive(units, "units", self)
        self.recurrent_activation = activations.get(recurrent_activation)
        self.use_bias = use_bias
        self.recurrent_initializer = initializers.get(recurrent_initializer)
        self.recurrent_regularizer = regularizers.get(recurrent_regularizer)
        self.recurrent_constraint = constraints.get(recurrent_constraint)
        self.dropout = fraction(dropout, "dropout", self)
        self.recurrent_dropout = fraction(recurrent_dropout, "recurrent_dropout", self)
        if implementation not in (1, 2):
            raise ValueError(f"implementation of {type(self).__name__} must be 1 or 2, not {implementation!r}.")
        self.implementation = 1 if self.recurrent_dropout else implementation
        self.seed = seed
        if self.dropout or self.recurrent_dropout:
            self.seed_generator = SeedGenerator(seed)
        self.state_size: Any = self.units
        self.output_size = self.units

    # --- weights -----------------------------------------------------------------------------------------------------

    def build(self, input_shape: Any) -> None:
        """Creates the kernels and the bias."""
        self.input_sizes = (known(input_shape[-1], "the last axis", self),)
        self.kernel = self.add_kernel((*self.input_sizes, self.gates * self.units))
        self.recurrent_kernel = self.add_recurrent_kernel((self.units, self.gates * self.units))
        if self.use_bias:
            self.bias = self.add_bias((self.gates * self.units,))

    def add_recurrent_kernel(self, shape: tuple[int, ...]) -> Variable:
        """Returns a new recurrent kernel."""
        regularizer, constraint = self.recurrent_regularizer, self.recurrent_constraint
        return self.add_weight(shape, self.recurrent_initializer, regularizer=regularizer, constraint=constraint)

    # --- states and dropout ------------------------------------------------------------------------------------------

    @property
    def output_sizes(self) -> tuple[int, ...]:
        """The shape of a sample's output."""
        return (self.units,)

    def get_initial_state(self, batch_size: Any = None) -> list[Array]:
        """Returns the states before the first step: zeros."""
        count = len(self.state_size) if isinstance(self.state_size, list) else 1
        return [jnp.zeros((batch_size, *self.output_sizes), self.compute_dtype) for _ in range(count)]

    def draw_keep(self, batch_size: Any) -> Keep:
        """Draws the dropout of all steps of a sequence: 0 where something is dropped, else 1 / (1 - rate); None for no dropout."""
        count = self.gates if self.implementation == 1 else 1
        return (
            self._draw(self.dropout, (count, batch_size, *self.input_sizes)),
            self._draw(self.recurrent_dropout, (count, batch_size, *self.output_sizes)),
        )

    def _draw(self, rate: float, shape: tuple[Any, ...]) -> Array | None:
        if rate == 0 or self.seed_generator is None:
            return None
        if rate == 1:
            return jnp.zeros(shape, self.compute_dtype)
        return jax.random.bernoulli(self.seed_generator.next(), 1 - rate, shape).astype(self.compute_dtype) / (1 - rate)

    # --- the formula -------------------------------------------------------------------------------------------------

    def recurrence(self) -> Recurrence:
        """Returns what a step does."""
        raise NotImplementedError(f"{type(self).__name__} must define recurrence().")

    def read_weights(self) -> Weights:
        """Returns the weights in the compute dtype."""
        read = (None if v is None else v.read().astype(self.compute_dtype) for v in (self.kernel, self.bias, self.recurrent_kernel))
        return Weights(*read)  # type: ignore[arg-type]

    # --- the call ----------------------------------------------------------------------------------------------------

    def call(self, inputs: Array, states: Any, training: bool = False, keep: Keep | None = None) -> tuple[Array, Any]:
        """Computes one step.

        Args:
            inputs: the inputs of the step.
            states: the states after the last one.
            training: whether there is dropout.
            keep: what `draw_keep` returned for the sequence; by default it is drawn for this step.

        Returns:
            The output, and the new states, nested as `states` is.
        """
        given = tuple(states) if isinstance(states, (list, tuple)) else (states,)
        if keep is None:
            keep = self.draw_keep(inputs.shape[0]) if training else (None, None)
        new = self.advance(inputs, given, self.read_weights(), keep)
        return new[0], list(new) if isinstance(states, (list, tuple)) else new[0]

    def advance(self, inputs: Array, states: States, weights: Weights, keep: Keep) -> States:
        """Returns the states after a step."""
        return self.recurrence().once(inputs, states, weights, keep)

    def is_one_loop(self) -> bool:
        """Tells whether `call_all` does what `call` does at each step: that is not overridden, and has functions without state."""
        named = all(hasattr(function, "registered_name") for function in (self.activation, self.recurrent_activation))
        return named and type(self).call is RecurrentCell.call

    def call_all(
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
        last, outputs = recur(self.recurrence(), order, inputs, tuple(states), self.read_weights(), keep, mask)
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
