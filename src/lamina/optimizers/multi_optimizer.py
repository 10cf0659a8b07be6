"""MultiOptimizer: several optimizers, each of which moves some of the variables."""

import re
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from typing import Any

from lamina.core.config import Configurable, serialize
from lamina.core.context import context
from lamina.core.errors import filtered
from lamina.core.frame import transact
from lamina.core.names import snake_case
from lamina.core.tree import Record
from lamina.core.variable import Array, Variable
from lamina.optimizers.base import BaseOptimizer, by_target
from lamina.optimizers.loss_scale import LossScaleOptimizer
from lamina.optimizers.optimizer import Optimizer


class MultiRecord(Record):
    """What Lamina keeps of several optimizers, out of sight of the tree: what they move belongs to others.

    Attributes:
        movers: for each variable, by its `id`, the variable, weakly, and the optimizer that moves it.
        excluded: the variables that are spared weight decay, and regular expressions for names of others.
    """

    __slots__ = ("excluded", "movers")

    def __init__(self) -> None:
        super().__init__()
        self.movers: dict[int, tuple[weakref.ref[Variable], Optimizer]] = {}
        self.excluded: tuple[list[Variable], list[str]] = [], []

    def note(self, variable: Variable, optimizer: Optimizer) -> None:
        """Takes note of which optimizer moves a variable."""
        key, movers = id(variable), self.movers
        movers[key] = weakref.ref(variable, lambda _: movers.pop(key, None)), optimizer

    def targets(self) -> list[Variable]:
        """Returns the variables that are moved."""
        return [variable for reference, _ in list(self.movers.values()) if (variable := reference()) is not None]

    def __getstate__(self) -> dict[str, Any]:
        movers = [(reference(), optimizer) for reference, optimizer in self.movers.values()]
        return {**super().__getstate__(), "movers": [each for each in movers if each[0] is not None]}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__({**state, "movers": {}})
        for variable, optimizer in state["movers"]:
            self.note(variable, optimizer)


class OptimizerMap(Configurable, MutableMapping, family="optimizer_maps"):
    """Optimizers by the paths of the variables that they move.

    A key is a path, or a regular expression that a whole path fits, as `"encoder/.*"`. A path that is a key itself goes by that;
    one that fits no key has the default optimizer.

    Args:
        default_optimizer: the optimizer of all that fits no key.
        optimizer_map: a dict from keys to optimizers.

    Raises:
        TypeError: for a key that is not a string, or what is not an optimizer.
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


class MultiOptimizer(BaseOptimizer):
    """Several optimizers, each of which moves some of the variables: one for the encoder, say, and one for the rest.

    Learning rates are those of `optimizers`; there is none for all.

    Args:
        optimizer_map: an `OptimizerMap`, or any function from a variable to its optimizer, asked once before the first step.
        loss_scale_factor: what `scale_loss` multiplies the loss with, and all of them divide gradients by, whatever they had.
        name: its name; by default the class's in snake case.

    Raises:
        TypeError: for what is neither; before the first step, for what is not an optimizer.
        ValueError: for an optimizer that cannot be one of several.

    >>> slow, fast = lamina.Variable(1.0, name="slow"), lamina.Variable(1.0, name="fast")
    >>> both = lamina.optimizers.OptimizerMap(lamina.optimizers.SGD(0.5), {"slow": lamina.optimizers.SGD(0.1)})
    >>> lamina.optimizers.MultiOptimizer(both).apply([np.float32(1.0)] * 2, [slow, fast])
    >>> print(slow.numpy(), fast.numpy())
    0.9 0.5
    """

    _record = MultiRecord
    _lamina: MultiRecord

    def __init__(
        self, optimizer_map: Callable[[Variable], Optimizer], loss_scale_factor: float | None = None, name: str | None = None
    ) -> None:
        if not callable(optimizer_map):
            raise TypeError(
                f"optimizer_map must be an OptimizerMap, or a function from a variable to its optimizer, not {optimizer_map!r}."
            )
        self._lamina.name = name or snake_case(type(self).__name__)
        self.loss_scale_factor = loss_scale_factor
        self.optimizer_map = optimizer_map
        self.optimizers: list[Optimizer] = []
        self.built = False
        self._iterations = Variable(0, trainable=False, name="iterations")
        if isinstance(optimizer_map, OptimizerMap):
            for optimizer in (*optimizer_map.values(), optimizer_map.default_optimizer):
                self._take_in(optimizer)

    def _take_in(self, optimizer: Optimizer) -> Optimizer:
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

    def _variables_by_path(self, paths: Mapping[int, str]) -> Iterator[tuple[str, Variable]]:
        yield "iterations", self._iterations
        for i, optimizer in enumerate(self.optimizers):
            yield from ((f"{i}/{path}", variable) for path, variable in optimizer._variables_by_path(paths))

    def _paths_in(self, steps: Iterable[str]) -> set[str]:
        return super()._paths_in(rest for step in steps if (rest := step.partition("/")[2]))

    def _refers_to(self) -> Iterator[Variable]:
        yield from (*self.targets, *self._lamina.excluded[0])
        for optimizer in self.optimizers:
            yield from optimizer._refers_to()

    @property
    def iterations(self) -> Variable:
        """The number of steps so far."""
        return self._iterations

    @property
    def targets(self) -> list[Variable]:
        """What the optimizers move, in the order in which it came."""
        return self._lamina.targets()

    @property
    def learning_rate(self) -> Any:
        """There is none: raises AttributeError."""
        raise AttributeError(f"{self.name} has no learning rate of its own: see those of {self.name}.optimizers.")

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        raise AttributeError(f"{self.name} has no learning rate of its own: set those of {self.name}.optimizers.")

    def build(self, variables: Iterable[Variable]) -> None:
        """Asks which optimizer moves a variable that is new, and builds that one for it."""
        record = self._lamina
        for variable in variables:
            if id(variable) not in record.movers:
                optimizer = self._take_in(self.optimizer_map(variable))
                if any(record.excluded) and not optimizer.built:
                    optimizer.exclude_from_weight_decay(*record.excluded)
                record.note(variable, optimizer)
        for optimizer, theirs in self._shares(self.targets):
            optimizer.build(theirs)
        self.built = True

    def exclude_from_weight_decay(self, var_list: Iterable[Variable] | None = None, var_names: Iterable[str] | None = None) -> None:
        """Takes variables out of the weight decay of all of them. Arguments and errors are those of `Optimizer`'s."""
        if self.built:
            raise ValueError(f"{self.name} has taken steps already; exclude variables from weight decay before the first.")
        self._lamina.excluded = list(var_list or ()), list(var_names or ())

    def scale_loss(self, loss: Any) -> Any:
        """Returns what to differentiate: the loss times `loss_scale_factor`, where there is one."""
        return loss if self.loss_scale_factor is None else loss * self.loss_scale_factor

    def _shares(self, variables: Sequence[Variable]) -> list[tuple[Optimizer, list[Variable]]]:
        """Returns each optimizer with those of the variables that it moves, where there are such."""
        movers = self._lamina.movers
        shares = [(optimizer, [v for v in variables if movers[id(v)][1] is optimizer]) for optimizer in self.optimizers]
        return [(optimizer, theirs) for optimizer, theirs in shares if theirs]

    @filtered
    def apply(self, grads: Sequence[Any], trainable_variables: Sequence[Variable] | None = None) -> None:
        """Takes one step with each optimizer. Arguments and errors are those of `Optimizer.apply`."""
        grads = list(grads)
        targets = self.targets if trainable_variables is None else list(trainable_variables)
        if not grads and not targets:
            return
        found = by_target(self, grads, targets)
        self.build(targets)
        if context.frames:
            self._take_each(found)
        else:
            transact(self._take_each, found)

    def _take_each(self, grads: dict[Variable, Any]) -> None:
        for optimizer, theirs in self._shares(list(grads)):
            if any(grads[variable] is not None for variable in theirs):
                optimizer.apply([grads[variable] for variable in theirs], theirs)
        self._iterations.assign_add(1)

    def finalize_variable_values(self, var_list: Iterable[Variable]) -> None:
        """Each optimizer sets its variables to their moving averages, where it has such."""
        if self.built:
            for optimizer, theirs in self._shares(list(var_list)):
                optimizer.finalize_variable_values(theirs)

    def state_of(self, variable: Variable) -> dict[str, Array]:
        """What the optimizer that moves a variable keeps for it."""
        if id(variable) not in self._lamina.movers:
            raise ValueError(f"{self.name} keeps nothing for {variable!r}: it does not move it, or has not yet.")
        return self._lamina.movers[id(variable)][1].state_of(variable)


def one_of_several(optimizer: Any) -> Optimizer:
    """Returns an optimizer that can be one of several; raises TypeError for anything else, ValueError for one that cannot."""
    if isinstance(optimizer, (LossScaleOptimizer, MultiOptimizer)):
        raise ValueError(f"{optimizer.name} cannot be one of several optimizers. Put them all into one {type(optimizer).__name__}.")
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"A variable is moved by a lamina.optimizers.Optimizer, not {optimizer!r}.")
    return optimizer
