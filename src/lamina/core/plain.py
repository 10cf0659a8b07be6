"""Plain data: values in the form that JSON can hold, and back.

JSON has dicts with text keys, lists, text, numbers, true, false and null. What else the arguments of layers may be becomes a
dict with one key that says what it is, for example `{"__tuple__": [3, 3]}`. None of these forms leads to code.
"""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

_Forms = dict[str, Callable[[Any], Any]]


def encode(value: Any) -> Any:
    """Returns a structure with tuples, slices, dtypes and arrays in plain form; what has none stays as it is.

    A named tuple is a tuple like any other.

    >>> encode({"kernel_size": (3, 3), "index": [slice(None, 2), ...]})
    {'kernel_size': {'__tuple__': [3, 3]}, 'index': [{'__slice__': [None, 2, None]}, {'__ellipsis__': True}]}
    """
    if isinstance(value, dict):
        if all(isinstance(key, str) for key in value):
            return {key: encode(item) for key, item in value.items()}
        return {"__dict__": [[encode(key), encode(item)] for key, item in value.items()]}
    if type(value) is list:
        return [encode(item) for item in value]
    if isinstance(value, tuple):
        return {"__tuple__": [encode(item) for item in value]}
    if isinstance(value, slice):
        return {"__slice__": [encode(value.start), encode(value.stop), encode(value.step)]}
    if value is Ellipsis:
        return {"__ellipsis__": True}
    if _is_dtype(value):
        return {"__dtype__": jax.dtypes.canonicalize_dtype(value).name if value in (bool, int, float) else np.dtype(value).name}
    if isinstance(value, (np.ndarray, np.generic, jax.Array)):
        return {"__array__": _numbers(np.asarray(value))}
    return value


def _is_dtype(value: Any) -> bool:
    if isinstance(value, type):
        return issubclass(value, (np.generic, bool, int, float)) or isinstance(getattr(value, "dtype", None), np.dtype)
    return isinstance(value, np.dtype)


def _numbers(array: np.ndarray) -> dict[str, Any]:
    """Returns the parts of an array; complex numbers count as two."""
    values = np.ascontiguousarray(array).ravel()
    return {"dtype": array.dtype.name, "shape": list(array.shape), "values": values.view(values.real.dtype).tolist()}


def _array(parts: dict[str, Any]) -> np.ndarray:
    dtype = np.dtype(parts["dtype"])
    array: np.ndarray = np.array(parts["values"], np.zeros(0, dtype).real.dtype).view(dtype).reshape(parts["shape"])
    return array


_FORMS: _Forms = {
    "__dict__": lambda items: {decode(key): decode(item) for key, item in items},
    "__tuple__": lambda items: tuple(decode(item) for item in items),
    "__slice__": lambda items: slice(*(decode(item) for item in items)),
    "__ellipsis__": lambda _: Ellipsis,
    "__dtype__": np.dtype,
    "__array__": _array,
}


def decode(value: Any) -> Any:
    """Returns what `encode` was given; arrays as NumPy arrays.

    >>> decode({"__tuple__": [1, {"__slice__": [None, 2, None]}]})
    (1, slice(None, 2, None))
    """
    if isinstance(value, dict):
        if len(value) == 1:
            ((form, content),) = value.items()
            if form in _FORMS:
                return _FORMS[form](content)
        return {key: decode(item) for key, item in value.items()}
    if type(value) is list:
        return [decode(item) for item in value]
    if type(value) is tuple:
        return tuple(decode(item) for item in value)
    return value


def refuse_code(config: Any, owner: str, key: str = "") -> None:
    """Raises TypeError, with the layer's name, if a config holds anything that is not plain data: a function, say.

    Args:
        config: what `encode` returned.
        owner: what the config describes.
        key: where in it this part stands.
    """
    if isinstance(config, dict):
        if isinstance(config.get("config"), dict) and "class_name" in config:
            name = config["config"].get("name")
            owner = config["class_name"] if name is None else f"The layer {name!r} ({config['class_name']})"
        for part, item in config.items():
            refuse_code(item, owner, key if part.startswith("__") else part)
    elif type(config) is list:
        for item in config:
            refuse_code(item, owner, key)
    elif not (config is None or isinstance(config, (str, bool, int, float))):
        raise TypeError(
            f"{owner} has no config: it holds {config!r} (in {key!r}), and a config holds plain data, not code. Write a layer, a "
            "subclass of lamina.Layer, whose call() does the computation."
        )
