"""Names of one's own for classes and functions, as configs and arguments such as `activation="..."` say them.

A class of one's own is known by its name once it is defined (`core/config.py`). This is for functions, for names that differ from
the class's, and for code written for Keras.
"""

from collections.abc import Callable, Hashable, Mapping
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any, TypeVar

from lamina.core.shown import Shown

T = TypeVar("T")

_objects: dict[str, Any] = {}
_names: dict[Any, str] = {}
_scope: ContextVar[Mapping[str, Any]] = ContextVar("custom_objects", default=MappingProxyType({}))


def register_keras_serializable(package: str = "Custom", name: str | None = None) -> Callable[[T], T]:
    """Returns a decorator that gives a class or a function the name `package>name` in configs and arguments.

    Args:
        package: the first part of the name.
        name: the second part; by default that of the class or function.

    Raises:
        ValueError: for a class that has no `get_config`.

    >>> @lamina.utils.register_keras_serializable("mine")
    ... def halve(x):
    ...     return x / 2
    >>> print(lamina.layers.Activation("mine>halve")(jnp.ones(2)))
    [0.5 0.5]
    """

    def register(thing: T) -> T:
        if isinstance(thing, type) and not hasattr(thing, "get_config"):
            raise ValueError(f"{thing.__name__} has no get_config, so no config can describe it. Write get_config(self).")
        full = f"{package}>{name or thing.__name__}"  # type: ignore[attr-defined]
        _objects[full] = thing
        _names[thing] = full
        return thing

    return register


def get_registered_name(obj: Any) -> str:
    """Returns the name that a class or function was registered under, or else its own.

    >>> lamina.utils.get_registered_name(lamina.layers.Dense)
    'Dense'
    """
    return _names.get(obj, obj.__name__)


def get_registered_object(
    name: str, custom_objects: Mapping[str, Any] | None = None, module_objects: Mapping[str, Any] | None = None
) -> Any:
    """Returns the class or function of a name: from the scopes around, from what is registered, or else from what is given.

    Args:
        name: the name.
        custom_objects: more names.
        module_objects: yet more names.

    Returns:
        The class or function, or None.
    """
    for objects in (_scope.get(), _objects, custom_objects or {}, module_objects or {}):
        if name in objects:
            return objects[name]
    return None


def get_custom_objects() -> dict[str, Any]:
    """Returns the table of what is registered, by name. What is put into it is known from then on."""
    return _objects


def own_name(obj: Any) -> str | None:
    """Returns the name that an object was registered under, if it was."""
    return _names.get(obj) if callable(obj) and isinstance(obj, Hashable) else None


class CustomObjectScope(Shown):
    """A scope in which more names are known: `with custom_object_scope({"halve": halve}):`.

    Args:
        custom_objects: classes and functions by their names.

    >>> with lamina.utils.custom_object_scope({"halve": lambda x: x / 2}):
    ...     print(lamina.layers.Activation("halve")(jnp.ones(2)))
    [0.5 0.5]
    """

    def __init__(self, custom_objects: Mapping[str, Any] | None) -> None:
        self.custom_objects = dict(custom_objects or {})
        self._tokens: list[Any] = []

    def __enter__(self) -> "CustomObjectScope":
        self._tokens.append(_scope.set({**_scope.get(), **self.custom_objects}))
        return self

    def __exit__(self, *_: object) -> None:
        _scope.reset(self._tokens.pop())


custom_object_scope = CustomObjectScope
