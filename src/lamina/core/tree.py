"""The tree of attributes: what holds what, and the names and paths that follow from it.

A `Module` is anything that owns variables: a layer, a metric, an optimizer, a seed generator. What it owns is whatever its
attributes hold, in lists, tuples, dicts and sets too, and in what derives from these, in the order of assignment, each object once.
(As in Keras, not in a deque, which may hold the many arrays of a replay memory.) What is held knows what holds it: an attribute
that is assigned attaches its value, one that is replaced or deleted detaches it. Lists, dicts and sets are looked through when the
tree is read, so there are no containers to keep in sync: append to a list and it is found. Reading changes nothing.

All that Lamina itself keeps of an object is in one attribute, `_lamina`, so that every other name is the user's. The functions
here are no methods for the same reason.
"""

import collections
import copy
import itertools
import operator
import re
import threading
import weakref
from collections.abc import Iterable, Iterator, Mapping, Set
from typing import Any, ClassVar, Self

from lamina.core.config import Configurable
from lamina.core.context import context
from lamina.core.errors import user_line

# --- names -----------------------------------------------------------------------------------------------------------

_taken: collections.Counter[str] = collections.Counter()
_lock = threading.Lock()
_serials = itertools.count()


def next_serial() -> int:
    """Returns a number that tells the order in which objects were made."""
    return next(_serials)


def snake_case(class_name: str) -> str:
    """Returns a class name as a name of a layer.

    >>> [snake_case(name) for name in ("Dense", "MyConvBNLayer", "Conv2DTranspose")]
    ['dense', 'my_conv_bn_layer', 'conv2d_transpose']
    """
    words = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z0-9])(?=[A-Z][a-z])", "_", class_name)
    return words.strip("_").lower() or "layer"


def unique_name(base: str) -> str:
    """Returns `base`, then `base_1`, `base_2`, ... until `clear_session` starts anew.

    >>> lamina.clear_session()
    >>> [unique_name("dense"), unique_name("dense")]
    ['dense', 'dense_1']
    """
    with _lock:
        number = _taken[base]
        _taken[base] += 1
    return f"{base}_{number}" if number else base


def clear_session() -> None:
    """Starts automatic names anew, so that the next `Dense` is called `dense` again.

    Layers that exist keep their names. Nothing else is global in a session, so nothing else is cleared.
    """
    with _lock:
        _taken.clear()


def check_name(name: str) -> str:
    """Returns the name; raises ValueError for what cannot be one step of a path."""
    if not isinstance(name, str) or not name or "/" in name:
        raise ValueError(f"A name must be a string that is not empty and has no '/', not {name!r}.")
    return name


# --- what is held ----------------------------------------------------------------------------------------------------


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
        self.holders: list[tuple[weakref.ref[Module], str]] = []
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
        record.__setstate__(
            {field: copy.copy(value) if isinstance(value, _MAY_CONTAIN) else value for field, value in kept.items()}
        )
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


def attach(module: "Module", attribute: str, value: Any) -> None:
    """Notes that an attribute holds a value, or what is in it."""
    if not isinstance(value, Held) and (not isinstance(value, tuple) or any(isinstance(item, _MAY_CONTAIN) for item in value)):
        key, forget = id(module), _with_containers.pop  # which is there until Python ends, as the name of the table is not
        _with_containers[key] = weakref.ref(module, lambda _: forget(key, None))
    for _, held in walk(attribute, value):
        holders = held._lamina.holders
        if not any(name == attribute and reference() is module for reference, name in holders):
            holders.append((weakref.ref(module), attribute))


def detach(module: "Module", attribute: str, value: Any) -> None:
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
    if not isinstance(value, _MAY_CONTAIN) or any(value is container for container in inside):
        return
    if _HOLDS_NOTHING.issuperset(map(type, value.values() if isinstance(value, dict) else value)):
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
_with_containers: dict[int, "weakref.ref[Module]"] = {}

_HOLDS_NOTHING = frozenset({type(None), bool, int, float, str})  # most attributes are of these
_MAY_CONTAIN = (list, tuple, dict, set, frozenset)
_MAY_HOLD = (Held, *_MAY_CONTAIN)
_NO_PARTS: Mapping[str, Any] = {}


def _hidden_by_attributes(cls: type) -> frozenset[str]:
    """Returns the public names of a class that an attribute would hide."""
    return frozenset(name for name, value in vars(cls).items() if name[:1] != "_" and is_hidden_by_attributes(value))


class Module(Configurable, Held):
    """Anything that owns variables, directly or through other modules.

    Its path is the root's name and then, for each step down, the explicit name of what is there, or the attribute that it
    sits in (`hidden`, `steps/0`, `heads/a`). Models that are made of named parts go by the parts' names.
    """

    _record: ClassVar[type[Record]] = Record
    _by_name: ClassVar[bool] = False  # whether steps to modules are their names
    _apart: ClassVar[bool] = False  # whether its variables are not among those of what holds it, as with optimizers
    _besides_first: ClassVar[bool] = False  # whether what it owns besides its attributes comes before these
    _public: ClassVar[frozenset[str]] = frozenset()  # names of Lamina's that an attribute would hide, or is looked at for

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        inherited = frozenset().union(*(getattr(base, "_public", ()) for base in cls.__bases__))
        own = _hidden_by_attributes(cls) | vars(cls).get("_own_attributes", {}).keys()
        cls._public = inherited | own if cls.__module__.startswith("lamina.") else inherited - vars(cls).keys()

    def _keep_arguments(self, given: tuple[tuple[Any, ...], dict[str, Any]]) -> None:
        vars(self)["_lamina"] = type(self)._record()  # the first thing that it has, so that attributes can be set from here on
        self._lamina.arguments = given

    def _kept_arguments(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return self._lamina.arguments

    @property
    def name(self) -> str:
        """The explicit name, else one made from the class's."""
        return self._lamina.name or snake_case(type(self).__name__)

    @property
    def path(self) -> str:
        """The names from the root of the tree down to this object, joined by `/`."""
        return path_of(self)

    @property
    def variables(self) -> list[Any]:
        """All variables of this object and of what it owns: weights, and the state of metrics and seed generators."""
        return variables_of(self)

    # --- attributes --------------------------------------------------------------------------------------------------

    def __setattr__(self, name: str, value: Any) -> None:
        cls, attributes = type(self), self.__dict__
        if name in cls._public:
            cls._check_name(self, name, value)
        if context.attributes is not None and not isinstance(value, Held):
            context.attributes.note(self, name, value)
        before = attributes.get(name)
        if type(value) in _HOLDS_NOTHING and type(before) in _HOLDS_NOTHING:
            super().__setattr__(name, value)
            return
        if before is not value and isinstance(before, _MAY_HOLD):
            cls._check_replaced(self, name, before, value)
            detach(self, name, before)
            if isinstance(value, _MAY_HOLD):
                del attributes[name]  # the order of attributes is the order of assignment
        super().__setattr__(name, value)
        if isinstance(value, _MAY_HOLD) and attributes.get(name) is value:
            attach(self, name, value)
            cls._attached(self, value)

    def __delattr__(self, name: str) -> None:
        before = self.__dict__.get(name)
        if isinstance(before, _MAY_HOLD):
            type(self)._check_replaced(self, name, before, None)
        super().__delattr__(name)
        detach(self, name, before)

    def _check_name(self, name: str, value: Any) -> None:
        """Raises AttributeError if an attribute of a public name of Lamina's must not have this value."""
        refuse_to_hide(self, name, value)

    def _check_replaced(self, name: str, before: Any, now: Any) -> None:
        """Raises an error if an attribute must not be given another object now, or be deleted, which is None."""

    def _attached(self, value: Any) -> None:
        """Takes note of what an attribute has been given."""

    def _parts_by_name(self) -> Mapping[str, Any]:
        """Returns what it owns besides its attributes that goes by names."""
        return _NO_PARTS

    def _host_state(self) -> dict[str, Any]:
        """Returns what of its own state lives on the host, by name."""
        return {}

    def _set_host_state(self, state: dict[str, Any]) -> None:
        """Gives it what `_host_state` returned."""

    def _besides(self) -> Iterable[tuple[str, Any]]:
        """Returns what it owns that no attribute holds, each with its name."""
        return type(self)._parts_by_name(self).items()

    def __copy__(self) -> Self:
        """Returns another object that holds what this one does."""
        copied = type(self).__new__(type(self))
        state: dict[str, Any] = self.__getstate__()  # type: ignore[assignment]
        copied.__setstate__({**state, "_lamina": self._lamina.of_copy()})
        return copied

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Makes a copy what holds its parts, as the original holds those it was copied from."""
        holders = self._lamina.holders
        replace_attributes(self, state)
        self._lamina.holders = [*holders, *self._lamina.holders]
        for name, part in type(self)._besides(self):
            attach(self, name, part)


def is_hidden_by_attributes(value: Any) -> bool:
    """Tells whether something in a class body would be out of reach behind an attribute of its name."""
    if isinstance(value, property):
        return value.fset is None
    return isinstance(value, (classmethod, staticmethod)) or callable(value)


Module._public = _hidden_by_attributes(Configurable) | _hidden_by_attributes(Module)


def refuse_to_hide(module: Module, name: str, value: Any) -> None:
    """Raises AttributeError for an attribute that would hide a public name of Lamina's; a method may be replaced by a function."""
    known = getattr(type(module), name)
    if not isinstance(known, property) and callable(value) and not isinstance(value, Held):
        return
    owner = next((base for base in type(module).__mro__ if name in vars(base)), type(module))
    what = "the property" if isinstance(known, property) else "the method"
    raise AttributeError(
        f"self.{name} = ... of {type(module).__name__}, at {user_line()}, would hide {what} {owner.__name__}.{name}. Take another "
        f"name: self.own_{name} = ..."
    )


def replace_attributes(module: Module, attributes: dict[str, Any]) -> None:
    """Gives a module all of its attributes anew, in their order, without the checks that an assignment makes."""
    for name, value in vars(module).items():
        detach(module, name, value)
    vars(module).clear()
    vars(module).update(attributes)
    for name, value in attributes.items():
        if isinstance(value, _MAY_HOLD):
            attach(module, name, value)


# --- reading ---------------------------------------------------------------------------------------------------------


def owned(module: Module) -> Iterator[tuple[str, Held]]:
    """Yields what a module owns directly, with where it sits: `kernel`, `heads/a`; an object as often as it is held."""
    kind = type(module)
    if kind._besides_first:
        yield from kind._besides(module)
    for name, value in list(vars(module).items()):
        if type(value) in _plain_kinds:
            continue
        if isinstance(value, Held):
            yield name, value
        elif isinstance(value, _MAY_HOLD):
            yield from walk(name, value)
        elif type(value).__module__.startswith(_LASTING):
            _plain_kinds.add(type(value))
    if not kind._besides_first:
        yield from kind._besides(module)


_plain_kinds: set[type] = set()  # of what was found to hold nothing: classes that last as long as Python does
_LASTING = ("builtins", "lamina.")


def children(module: Module, anew: bool = False) -> dict[str, Any]:
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
            named = by_name and isinstance(child, Module)
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


def variables_in(module: Module) -> list[Any]:
    """Returns the variables that a module holds itself."""
    return list({id(child): child for _, child in owned(module) if not isinstance(child, Module)}.values())


def modules_of(root: Module) -> list[Any]:
    """Returns a module and all modules below it, each once, parents before their children."""
    found: dict[int, Module] = {}
    stack: list[Module] = [root]
    while stack:
        module = stack.pop()
        if id(module) not in found:
            found[id(module)] = module
            below = [child for _, child in owned(module) if isinstance(child, Module)]
            stack.extend(child for child in reversed(below) if not type(child)._apart)
    return list(found.values())


def variables_of(root: Module) -> list[Any]:
    """Returns all variables of a module and of those below it, each once."""
    return list({id(variable): variable for module in modules_of(root) for variable in variables_in(module)}.values())


def below(root: Module) -> Iterator[tuple[str, Any]]:
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
        if isinstance(held, Module):
            new = [(step, child) for step, child in children(held, anew=True).items() if id(child) not in seen]
            seen.update(id(child) for _, child in new)
            stack.extend(
                (f"{path}/{step}" if path else step, child)
                for step, child in reversed(new)
                if not getattr(type(child), "_apart", False)
            )


# --- paths -----------------------------------------------------------------------------------------------------------


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

    def place(self, held: Held, beneath: Set[int] = frozenset()) -> tuple[Module | None, str]:
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

    def _step(self, module: Module, held: Held) -> str | None:
        """Returns the step from a module to an object, or None if it does not hold it (any more)."""
        parts = type(module)._parts_by_name(module)
        if parts and isinstance(held, Module) and parts.get(held.name) is held:
            name: str = held.name
            return name
        steps = self._steps.get(id(module))
        if steps is None:
            steps = self._steps[id(module)] = _steps_to_children(module)
            self._alive.append(module)
        return steps.get(id(held))


# The steps to the children of modules that hold many, with an outline of what these held then: paths may be asked for one by one.
_steps_before: "dict[int, tuple[weakref.ref[Module], Any, dict[int, str]]]" = {}
_MANY = 32


def _steps_to_children(module: Module) -> dict[int, str]:
    """Returns the steps from a module to what it owns, by `id`; those from before, if it holds exactly what it held."""
    held = vars(module)
    if len(held) <= _MANY and not any(isinstance(value, _MAY_CONTAIN) and len(value) > _MANY for value in list(held.values())):
        return {id(child): step for step, child in children(module).items()}
    outline = [(name, _outline(value)) for name, value in list(held.items()) if isinstance(value, _MAY_HOLD)]
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
    if not isinstance(value, _MAY_CONTAIN) or any(value is container for container in inside):
        return None
    keys, items = ([*map(str, value)], [*value.values()]) if isinstance(value, dict) else (None, [*value])
    try:
        return keys, [*map(id, items)], [*map(_number_and_name, items)]
    except AttributeError:  # not all of them are variables or modules
        return keys, [_outline(item, (*inside, value)) for item in items]


def _holding_in_containers(held: Held) -> Iterator[Module]:
    """Yields the modules that hold an object in a container, to which it may have been added behind their backs."""
    for reference in list(_with_containers.values()):
        module = reference()
        if module is not None and module is not held and any(_is_in(value, id(held), ()) for value in list(vars(module).values())):
            yield module


def _is_in(value: Any, key: int, inside: tuple[Any, ...]) -> bool:
    """Tells whether an object, known by its `id`, is in a container or in one that it holds."""
    if not isinstance(value, _MAY_CONTAIN) or any(value is container for container in inside):
        return False
    items = value.values() if isinstance(value, dict) else value
    if key in map(id, items):
        return True
    if isinstance(value, (set, frozenset)):  # as `walk` does, which finds no order in them for anything else
        return False
    return any(_is_in(item, key, (*inside, value)) for item in items if isinstance(item, _MAY_CONTAIN))


def path_of(held: Held) -> str:
    """Returns the names from the root of the tree down to an object, joined by `/`."""
    return Paths().of(held)


def step_to(held: Held) -> str | None:
    """Returns the step that leads to an object from what holds it, or None where nothing does."""
    holder, step = Paths().place(held)
    return None if holder is None else step
