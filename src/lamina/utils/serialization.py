"""Objects as configs, under the names that Keras has for it."""

from collections.abc import Mapping
from typing import Any

from lamina.core.config import deserialize, serialize


def serialize_keras_object(obj: Any) -> Any:
    """Returns an object as a config of plain data: layers, losses, optimizers and so on by class, functions by name.

    Args:
        obj: the object, or a structure of such.

    Raises:
        ValueError: for a function that has no name that Lamina knows.

    >>> config = serialize_keras_object(lamina.losses.Huber(delta=2.0))
    >>> config["class_name"], config["config"]["delta"]
    ('Huber', 2.0)
    """
    config = serialize(obj)
    if callable(config):
        raise ValueError(f"{obj!r} has no name that Lamina knows. Give it one: lamina.utils.register_keras_serializable.")
    return config


def deserialize_keras_object(
    config: Any, custom_objects: Mapping[str, Any] | None = None, safe_mode: bool = True, **kwargs: Any
) -> Any:
    """Returns the object that `serialize_keras_object` was given, made anew.

    Args:
        config: what that returned.
        custom_objects: classes and functions of one's own, by the names in the config. Those of scopes around come first.
        safe_mode: taken as Keras has it. Nothing in a config is ever executed.
        kwargs: none.

    Raises:
        ValueError: for the name of a class that is not known, or that several classes have.

    >>> deserialize_keras_object(serialize_keras_object(lamina.losses.Huber(delta=2.0)))
    <Huber delta=2.0, ...>
    """
    del safe_mode
    if kwargs:
        raise TypeError(f"deserialize_keras_object takes no argument {next(iter(kwargs))!r}.")
    return deserialize(config, custom_objects)
