"""BaseOptimizer: what training asks of an optimizer."""

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Self

import jax.numpy as jnp
import numpy as np

from lamina.core.frame import state_lock
from lamina.core.lift import lift
from lamina.core.module import Module
from lamina.core.text import describe
from lamina.core.variable import Array, Variable


class BaseOptimizer(Module, family="optimizers"):
    """What training asks of an optimizer: to move variables (`apply`), to keep state for them, and to end well.

    `Optimizer` moves variables by itself; others pass the work on: `LossScaleOptimizer`, `MultiOptimizer`.

    What it keeps for a variable goes when the variable does. So `copy.deepcopy` of an optimizer gives one for the same variables,
    with state of its own; one that is copied as a part of something, such as its model, moves the copies of the variables.
    """

    _apart = True
    _besides_first = True
    built: bool = False

    def build(self, variables: Iterable[Variable]) -> None:
        """Creates the state for variables that it is to move; what it has for others stays. Runs by itself at each new one."""
        raise NotImplementedError

    def apply(self, grads: Sequence[Any], trainable_variables: Sequence[Variable] | None = None) -> None:
        """Takes one step; none where there are no gradients. A step that fails changes nothing.

        Args:
            grads: one gradient for each variable; where it is None, the variable stays as it is.
            trainable_variables: what is moved; all that it has moved so far if left out.

        Raises:
            ValueError: if gradients and variables do not fit together, or all gradients are None.
            TypeError: for what is not a variable of a floating dtype.
        """
        raise NotImplementedError

    @property
    def targets(self) -> list[Variable]:
        """The variables that it keeps state for, in the order in which they came."""
        raise NotImplementedError

    def state_of(self, variable: Variable) -> dict[str, Array]:
        """Returns what is kept for a variable, by the names of its slots."""
        raise NotImplementedError

    def exclude_from_weight_decay(self, var_list: Iterable[Variable] | None = None, var_names: Iterable[str] | None = None) -> None:
        """Takes variables out of weight decay. The last call counts.

        Args:
            var_list: the variables.
            var_names: regular expressions; variables in whose name one is found, such as "bias".

        Raises:
            ValueError: after the first step.
        """
        raise NotImplementedError

    def scale_loss(self, loss: Any) -> Any:
        """Returns what to differentiate in place of the loss."""
        return loss

    def finalize_variable_values(self, var_list: Iterable[Variable]) -> None:
        """Sets variables to their moving averages, where there are such: the last thing in training."""

    # --- other ways to take a step -----------------------------------------------------------------------------------

    def apply_gradients(self, grads_and_vars: Iterable[tuple[Any, Variable]]) -> Any:
        """Takes one step, from pairs of a gradient and its variable. Returns the number of steps so far."""
        pairs = list(grads_and_vars)
        self.apply([grad for grad, _ in pairs], [variable for _, variable in pairs])
        return self.iterations

    @property
    def iterations(self) -> Any:
        """The number of steps so far."""
        raise NotImplementedError

    def stateless_apply(
        self, optimizer_variables: Sequence[Any], grads: Sequence[Any], trainable_variables: Sequence[Any]
    ) -> tuple[list[Array], list[Array]]:
        """Takes one step as a pure function: returns the new values of the moved variables, and of its own; assigns nothing.

        Args:
            optimizer_variables: a value for each of `variables`.
            grads: one gradient for each variable that it was built for.
            trainable_variables: a value for each of these.

        Raises:
            ValueError: before it is built, or for another number of values.

        >>> w = lamina.Variable(1.0)
        >>> optimizer = lamina.optimizers.SGD(0.5)
        >>> optimizer.build([w])
        >>> (new,), _ = optimizer.stateless_apply([v.value for v in optimizer.variables], [jnp.array(1.0)], [w.value])
        >>> print(new, w.numpy())
        0.5 1.0
        """
        self._check_built("stateless_apply")
        own, targets = self.variables, self.targets
        for given, known, what in ((optimizer_variables, own, "of its own"), (trainable_variables, targets, "that it moves")):
            if len(given) != len(known):
                raise ValueError(f"{self.name} has {len(known)} variables {what}, and was given {len(given)} values for them.")
        _, new = lift(lambda: self.apply(grads, targets), [*targets, *own])([*trainable_variables, *optimizer_variables])
        return list(new[: len(targets)]), list(new[len(targets) :])

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Sets `variables` to values, in their order.

        Raises:
            ValueError: before it is built, or for values that are not as many or not of the same shapes; then nothing is set.
        """
        self._check_built("set_weights")
        own = self.variables
        wanted, given = [variable.shape for variable in own], [np.shape(value) for value in weights]
        if wanted != given:
            raise ValueError(f"{self.name} has variables of the shapes {wanted}, and was given values of the shapes {given}.")
        with state_lock:
            for variable, value in zip(own, weights, strict=True):
                variable.assign(value)

    # --- its state ---------------------------------------------------------------------------------------------------

    def _refers_to(self) -> Iterator[Variable]:
        """Yields the variables of others that it has to do with."""
        yield from self.targets

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        if not memo:  # it is copied alone
            memo.update((id(variable), variable) for variable in self._refers_to())
        copied = memo[id(self)] = type(self).__new__(type(self))
        state: dict[str, Any] = self.__getstate__()  # type: ignore[assignment]
        copied.__setstate__(copy.deepcopy(state, memo))
        return copied

    def _variables_by_path(self, paths: Mapping[int, str]) -> Iterator[tuple[str, Variable]]:
        """Yields `variables`, each with the steps that lead to it: `dense/kernel/momentum`.

        Args:
            paths: the paths of variables that are moved, by their `id`; of others the whole path is taken.
        """
        raise NotImplementedError

    def _paths_in(self, steps: Iterable[str]) -> set[str]:
        """Returns the paths of the variables that something is kept for, from what `_variables_by_path` yields."""
        return {path for step in steps if (path := step.rpartition("/")[0])}

    def _state(self) -> Iterator[tuple[str, Variable]]:
        return ((f"variables/{path}", variable) for path, variable in self._variables_by_path({}))

    def _check_built(self, what: str) -> None:
        if not self.built:
            raise ValueError(f"{self.name} has no variables yet for {what}: call build(variables) with those that it is to move.")


def by_target(optimizer: BaseOptimizer, grads: Sequence[Any], targets: Sequence[Variable]) -> dict[Variable, Any]:
    """Returns gradients by variable; raises what `BaseOptimizer.apply` promises."""
    name = optimizer.name
    if not targets:
        raise ValueError(f"{name} does not know yet what to move: give apply the variables too, or call build(variables).")
    if len(grads) != len(targets):
        raise ValueError(f"{name} was given {len(grads)} gradients for {len(targets)} variables.")
    found = dict(zip(targets, grads, strict=True))
    if len(found) != len(targets):
        raise ValueError(f"{name} was given a variable twice.")
    if all(grad is None for grad in grads):
        raise ValueError(f"{name} was given None for every gradient: the loss depends on none of the variables.")
    for target, grad in found.items():
        if not isinstance(target, Variable) or not jnp.issubdtype(target.dtype, jnp.floating):
            raise TypeError(f"{name} moves variables of floating dtypes, not {target!r}.")
        if grad is not None and np.shape(grad) != target.shape:
            raise ValueError(f"{name} was given the gradient {describe(grad)} for {target!r}.")
    return found
