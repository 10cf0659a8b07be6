"""The tree of attributes: how variables and what owns them are found and named.

A `Module` is anything that owns variables: a layer, a metric, an optimizer, a seed generator. What it owns is whatever its
attributes hold when one looks, in lists, tuples, dicts and sets too, in the order of assignment, each object once. So there
are no containers to keep in sync: append to a list and it is found.
"""

import itertools
from collections.abc import Iterator
from typing import Any, ClassVar, Self

from lamina.core.config import Configurable
from lamina.core.frame import thread
from lamina.core.naming import next_serial, snake_case
from lamina.core.place import Placed
from lamina.core.variable import Variable

_HOLDS_NOTHING = frozenset({type(None), bool, int, float, str})  # most attributes are of these


class Module(Configurable, Placed):
    """Anything that owns variables, directly or through other modules.

    Its path is the root's name and then, for each step down, the explicit name of what is there, or the attribute that it
    sits in (`hidden`, `steps/0`, `heads/a`). With `steps_by_name`, as in Sequential, every child goes by its name.
    """

    steps_by_name: ClassVar[bool] = False
    stands_apart: ClassVar[bool] = False  # its variables are not among those of what holds it, as with optimizers
    _untracked: ClassVar[frozenset[str]] = frozenset({"_given", "_parents"})  # attributes that hold nothing it owns
    _explicit_name: str | None = None
    _serial: int

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Notes the order in which objects were made."""
        self = super().__new__(cls, *args, **kwargs)
        vars(self).update(_serial=next_serial(), _parents=[])
        return self

    @property
    def name(self) -> str:
        """The explicit name, else one made from the class's."""
        return self._explicit_name or snake_case(type(self).__name__)

    @property
    def path(self) -> str:
        """The names from the root of the tree down to this object, joined by `/`."""
        parent, step = self._place()
        return self.name if parent is None else f"{parent.path}/{step}"

    def __setattr__(self, name: str, value: Any) -> None:
        attributes = self.__dict__
        if thread.writes is not None and name not in self._untracked and not isinstance(value, (Variable, Module)):
            thread.writes.note(self, name, value)
        if isinstance(value, (Variable, Module, list, tuple, dict, set)):
            if name in attributes and attributes[name] is not value:
                self._check_replaced(name, attributes[name], value)
                del attributes[name]  # the order of attributes is the order of assignment
            super().__setattr__(name, value)
            if name not in self._untracked:
                for _, child in walk(name, value):
                    child._adopt(self)
        else:
            super().__setattr__(name, value)

    def _check_replaced(self, name: str, before: Any, now: Any) -> None:
        """Raises an error if an attribute must not be given another object now."""

    def children(self) -> dict[str, "Variable | Module"]:
        """Returns what this object owns directly, by the step that leads to it."""
        steps: dict[str, Variable | Module] = {}
        seen: set[int] = set()
        inner: set[str] = set()
        for attribute, value in list(self._owned()):
            for place, child in walk(attribute, value):
                if id(child) in seen or child is self:
                    continue
                seen.add(id(child))
                child._adopt(self)
                steps[_unused(self._step(place, child), steps, inner)] = child
        return steps

    def _owned(self) -> Iterator[tuple[str, Any]]:
        for name, value in vars(self).items():
            if (
                type(value) not in _HOLDS_NOTHING
                and isinstance(value, (Variable, Module, list, tuple, dict, set))
                and name not in self._untracked
            ):
                yield name, value

    def _step(self, place: str, child: "Variable | Module") -> str:
        if isinstance(child, Variable):
            return child._name or place
        return child.name if self.steps_by_name else child._explicit_name or place

    def _step_to(self, child: "Variable | Module") -> str | None:
        """Returns the step that leads to a child, or None if it is not (any more) one."""
        return next((step for step, candidate in self.children().items() if candidate is child), None)

    def own_variables(self) -> list[Variable]:
        """Returns the variables that this object holds itself."""
        return [child for child in self.children().values() if isinstance(child, Variable)]

    def modules(self) -> list["Module"]:
        """Returns this object and all modules below it, each once, parents before their children."""
        found: dict[int, Module] = {}
        stack: list[Module] = [self]
        while stack:
            module = stack.pop()
            if id(module) not in found:
                found[id(module)] = module
                below = [child for child in module.children().values() if isinstance(child, Module)]
                stack.extend(child for child in reversed(below) if not child.stands_apart)
        return list(found.values())

    @property
    def variables(self) -> list[Variable]:
        """All variables of this object and of what it owns: weights, and the state of metrics and seed generators."""
        return list({id(v): v for module in self.modules() for v in module.own_variables()}.values())


def walk(place: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yields what an attribute holds, with the path to it."""
    if isinstance(value, (Variable, Module)):
        yield place, value
    elif isinstance(value, (list, tuple)):
        for i, item in enumerate(value):
            yield from walk(f"{place}/{i}", item)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from walk(f"{place}/{key}", item)
    elif isinstance(value, set):
        items = [item for item in value if isinstance(item, (Variable, Module))]
        yield from walk(place, sorted(items, key=lambda item: item._serial))


def _unused(step: str, taken: dict[str, Any], inner: set[str]) -> str:
    """Returns the step, its first part numbered if it, or a part of the way to it, leads to something else already.

    Args:
        step: what is wanted.
        taken: the steps that lead to children.
        inner: the steps on the way to one (`heads` of `heads/a`); it is added to.
    """
    head, slash, rest = step.partition("/")
    for candidate in itertools.chain([step], (f"{head}_{n}{slash}{rest}" for n in itertools.count(1))):
        parts = candidate.split("/")
        way = ["/".join(parts[:n]) for n in range(1, len(parts))]
        if candidate not in taken and candidate not in inner and not any(part in taken for part in way):
            inner.update(way)
            return candidate
    raise AssertionError("itertools.count ends")
