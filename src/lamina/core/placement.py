"""The door between the host and the devices: the one place that makes the arrays of state, and the one that brings them back.

A placement is a `jax.sharding.Sharding`, which says on which devices an array lies, whole or in parts; None is the default device.
"""

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import jax
import numpy as np

from lamina.core.jax_internals import is_tracer, put_on_default_device
from lamina.core.text import describe

P = ParamSpec("P")
R = TypeVar("R")

Placement = jax.sharding.Sharding | None


def to_device(value: Any, dtype: Any = None, placement: Placement = None) -> jax.Array:
    """Returns a value as an array on its devices, concrete also while a trace is running; nothing is compiled for it.

    What is not JAX's already is copied: the caller may use its memory again at once, while the device may go on reading for as
    long as the array lives. Where the placement is in parts, each device is given its own.

    Args:
        value: an array, or anything that NumPy makes an array of.
        dtype: the dtype; by default the value's own, in 32 bits where JAX's 64 are switched off.
        placement: where to; an array of JAX's stays where it is if this is None.

    Raises:
        ValueError: for what is not made of numbers.

    >>> to_device([1.0, 2.0], "float32")
    Array([1., 2.], dtype=float32)
    """
    if isinstance(value, jax.Array):
        if (dtype is not None and value.dtype != dtype) or value.weak_type:
            with jax.ensure_compile_time_eval():
                value = jax.lax.convert_element_type(value, dtype or value.dtype)
        return placed(value, placement)
    host = np.array(value, dtype)
    if host.dtype.kind in "OSU":
        raise ValueError(f"An array of JAX's is made of numbers; {describe(value)} is not.")
    own = jax.dtypes.canonicalize_dtype(host.dtype.newbyteorder("="))
    if host.dtype != own:
        host = host.astype(own)
    return put_on_default_device(host) if placement is None else jax.device_put(host, placement)


def placed(array: jax.Array, placement: Placement) -> jax.Array:
    """Returns an array where it is to be; inside a trace, the wish that it be there."""
    if placement is None:
        return array
    if not is_tracer(array) and array.sharding.is_equivalent_to(placement, array.ndim):
        return array
    moved: jax.Array = (jax.lax.with_sharding_constraint if is_tracer(array) else jax.device_put)(array, placement)
    return moved


def is_on_one_cpu(placement: Placement) -> bool:
    """Tells whether arrays of a placement lie whole on a single device, and this is a CPU."""
    if placement is not None:
        devices: Any = list(placement.device_set)
        return len(devices) == 1 and devices[0].platform == "cpu"
    device: Any = jax.config.jax_default_device  # type: ignore[attr-defined]
    return (getattr(device, "platform", device) or jax.default_backend()) == "cpu"


def copied(array: jax.Array) -> jax.Array:
    """Returns a copy of an array, in memory of its own, where the array is."""
    copy: jax.Array = jax.device_put(array, may_alias=False)
    return copy


def own_memory(structure: Any) -> Any:
    """Returns a structure with copies of what arrays of NumPy it holds, so that their owner may use them again at once."""
    if isinstance(structure, np.ndarray):
        return structure.copy()
    if type(structure) is tuple or type(structure) is list:
        return type(structure)([own_memory(item) for item in structure])
    if type(structure) is dict:
        return {key: own_memory(item) for key, item in structure.items()}
    if isinstance(structure, (jax.Array, np.generic, int, float, str)) or structure is None or _stays(structure):
        return structure
    return jax.tree.map(lambda leaf: leaf.copy() if isinstance(leaf, np.ndarray) else leaf, structure, is_leaf=_stays)


def copies_arguments(function: Callable[P, R]) -> Callable[P, R]:
    """Makes a function own the arrays of NumPy that it is given: what it starts on a device may read them when it has returned."""

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        return function(*own_memory(args), **own_memory(kwargs))

    return call


def _stays(value: Any) -> bool:
    """Tells whether a value holds no memory of the caller's: a function, or a variable, which is a pytree of its array."""
    return callable(value) or hasattr(value, "__jax_array__")


def to_host(array: Any) -> np.ndarray:
    """Returns an array as one of NumPy's, a copy that the caller may write to. Waits until the device has computed it."""
    return np.array(array)
