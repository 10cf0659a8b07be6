"""What layers ask of their arguments, in one voice."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina.core.checks import is_integer, is_number
from lamina.core.layer import Layer
from lamina.core.text import describe, show_shape


def positive(value: Any, name: str, layer: Layer) -> int:
    """Returns a positive integer; raises ValueError, naming the layer's argument, for anything else."""
    if not is_integer(value) or int(value) <= 0:
        raise ValueError(f"{name} of {type(layer).__name__} must be a positive integer, not {value!r}.")
    return int(value)


def known(size: Any, what: str, layer: Layer) -> int:
    """Returns a size that a weight's shape needs; raises ValueError if it is unknown."""
    if not isinstance(size, int):
        raise ValueError(
            f"The layer {layer.path!r} cannot be built: the size of {what} of its input is unknown. Give it in lamina.Input or in "
            "build(input_shape)."
        )
    return size


def sizes(value: Any, count: int, name: str, layer: Layer) -> tuple[int, ...]:
    """Returns `count` positive integers; one stands for all. Raises ValueError, naming the layer's argument, for others."""
    values = tuple(value) if isinstance(value, (tuple, list)) else (value,) * count
    if len(values) != count:
        wanted = "a positive integer" if count == 1 else f"a positive integer or {count} of them"
        raise ValueError(f"{name} of {type(layer).__name__} must be {wanted}, not {value!r}.")
    return tuple(positive(size, name, layer) for size in values)


def one_of(choices: Sequence[str], value: Any, name: str, layer: Layer) -> str:
    """Returns a name in lower case; raises ValueError, naming the layer's argument, if it is not one of the choices."""
    if not isinstance(value, str) or value.lower() not in choices:
        wanted = " or ".join(filter(None, [", ".join(map(repr, choices[:-1])), repr(choices[-1])]))
        raise ValueError(f"{name} of {type(layer).__name__} must be {wanted}, not {value!r}.")
    return value.lower()


def channels_axis(data_format: str | None, layer: Layer) -> int:
    """Returns the channels' axis, -1 or 1, of a data format; raises ValueError for an unknown one."""
    if data_format not in (None, "channels_last", "channels_first"):
        raise ValueError(f"data_format of {type(layer).__name__} must be 'channels_last' or 'channels_first', not {data_format!r}.")
    return 1 if data_format == "channels_first" else -1


def number(value: float, name: str, layer: Layer) -> float:
    """Returns a number; raises TypeError, naming the layer's argument, for anything else."""
    if not is_number(value):
        raise TypeError(f"{name} of {type(layer).__name__} must be a number, not {value!r}.")
    return value


def not_negative(value: float, name: str, layer: Layer) -> float:
    """Returns a number that is not negative; raises ValueError, naming the layer's argument, for anything else."""
    if not is_number(value) or not value >= 0:
        raise ValueError(f"{name} of {type(layer).__name__} must be a number that is not negative, not {value!r}.")
    return value


def positive_number(value: float, name: str, layer: Layer) -> float:
    """Returns a positive number; raises ValueError, naming the layer's argument, for anything else."""
    if not is_number(value) or not value > 0:
        raise ValueError(f"{name} of {type(layer).__name__} must be a positive number, not {value!r}.")
    return value


def fraction(value: float, name: str, layer: Layer) -> float:
    """Returns a number from 0 to 1; raises ValueError, naming the layer's argument, for anything else."""
    if not is_number(value) or not 0 <= value <= 1:
        raise ValueError(f"{name} of {type(layer).__name__} must be a number from 0 to 1, not {value!r}.")
    return value


def numeric(value: Any, name: str, layer: Layer) -> Any:
    """Returns a number or an array of numbers; raises TypeError, naming the layer's argument, for anything else."""
    if not np.issubdtype(np.asarray(value).dtype, np.number):
        raise TypeError(f"{name} of {type(layer).__name__} must be a number or an array of numbers, not {describe(value)}.")
    return value


def integer(value: Any, name: str, layer: Layer) -> int:
    """Returns an integer; raises TypeError, naming the layer's argument, for anything else."""
    if not is_integer(value):
        raise TypeError(f"{name} of {type(layer).__name__} must be an integer, not {value!r}.")
    return int(value)


def integers(value: Any, name: str, layer: Layer) -> int | tuple[int, ...]:
    """Returns an integer, or some of them as a tuple; raises TypeError, naming the layer's argument, for anything else."""
    many = isinstance(value, (tuple, list))
    for item in value if many else (value,):
        if not is_integer(item):
            raise TypeError(f"{name} of {type(layer).__name__} must be an integer or a list of them, not {value!r}.")
    return tuple(int(item) for item in value) if many else int(value)


def axes_in(shape: Any, axis: int | tuple[int, ...], layer: Layer) -> tuple[int, ...]:
    """Returns axes as positions in a shape, in order; raises ValueError for one that the shape lacks or that comes twice."""
    axes = axis if isinstance(axis, tuple) else (axis,)
    for one in axes:
        if not -len(shape) <= one < len(shape):
            raise ValueError(f"The layer {layer.path!r} normalises axis {one}, which inputs of shape {show_shape(shape)} lack.")
    positions = sorted(one % len(shape) for one in axes)
    if len(set(positions)) < len(positions):
        raise ValueError(f"The layer {layer.path!r} names an axis of inputs of shape {show_shape(shape)} twice: {axes}.")
    return tuple(positions)


def without_cudnn(use_cudnn: Any, layer: Layer) -> Any:
    """Returns a recurrent layer's `use_cudnn`; raises ValueError for True, which cannot be, and for another value."""
    if use_cudnn not in ("auto", True, False):
        raise ValueError(f"use_cudnn of {type(layer).__name__} must be 'auto' or False, not {use_cudnn!r}.")
    if use_cudnn is True:
        raise ValueError(
            f"use_cudnn=True of {type(layer).__name__} cannot be met: the loop is compiled for every device alike and never handed "
            "to cuDNN. Leave use_cudnn at 'auto'; the numbers are the same."
        )
    return use_cudnn


def hash_key(salt: Any, layer: Layer) -> tuple[int, int] | None:
    """Returns the key of a hash, for one integer or two; raises ValueError, naming the layer, for other salts."""
    if salt is None:
        return None
    parts = salt if isinstance(salt, (list, tuple)) else (salt, salt)
    if len(parts) != 2 or not all(isinstance(part, int) for part in parts):
        raise ValueError(f"salt of {type(layer).__name__} must be an integer or two of them, not {salt!r}.")
    return parts[0] % 2**64, parts[1] % 2**64
