"""What is found out about a class once, and kept on the class itself, so that it goes when the class goes."""

import functools
from collections.abc import Callable
from typing import TypeVar

R = TypeVar("R")


def per_class(function: Callable[[type], R]) -> Callable[[type], R]:
    """Makes a function of a class remember what it returned for each. A subclass is asked about anew.

    >>> @per_class
    ... def letters(cls):
    ...     print("counting")
    ...     return len(cls.__name__)
    >>> class Thing: ...
    >>> letters(Thing) + letters(Thing)
    counting
    10
    """
    key = f"_{function.__module__}.{function.__qualname__}"

    @functools.wraps(function)
    def remembering(cls: type) -> R:
        try:
            found: R = cls.__dict__[key]
        except KeyError:
            found = function(cls)
            setattr(cls, key, found)
        return found

    return remembering
