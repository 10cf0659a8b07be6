"""Configs: an object is described by the arguments of its constructor, which are captured by themselves.

Classes are found by name among those that the program has defined; nothing in a config is ever imported or executed.
"""

import functools
import inspect
import numbers
import types
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, Self

import jax
import numpy as np

from lamina.core.custom_objects import get_registered_object, own_name
from lamina.core.errors import suggest
from lamina.core.plain import decode, encode
from lamina.core.shown import Shown, shown_arguments

_families: dict[str, type["Configurable"]] = {}


class Configurable(Shown):
    """A base for what a constructor's arguments describe: layers, initializers, regularizers, optimizers, ...

    A direct subclass with `family="layers"` opens a family; each class below it is known there by its name.
    """

    family: ClassVar[str] = ""
    registry: ClassVar[dict[str, type["Configurable"]]] = {}
    checked_types: ClassVar[tuple[type, ...]] = (bool,)  # arguments of other types are checked by their constructors
    _given: tuple[tuple[Any, ...], dict[str, Any]]

    def __init_subclass__(cls, family: str | None = None, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if family is not None:
            cls.family, cls.registry = family, {}
            _families[family] = cls
        cls.registry[registered_name(cls)] = cls

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Keeps the arguments as they were given.

        Raises:
            TypeError: for an unknown argument, with the nearest known name; and for one of Lamina's own that is annotated with one
                of `checked_types`, and was given something else.
        """
        if kwargs:
            _refuse_unknown(cls, args, kwargs)
        self = super().__new__(cls)
        object.__setattr__(self, "_given", _copied((args, kwargs)))
        _refuse_other_types(cls, self._given_by_name())
        return self

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments, with objects as dicts: what `from_config` takes."""
        return {name: serialize(value) for name, value in self._arguments().items()}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Returns a new object from what `get_config` returned."""
        return cls(**{name: deserialize(value) for name, value in config.items()})

    def _facts(self) -> Iterable[str]:
        """The arguments as they were given."""
        return shown_arguments(self._given_by_name())

    def _given_by_name(self) -> dict[str, Any]:
        args, kwargs = self._given
        cls: type = type(self)
        return {**dict(zip(_signature(cls).parameters, args, strict=False)), **kwargs}

    def _arguments(self) -> dict[str, Any]:
        cls: type = type(self)
        signature = _signature(cls)
        args, kwargs = self._given
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


def _copied(value: Any) -> Any:
    """Returns lists, tuples and dicts as new ones, so that a config says what was given whatever becomes of them."""
    if isinstance(value, dict):
        return {key: _copied(item) for key, item in value.items()} if type(value) is dict else value
    if type(value) in (list, tuple):
        return type(value)(_copied(item) for item in value)
    return value


def registered_name(cls: type) -> str:
    """Returns the name a class is known by: the one it was given, or its own, with `Custom>` before it outside of Lamina."""
    given = own_name(cls)
    if given is not None:
        return given
    return cls.__name__ if cls.__module__.startswith("lamina.") else f"Custom>{cls.__name__}"


@functools.cache
def _signature(cls: type) -> inspect.Signature:
    """The constructor's signature without self."""
    constructor: Callable[..., None] = cls.__init__  # type: ignore[misc]
    return inspect.Signature(list(inspect.signature(constructor).parameters.values())[1:])


@functools.cache
def constructor_arguments(cls: type) -> frozenset[str] | None:
    """Returns the names that the constructor takes, following `**kwargs` into the base classes; None if it takes any."""
    names: set[str] = set()
    for base in cls.__mro__:
        if "__init__" not in vars(base):
            continue
        parameters = list(inspect.signature(vars(base)["__init__"]).parameters.values())[1:]
        names |= {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            return frozenset(names)
    return None


def unknown_argument(cls: type, name: str) -> TypeError:
    """Returns the error for an argument that the class does not take."""
    return TypeError(f"{cls.__name__} takes no argument {name!r}. {suggest(name, constructor_arguments(cls) or ())}")


def _is_integer(value: Any) -> bool:
    return not isinstance(value, bool) and hasattr(value, "__index__")


def _is_number(value: Any) -> bool:
    number = isinstance(value, numbers.Real) or (np.ndim(value) == 0 and isinstance(value, (np.ndarray, jax.Array)))
    return number and not isinstance(value, bool) and bool(value == value)


_KINDS: dict[Any, tuple[str, Callable[[Any], bool]]] = {
    bool: ("True or False", lambda v: v is None or isinstance(v, (bool, np.bool_)) or (isinstance(v, int) and v in (0, 1))),
    int: ("an integer", _is_integer),
    float: ("a number", _is_number),
}


@functools.cache
def _kinds(cls: Any) -> dict[str, tuple[type, bool]]:
    """Returns, for arguments of Lamina's own constructors that are checked by their types, the type, and whether None is taken too.

    It follows `**kwargs` into the base classes.
    """
    annotations: dict[str, tuple[type, Any]] = {}
    for base in cls.__mro__:
        if "__init__" in vars(base):
            parameters = inspect.signature(vars(base)["__init__"]).parameters.values()
            annotations = {p.name: (base, p.annotation) for p in parameters} | annotations
            if not any(p.kind is p.VAR_KEYWORD for p in parameters):
                break
    found = {}
    for name, (base, annotation) in annotations.items():
        parts = set(annotation.__args__) if isinstance(annotation, types.UnionType) else {annotation}
        kind = parts - {types.NoneType}
        if len(kind) == 1 and kind <= {*cls.checked_types} and base.__module__.startswith("lamina."):
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


def serialize(value: Any) -> Any:
    """Returns a config value: objects as dicts that name their family and class, functions by name, the rest as it is.

    The config inside such a dict is plain data, as far as it can be. One that says `"named": False` is of an object whose name
    was made up: its path goes by the attribute that it sits in.
    """
    if isinstance(value, Configurable):
        described = {"family": value.family, "class_name": registered_name(type(value)), "config": encode(value.get_config())}
        return described if getattr(value, "_explicit_name", "") is not None else {**described, "named": False}
    if isinstance(value, dict):
        return {key: serialize(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(serialize(item) for item in value) if type(value) in (list, tuple) else value
    if isinstance(value, np.dtype) or (isinstance(value, type) and issubclass(value, np.generic)):
        return np.dtype(value).name
    if isinstance(value, np.generic) or (isinstance(value, (np.ndarray, jax.Array)) and value.ndim == 0):
        return value.item()
    name = getattr(value, "registered_name", None) or own_name(value)
    return name if isinstance(name, str) else value


def deserialize(value: Any) -> Any:
    """Returns what `serialize` was given. Raises ValueError for a class that the program has not defined."""
    if isinstance(value, dict):
        if {"family", "class_name", "config"} <= set(value):
            base = _families.get(value["family"])
            if base is None:
                raise ValueError(f"Unknown family {value['family']!r} in a config. {suggest(str(value['family']), _families)}")
            made = find_class(base, value["class_name"]).from_config(decode(value["config"]))
            if value.get("named") is False:
                made._explicit_name = None
            return made
        return {key: deserialize(item) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(deserialize(item) for item in value)
    return value


def find_class(base: type[Configurable], name: str) -> type[Any]:
    """Returns the class of the family that goes by `name`: its own name, or `Custom>` and its name."""
    for found in (get_registered_object(name), base.registry.get(name), base.registry.get(f"Custom>{name}")):
        if isinstance(found, type) and issubclass(found, base):
            return found
    raise ValueError(
        f"Unknown class {name!r} in {base.family}. {suggest(name, base.registry)} A class of your own is known once it is defined."
    )


def resolve(
    identifier: Any,
    base: type[Configurable],
    names: Mapping[str, Callable[..., Any]],
    kind: str,
    must_be_callable: bool = True,
) -> Any:
    """Returns the object that a user's argument means: None, an object, a class, a name, or a config.

    Args:
        identifier: what the user gave.
        base: the family's base class.
        names: the short names of the family, each with what makes the object.
        kind: what messages call it, for example "initializer".
        must_be_callable: whether an object of the family is called.

    Raises:
        ValueError: for an unknown name, with the nearest known one.
        TypeError: for what is none of the above.
    """
    if identifier is None:
        return None
    if isinstance(identifier, dict):
        found = deserialize({"family": base.family, "config": {}, **identifier})
    elif isinstance(identifier, str):
        custom = get_registered_object(identifier)
        if custom is not None:
            found = custom() if isinstance(custom, type) else custom
        elif identifier in names:
            found = names[identifier]()
        elif identifier in base.registry or f"Custom>{identifier}" in base.registry:
            found = find_class(base, identifier)()
        else:
            raise ValueError(f"Unknown {kind} {identifier!r}. {suggest(identifier, [*names, *base.registry])}")
    elif isinstance(identifier, type):
        found = identifier()
    else:
        found = identifier
    if must_be_callable and not callable(found):
        article = "An" if kind[0] in "aeiou" else "A"
        raise TypeError(f"{article} {kind} must be a name, a function or an object of {base.__name__}, not {identifier!r}.")
    return found
