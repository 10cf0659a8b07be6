"""Paths: the names from the root of a tree down to an object, joined by `/`."""

import operator
import weakref
from collections.abc import Iterator, Set
from typing import Any

from lamina.core.tree import MAY_CONTAIN, MAY_HOLD, Held, Owner, children, with_containers


class Paths:
    """The paths of many objects, found together: each module is looked at once.

    >>> model = lamina.Sequential([lamina.Input((3,)), lamina.layers.Dense(2)], name="net")
    >>> paths = Paths()
    >>> [paths.of(weight) for weight in model.weights]
    ['net/dense/kernel', 'net/dense/bias']
    """

    def __init__(self) -> None:
        self._known: dict[int, str] = {}
        self._steps: dict[int, dict[int, str]] = {}
        self._alive: list[Any] = []  # what the numbers above stand for

    def of(self, held: Held) -> str:
        """Returns the path of an object: that of the first of what holds it, and the step that leads from there.

        Of objects that hold each other in a circle, the one that was made first is at the top.
        """
        way: list[tuple[Any, str]] = []  # from the object upwards: each one, and the step that leads to it
        beneath: dict[int, set[int]] = {}  # what turned out to be below an object, although it refers to it
        while id(held) not in self._known:
            holder, step = self.place(held, beneath.get(id(held), frozenset()))
            if holder is None:
                self._keep(held, held.name)  # type: ignore[attr-defined]
                break
            way.append((held, step))
            start = next((i for i, (below, _) in enumerate(way) if below is holder), None)
            if start is not None:
                top = min(range(start, len(way)), key=lambda i: way[i][0]._lamina.serial)
                holder = way[top][0]
                beneath.setdefault(id(holder), set()).update(id(below) for below, _ in way[start:])
                del way[top:]
            held = holder
        path = self._known[id(held)]
        for below, step in reversed(way):
            path = f"{path}/{step}"
            self._keep(below, path)
        return path

    def _keep(self, held: Held, path: str) -> None:
        self._known[id(held)] = path
        self._alive.append(held)

    def place(self, held: Held, beneath: Set[int] = frozenset()) -> tuple[Owner | None, str]:
        """Returns what holds an object, the first that still does, and the step that leads to it; None where nothing does.

        Args:
            held: a variable or a module.
            beneath: the `id`s of objects that are below it, and so do not count.
        """
        if getattr(type(held), "_apart", False):
            return None, ""
        for reference, _ in held._lamina.holders:
            module = reference()
            if module is not None and module is not held and id(module) not in beneath:
                step = self._step(module, held)
                if step is not None:
                    return module, step
        for module in _holding_in_containers(held):
            step = None if id(module) in beneath else self._step(module, held)
            if step is not None:
                return module, step
        return None, ""

    def _step(self, module: Owner, held: Held) -> str | None:
        """Returns the step from a module to an object, or None if it does not hold it (any more)."""
        parts = type(module)._parts_by_name(module)
        if parts and isinstance(held, Owner) and parts.get(held.name) is held:
            name: str = held.name
            return name
        steps = self._steps.get(id(module))
        if steps is None:
            steps = self._steps[id(module)] = _steps_to_children(module)
            self._alive.append(module)
        return steps.get(id(held))


# The steps to the children of modules that hold many, with an outline of what these held then: paths may be asked for one by one.
_steps_before: "dict[int, tuple[weakref.ref[Owner], Any, dict[int, str]]]" = {}
_MANY = 32


def _steps_to_children(module: Owner) -> dict[int, str]:
    """Returns the steps from a module to what it owns, by `id`; those from before, if it holds exactly what it held."""
    held = vars(module)
    if len(held) <= _MANY and not any(isinstance(value, MAY_CONTAIN) and len(value) > _MANY for value in list(held.values())):
        return {id(child): step for step, child in children(module).items()}
    outline = [(name, _outline(value)) for name, value in list(held.items()) if isinstance(value, MAY_HOLD)]
    outline += [(place, _outline(child)) for place, child in type(module)._besides(module)]
    key, forget = id(module), _steps_before.pop
    _, before, steps = _steps_before.get(key, (None, None, {}))
    if before != outline:
        steps = {id(child): step for step, child in children(module).items()}
        _steps_before[key] = weakref.ref(module, lambda _: forget(key, None)), outline, steps
    return steps


_number_and_name = operator.attrgetter("_lamina.serial", "_lamina.name")


def _outline(value: Any, inside: tuple[Any, ...] = ()) -> Any:
    """Returns what is equal only while a value holds the same objects, of the same names, in the same places."""
    if isinstance(value, Held):
        return id(value), *_number_and_name(value)
    if not isinstance(value, MAY_CONTAIN) or any(value is container for container in inside):
        return None
    keys, items = ([*map(str, value)], [*value.values()]) if isinstance(value, dict) else (None, [*value])
    try:
        return keys, [*map(id, items)], [*map(_number_and_name, items)]
    except AttributeError:  # not all of them are variables or modules
        return keys, [_outline(item, (*inside, value)) for item in items]


def _holding_in_containers(held: Held) -> Iterator[Owner]:
    """Yields the modules that hold an object in a container, to which it may have been added behind their backs."""
    for reference in list(with_containers.values()):
        module = reference()
        if module is not None and module is not held and any(_is_in(value, id(held), ()) for value in list(vars(module).values())):
            yield module


def _is_in(value: Any, key: int, inside: tuple[Any, ...]) -> bool:
    """Tells whether an object, known by its `id`, is in a container or in one that it holds."""
    if not isinstance(value, MAY_CONTAIN) or any(value is container for container in inside):
        return False
    items = value.values() if isinstance(value, dict) else value
    if key in map(id, items):
        return True
    if isinstance(value, (set, frozenset)):  # as `walk` does, which finds no order in them for anything else
        return False
    return any(_is_in(item, key, (*inside, value)) for item in items if isinstance(item, MAY_CONTAIN))


def path_of(held: Held) -> str:
    """Returns the names from the root of the tree down to an object, joined by `/`."""
    return Paths().of(held)


def step_to(held: Held) -> str | None:
    """Returns the step that leads to an object from what holds it, or None where nothing does."""
    holder, step = Paths().place(held)
    return None if holder is None else step
