"""What optimizers and schedules ask of their arguments: `positive(clipnorm=clipnorm)` refuses a bad value by its name."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from lamina.core.checks import at_least


def _check(what: str, holds: Callable[[float], bool], named: dict[str, Any]) -> None:
    for name, value in named.items():
        number = not isinstance(value, bool) and isinstance(value, (int, float, np.number))
        if not number or not math.isfinite(value) or not holds(value):
            raise ValueError(f"{name} must be {what}, not {value!r}.")


def given(**named: Any) -> dict[str, Any]:
    """Returns the arguments that are not None."""
    return {name: value for name, value in named.items() if value is not None}


def numbers(**named: Any) -> None:
    """Raises ValueError for what is not a finite number."""
    _check("a number", lambda value: True, named)


def not_negative(**named: Any) -> None:
    """Raises ValueError for what is not a number from 0."""
    _check("a number that is not negative", lambda value: value >= 0, named)


def positive(**named: Any) -> None:
    """Raises ValueError for what is not a number above 0."""
    _check("a positive number", lambda value: value > 0, named)


def fractions(**named: Any) -> None:
    """Raises ValueError for what is not a number from 0 to 1."""
    _check("a number from 0 to 1", lambda value: 0 <= value <= 1, named)


def below_one(**named: Any) -> None:
    """Raises ValueError for what is not a number from 0 up to, and without, 1."""
    _check("at least 0 and less than 1", lambda value: 0 <= value < 1, named)


def integers(least: int, **named: Any) -> None:
    """Raises ValueError for what is not an integer of at least `least`."""
    for name, value in named.items():
        at_least(least, value, name)
