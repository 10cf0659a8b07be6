"""RNN: a cell run over the steps of sequences."""

import inspect
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from lamina.core import control
from lamina.core.config import constructor_arguments
from lamina.core.input_spec import InputSpec
from lamina.core.jit import jit
from lamina.core.layer import Layer
from lamina.core.lift import touched_by
from lamina.core.module import Module
from lamina.core.per_class import per_class
from lamina.core.text import show_shape, suggest
from lamina.core.variable import Array, Variable
from lamina.layers.recurrence import Order, along, where_counted
from lamina.layers.recurrent_cell import RecurrentCell
from lamina.layers.stacked_cells import StackedRNNCells, build_cell, check_cell, initial_state, options_of


class RNN(Layer):
    """Runs a cell over sequences: output[t], states = cell(inputs[:, t], states), step by step.

    The inputs have shape (batch, time, ...), the outputs (batch, time, units), or (batch, units) for the last one alone. Where
    a mask of shape (batch, time) says that a step does not count, the states stay as they are and the output is the last one
    before; before the first step that counts it is the first state.

    The cell is any layer with `call(inputs, states)`, which returns the output of a step and the new states, and with
    `state_size`: an integer, or a list of them for several states. It may have `output_size`, and
    `get_initial_state(batch_size)`; otherwise the first states are zeros. What it writes to variables is carried from step to
    step.

    Args:
        cell: a cell, or a list of them, each of which takes the outputs of the one before.
        return_sequences: whether the outputs of all steps are returned, or that of the last one.
        return_state: whether the last states are returned too, as (outputs, *states).
        go_backwards: whether the steps are taken from the last to the first; then the outputs, and their mask, are in that order.
        stateful: whether the last states of a batch are the first of the next one. The batch size must be known.
        unroll: whether all steps are compiled one by one, not as a loop: sometimes faster for few steps, slow to compile for many.
        zero_output_for_mask: whether the sequences returned are zero where the mask is false.
        kwargs: what `lamina.Layer` takes.

    Raises:
        TypeError: for what is not a cell.
        ValueError: from the call, for initial states, a mask or a batch that do not fit, or no steps.

    >>> class Sum(lamina.Layer):
    ...     state_size = 1
    ...     def call(self, inputs, states):
    ...         total = states[0] + inputs
    ...         return total, [total]
    >>> layer = lamina.layers.RNN(Sum(), return_sequences=True)
    >>> print(layer(np.array([[[1.0], [2.0], [3.0]]]))[0, :, 0])
    [1. 3. 6.]
    """

    supports_masking = True
    _memory: "Memory | None" = None

    def __init__(
        self,
        cell: Any,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        zero_output_for_mask: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.cell: Any = StackedRNNCells(cell) if isinstance(cell, (list, tuple)) else check_cell(cell, self)
        self.return_sequences = return_sequences
        self.return_state = return_state
        self.go_backwards = go_backwards
        self.stateful = stateful
        self.unroll = unroll
        self.zero_output_for_mask = zero_output_for_mask
        self.input_spec = InputSpec(min_ndim=3)

    # --- states ------------------------------------------------------------------------------------------------------

    @property
    def state_size(self) -> list[Any]:
        """The sizes of the cell's states."""
        size = self.cell.state_size
        return list(size) if isinstance(size, (list, tuple)) else [size]

    @property
    def states(self) -> list[Any] | None:
        """The variables that hold the states between batches, nested as the states are; None if there are none."""
        return None if self._memory is None else self._memory.states

    def get_initial_state(self, batch_size: Any) -> list[Any]:
        """Returns the states before the first step, as the cell makes them."""
        states = initial_state(self.cell, batch_size)
        return list(states) if isinstance(states, (list, tuple)) else [states]

    def reset_state(self, states: Any = None) -> None:
        """Sets what is kept between batches to the first states.

        Args:
            states: other states, nested as the cell's are, to start from.

        Raises:
            ValueError: for states of other shapes.
        """
        if self._memory is None:
            return
        variables = jax.tree.leaves(self._memory.states, is_leaf=_is_variable)
        first = self.get_initial_state(variables[0].shape[0])
        given = first if states is None else self._checked(states, first)
        for variable, value in zip(variables, jax.tree.leaves(given), strict=True):
            variable.assign(value)

    def reset_states(self, states: Any = None) -> None:
        """The same as `reset_state`, as older code has it."""
        self.reset_state(states)

    # --- the call ----------------------------------------------------------------------------------------------------

    def build(self, sequences_shape: Any) -> None:
        """Builds the cell for one step, and creates the states that are kept between batches."""
        batch, _, *sizes = sequences_shape
        build_cell(self.cell, (batch, *sizes))
        if self.stateful:
            if not isinstance(batch, int):
                raise ValueError(
                    f"The layer {self.path!r} is stateful, so it needs to know the size of its batches: give "
                    f"lamina.Input(..., batch_size=...), or call it on data first."
                )
            self._memory = Memory(self.get_initial_state(batch))

    def call(self, sequences: Array, initial_state: Any = None, mask: Array | None = None, training: bool = False) -> Any:
        """Runs the cell over all steps.

        Args:
            sequences: the inputs, of shape (batch, time, ...).
            initial_state: the first states, in place of the cell's or of those kept from the last batch.
            mask: which steps count, of shape (batch, time); by default the mask that the inputs carry.
            training: whether the cell's dropout is on.
        """
        states = self._first_states(sequences, initial_state)
        counted = self._counted(sequences, mask)
        run = self._run_loop if isinstance(self.cell, RecurrentCell) and self.cell._is_one_loop() else self._run_steps
        output, outputs, states = run(jnp.moveaxis(sequences, 1, 0), states, counted, training)
        if (memory := self._memory_for(sequences)) is not None:
            memory.keep(states)
        if self.return_sequences:
            if counted is not None and self.zero_output_for_mask:
                outputs = jnp.where(along(counted, outputs), outputs, 0)
            output = jnp.moveaxis(jnp.flip(outputs, 0) if self.go_backwards else outputs, 0, 1)
        output, states = jax.tree.map(lambda array: array.astype(self.compute_dtype), (output, states))
        return (output, *states) if self.return_state else output

    def _run_loop(self, steps: Array, states: Any, counted: Array | None, training: bool) -> tuple[Array, Any, Any]:
        """Runs a cell of Lamina's own over inputs of shape (time, batch, ...); returns the last output, all of them, the states."""
        keep = self.cell._draw_keep(steps.shape[1]) if training else (None, None)
        order = Order(self.go_backwards, self.unroll, self.return_sequences)
        states, outputs = self.cell._call_all(steps, states, counted, order, keep)
        return states[0], outputs, states

    @jit(static_argnames="training")
    def _run_steps(self, steps: Array, states: Any, counted: Array | None, training: bool) -> tuple[Array, Array, Any]:
        """Likewise for any cell, by calling it at each step."""
        drawn = self.cell._draw_keep(steps.shape[1]) if training and hasattr(self.cell, "_draw_keep") else None
        options = options_of(self.cell, training, drawn)

        def compute(inputs: Array, states: Any) -> tuple[Array, Any]:
            output, new = self.cell(inputs, states, **options)
            return output, alike(new, states, self.cell)

        def turn(carry: Any, given: Any) -> tuple[Any, Array]:
            (inputs, counted), (states, previous) = given, carry
            output, new = compute(inputs, states)
            output = where_counted(counted, output, previous)
            return (where_counted(counted, new, states), output), output

        (spec, _), *_ = touched_by(compute, jax.ShapeDtypeStruct(steps.shape[1:], steps.dtype), states)
        carry = states, first_output(states, spec)
        (states, output), outputs = control.scan(turn, carry, (steps, counted), reverse=self.go_backwards, unroll=self.unroll)
        return output, outputs, states

    # --- what is asked of the arguments ------------------------------------------------------------------------------

    def _first_states(self, sequences: Array, given: Any) -> Any:
        batch, time = sequences.shape[:2]
        if isinstance(time, int) and time == 0:
            raise ValueError(
                f"The layer {self.path!r} was given sequences of no steps: inputs of shape {show_shape(sequences.shape)}."
            )
        memory = self._memory_for(sequences)
        if memory is not None and batch != memory.batch_size:
            raise ValueError(
                f"The layer {self.path!r} is stateful and keeps states for batches of {memory.batch_size}; it was given one of "
                f"{batch}. Leave out what does not fill a batch."
            )
        if given is not None:
            states = self._checked(given, jax.eval_shape(lambda: self.get_initial_state(batch)))
        else:
            states = self.get_initial_state(batch) if memory is None else memory.read()
        dtype = self.cell.compute_dtype
        return jax.tree.map(lambda state: jnp.asarray(state, dtype if jnp.issubdtype(state.dtype, jnp.floating) else None), states)

    def _memory_for(self, sequences: Array) -> "Memory | None":
        """Returns what is kept between batches; None for a batch of unknown size, of which only the shapes are wanted."""
        return self._memory if isinstance(sequences.shape[0], int) else None

    def _checked(self, given: Any, expected: Any) -> Any:
        """Returns states, nested as the expected ones; raises ValueError for others."""
        leaves, tree = jax.tree.flatten(expected)
        arrays = [jnp.asarray(leaf) for leaf in jax.tree.leaves(given)]
        if [array.shape for array in arrays] != [leaf.shape for leaf in leaves]:
            raise ValueError(
                f"The layer {self.path!r} takes states of shape {_listed(leaves)}; it was given {_listed(arrays) or 'none'}."
            )
        return jax.tree.unflatten(tree, arrays)

    def _counted(self, sequences: Array, mask: Array | None) -> Array | None:
        """Returns which samples count in which step, of shape (time, batch): those of which any part does."""
        if mask is None:
            return None
        if mask.ndim < 2 or mask.shape[:2] != sequences.shape[:2]:
            raise ValueError(
                f"The mask of the layer {self.path!r} has shape {show_shape(mask.shape)}; for inputs of shape "
                f"{show_shape(sequences.shape)} it must start with (batch, time), {show_shape(sequences.shape[:2])}."
            )
        counts = mask.astype(bool)
        return jnp.moveaxis(counts.any(tuple(range(2, mask.ndim))), 1, 0)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Returns the mask of the outputs, in the order of their steps; states have none."""
        if not self.return_sequences:
            mask = None
        elif mask is not None and self.go_backwards:
            mask = jnp.flip(mask, 1)
        return [mask, *(None for _ in self.state_size)] if self.return_state else mask


class CellRNN(RNN):
    """A base for layers that make their own cell, and show its settings as theirs."""

    def __getattr__(self, name: str) -> Any:
        """Returns a setting of the cell: an argument of its constructor."""
        cell = vars(self).get("cell")
        cell_class: Any = type(cell)
        if cell is not None and name in (constructor_arguments(cell_class) or ()):
            return getattr(cell, name)
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}. {suggest(name, dir(self))}", name=name, obj=self)


def cell_for(cell_class: Any, arguments: Mapping[str, Any], name: str) -> Any:
    """Returns a layer's own cell, made from those of the layer's arguments that the cell takes too, by the same names.

    Args:
        cell_class: the cell's class.
        arguments: the layer's arguments by name: `locals()`, as its constructor starts.
        name: the cell's name.
    """
    given = {argument: arguments[argument] for argument in _own_arguments(cell_class)}
    return cell_class(**given, name=name, dtype=arguments["kwargs"].get("dtype"))


@per_class
def _own_arguments(cls: Any) -> list[str]:
    return [p.name for p in inspect.signature(cls).parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]


class Memory(Module, family="memories"):
    """The states that a recurrent layer keeps between batches: state of its own, no weights.

    Args:
        states: the first states, nested.
    """

    def __init__(self, states: Any) -> None:
        self._lamina.name = "memory"
        self.states = jax.tree.map(lambda value: Variable(value, trainable=False), states)
        self.batch_size = jax.tree.leaves(states)[0].shape[0]

    def read(self) -> Any:
        """Returns the values of the states."""
        return jax.tree.map(lambda variable: variable.value, self.states, is_leaf=_is_variable)

    def keep(self, states: Any) -> None:
        """Keeps the states that a batch has led to."""
        for variable, value in zip(jax.tree.leaves(self.states, is_leaf=_is_variable), jax.tree.leaves(states), strict=True):
            variable.assign(value.astype(variable.dtype))


def _is_variable(value: Any) -> bool:
    return isinstance(value, Variable)


def _listed(arrays: Any) -> str:
    return " and ".join(show_shape(array.shape) for array in arrays)


def alike(new: Any, old: Any, cell: Layer) -> Any:
    """Returns a cell's new states nested, and of the dtypes, as the old ones are; raises ValueError if they are others."""
    (leaves, _), (before, tree) = jax.tree.flatten(new), jax.tree.flatten(old)
    if [leaf.shape for leaf in leaves] != [leaf.shape for leaf in before]:
        raise ValueError(
            f"The cell {cell.path!r} was given states of shape {_listed(before)} and returned states of shape {_listed(leaves)}; "
            "a step must return as many as it is given, of the same shapes."
        )
    return jax.tree.unflatten(tree, [leaf.astype(own.dtype) for leaf, own in zip(leaves, before, strict=True)])


def first_output(states: Any, spec: Any) -> Array:
    """Returns the output before the first step: the first state (of the last cell), zeros if that is not an output."""
    first = states[-1] if isinstance(states[-1], (list, tuple)) else states
    state = jax.tree.leaves(first)[0]
    return state.astype(spec.dtype) if state.shape == spec.shape else jnp.zeros(spec.shape, spec.dtype)
