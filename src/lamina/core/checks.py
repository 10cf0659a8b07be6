"""What is asked of arguments: whether they are integers or numbers, as every part of the library understands it."""

import numbers
from typing import Any


def is_integer(value: Any) -> bool:
    """Tells whether a value is an integer of any kind. True and False are not."""
    return not isinstance(value, bool) and hasattr(value, "__index__")


def is_number(value: Any) -> bool:
    """Tells whether a value is a real number of any kind. True, False and NaN are not."""
    return not isinstance(value, bool) and isinstance(value, numbers.Real) and value == value


def at_least(least: int, value: Any, what: str, besides: str = "") -> int:
    """Returns an integer that is not below the least one; raises ValueError for anything else.

    Args:
        least: the least integer.
        value: the argument.
        what: how the message names it.
        besides: what else it may be, as the message says it: "'epoch' or ".
    """
    if not is_integer(value) or int(value) < least:
        raise ValueError(f"{what} must be {besides}an integer of at least {least}, not {value!r}.")
    return int(value)
