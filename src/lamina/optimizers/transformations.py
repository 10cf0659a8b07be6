"""What optax has no words for: formulas that read as one array's, and the learning rate of the step."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from lamina.core.variable import Array

Slots = dict[str, Array]


def descend() -> Any:
    """Returns the transformation from a direction to the update against it: u = -learning_rate * d."""
    import optax

    def update(directions: Any, state: Any, params: Any = None, *, learning_rate: Array, **_: Any) -> tuple[Any, Any]:
        return jax.tree.map(lambda direction: -learning_rate * direction, directions), state

    return optax.GradientTransformationExtraArgs(optax.init_empty_state, update)


def zeros(value: Array) -> Any:
    """Returns zeros like an array: NumPy's, which need not be compiled."""
    return np.zeros(value.shape, value.dtype)


def per_array(start: Callable[[Array], Slots], update: Callable[..., tuple[Array, Slots]]) -> Any:
    """Returns the transformation that does the same with each array.

    Its state is a dict from the slots' names to structures like that of the arrays.

    Args:
        start: returns the first slots of an array.
        update: `update(gradient, slots, value, learning_rate=..., step=...)` returns what is added to the value, and the new slots.
    """
    import optax

    def by_slot(like: Any, all_slots: Any) -> dict[str, Any]:
        names = dict.fromkeys(jax.tree.leaves(jax.tree.map(lambda _, slots: list(slots), like, all_slots)))
        return {name: jax.tree.map(lambda _, slots, name=name: slots.get(name), like, all_slots) for name in names}

    def init(values: Any) -> Any:
        return by_slot(values, jax.tree.map(start, values))

    def update_all(grads: Any, state: Any, params: Any = None, **given: Any) -> tuple[Any, Any]:
        def one(grad: Array, value: Array, *held: Any) -> tuple[Array, Slots]:
            slots = {name: slot for name, slot in zip(state, held, strict=True) if slot is not None}
            return update(grad, slots, value, **given)

        results = jax.tree.map(one, grads, params, *state.values())
        updates, slots = (jax.tree.map(lambda _, result, i=i: result[i], grads, results) for i in (0, 1))
        return updates, by_slot(grads, slots)

    return optax.GradientTransformationExtraArgs(init, update_all)
