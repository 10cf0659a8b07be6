"""MultiOptimizer: several optimizers, each of which moves some of the variables."""

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator, MutableMapping, Sequence
from typing import Any

from lamina.core.config import Configurable, serialize
from lamina.core.frame import Transaction, thread
from lamina.core.leaving import public
from lamina.core.variable import Array, Variable
from lamina.optimizers.loss_scale import LossScaleOptimizer
from lamina.optimizers.optimizer import Optimizer


class OptimizerMap(Configurable, MutableMapping, family="optimizer_maps"):
    """Optimizers by the paths of the variables that they move.

    A key is a path, or a regular expression that a whole path fits, as `"encoder/.*"`. A path that is a key itself goes by that;
    one that fits no key has the default optimizer.

    Args:
        default_optimizer: the optimizer of all that fits no key.
        optimizer_map: a dict from keys to optimizers.

    Raises:
        TypeError: for a key that is no text, or what is no optimizer.
        ValueError: for a key that is there already, or an optimizer that cannot be one of several; when looked up, for a path that
            fits two keys.

    >>> found = lamina.optimizers.OptimizerMap(lamina.optimizers.SGD(), {"encoder/.*": lamina.optimizers.Adam()})
    >>> found["encoder/dense/kernel"].name, found["decoder/kernel"].name
    ('adam', 'sgd')
    """

    def __init__(self, default_optimizer: Optimizer, optimizer_map: dict[str, Optimizer] | None = None) -> None:
        self.default_optimizer = one_of_several(default_optimizer)
        self._optimizers: dict[str, Optimizer] = {}
        for key, optimizer in (optimizer_map or {}).items():
            self[key] = optimizer

    def __getitem__(self, path: str) -> Optimizer:
        if path in self._optimizers:
            return self._optimizers[path]
        fitting = [key for key in self._optimizers if re.fullmatch(key, path)]
        if len(fitting) > 1:
            raise ValueError(
                f"The variable {path!r} fits {' and '.join(map(repr, fitting))}: which optimizer moves it? Make its path a key of "
                "its own, or the expressions narrower."
            )
        return self._optimizers[fitting[0]] if fitting else self.default_optimizer

    def __setitem__(self, key: str, optimizer: Optimizer) -> None:
        if not isinstance(key, str):
            raise TypeError(f"A key of an OptimizerMap is a path or a regular expression, not {key!r}.")
        if key in self._optimizers:
            raise ValueError(f"The key {key!r} of an OptimizerMap is there already. Delete it first to give it another optimizer.")
        self._optimizers[key] = one_of_several(optimizer)

    def __delitem__(self, key: str) -> None:
        del self._optimizers[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._optimizers)

    def __len__(self) -> int:
        return len(self._optimizers)

    def __call__(self, variable: Variable) -> Optimizer:
        """Returns the optimizer that moves a variable."""
        return self[variable.path]

    def get_config(self) -> dict[str, Any]:
        """Returns what `from_config` takes, as it is now."""
        return {"default_optimizer": serialize(self.default_optimizer), "optimizer_map": serialize(self._optimizers)}


class MultiOptimizer(Optimizer):
    """Several optimizers, each of which moves some of the variables: one for the encoder, say, and one for the rest.

    Learning rates are those of `optimizers`; there is none for all.

    Args:
        optimizer_map: an `OptimizerMap`, or any function from a variable to its optimizer, asked once before the first step.
        loss_scale_factor: what `scale_loss` multiplies the loss with, and all of them divide gradients by, whatever they had.
        name: its name; by default the class's in snake case.

    Raises:
        TypeError: for what is neither; before the first step, for what is no optimizer.
        ValueError: for an optimizer that cannot be one of several.

    >>> slow, fast = lamina.Variable(1.0, name="slow"), lamina.Variable(1.0, name="fast")
    >>> both = lamina.optimizers.OptimizerMap(lamina.optimizers.SGD(0.5), {"slow": lamina.optimizers.SGD(0.1)})
    >>> lamina.optimizers.MultiOptimizer(both).apply([np.float32(1.0)] * 2, [slow, fast])
    >>> print(slow.numpy(), fast.numpy())
    0.9 0.5
    """

    _untracked = Optimizer._untracked | {"_movers"}

    def __init__(
        self, optimizer_map: Callable[[Variable], Optimizer], loss_scale_factor: float | None = None, name: str | None = None
    ) -> None:
        if not callable(optimizer_map):
            raise TypeError(
                f"optimizer_map must be an OptimizerMap, or a function from a variable to its optimizer, not {optimizer_map!r}."
            )
        super().__init__(0.0, loss_scale_factor=loss_scale_factor, name=name)
        self.optimizer_map = optimizer_map
        self.optimizers: list[Optimizer] = []
        self._movers: dict[Variable, Optimizer] = {}
        if isinstance(optimizer_map, OptimizerMap):
            for optimizer in (*optimizer_map.values(), optimizer_map.default_optimizer):
                self._take_in(optimizer)

    def _take_in(self, optimizer: Any) -> Optimizer:
        if not any(optimizer is known for known in self.optimizers):
            one_of_several(optimizer).loss_scale_factor = self.loss_scale_factor
            self.optimizers = [*self.optimizers, optimizer]
        return optimizer

    def _facts(self) -> Iterable[str]:
        return map(repr, self.optimizers)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments, with the map as it is now."""
        return {"optimizer_map": serialize(self.optimizer_map), "loss_scale_factor": self.loss_scale_factor, "name": self.name}

    @property
    def variables(self) -> list[Variable]:
        """Its counter of steps, and what the optimizers have."""
        return [self._iterations, *(variable for optimizer in self.optimizers for variable in optimizer.variables)]

    @property
    def learning_rate(self) -> Any:
        """There is none: raises AttributeError."""
        raise AttributeError(f"{self.name} has no learning rate of its own: see those of {self.name}.optimizers.")

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        raise AttributeError(f"{self.name} has no learning rate of its own: set those of {self.name}.optimizers.")

    def build(self, variables: Iterable[Variable]) -> None:
        """Asks which optimizer moves which variable, and builds each of them."""
        if self.built:
            return
        targets = tuple(variables)
        self._movers = {variable: self._take_in(self.optimizer_map(variable)) for variable in targets}
        for optimizer, theirs in self._shares(targets):
            if any(self._excluded):
                optimizer._excluded = self._excluded
            optimizer.build(theirs)
        self._targets, self.built = targets, True

    def _shares(self, variables: Sequence[Variable]) -> list[tuple[Optimizer, list[Variable]]]:
        """Returns each optimizer with those of the variables that it moves, where there are such."""
        shares = [(optimizer, [v for v in variables if self._movers[v] is optimizer]) for optimizer in self.optimizers]
        return [(optimizer, theirs) for optimizer, theirs in shares if theirs]

    @public
    def apply(self, grads: Sequence[Any], trainable_variables: Sequence[Variable] | None = None) -> None:
        """Takes one step with each optimizer. Arguments and errors are those of `Optimizer.apply`."""
        grads = list(grads)
        targets = self._targets if trainable_variables is None else tuple(trainable_variables)
        if not grads and not targets:
            return
        by_target = self._checked(grads, targets)
        self.build(targets)
        with contextlib.nullcontext() if thread.frames else Transaction():
            for optimizer, theirs in self._shares(targets):
                if any(by_target[variable] is not None for variable in theirs):
                    optimizer.apply([by_target[variable] for variable in theirs], theirs)
            self._iterations.assign_add(1)

    def finalize_variable_values(self, var_list: Iterable[Variable]) -> None:
        """Each optimizer sets its variables to their moving averages, where it has such."""
        if self.built:
            for optimizer, theirs in self._shares(list(var_list)):
                optimizer.finalize_variable_values(theirs)

    def state_of(self, variable: Variable) -> dict[str, Array]:
        """What the optimizer that moves a variable keeps for it."""
        return self._movers[variable].state_of(variable) if variable in self._movers else super().state_of(variable)


def one_of_several(optimizer: Any) -> Optimizer:
    """Returns an optimizer that can be one of several; raises TypeError for what is none, ValueError for one that cannot."""
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"A variable is moved by a lamina.optimizers.Optimizer, not {optimizer!r}.")
    if isinstance(optimizer, (LossScaleOptimizer, MultiOptimizer)):
        raise ValueError(f"{optimizer.name} cannot be one of several optimizers. Put them all into one {type(optimizer).__name__}.")
    return optimizer
