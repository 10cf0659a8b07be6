"""Symbolic tensors, and the calls that made them.

A `SymbolicTensor` has a shape and a dtype but no numbers. Calling a layer or a function of `lamina.ops` on one records the
call as a `Node`, whose outputs are new symbolic tensors (`lamina.core.graph`). What their shapes are is found by running the
call itself abstractly (`lamina.core.shapes`), so nothing needs a shape rule of its own.
"""

import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lamina.core.text import ReprMixin, format_value, show_shape
from lamina.core.variable import Variable

# A size is an integer, None where it is unknown, or the name of an unknown axis ("time", or an expression: "2*time").
Size = int | str | None
Shape = tuple[Size, ...]

_names = itertools.count()


class SymbolicTensor(ReprMixin):
    """A tensor without numbers: what `lamina.Input` returns and what layers and ops make of it.

    Args:
        shape: sizes, each an integer, None where unknown, or the name of an unknown axis.
        dtype: the dtype of the elements.
        name: its name; made up where none is given.
        node: the call that made it; None, or that of an input layer, for an input.
    """

    __slots__ = ("__weakref__", "_node", "dtype", "name", "shape")

    def __init__(self, shape: Sequence[Size], dtype: Any = "float32", name: str | None = None, node: "Node | None" = None):
        self.shape: Shape = tuple(shape)
        if isinstance(dtype, str) and dtype in ("string", "str", "object"):
            raise TypeError(
                "A model computes with numbers, so its inputs cannot be strings. Turn them into numbers before the model sees "
                "them, for example by lamina.layers.TextVectorization or StringLookup."
            )
        self.dtype = jnp.dtype(dtype)
        self.name = name or f"tensor_{next(_names)}"
        self._node = node

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def _is_input(self) -> bool:
        """Whether no call on other tensors made it, so that a graph can only start from it."""
        return self._node is None or not self._node.inputs

    def _facts(self) -> Iterable[str]:
        return [f"{self.name} {show_shape(self.shape)} {self.dtype}"]

    def __len__(self) -> int:
        if not self.shape or not isinstance(self.shape[0], int):
            raise TypeError(f"{self!r} has no known length.")
        return self.shape[0]

    def __iter__(self) -> Any:
        return (self[i] for i in range(len(self)))  # type: ignore[index]

    def __bool__(self) -> bool:
        raise TypeError(
            f"{self!r} has no value yet, so Python's if, while, and, or cannot ask for it. Use lamina.ops.where or "
            "lamina.cond, or write the code in the call() of a layer."
        )

    def __array__(self, *_: Any, **__: Any) -> np.ndarray:
        raise TypeError(
            f"{self!r} has no numbers, so NumPy cannot take it. Use the functions of lamina.ops, or write a layer whose "
            "call() does the computation."
        )

    __array_priority__ = 200
    __array_ufunc__ = None
    __hash__ = object.__hash__


class Node(ReprMixin):
    """One recorded call: `function(*args, **kwargs)` gave `outputs`.

    Args:
        function: a layer, or a function of arrays.
        args: positional arguments, symbolic tensors among them.
        kwargs: keyword arguments.
    """

    __slots__ = ("args", "function", "inputs", "kwargs", "outputs")

    def __init__(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.function = function
        self.args = args
        self.kwargs = kwargs
        self.inputs = symbolic_leaves((args, kwargs))
        self.outputs: Any = None

    def _facts(self) -> Iterable[str]:
        return [f"{format_value(self.function)} of {', '.join(tensor.name for tensor in self.inputs)}"]


def symbolic_leaves(structure: Any) -> list[SymbolicTensor]:
    """Returns the symbolic tensors of a nested structure, in order."""
    return [leaf for leaf in jax.tree.leaves(structure, is_leaf=is_tensor) if isinstance(leaf, SymbolicTensor)]


def is_tensor(value: Any) -> bool:
    """Tells whether a leaf of a structure stands for an array: a Variable or a symbolic tensor."""
    return isinstance(value, (Variable, SymbolicTensor))
