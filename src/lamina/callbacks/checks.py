"""What callbacks ask of their arguments, in one voice."""

import math
from numbers import Real
from typing import Any

from lamina.callbacks.callback import Callback


def count(value: Any, name: str, callback: Callback, least: int = 0, besides: str = "") -> int:
    """Returns an integer; raises ValueError, naming the callback's argument and what may stand `besides`, for others or less."""
    if isinstance(value, bool) or not hasattr(value, "__index__") or int(value) < least:
        raise ValueError(f"{name} of {type(callback).__name__} must be {besides}an integer of at least {least}, not {value!r}.")
    return int(value)


def number(value: Any, name: str, callback: Callback) -> float:
    """Returns a number; raises ValueError, naming the callback's argument, for anything else and for NaN."""
    if isinstance(value, bool) or not isinstance(value, Real) or math.isnan(float(value)):
        raise ValueError(f"{name} of {type(callback).__name__} must be a number, not {value!r}.")
    return float(value)
