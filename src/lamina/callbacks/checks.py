"""What callbacks ask of their arguments, in one voice."""

from typing import Any

from lamina.callbacks.callback import Callback
from lamina.core.checks import at_least, is_number


def count(value: Any, name: str, callback: Callback, least: int = 0, besides: str = "") -> int:
    """Returns an integer; raises ValueError, naming the callback's argument and what may stand `besides`, for others or less."""
    return at_least(least, value, f"{name} of {type(callback).__name__}", besides)


def number(value: Any, name: str, callback: Callback) -> float:
    """Returns a number; raises ValueError, naming the callback's argument, for anything else and for NaN."""
    if not is_number(value):
        raise ValueError(f"{name} of {type(callback).__name__} must be a number, not {value!r}.")
    return float(value)
