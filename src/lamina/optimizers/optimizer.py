"""Optimizer: moves variables against their gradients, by an optax transformation."""

from collections.abc import Iterable, Sequence
from typing import Any

import jax
import numpy as np

from lamina.core.errors import describe
from lamina.core.frame import concrete
from lamina.core.naming import snake_case
from lamina.core.tree import Module
from lamina.core.variable import Array, Variable


class Optimizer(Module, family="optimizers"):
    """variable ← constraint(variable - learning_rate * direction), the direction from an optax transformation.

    A subclass defines `transformation()`, which returns an `optax.GradientTransformation` that turns gradients into
    directions; its state lives in variables of the optimizer.

    Args:
        learning_rate: the size of a step.
        name: its name; by default the class's in snake case.

    Raises:
        ValueError: for a learning rate that is negative or no number.
    """

    stands_apart = True
    _untracked = Module._untracked | {"_targets"}

    def __init__(self, learning_rate: float, name: str | None = None) -> None:
        if isinstance(learning_rate, bool) or not isinstance(learning_rate, (int, float, np.number)) or not learning_rate >= 0:
            raise ValueError(f"learning_rate must be a number that is not negative, not {learning_rate!r}.")
        self._explicit_name = name or snake_case(type(self).__name__)
        self._learning_rate = Variable(float(learning_rate), trainable=False, dtype="float32", name="learning_rate")
        self.iterations = Variable(0, trainable=False, name="iterations")
        self.built = False
        self.state: list[Variable] = []
        self._targets: tuple[Variable, ...] = ()

    def transformation(self) -> Any:
        """Returns the optax transformation from gradients to directions."""
        raise NotImplementedError(f"{type(self).__name__} has no transformation(self). Define it: it returns an optax one.")

    @property
    def learning_rate(self) -> Variable:
        """The size of a step; assign a number to change it, also between batches."""
        return self._learning_rate

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        self._learning_rate.assign(value.value if isinstance(value, Variable) else np.asarray(value, "float32"))

    def build(self, variables: Iterable[Variable]) -> None:
        """Creates the state for the variables that it is to move; runs by itself before the first step."""
        if self.built:
            return
        self._targets = tuple(variables)
        with concrete():
            self._transformation = self.transformation()
            state = self._transformation.init([variable.value for variable in self._targets])
            leaves, self._structure = jax.tree.flatten(state)
            self.state = [Variable(leaf, trainable=False, autocast=False) for leaf in leaves]
        self.built = True

    def apply(self, grads: Sequence[Array], variables: Sequence[Variable] | None = None) -> None:
        """Takes one step.

        Args:
            grads: one gradient for each variable; None for one stands for zeros.
            variables: the same at each call; may be left out after the first.

        Raises:
            ValueError: if there are not as many gradients as variables, or the variables are others than before.
        """
        targets = self._targets if variables is None else tuple(variables)
        grads = list(grads)
        if len(grads) != len(targets):
            raise ValueError(f"{self.name} was given {len(grads)} gradients for {len(targets)} variables.")
        for grad, target in zip(grads, targets, strict=True):
            if grad is not None and grad.shape != target.shape:
                raise ValueError(f"{self.name} was given the gradient {describe(grad)} for {target!r}.")
        self.build(targets)
        if {*targets} != {*self._targets} or len(targets) != len(self._targets):
            raise ValueError(
                f"{self.name} keeps state for {len(self._targets)} variables, and was now given others. Use one optimizer for "
                "each set of variables."
            )
        by_target = dict(zip(targets, grads, strict=True))
        values = [target.read() for target in self._targets]
        ordered = [by_target[t] if by_target[t] is not None else v * 0 for t, v in zip(self._targets, values, strict=True)]
        state = jax.tree.unflatten(self._structure, [variable.read() for variable in self.state])
        directions, state = self._transformation.update(ordered, state, values)
        self._move(values, directions)
        for variable, leaf in zip(self.state, jax.tree.leaves(state), strict=True):
            variable.assign(leaf)
        self.iterations.assign_add(1)

    def _move(self, values: list[Array], directions: list[Array]) -> None:
        rate = self._learning_rate.read()
        for target, value, direction in zip(self._targets, values, directions, strict=True):
            new = value - rate.astype(value.dtype) * direction
            target.assign(new if target.constraint is None else target.constraint(new))

    def apply_gradients(self, grads_and_vars: Iterable[tuple[Array, Variable]]) -> None:
        """Takes one step, from pairs of a gradient and its variable."""
        pairs = list(grads_and_vars)
        self.apply([grad for grad, _ in pairs], [variable for _, variable in pairs])


class OptaxOptimizer(Optimizer):
    """Any optax optimizer: its updates are added as they are, so its own learning rate counts.

    Args:
        optimizer: an `optax.GradientTransformation`.
        name: its name.
    """

    def __init__(self, optimizer: Any, name: str = "optax") -> None:
        super().__init__(1.0, name)
        self.optimizer = optimizer

    def transformation(self) -> Any:
        """Returns the optimizer with the sign that `Optimizer` takes off again."""
        import optax

        return optax.chain(optax.with_extra_args_support(self.optimizer), optax.scale(-1.0))
