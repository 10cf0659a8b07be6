"""What a step takes: x alone, (x, y), or (x, y, sample_weight); and the arrays that users give for them."""

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from lamina.core.text import describe


def pack(x: Any, y: Any = None, sample_weight: Any = None) -> Any:
    """Returns what a step takes: x alone, (x, y), or (x, y, sample_weight)."""
    if sample_weight is not None:
        return x, y, sample_weight
    if y is not None:
        return x, y
    return (x,) if isinstance(x, (list, tuple)) else x


def unpack(data: Any) -> tuple[Any, Any, Any]:
    """Returns x, y and sample_weight of what a step was given; None for what is not there.

    >>> unpack(("x", "y"))
    ('x', 'y', None)
    """
    if not isinstance(data, tuple):
        return data, None, None
    return (*data, None, None)[:3]


def as_arrays(data: Any) -> Any:
    """Returns a structure of arrays: frames become tables, and a list of numbers one array.

    Raises:
        TypeError: for what is not an array whose first axis is the samples.
    """
    if isinstance(data, dict):
        return {key: as_arrays(value) for key, value in data.items()}
    if isinstance(data, list) and _is_numbers(data):
        return _array(np.asarray(data))
    if isinstance(data, (list, tuple)):
        return type(data)(as_arrays(item) for item in data)
    return None if data is None else _array(data)


def _is_numbers(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return bool(value) and all(_is_numbers(item) for item in value)
    return isinstance(value, (bool, int, float, np.generic))


def _array(value: Any) -> Any:
    if isinstance(value, jax.Array):
        array: Any = value
    elif not isinstance(value, np.ndarray) and hasattr(value, "to_numpy"):  # a column or a table of pandas, polars, pyarrow
        array = value.to_numpy()
    else:
        array = np.asanyarray(value)  # keeps a memory map what it is
    if array.ndim == 0 or array.dtype.kind in "OUSM":
        text = array.dtype.kind in "US" or (array.size and isinstance(array.flat[0], (str, bytes)))
        hint = " Turn strings into numbers first, for example by lamina.layers.TextVectorization or StringLookup." if text else ""
        raise TypeError(f"Data must be arrays of numbers whose first axis is the samples, not {describe(value)}.{hint}")
    return array


def weighted(x: Any, y: Any, sample_weight: Any, class_weight: Mapping[int, float] | None) -> tuple[Any, Any, Any]:
    """Returns x, y and sample_weight, which each sample's class has been weighted into.

    Args:
        x: inputs.
        y: targets; with class_weight one array, of labels or one-hot.
        sample_weight: weights, or None.
        class_weight: a weight for each class by its number; 1 for those that it leaves out.

    Raises:
        ValueError: with class_weight, if y is not one array.
    """
    if not class_weight:
        return x, y, sample_weight
    if y is None or isinstance(y, (list, tuple, dict)):
        raise ValueError("class_weight needs targets for one output. Give sample_weight instead, for each output its own.")
    labels = np.asarray(_array(y))
    if labels.ndim > 1:
        labels = labels.argmax(-1) if labels.shape[-1] > 1 else labels[..., 0]
    weights = np.ones(labels.shape, "float32")
    for label, weight in class_weight.items():
        weights[labels == label] = weight
    if sample_weight is not None:
        given = np.asarray(sample_weight)
        weights = weights * given.reshape(given.shape + (1,) * (weights.ndim - given.ndim))
    return x, y, weights
