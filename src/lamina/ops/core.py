"""Casting, reading and writing parts of arrays, and control flow in Keras's words."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lamina.core import control
from lamina.core.graph import op
from lamina.core.symbolic import Shape, SymbolicTensor
from lamina.core.variable import Array, Variable
from lamina.ops.wrap import compiled, unary

# fmt: off
__all__ = [
    "associative_scan", "cast", "cond", "convert_to_numpy", "convert_to_tensor", "custom_gradient", "dtype", "fori_loop",
    "is_tensor", "map", "saturate_cast", "scan", "scatter", "scatter_update", "shape", "slice", "slice_update", "stop_gradient",
    "switch", "unstack", "vectorized_map", "while_loop",
]
# fmt: on

# --- what an array is ------------------------------------------------------------------------------------------------


def is_tensor(x: Any) -> bool:
    """Tells whether `x` is a JAX array, a Variable or a symbolic tensor."""
    return isinstance(x, (jax.Array, Variable, SymbolicTensor))


def shape(x: Any) -> Shape:
    """Returns the sizes of the axes; of a symbolic tensor, None or the axis's name where a size is unknown."""
    return tuple(x.shape) if hasattr(x, "shape") else np.shape(x)


def dtype(x: Any) -> str:
    """Returns the name of the dtype, for example "float32"."""
    return jnp.dtype(x.dtype if hasattr(x, "dtype") else jnp.result_type(x)).name


def convert_to_numpy(x: Any) -> np.ndarray:
    """Returns `x` as a NumPy array."""
    return np.asarray(jnp.asarray(x) if isinstance(x, (list, tuple)) else x)


@op
def convert_to_tensor(x: Any, dtype: Any = None) -> Array:
    """Returns `x` as an array; a symbolic tensor stays symbolic.

    Args:
        x: a number, an array, a Variable, or lists of them.
        dtype: the dtype; by default that of `x`, in JAX's default precision.
    """
    return jnp.asarray(x, dtype)


@unary
def cast(x: Any, dtype: Any) -> Array:
    """Returns `x` in another dtype."""
    return jnp.asarray(x).astype(dtype)


@unary
def saturate_cast(x: Any, dtype: Any) -> Array:
    """Returns `x` in another dtype, with what is out of its range set to the nearest number in it.

    >>> print(lamina.ops.saturate_cast([-5.0, 300.0], "uint8"))
    [  0 255]
    """
    x = jnp.asarray(x)
    (least, most), (lower, upper) = _range(x.dtype), _range(dtype)
    return jnp.clip(x, max(least, lower), min(most, upper)).astype(dtype)


def _range(dtype: Any) -> tuple[Any, Any]:
    """Returns the least and the greatest number of a dtype as Python's own, which compare exactly."""
    if jnp.issubdtype(dtype, jnp.bool_):
        return 0, 1
    if jnp.issubdtype(dtype, jnp.integer):
        return int(jnp.iinfo(dtype).min), int(jnp.iinfo(dtype).max)
    return float(jnp.finfo(dtype).min), float(jnp.finfo(dtype).max)


stop_gradient = unary(jax.lax.stop_gradient)

# --- parts of arrays -------------------------------------------------------------------------------------------------


@op
def scatter(indices: Any, values: Any, shape: Sequence[int]) -> Array:
    """Returns zeros of `shape` with `values` added at `indices`.

    Args:
        indices: integers of shape (n, k): positions along the first k axes.
        values: what to add there, of shape (n, *the other axes).
        shape: the shape of the result.

    >>> print(lamina.ops.scatter([[0], [2], [2]], [1.0, 2.0, 3.0], (4,)))
    [1. 0. 5. 0.]
    """
    values = jnp.asarray(values)
    return _scatter_update(jnp.zeros(shape, values.dtype), indices, values, "add")


_REDUCTIONS = {None: "set", "add": "add", "max": "max", "min": "min", "mul": "multiply"}


@op
def scatter_update(inputs: Any, indices: Any, updates: Any, reduction: str | None = None) -> Array:
    """Returns `inputs` with the elements at `indices` replaced by `updates`, or combined with them.

    Args:
        inputs: an array.
        indices: integers of shape (n, k): positions along the first k axes.
        updates: of shape (n, *the other axes).
        reduction: None to replace; "add", "max", "min" or "mul" to combine.

    Raises:
        ValueError: for another reduction.

    >>> print(lamina.ops.scatter_update(jnp.ones(3), [[1]], [5.0], reduction="add"))
    [1. 6. 1.]
    """
    if reduction not in _REDUCTIONS:
        raise ValueError(f"scatter_update's reduction must be one of {list(_REDUCTIONS)}, not {reduction!r}.")
    return _scatter_update(jnp.asarray(inputs), indices, updates, _REDUCTIONS[reduction])


def _scatter_update(inputs: Array, indices: Any, updates: Any, method: str) -> Array:
    return _compiled_update(inputs, jnp.asarray(indices), jnp.asarray(updates), method)


@compiled("method")
def _compiled_update(inputs: Array, indices: Array, updates: Array, method: str) -> Array:
    updated: Array = getattr(inputs.at[tuple(jnp.moveaxis(indices, -1, 0))], method)(updates)
    return updated


@unary
@compiled("shape")
def slice(inputs: Any, start_indices: Any, shape: Sequence[int]) -> Array:
    """Returns the part of `inputs` of the given shape that starts at `start_indices`, which may be known only at run time.

    A part that would reach past the end is moved back so that it fits; as `jax.lax.dynamic_slice`.
    """
    return jax.lax.dynamic_slice(inputs, start_indices, shape)


@unary
@compiled()
def slice_update(inputs: Any, start_indices: Any, updates: Any) -> Array:
    """Returns `inputs` with the part that starts at `start_indices` replaced by `updates`; as `slice` for where it lies."""
    return jax.lax.dynamic_update_slice(inputs, jnp.asarray(updates, inputs.dtype), start_indices)


@unary
def unstack(x: Any, num: int | None = None, axis: int = 0) -> list[Array]:
    """Returns the parts of `x` along an axis, as a list.

    Raises:
        ValueError: if `num` is given and is not the size of the axis.
    """
    size = jnp.shape(x)[axis]
    if num is not None and num != size:
        raise ValueError(f"unstack was given num={num}, but axis {axis} of {jnp.shape(x)} has {size}.")
    return list(jnp.unstack(jnp.asarray(x), axis=axis))


# --- control flow ----------------------------------------------------------------------------------------------------

custom_gradient = control.custom_gradient
fori_loop = op(control.fori_loop)
map = op(control.map)
scan = op(control.scan)
switch = op(control.switch)


@op
def cond(pred: Any, true_fn: Callable[..., Any], false_fn: Callable[..., Any], *operands: Any) -> Any:
    """Returns `true_fn(*operands)` if `pred` is true, else `false_fn(*operands)`; see `lamina.cond`."""
    return control.cond(pred, true_fn, false_fn, *operands)


@op
def while_loop(cond: Callable[..., Any], body: Callable[..., Any], loop_vars: Any, maximum_iterations: int | None = None) -> Any:
    """Runs `loop_vars = body(*loop_vars)` while `cond(*loop_vars)` is true; see `lamina.while_loop`.

    Args:
        cond: a function of the loop's variables that returns a boolean.
        body: a function of them that returns their next values, in a tuple or list; the value itself where there is one.
        loop_vars: their first values: a tuple or list, or the value itself where there is one.
        maximum_iterations: after how many turns to stop in any case.

    Returns:
        The last values: a tuple, or the value itself where `loop_vars` was one.

    >>> lamina.ops.while_loop(lambda i, total: i < 4, lambda i, total: (i + 1, total + i), (0, 0))[1].item()
    6
    """
    single = not isinstance(loop_vars, (tuple, list))

    def go_on(state: tuple[Any, Any]) -> Any:
        more = cond(*state[1])
        return more if maximum_iterations is None else jnp.logical_and(more, state[0] < maximum_iterations)

    def turn(state: tuple[Any, Any]) -> Any:
        new = body(*state[1])
        return state[0] + 1, tuple(new) if isinstance(new, (tuple, list)) else (new,)

    values = control.while_loop(go_on, turn, (0, (loop_vars,) if single else tuple(loop_vars)))[1]
    return values[0] if single else values


@op
def vectorized_map(function: Callable[[Any], Any], elements: Any) -> Any:
    """Returns `function(element)` for each element along the leading axis of `elements`, computed at once.

    Args:
        function: takes one element: arrays without their leading axis, in the structure of `elements`.
        elements: an array, or a structure of arrays.
    """
    return control.vmap(function)(elements)


@op
def associative_scan(f: Callable[[Any, Any], Any], elems: Any, reverse: bool = False, axis: int = 0) -> Any:
    """Returns the running results of an associative function along an axis, in parallel; as `jax.lax.associative_scan`.

    >>> print(lamina.ops.associative_scan(lamina.ops.add, jnp.arange(4)))
    [0 1 3 6]
    """
    return jax.lax.associative_scan(f, elems, reverse, axis)
