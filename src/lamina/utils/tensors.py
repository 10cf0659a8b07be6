"""What tensors of graphs are, and where they come from."""

from typing import Any

import jax
import numpy as np

from lamina.core.symbolic import SymbolicTensor, symbolic_leaves


def is_keras_tensor(x: Any) -> bool:
    """Tells whether x is a symbolic tensor: what `lamina.Input` returns, and what layers and ops make of it.

    >>> is_keras_tensor(lamina.Input((3,))), is_keras_tensor(np.ones(3))
    (True, False)
    """
    return isinstance(x, SymbolicTensor)


def get_source_inputs(tensor: Any) -> list[SymbolicTensor]:
    """Returns the inputs that a symbolic tensor was made from, each once.

    Args:
        tensor: a symbolic tensor, or a structure of them.

    >>> x, y = lamina.Input((3,), name="x"), lamina.Input((3,), name="y")
    >>> [source.name for source in get_source_inputs(lamina.layers.Dense(2)(x + y))]
    ['x', 'y']
    """
    sources: dict[int, SymbolicTensor] = {}
    seen: set[int] = set()
    waiting = symbolic_leaves(tensor)[::-1]
    while waiting:
        found = waiting.pop()
        if id(found) in seen:
            continue
        seen.add(id(found))
        if found._is_input:
            sources[id(found)] = found
        elif found._node is not None:
            waiting.extend(reversed(found._node.inputs))
    return list(sources.values())


def standardize_dtype(dtype: Any) -> str:
    """Returns the name of a dtype: "float32" for None; as JAX has it for Python's int and float.

    Args:
        dtype: a name, a dtype of NumPy's or JAX's, bool, int or float, or None.

    Raises:
        ValueError: for what names no dtype.

    >>> [standardize_dtype(dtype) for dtype in (None, jnp.bfloat16, np.dtype("uint8"), int, float, "bool")]
    ['float32', 'bfloat16', 'uint8', 'int32', 'float32', 'bool']
    """
    if dtype is None:
        return "float32"
    if dtype in (bool, int, float):
        dtype = jax.dtypes.canonicalize_dtype(dtype)
    try:
        return str(np.dtype(dtype).name)
    except TypeError:
        raise ValueError(f"{dtype!r} is not a dtype. Give its name, such as 'float32', or a dtype of NumPy's or JAX's.") from None
