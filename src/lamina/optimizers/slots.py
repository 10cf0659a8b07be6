"""What an optimizer keeps: for each variable that it moves a variable for each of its slots, and some for all together."""

import weakref
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from lamina.core.paths import Paths
from lamina.core.text import unused_name
from lamina.core.tree import Record
from lamina.core.variable import Variable


class Kept:
    """What is kept for one variable.

    Args:
        target: the variable that is moved, weakly.
        name: what it is called in a transformation: its path, made unique.

    Attributes:
        slots: what the transformation keeps, by name: `momentum`, ...
        extra: where they are asked for, its moving `average`, and the `accumulator` of its gradients since the last update.
    """

    def __init__(self, target: "weakref.ref[Variable]", name: str) -> None:
        self.target = target
        self.name = name
        self.slots: dict[str, Variable] = {}
        self.extra: dict[str, Variable] = {}

    def follow(self, target: Variable) -> None:
        """Places what has the shape of the variable as that is placed now."""
        placement = target.placement
        for slot in self.by_slot().values() if placement is not None else ():
            if slot.placement != placement and slot.shape == target.shape:
                slot.placement = placement

    def by_slot(self) -> dict[str, Variable]:
        """Returns all of it by name."""
        return {**self.slots, **self.extra}


class OptimizerRecord(Record):
    """What Lamina keeps of an optimizer, out of sight of the tree: what it moves belongs to others.

    Attributes:
        iterations: the number of calls so far.
        learning_rate: the size of a step: a variable, or a function of the number of calls.
        shared: what the transformation keeps for all variables together, by name.
        kept: what is kept for each variable, by its `id`; it goes when the variable does.
        excluded: the variables that are spared weight decay, and a pattern of names of others.
    """

    __slots__ = ("excluded", "iterations", "kept", "learning_rate", "shared")

    def __init__(self) -> None:
        super().__init__()
        self.iterations: Variable = None  # type: ignore[assignment]
        self.learning_rate: Any = None
        self.shared: dict[str, Variable] = {}
        self.kept: dict[int, Kept] = {}
        self.excluded: tuple[set[Variable], Any] = set(), None

    def keep(self, target: Variable, name: str) -> Kept:
        """Returns a new place for what is kept for a variable."""
        key, all_kept = id(target), self.kept
        name = unused_name(name, {kept.name for kept in all_kept.values()})
        kept = all_kept[key] = Kept(weakref.ref(target, lambda _: all_kept.pop(key, None)), name)
        return kept

    def targets(self) -> list[Variable]:
        """Returns the variables that something is kept for."""
        return [target for kept in list(self.kept.values()) if (target := kept.target()) is not None]

    def variables(self) -> list[Variable]:
        """Returns all variables: the counter, the rate, those for all together, those of each."""
        rate = [self.learning_rate] if isinstance(self.learning_rate, Variable) else []
        own = [variable for kept in self.kept.values() for variable in kept.by_slot().values()]
        return [self.iterations, *rate, *self.shared.values(), *own]

    def by_path(self, known: Mapping[int, str]) -> Iterator[tuple[str, Variable]]:
        """Yields all variables, each with the steps that lead to it: `net/dense/kernel/momentum`.

        Args:
            known: paths of variables by their `id`: others are left out. Where there are none, the whole paths are taken.
        """
        yield "iterations", self.iterations
        if isinstance(self.learning_rate, Variable):
            yield "learning_rate", self.learning_rate
        yield from self.shared.items()
        paths = Paths()
        for kept in list(self.kept.values()):
            target = kept.target()
            path = None if target is None else known.get(id(target)) if known else paths.of(target)
            if path is not None:
                yield from ((f"{path}/{slot}", variable) for slot, variable in kept.by_slot().items())

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        kept = [(kept.target(), kept.name, kept.slots, kept.extra) for kept in self.kept.values()]
        return {**state, "kept": [each for each in kept if each[0] is not None]}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__({**state, "kept": {}})
        for target, name, slots, extra in state["kept"]:
            kept = self.keep(target, name)
            kept.slots, kept.extra = dict(slots), dict(extra)


def slot_variable(values: Any, like: Variable | None = None) -> Variable:
    """Returns a variable of an optimizer's state.

    Args:
        values: its first values.
        like: the variable that it is kept for; where the shapes are the same, it is placed as that is.
    """
    placement = like.placement if like is not None and np.shape(values) == like.shape else None
    return Variable(values, trainable=False, autocast=False, placement=placement)
