"""Names: those that objects are given by themselves, which ones may be given, and the numbers that tell their order."""

import collections
import itertools
import re
import threading

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
