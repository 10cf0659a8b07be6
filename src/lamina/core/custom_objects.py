"""Names of one's own for classes and functions, as configs and arguments such as `activation="..."` say them.

A class of one's own is known once it is defined (`core/registry.py`). This is for functions, for names that differ from the
class's, and for code written for Keras.
"""

import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from contextlib import AbstractContextManager
from types import MethodType
from typing import Any, TypeVar

from lamina.core.registry import also_known, custom_object, global_objects, registered
from lamina.core.text import ReprMixin

T = TypeVar("T")


def register_keras_serializable(package: str = "Custom", name: str | None = None) -> Callable[[T], T]:
    """Returns a decorator that gives a class or a function the name `package>name` in configs and arguments.

    The name is known for as long as something holds the class or function, as the module in which it is defined does. Where no
    other has it, the second part of the name serves too.

    Args:
        package: the first part of the name.
        name: the second part; by default that of the class or function.

    Raises:
        ValueError: for a class that has no `get_config`, or a name that something else is registered under.
        TypeError: for what cannot be referred to weakly, such as a NumPy function, and a method of an object.

    >>> @lamina.utils.register_keras_serializable("mine")
    ... def halve(x):
    ...     return x / 2
    >>> print(lamina.layers.Activation("mine>halve")(jnp.ones(2)), lamina.layers.Activation("halve")(jnp.ones(2)))
    [0.5 0.5] [0.5 0.5]
    """

    def register(thing: T) -> T:
        if isinstance(thing, type) and not hasattr(thing, "get_config"):
            raise ValueError(f"{thing.__name__} has no get_config, so no config can describe it. Write get_config(self).")
        if not _lasts(thing):
            raise TypeError(f"{thing!r} cannot be registered. Define a function that calls it, and register that.")
        registered.register(thing, package, name or thing.__name__)  # type: ignore[attr-defined]
        return thing

    return register


def _lasts(thing: Any) -> bool:
    """Tells whether a table can hold a thing weakly, for as long as its owner does; a method is made anew when it is looked up."""
    try:
        hash(weakref.ref(thing))
    except TypeError:
        return False
    return not isinstance(thing, MethodType)


def get_registered_name(obj: Any) -> str:
    """Returns the name that a class or function was registered under, or else its own.

    >>> lamina.utils.get_registered_name(lamina.layers.Dense)
    'Dense'
    """
    return registered.name_of(obj) or obj.__name__


def get_registered_object(
    name: str, custom_objects: Mapping[str, Any] | None = None, module_objects: Mapping[str, Any] | None = None
) -> Any:
    """Returns the class or function of a name: from the scopes around, from what is given, or from what is registered.

    Args:
        name: the name.
        custom_objects: more names, which come before those that are registered.
        module_objects: yet more names, which come last.

    Returns:
        The class or function, or None.

    Raises:
        ValueError: if several are registered under the name.
    """
    with also_known(custom_objects):
        found = custom_object([name])
    found = registered.only([lambda: registered.called(name)], name) if found is None else found
    return (module_objects or {}).get(name) if found is None else found


class CustomObjects(MutableMapping[str, Any], ReprMixin):
    """What `get_custom_objects` returns: what is registered, by name, and what is put into it, which it keeps."""

    def __getitem__(self, name: str) -> Any:
        found = global_objects.get(name)
        found = registered.only([lambda: registered.called(name)], name) if found is None else found
        if found is None:
            raise KeyError(name)
        return found

    def __setitem__(self, name: str, thing: Any) -> None:
        global_objects[name] = thing

    def __delitem__(self, name: str) -> None:
        if name not in iter(self):
            raise KeyError(name)
        global_objects.pop(name, None)
        registered.remove(name)

    def clear(self) -> None:
        for name in self:
            del self[name]

    def __iter__(self) -> Iterator[str]:
        return iter(list(dict.fromkeys([*global_objects, *registered.names()])))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _facts(self) -> Iterable[str]:
        return self


def get_custom_objects() -> CustomObjects:
    """Returns the table of what is registered, by name. What is put into it is known from then on."""
    return CustomObjects()


class CustomObjectScope(ReprMixin):
    """A scope in which more names are known: `with custom_object_scope({"halve": halve}):`.

    Its names come before those of scopes around it, and before any that were given, registered or defined elsewhere.

    Args:
        custom_objects: classes and functions by their names.

    Raises:
        TypeError: for what is not a dict.

    >>> with lamina.utils.custom_object_scope({"halve": lambda x: x / 2}):
    ...     print(lamina.layers.Activation("halve")(jnp.ones(2)))
    [0.5 0.5]
    """

    def __init__(self, custom_objects: Mapping[str, Any] | None) -> None:
        self.custom_objects = custom_objects or {}
        self._entered: list[AbstractContextManager[None]] = []

    def __enter__(self) -> "CustomObjectScope":
        self._entered.append(also_known(self.custom_objects, first=True))
        self._entered[-1].__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._entered.pop().__exit__(None, None, None)


custom_object_scope = CustomObjectScope
