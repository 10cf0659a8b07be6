"""Inputs of layers that work on the host: strings, and whatever else has to be looked up there."""

from collections.abc import Iterable, Iterator
from typing import Any

import jax
import numpy as np

from lamina.core.jax_internals import is_tracer
from lamina.core.layer import Layer
from lamina.core.text import describe


def host_array(inputs: Any, layer: Layer) -> np.ndarray:
    """Returns inputs as a NumPy array: of strings, as objects, or of integers.

    Raises:
        TypeError: inside compiled code, where there are no values yet, and for what are neither strings nor integers.
    """
    if any(is_tracer(leaf) for leaf in jax.tree.leaves(inputs)):
        raise TypeError(
            f"The layer {layer.path!r} ({type(layer).__name__}) works on the host, on values, but was called inside compiled code "
            "or on a symbolic input, which have none. Apply it to the data before the model sees them: x = layer(x)."
        )
    array = np.asarray(inputs)
    if array.dtype.kind in "iub":
        return array
    if array.dtype.kind not in "USOT" or not all(isinstance(value, (str, bytes)) for value in array.flat):
        raise TypeError(f"The layer {layer.path!r} ({type(layer).__name__}) takes strings or integers, not {describe(inputs)}.")
    texts = [value.decode() if isinstance(value, bytes) else str(value) for value in array.flat]
    return np.array([*texts, None], object)[:-1].reshape(array.shape)  # the None keeps NumPy from looking into strings


def host_batches(data: Any, layer: Layer) -> Iterator[np.ndarray]:
    """Yields what a layer is to adapt to, as `host_array` returns it.

    Args:
        data: strings or integers, in an array or nested lists, or batches: anything that yields arrays, or tuples that begin with
            one.
        layer: whose data they are.
    """
    if isinstance(data, (str, bytes)) or not (isinstance(data, Iterable) or hasattr(data, "__getitem__")):
        raise TypeError(f"adapt of {type(layer).__name__} takes an array or batches of them, not {describe(data)}.")
    if hasattr(data, "dtype") or isinstance(data, (list, tuple)):
        plain = data if hasattr(data, "dtype") else [row for row in data if not hasattr(row, "dtype")]
        if hasattr(data, "dtype") or (len(plain) == len(data) and not any(isinstance(row, tuple) for row in data)):
            if len(data):
                yield host_array(data, layer)
            return
    for batch in data:
        yield host_array(batch[0] if isinstance(batch, tuple) else batch, layer)


def per_value(values: np.ndarray, function: Any) -> np.ndarray:
    """Returns an integer for each value; the function is called once for each that differs."""
    found = {value: function(value) for value in set(values.flat)}
    return np.fromiter((found[value] for value in values.flat), "int64", values.size).reshape(values.shape)
