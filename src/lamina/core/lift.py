"""`lift`: stateful code made pure. Compiling, differentiating and control flow rest on it."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from lamina.core.errors import filtered
from lamina.core.frame import Cell, Frame
from lamina.core.variable import Array, Variable


def lift(function: Callable[..., Any], variables: Sequence[Variable]) -> Callable[..., tuple[Any, list[Array]]]:
    """Returns the pure form of a function that reads and writes `variables`.

    Args:
        function: any Python code, `function(*args, **kwargs) -> out`.
        variables: the state that it may read and write.

    Returns:
        `pure(values, *args, **kwargs) -> (out, new_values)`: values in, new values out, in the order of `variables`; the
        variables themselves stay as they are. It can be given to `jax.jit`, `jax.grad`, `jax.vmap`, `jax.lax.scan`, ...

    Raises:
        StateError: from `pure`, if the function writes a variable that is not among them.

    >>> total = lamina.Variable(1.0, name="total")
    >>> pure = lift(lambda x: total.assign_add(x) * 2, [total])
    >>> jax.jit(pure)([1.0], 3.0)
    (Array(8., dtype=float32), [Array(4., dtype=float32)])
    """
    variables = tuple(variables)

    @filtered
    def pure(values: Sequence[Any], *args: Any, **kwargs: Any) -> tuple[Any, list[Array]]:
        if len(values) != len(variables):
            raise ValueError(f"{len(variables)} values were expected, one for each variable, not {len(values)}.")
        given = [jnp.asarray(value, variable.dtype) for variable, value in zip(variables, values, strict=True)]
        for variable, value in zip(variables, given, strict=True):
            if variable.shape != value.shape:
                raise ValueError(f"{variable._label} has shape {variable.shape}; the value given for it has {value.shape}.")
        with Frame(zip(variables, given, strict=True), owned=variables) as frame:
            out = values_in(function(*args, **kwargs))
            return out, [frame.values[variable] for variable in variables]

    return pure


def values_in(structure: Any) -> Any:
    """Returns the structure with the values of its variables: what may leave a frame."""
    return jax.tree.map(lambda leaf: leaf, structure)


def only_variables(cells: dict[Cell, None] | None) -> list[Variable]:
    """Returns the variables among cells that a frame has noted."""
    return [cell for cell in cells or () if isinstance(cell, Variable)]


def touched_by(function: Callable[..., Any], *args: Any) -> tuple[Any, list[Variable], list[Variable]]:
    """Runs a call abstractly; returns the specs of its result, and the variables that it reads and that it writes."""
    frame = Frame(log_reads=True)
    out = jax.eval_shape(lambda *args: run_in_frame(frame, function, *args)[0], *args)
    return out, only_variables(frame.reads), only_variables(frame.written)


def run_in_frame(frame: Frame, function: Callable[..., Any], *args: Any, **kwargs: Any) -> tuple[Any, list[Variable], list[Array]]:
    """Runs a function in a frame and returns its result, the variables that it wrote, and their new values."""
    with frame:
        out = values_in(function(*args, **kwargs))
    written = only_variables(frame.written)
    return out, written, [frame.values[variable] for variable in written]
