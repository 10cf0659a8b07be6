"""`lamina.print`: printing from compiled code."""

import builtins
from typing import Any

import jax
import numpy as np

from lamina.core.jax_internals import is_tracer
from lamina.core.variable import Variable


def print(*values: Any, sep: str = " ", end: str = "\n") -> None:
    """Prints values, from compiled code too: each time that the code runs, with the numbers of that run.

    Args:
        values: text, arrays, variables, or anything else.
        sep: stands between them.
        end: stands after them.

    >>> @lamina.jit
    ... def double(x):
    ...     lamina.print("x is", x)
    ...     return 2 * x
    >>> y = double(3.0).block_until_ready()
    x is 3.0
    """
    arrays = {}
    for i, value in enumerate(values):
        value = value.value if isinstance(value, Variable) else value
        if isinstance(value, jax.Array):
            arrays[i] = value

    def show(arrays: dict[int, Any]) -> None:
        filled = [np.asarray(arrays[i]) if i in arrays else value for i, value in enumerate(values)]
        builtins.print(*filled, sep=sep, end=end, flush=True)

    if any(is_tracer(array) for array in arrays.values()):
        jax.debug.callback(show, arrays)
    else:
        show(arrays)
