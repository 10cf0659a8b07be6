"""From what a model is called on to the arrays of its inputs: by their place or their names, of the right shapes and dtypes."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lamina.core.masks import mask_of, with_mask
from lamina.core.placement import to_device
from lamina.core.text import describe, show_shape
from lamina.layers.input_layer import InputLayer


def arrays_for(inputs: Any, given: Any, model: str) -> list[Any]:
    """Returns an array for each input of a model, in the order of `jax.tree.leaves`.

    A dict may go by the names of the inputs; what else is in it is left alone.

    Args:
        inputs: input layers, nested as the model's inputs are.
        given: what the model was called on.
        model: the model's name, for messages.

    Raises:
        ValueError: for a number, a structure or a shape that does not fit, with the name of the input.
    """
    found = _matched(inputs, given, f"The model {model!r}")
    arrays = [_array(layer, value, model) for layer, value in found]
    _check_named_sizes([(layer, array) for (layer, _), array in zip(found, arrays, strict=True)], model)
    return arrays


def _matched(inputs: Any, given: Any, model: str) -> list[tuple[InputLayer, Any]]:
    """Returns each input layer with what was given for it."""
    if isinstance(inputs, InputLayer):
        if isinstance(given, dict):
            given = _by_name(inputs.name, given, model)
        while isinstance(given, (list, tuple)) and len(given) == 1:
            given = given[0]
        if isinstance(given, (list, tuple, dict)):
            raise ValueError(f"{model} takes one array as its input {inputs.name!r}, not {describe(given)}.")
        return [(inputs, given)]
    if isinstance(inputs, dict):
        if not isinstance(given, dict):
            raise ValueError(f"{model} takes a dict of inputs, with the keys {list(inputs)}, not {describe(given)}.")
        parts = [(inputs[key], _by_name(key, given, model)) for key in sorted(inputs)]
    elif isinstance(given, dict) and all(isinstance(one, InputLayer) for one in inputs):
        parts = [(one, _by_name(one.name, given, model)) for one in inputs]
    else:
        several = given if isinstance(given, (list, tuple)) or len(inputs) != 1 else [given]
        if not isinstance(several, (list, tuple)) or len(several) != len(inputs):
            names = ", ".join(repr(layer.name) for layer in jax.tree.leaves(inputs))
            count = len(several) if isinstance(several, (list, tuple)) else 1
            raise ValueError(f"{model} takes {len(inputs)} inputs ({names}), not {count}: {describe(given)}.")
        parts = list(zip(inputs, several, strict=True))
    return [pair for part, value in parts for pair in _matched(part, value, model)]


def _by_name(name: str, given: dict[str, Any], model: str) -> Any:
    if name not in given:
        raise ValueError(f"{model} takes an input {name!r}, which is not among {list(given)}.")
    return given[name]


def _array(layer: InputLayer, value: Any, model: str) -> Any:
    """Returns an array as its input asks for it: cast, and with a last axis of size 1 put in or taken away."""
    if value is None:
        if not layer.optional:
            raise ValueError(f"The input {layer.name!r} of the model {model!r} is not optional, but None was given for it.")
        return None
    wanted = layer.batch_shape
    given = value if hasattr(value, "shape") and hasattr(value, "dtype") else jnp.asarray(value)
    if isinstance(given, np.ndarray):
        array = to_device(given, layer.tensor.dtype)
    else:
        array = given if given.dtype == layer.tensor.dtype else jnp.asarray(given, layer.tensor.dtype)
    if array.ndim == len(wanted) + 1 and array.shape[-1] == 1:
        array = jnp.squeeze(array, -1)
    elif array.ndim == len(wanted) - 1 and wanted[-1] == 1:
        array = array[..., None]
    fits = array.ndim == len(wanted) and all(
        size == asked
        for size, asked in zip(array.shape[1:], wanted[1:], strict=True)
        if isinstance(size, int) and isinstance(asked, int)
    )
    if not fits:
        raise ValueError(
            f"The input {layer.name!r} of the model {model!r} has the shape {show_shape(wanted)}, but was given {describe(given)}."
        )
    mask = mask_of(given)
    return array if array is given or mask is None else with_mask(array, mask)


def _check_named_sizes(found: list[tuple[InputLayer, Any]], model: str) -> None:
    """Raises ValueError where axes of one name have several sizes."""
    sizes: dict[str, tuple[int, str]] = {}
    for layer, array in found:
        for name, size in zip(layer.batch_shape, () if array is None else array.shape, strict=array is not None):
            if isinstance(name, str) and isinstance(size, int):
                first = sizes.setdefault(name, (size, layer.name))
                if first[0] != size:
                    raise ValueError(
                        f"The axis {name!r} of the model {model!r} has size {first[0]} in the input {first[1]!r}, but {size} in "
                        f"{layer.name!r}."
                    )
