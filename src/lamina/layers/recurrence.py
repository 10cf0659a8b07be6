"""The loop of a recurrent layer over its steps, with a gradient that is fast where the weights are."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp

from lamina.core.variable import Array
from lamina.ops.wrap import compiled

Parts = tuple[Array, ...]  # one array for each gate
States = tuple[Array, ...]  # what a cell remembers; the first is its output
Nested = TypeVar("Nested")  # an array, or arrays in tuples
Keep = tuple[Array | None, Array | None]  # the dropout masks of the inputs and of the outputs, (masks, batch, ...)


class Weights(NamedTuple):
    """The weights of a cell, in the compute dtype."""

    kernel: Array
    bias: Array | None
    recurrent_kernel: Array


class Recurrence(NamedTuple):
    """One step of a cell: states = step(project(inputs) + product(states[0]), states), where both terms have a part for each gate.

    Its functions have no state, and are equal if they do the same, so that one program serves all calls.

    Args:
        project: takes inputs (with any leading axes), the kernel, the bias or None, and the dropout masks of the gates or None.
        product: takes outputs (likewise), the recurrent kernel, and the dropout masks; it is linear in each of the first two.
        places: to which part of the projection each part of the product is added.
        step: takes the sum and the states, and returns the new states, element by element.
    """

    project: Callable[[Array, Array, Array | None, Array | None], Parts]
    product: Callable[[Array, Array, Array | None], Parts]
    places: tuple[int, ...]
    step: Callable[[Parts, States], States]

    def sum(self, x: Parts, products: Parts) -> Parts:
        """Returns the parts of x with those of the product added."""
        total = list(x)
        for place, product in zip(self.places, products, strict=True):
            total[place] = total[place] + product
        return tuple(total)

    def once(self, inputs: Array, states: States, weights: Weights, keep: Keep) -> States:
        """Returns the states after one step."""
        x = self.project(inputs, weights.kernel, weights.bias, keep[0])
        return self.step(self.sum(x, self.product(states[0], weights.recurrent_kernel, keep[1])), states)


class Order(NamedTuple):
    """How a loop runs: from the last step to the first, how many steps a turn, and whether the outputs of all are wanted."""

    reverse: bool
    unroll: bool
    stack: bool


def along(mask: Array, array: Array) -> Array:
    """Returns a mask of the leading axes of an array, with axes of size 1 for the others."""
    return mask.reshape(mask.shape + (1,) * (array.ndim - mask.ndim))


def where_counted(mask: Array | None, new: Nested, old: Nested) -> Nested:
    """Returns what is new where the mask of the samples is true, and what is old elsewhere; nested alike."""
    if mask is None:
        return new
    chosen: Nested = jax.tree.map(lambda a, b: jnp.where(along(mask, a), a, b), new, old)
    return chosen


@compiled("cell", "order")
def recur(
    cell: Recurrence, order: Order, inputs: Array, states: States, weights: Weights, keep: Keep, mask: Array | None
) -> tuple[States, Array | None]:
    """Runs a cell over all steps. What the inputs add to the gates is computed for all of them at once, before the loop.

    Args:
        cell: what a step does.
        order: how the loop runs.
        inputs: of shape (time, batch, ...).
        states: the first states.
        weights: the cell's weights.
        keep: the dropout of all steps.
        mask: which samples count in which step, of shape (time, batch), or None; the others keep their states.

    Returns:
        The last states, and the outputs of all steps, (time, batch, ...), or None where they are not wanted.
    """
    xs = cell.project(inputs, weights.kernel, weights.bias, keep[0])
    return _loop(cell, order, xs, states, weights.recurrent_kernel, keep[1], mask)


@functools.partial(jax.custom_jvp, nondiff_argnums=(0, 1))
def _loop(
    cell: Recurrence, order: Order, xs: Parts, states: States, kernel: Array, keep: Array | None, mask: Array | None
) -> tuple[States, Array | None]:
    def turn(states: States, given: tuple[Parts, Array | None]) -> tuple[States, Array | None]:
        x, mask = given
        total = cell.sum(x, cell.product(states[0], kernel, keep))
        new = where_counted(mask, cell.step(total, states), states)
        return new, new[0] if order.stack else None

    return jax.lax.scan(turn, states, (xs, mask), reverse=order.reverse, unroll=order.unroll)


@_loop.defjvp
def _loop_rule(cell: Recurrence, order: Order, primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> tuple[Any, Any]:
    """The derivative of the loop, as another one.

    By itself JAX adds up the kernel's gradient step by step, which reads and writes it as often as there are steps. Here what
    the kernel's tangent adds is one product over all steps outside of the loop, so its transpose is one too. The second loop
    computes the gates anew from their sums, which are fewer arrays to keep than all derivatives.
    """
    xs, states, kernel, keep, mask = primals
    xs_tangent, states_tangent, kernel_tangent, *_ = tangents

    def forward(states: States, given: tuple[Parts, Array | None]) -> tuple[States, Any]:
        x, mask = given
        total = cell.sum(x, cell.product(states[0], kernel, keep))
        new = where_counted(mask, cell.step(total, states), states)
        return new, (new[0] if order.stack else None, states, total)

    @functools.partial(jax.checkpoint, prevent_cse=False)
    def derivative(total: Parts, states: States, mask: Array | None, tangent: tuple[Parts, States]) -> States:
        def masked(total: Parts, states: States) -> States:
            return where_counted(mask, cell.step(total, states), states)

        moved: States = jax.jvp(masked, (total, states), tangent)[1]
        return moved

    def turn(tangent: States, given: Any) -> tuple[States, Array | None]:
        total, states, mask, total_tangent = given
        total_tangent = cell.sum(total_tangent, cell.product(tangent[0], kernel, keep))
        new = derivative(total, states, mask, (total_tangent, tangent))
        return new, new[0] if order.stack else None

    run = functools.partial(jax.lax.scan, reverse=order.reverse, unroll=order.unroll)
    last, (outputs, before, totals) = run(forward, states, (xs, mask))
    totals_tangent = cell.sum(xs_tangent, cell.product(before[0], kernel_tangent, keep))
    last_tangent, outputs_tangent = run(turn, states_tangent, (totals, before, mask, totals_tangent))
    return (last, outputs), (last_tangent, outputs_tangent)
