"""The tree of attributes: what holds what.

A `Module` is anything that owns variables: a layer, a metric, an optimizer, a seed generator. What it owns is whatever its
attributes hold, in lists, tuples, dicts and sets too, and in what derives from these, in the order of assignment, each object once.
(As in Keras, not in a deque, which may hold the many arrays of a replay memory.) What is held knows what holds it: an attribute
that is assigned attaches its value, one that is replaced or deleted detaches it. Lists, dicts and sets are looked through when the
tree is read, so there are no containers to keep in sync: append to a list and it is found. Reading changes nothing.

All that Lamina itself keeps of an object is in one attribute, `_lamina`, so that every other name is the user's. The functions
here are no methods for the same reason.
"""

import copy
import itertools
import weakref
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar, Self

from lamina.core.names import next_serial, snake_case


class Record:
    """What Lamina keeps of an object in the tree.

    Attributes:
        name: the name that it was given, or None.
        serial: tells the order in which objects were made.
        holders: what holds it or has held it, with the attribute, in the order of assignment.
        arguments: what its constructor was given, by place and by name.
    """

    __slots__ = ("arguments", "holders", "name", "serial")

    def __init__(self) -> None:
        self.name: str | None = None
        self.serial = next_serial()
        self.holders: list[tuple[weakref.ref[Owner], str]] = []
        self.arguments: tuple[tuple[Any, ...], dict[str, Any]] = (), {}

    @classmethod
    def in_place_of(cls, other: "Record") -> Self:
        """Returns a record with what another, of a base class, keeps."""
        record = cls()
        for field in _fields(type(other)):
            setattr(record, field, getattr(other, field))
        return record

    def __copy__(self) -> Self:
        copied = type(self).__new__(type(self))
        for field in _fields(type(self)):
            setattr(copied, field, getattr(self, field))
        return copied

    def __getstate__(self) -> dict[str, Any]:
        """Leaves out of copies what holds the original."""
        return {field: getattr(self, field) for field in _fields(type(self)) if field not in self._not_copied()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.holders = []
        for field, value in state.items():
            setattr(self, field, value)

    def of_copy(self) -> Self:
        """Returns the record of a shallow copy of the object: its own, of the same contents, and nothing holds the copy yet."""
        record = type(self).__new__(type(self))
        kept = self.__getstate__()
        record.__setstate__({field: copy.copy(value) if isinstance(value, MAY_CONTAIN) else value for field, value in kept.items()})
        record.serial = next_serial()
        return record

    @classmethod
    def _not_copied(cls) -> frozenset[str]:
        return frozenset({"holders"})


def _fields(cls: type) -> list[str]:
    return [field for base in cls.__mro__ for field in getattr(base, "__slots__", ())]


class Held:
    """What modules hold: variables and modules."""

    __slots__ = ()
    _lamina: Record


class Owner(Held):
    """What holds variables and other owners, in its attributes and besides: a `Owner`."""

    _by_name: ClassVar[bool] = False  # whether steps to modules are their names
    _apart: ClassVar[bool] = False  # whether its variables are not among those of what holds it, as with optimizers
    _besides_first: ClassVar[bool] = False  # whether what it owns besides its attributes comes before these

    @property
    def name(self) -> str:
        """What it is called."""
        raise NotImplementedError

    def _parts_by_name(self) -> Mapping[str, Any]:
        """Returns what it owns besides its attributes that goes by names."""
        return _NO_PARTS

    def _besides(self) -> Iterable[tuple[str, Any]]:
        """Returns what it owns that no attribute holds, each with its name."""
        return type(self)._parts_by_name(self).items()


def attach(module: "Owner", attribute: str, value: Any) -> None:
    """Notes that an attribute holds a value, or what is in it."""
    if not isinstance(value, Held) and (not isinstance(value, tuple) or any(isinstance(item, MAY_CONTAIN) for item in value)):
        key, forget = id(module), with_containers.pop  # which is there until Python ends, as the name of the table is not
        with_containers[key] = weakref.ref(module, lambda _: forget(key, None))
    for _, held in walk(attribute, value):
        holders = held._lamina.holders
        if not any(name == attribute and reference() is module for reference, name in holders):
            holders.append((weakref.ref(module), attribute))


def detach(module: "Owner", attribute: str, value: Any) -> None:
    """Notes that an attribute no longer holds a value, or what is in it."""
    for _, held in walk(attribute, value):
        kept = [(reference, name) for reference, name in held._lamina.holders if name != attribute or reference() is not module]
        held._lamina.holders = [(reference, name) for reference, name in kept if reference() is not None]


def walk(place: str, value: Any, inside: tuple[Any, ...] = ()) -> Iterator[tuple[str, Held]]:
    """Yields what an attribute holds, with the path to it: `heads/a`.

    Args:
        place: the path to the value.
        value: a variable, a module, a container of such, or anything else, which holds nothing.
        inside: the containers around it, for one that holds itself.
    """
    if isinstance(value, Held):
        yield place, value
        return
    if not isinstance(value, MAY_CONTAIN) or any(value is container for container in inside):
        return
    if HOLDS_NOTHING.issuperset(map(type, value.values() if isinstance(value, dict) else value)):
        return
    inside = (*inside, value)
    if isinstance(value, dict):
        for key, item in value.items():
            yield from walk(f"{place}/{key}", item, inside)
    elif isinstance(value, (set, frozenset)):
        for item in sorted((item for item in value if isinstance(item, Held)), key=lambda item: item._lamina.serial):
            yield place, item
    else:
        for i, item in enumerate(value):
            yield from walk(f"{place}/{i}", item, inside)


# Modules whose attributes hold lists, dicts or sets: what was appended to these later does not know what holds it.
with_containers: dict[int, "weakref.ref[Owner]"] = {}

HOLDS_NOTHING = frozenset({type(None), bool, int, float, str})  # most attributes are of these
MAY_CONTAIN = (list, tuple, dict, set, frozenset)
MAY_HOLD = (Held, *MAY_CONTAIN)
_NO_PARTS: Mapping[str, Any] = {}


# --- reading ---------------------------------------------------------------------------------------------------------


def owned(module: Owner) -> Iterator[tuple[str, Held]]:
    """Yields what a module owns directly, with where it sits: `kernel`, `heads/a`; an object as often as it is held."""
    kind = type(module)
    if kind._besides_first:
        yield from kind._besides(module)
    for name, value in list(vars(module).items()):
        if type(value) in _plain_kinds:
            continue
        if isinstance(value, Held):
            yield name, value
        elif isinstance(value, MAY_HOLD):
            yield from walk(name, value)
        elif type(value).__module__.startswith(_LASTING):
            _plain_kinds.add(type(value))
    if not kind._besides_first:
        yield from kind._besides(module)


_plain_kinds: set[type] = set()  # of what was found to hold nothing: classes that last as long as Python does
_LASTING = ("builtins", "lamina.")


def children(module: Owner, anew: bool = False) -> dict[str, Any]:
    """Returns what a module owns directly, each object once, by the step that leads to it.

    Args:
        module: what owns them.
        anew: whether automatic names are numbered from the module's first child on, not from the first object of the session.
    """
    steps = _Steps()
    seen: set[int] = {id(module)}
    by_name = type(module)._by_name
    for place, child in owned(module):
        if id(child) not in seen:
            seen.add(id(child))
            named = by_name and isinstance(child, Owner)
            automatic = (snake_case(type(child).__name__) if anew else child.name) if named else place  # type: ignore[attr-defined]
            steps.add(child._lamina.name or automatic, child)
    return steps.taken


class _Steps:
    """The steps that lead from a module to its children, no two of which are the same.

    Attributes:
        taken: the children by the steps.
    """

    def __init__(self) -> None:
        self.taken: dict[str, Any] = {}
        self._inner: set[str] = set()  # the steps on the way to a child (`heads` of `heads/a`)
        self._numbers: dict[str, Iterator[int]] = {}  # for each step that was wanted twice, those not tried yet

    def add(self, step: str, child: Any) -> None:
        """Adds a child; the first part of its step is numbered if that, or a part of the way, leads to another child already."""
        if "/" not in step and step not in self.taken and step not in self._inner:
            self.taken[step] = child
        elif not self._add(step, child):
            head, slash, rest = step.partition("/")
            numbers = self._numbers.setdefault(step, itertools.count(1))
            next(n for n in numbers if self._add(f"{head}_{n}{slash}{rest}", child))

    def _add(self, step: str, child: Any) -> bool:
        """Adds a child by a step, if that leads nowhere yet; tells whether it did."""
        parts = step.split("/")
        way = ["/".join(parts[:n]) for n in range(1, len(parts))]
        free = step not in self.taken and step not in self._inner and not any(part in self.taken for part in way)
        if free:
            self.taken[step] = child
            self._inner.update(way)
        return free


def variables_in(module: Owner) -> list[Any]:
    """Returns the variables that a module holds itself."""
    return list({id(child): child for _, child in owned(module) if not isinstance(child, Owner)}.values())


def modules_of(root: Owner) -> list[Any]:
    """Returns a module and all modules below it, each once, parents before their children."""
    found: dict[int, Owner] = {}
    stack: list[Owner] = [root]
    while stack:
        module = stack.pop()
        if id(module) not in found:
            found[id(module)] = module
            below = [child for _, child in owned(module) if isinstance(child, Owner)]
            stack.extend(child for child in reversed(below) if not type(child)._apart)
    return list(found.values())


def variables_of(root: Owner) -> list[Any]:
    """Returns all variables of a module and of those below it, each once."""
    return list({id(variable): variable for module in modules_of(root) for variable in variables_in(module)}.values())


def below(root: Owner) -> Iterator[tuple[str, Any]]:
    """Yields what is below a module, each object once, with the steps that lead there: `hidden/kernel`.

    The steps are the same in each session, whatever was made in it before: automatic names are numbered anew in each module. What
    stands apart, as optimizers do, is left out.
    """
    seen: set[int] = {id(root)}
    stack: list[tuple[str, Any]] = [("", root)]
    while stack:
        path, held = stack.pop()
        if path:
            yield path, held
        if isinstance(held, Owner):
            new = [(step, child) for step, child in children(held, anew=True).items() if id(child) not in seen]
            seen.update(id(child) for _, child in new)
            stack.extend(
                (f"{path}/{step}" if path else step, child)
                for step, child in reversed(new)
                if not getattr(type(child), "_apart", False)
            )
