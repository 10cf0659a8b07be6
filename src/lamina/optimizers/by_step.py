"""Optimizers that are written as one variable's step, in place of a transformation of all gradients."""

from collections.abc import Sequence
from typing import Any

import numpy as np

import lamina.initializers as initializers
from lamina.core.frame import concrete
from lamina.core.tree import Module
from lamina.core.variable import Variable


class ByStep(Module):
    """What an optimizer needs whose subclass defines `update_step`: state that it makes, and words to assign it."""

    state: list[Variable]
    _slots: list[tuple[str, str | None]]
    _packing: Any

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        """Moves one variable: what a subclass may define in place of `transformation`.

        It assigns to the variable, and to what the subclass's `build` has made with `add_variable_from_reference`.

        Args:
            gradient: the gradient, clipped as the options say.
            variable: the variable, shrunk by its weight decay.
            learning_rate: the size of this step.
        """
        raise NotImplementedError(f"{type(self).__name__} has no update_step(self, gradient, variable, learning_rate).")

    def _number(self, variable: Variable) -> int:
        raise NotImplementedError

    def _get_variable_index(self, variable: Variable) -> int:
        """Returns the place of a variable among those that it moves."""
        return self._number(variable)

    def add_variable(
        self, shape: Sequence[int], initializer: Any = "zeros", dtype: Any = "float32", name: str | None = None
    ) -> Variable:
        """Makes a variable that belongs to the optimizer, for all that it moves together."""
        return self._add(_first(initializer, shape, dtype), name or "state", None)

    def add_variable_from_reference(self, reference_variable: Variable, name: str, initializer: Any = "zeros") -> Variable:
        """Makes a variable of the shape and the dtype of one that is moved, which `state_of` tells by its name."""
        values = _first(initializer, reference_variable.shape, reference_variable.dtype)
        return self._add(values, name, self._packing.name_of(self._number(reference_variable)))

    def add_optimizer_variables(
        self, trainable_variables: Sequence[Variable], name: str | Sequence[str], initializer: Any = "zeros"
    ) -> Any:
        """Makes such a variable for each that is moved: returns a list, or one for each of several names."""
        if isinstance(name, str):
            return [self.add_variable_from_reference(variable, name, initializer) for variable in trainable_variables]
        each = [initializer] * len(name) if isinstance(initializer, str) or callable(initializer) else initializer
        return tuple(self.add_optimizer_variables(trainable_variables, *one) for one in zip(name, each, strict=True))

    def _add(self, values: np.ndarray, slot: str, owner: str | None) -> Variable:
        with concrete():
            made = kept(values, owner, slot)
        self.state.append(made)
        self._slots.append((slot, owner))
        return made

    def assign(self, variable: Variable, value: Any) -> None:
        """Sets a variable."""
        variable.assign(value)

    def assign_add(self, variable: Variable, value: Any) -> None:
        """Adds to a variable."""
        variable.assign_add(value)

    def assign_sub(self, variable: Variable, value: Any) -> None:
        """Takes from a variable."""
        variable.assign_sub(value)


def kept(values: Any, owner: str | None, slot: str) -> Variable:
    """Returns a variable of an optimizer's state.

    Args:
        values: its first values.
        owner: the name of the array that it is kept for, or None if for all.
        slot: what it is.
    """
    return Variable(values, trainable=False, autocast=False, name=f"{owner}_{slot}".replace("/", "_") if owner else slot)


def _first(initializer: Any, shape: Sequence[int], dtype: Any) -> np.ndarray:
    return np.asarray((initializers.get(initializer) or initializers.Zeros())(tuple(shape), dtype))
