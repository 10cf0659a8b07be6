"""Configs: an object is described by the arguments of its constructor, which are captured by themselves.

A config names a class of Lamina's own by `family` and `class_name`. One of a user's has its `module`, and its full name in that as
`class_name`; and if it was registered, its `registered_name`. Classes are found in the tables of `core/registry.py`; nothing in a
config is ever imported or executed.
"""

import inspect
import numbers
import types
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from typing import Any, ClassVar, Self, TypeVar

import jax
import numpy as np

from lamina.core.checks import is_integer
from lamina.core.per_class import per_class
from lamina.core.plain import decode, encode
from lamina.core.registry import Registry, also_known, full_name, is_own, open_table, registered, tables
from lamina.core.text import ReprMixin, format_arguments, suggest

C = TypeVar("C", bound="Configurable")


class Configurable(ReprMixin):
    """A base for what a constructor's arguments describe: layers, initializers, regularizers, optimizers, ...

    A direct subclass with `family="layers"` opens a family, and each class below it enters the table of that.
    """

    _registry: ClassVar[Registry]
    _is_form: ClassVar[bool]  # set in a class that configs call by the name of the class it is a form of
    _checked_types: ClassVar[tuple[type, ...]] = (bool,)  # arguments of other types are checked by their constructors
    _given: tuple[tuple[Any, ...], dict[str, Any]]

    def __init_subclass__(cls, family: str | None = None, **kwargs: Any) -> None:
        """Enters the class in the table of its family, unless it is a form of one that is there."""
        super().__init_subclass__(**kwargs)
        if family is not None:
            cls._registry = open_table(family, cls)
        if "_is_form" in vars(cls):
            return
        if not is_own(cls):
            cls._registry.add(cls)
        elif cls._registry is not Configurable._registry:  # no config makes a part of Lamina that is of no family
            cls._registry.add_own(cls, cls.__name__)

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Keeps the arguments as they were given.

        Raises:
            TypeError: for an unknown argument, with the nearest known name; and for one of Lamina's own that is annotated with one
                of `_checked_types`, and was given something else.
        """
        if kwargs:
            _refuse_unknown(cls, args, kwargs)
        self = super().__new__(cls)
        cls._keep_arguments(self, _copied((args, kwargs)))
        _refuse_other_types(cls, self._given_by_name())
        return self

    def _keep_arguments(self, given: tuple[tuple[Any, ...], dict[str, Any]]) -> None:
        object.__setattr__(self, "_given", given)

    def _kept_arguments(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return self._given

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments, with objects as dicts: what `from_config` takes."""
        return {name: serialize(value) for name, value in self._arguments().items()}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Self:
        """Returns a new object from what `get_config` returned.

        Args:
            config: that.
            custom_objects: classes and functions by the names that the config has for them.
        """
        with also_known(custom_objects):
            return cls(**{name: _read(value) for name, value in config.items()})

    @classmethod
    def _from_name(cls, name: str) -> Self:
        """Returns what a name alone makes, as in `optimizer="adam"`."""
        return cls()

    def _facts(self) -> Iterable[str]:
        """The arguments as they were given."""
        return format_arguments(self._given_by_name())

    def _given_by_name(self) -> dict[str, Any]:
        args, kwargs = self._kept_arguments()
        cls: type = type(self)
        return {**dict(zip(_signature(cls).parameters, args, strict=False)), **kwargs}

    def _arguments(self) -> dict[str, Any]:
        cls: type = type(self)
        signature = _signature(cls)
        args, kwargs = self._kept_arguments()
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        arguments = {}
        for name, parameter in signature.parameters.items():
            if parameter.kind is parameter.VAR_KEYWORD:
                arguments.update(bound.arguments[name])
            elif parameter.kind is not parameter.VAR_POSITIONAL:
                arguments[name] = bound.arguments[name]
            elif bound.arguments[name]:
                raise NotImplementedError(
                    f"{type(self).__name__} takes *{name}, which a config cannot hold. Write get_config() and from_config()."
                )
        return arguments


Configurable._registry = open_table("objects", Configurable)  # of those of users that are of no other family


def _copied(value: Any) -> Any:
    """Returns lists, tuples and dicts as new ones, so that a config says what was given whatever becomes of them."""
    if isinstance(value, dict):
        return {key: _copied(item) for key, item in value.items()} if type(value) is dict else value
    if type(value) in (list, tuple):
        return type(value)(_copied(item) for item in value)
    return value


@per_class
def _signature(cls: type) -> inspect.Signature:
    """The constructor's signature without self."""
    constructor: Callable[..., None] = cls.__init__  # type: ignore[misc]
    return inspect.Signature(list(inspect.signature(constructor).parameters.values())[1:])


@per_class
def constructor_arguments(cls: type) -> frozenset[str] | None:
    """Returns the names that the constructor takes, following `**kwargs` into the base classes; None if it takes any."""
    names: set[str] = set()
    for base in cls.__mro__:
        if "__init__" not in vars(base):
            continue
        parameters = list(inspect.signature(vars(base)["__init__"]).parameters.values())[1:]
        names |= {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
        if not any(map(_passes_on, parameters)):
            return frozenset(names)
    return None


def _passes_on(parameter: inspect.Parameter) -> bool:
    """Tells whether a parameter takes what a base class may know; `**unknown` only takes what is then refused."""
    return parameter.kind is parameter.VAR_KEYWORD and parameter.name != "unknown"


def unknown_argument(cls: type, name: str) -> TypeError:
    """Returns the error for an argument that the class does not take."""
    return TypeError(f"{cls.__name__} takes no argument {name!r}. {suggest(name, constructor_arguments(cls) or ())}")


def _is_number(value: Any) -> bool:
    number = isinstance(value, numbers.Real) or (np.ndim(value) == 0 and isinstance(value, (np.ndarray, jax.Array)))
    return number and not isinstance(value, bool) and bool(value == value)


_KINDS: dict[Any, tuple[str, Callable[[Any], bool]]] = {
    bool: ("True or False", lambda v: v is None or isinstance(v, (bool, np.bool_)) or (isinstance(v, int) and v in (0, 1))),
    int: ("an integer", is_integer),
    float: ("a number", _is_number),
}


@per_class
def _kinds(cls: Any) -> dict[str, tuple[type, bool]]:
    """Returns, for arguments of Lamina's own constructors that are checked by their types, the type, and whether None is taken too.

    It follows `**kwargs` into the base classes.
    """
    annotations: dict[str, tuple[type, Any]] = {}
    for base in cls.__mro__:
        if "__init__" in vars(base):
            parameters = inspect.signature(vars(base)["__init__"]).parameters.values()
            annotations = {p.name: (base, p.annotation) for p in parameters} | annotations
            if not any(map(_passes_on, parameters)):
                break
    found = {}
    for name, (base, annotation) in annotations.items():
        parts = set(annotation.__args__) if isinstance(annotation, types.UnionType) else {annotation}
        kind = parts - {types.NoneType}
        if len(kind) == 1 and kind <= {*cls._checked_types} and is_own(base):
            found[name] = kind.pop(), types.NoneType in parts
    return found


def _refuse_other_types(cls: type, given: dict[str, Any]) -> None:
    kinds = _kinds(cls)
    for name, value in given.items():
        if name in kinds and not (value is None and kinds[name][1]):
            words, holds = _KINDS[kinds[name][0]]
            if not holds(value):
                raise TypeError(f"{name} of {cls.__name__} must be {words}, not {value!r}.")


def _refuse_unknown(cls: type, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    try:
        _signature(cls).bind(*args, **kwargs)
    except TypeError:
        known = constructor_arguments(cls)
        for name in kwargs:
            if known is not None and name not in known:
                raise unknown_argument(cls, name) from None


# --- out -------------------------------------------------------------------------------------------------------------

_written: ContextVar[dict[str, type] | None] = ContextVar("written", default=None)  # the classes of a config that `remade` asks for


def serialize(value: Any) -> Any:
    """Returns a config value: objects as dicts that name their family and class, functions by name, the rest as it is.

    The config inside such a dict is plain data, as far as it can be. One that says `"named": False` is of an object whose name
    was made up: its path goes by the attribute that it sits in.
    """
    if isinstance(value, Configurable):
        described = {"family": value._registry.family, **_names_of(type(value)), "config": encode(value.get_config())}
        made_up = hasattr(value, "_lamina") and value._lamina.name is None
        return {**described, "named": False} if made_up else described
    if isinstance(value, dict):
        return {key: serialize(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(serialize(item) for item in value) if type(value) in (list, tuple) else value
    if isinstance(value, np.dtype) or (isinstance(value, type) and issubclass(value, np.generic)):
        return np.dtype(value).name
    if isinstance(value, np.generic) or (isinstance(value, (np.ndarray, jax.Array)) and value.ndim == 0):
        return value.item()
    if not callable(value):
        return value
    functions = (table for table in tables.values() if table.base is None)
    return next((name for table in (registered, *functions) if (name := table.name_of(value)) is not None), value)


def _names_of(cls: Any) -> dict[str, str]:
    """Returns how a config names a class: see the top of this file."""
    cls = next((base for base in cls.__mro__ if base in cls._registry), cls)
    names = {"class_name": cls.__name__} if is_own(cls) else {"module": cls.__module__, "class_name": cls.__qualname__}
    given = registered.name_of(cls)
    if given is not None:
        names["registered_name"] = given
    written = _written.get()
    if written is not None and not is_own(cls):
        for name in (full_name(cls), given or full_name(cls)):
            if written.setdefault(name, cls) is not cls:
                raise cls._registry.confusion(name, [written[name], cls])
    return names


# --- in --------------------------------------------------------------------------------------------------------------


def deserialize(value: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Returns what `serialize` was given.

    Args:
        value: what that returned.
        custom_objects: classes and functions by the names that the config has for them.

    Raises:
        ValueError: for a class that the program has not defined, or of which it has several.
    """
    with also_known(custom_objects):
        return _read(value)


def _read(value: Any) -> Any:
    if isinstance(value, dict):
        if {"family", "class_name", "config"} <= set(value):
            return _made(value, value["family"])
        return {key: _read(item) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_read(item) for item in value)
    return value


def _made(described: Mapping[str, Any], family: Any) -> Any:
    table = tables.get(family) if isinstance(family, str) else None
    if table is None or table.base is None:
        raise ValueError(f"Unknown family {family!r} in a config. {suggest(str(family), tables)}")
    config = decode(described.get("config") or {})
    if not isinstance(config, dict):
        raise ValueError(f"The config of {described['class_name']!r} must be a dict of arguments, not {config!r}.")
    made = table.find_class(described).from_config(config)
    if described.get("named") is False:
        made._lamina.name = None
    return made


def resolve(identifier: Any, base: type[Configurable], kind: str, must_be_callable: bool = True) -> Any:
    """Returns the object that a user's argument means: None, an object, a class, a name, or a config.

    Args:
        identifier: what the user gave.
        base: the family's base class.
        kind: what messages call it, for example "initializer".
        must_be_callable: whether an object of the family is called.

    Raises:
        ValueError: for a name that nothing has, with the nearest known one, or that several have.
        TypeError: for what is none of the above.
    """
    if identifier is None:
        return None
    if isinstance(identifier, dict) and "class_name" in identifier:
        found = _made(identifier, identifier.get("family", base._registry.family))
    elif isinstance(identifier, str):
        found = base._registry.find(identifier, kind)
        if isinstance(found, type):
            found = found._from_name(identifier) if issubclass(found, Configurable) else found()
    else:
        found = identifier() if isinstance(identifier, type) else identifier
    if must_be_callable and not callable(found):
        article = "An" if kind[0] in "aeiou" else "A"
        raise TypeError(f"{article} {kind} must be a name, a function or an object of {base.__name__}, not {identifier!r}.")
    return found


def remade(thing: C, /, **changes: Any) -> C:
    """Returns a new object from the config of another, of the same classes inside and out, whatever else has their names.

    Args:
        thing: the other.
        changes: what the config says instead.

    >>> remade(lamina.initializers.Constant(3.0), value=4.0)
    <Constant value=4.0>
    """
    written: dict[str, type] = {}
    token = _written.set(written)
    try:
        config = thing.get_config()
    finally:
        _written.reset(token)
    with also_known(written, first=True):
        return type(thing).from_config({**config, **changes})
