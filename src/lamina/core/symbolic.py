"""Graphs: symbolic tensors, the calls that made them, and how shapes are inferred without numbers.

A `SymbolicTensor` has a shape and a dtype but no numbers. Calling a layer or a function of `lamina.ops` on one records the
call as a `Node`, whose outputs are new symbolic tensors. What their shapes are is found by running the call itself
abstractly (`abstract_call`), so nothing needs a shape rule of its own.
"""

import contextlib
import functools
import itertools
import operator
import re
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ParamSpec, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from lamina.core.errors import show_shape
from lamina.core.frame import Frame
from lamina.core.variable import Variable

# A size is an integer, None where it is unknown, or the name of an unknown axis ("time", or an expression: "2*time").
Size = int | str | None
Shape = tuple[Size, ...]

P = ParamSpec("P")
R = TypeVar("R")

_STAND_INS = (96, 144)
_names = itertools.count()


class SymbolicTensor:
    """A tensor without numbers: what `lamina.Input` returns and what layers and ops make of it.

    Args:
        shape: sizes, each an integer, None where unknown, or the name of an unknown axis.
        dtype: the dtype of the elements.
        name: its name; made up where none is given.
        node: the call that made it, or None for an input.
    """

    __slots__ = ("__weakref__", "dtype", "name", "node", "shape")

    def __init__(self, shape: Sequence[Size], dtype: Any = "float32", name: str | None = None, node: "Node | None" = None):
        self.shape: Shape = tuple(shape)
        self.dtype = jnp.dtype(dtype)
        self.name = name or f"tensor_{next(_names)}"
        self.node = node

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    def __repr__(self) -> str:
        return f"<SymbolicTensor {self.name} {show_shape(self.shape)} {self.dtype}>"

    def __len__(self) -> int:
        if not self.shape or not isinstance(self.shape[0], int):
            raise TypeError(f"{self!r} has no known length.")
        return self.shape[0]

    def __iter__(self) -> Any:
        return (record(operator.getitem, (self, i), {}) for i in range(len(self)))

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


class Node:
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


def symbolic_leaves(structure: Any) -> list[SymbolicTensor]:
    """Returns the symbolic tensors of a nested structure, in order."""
    return [leaf for leaf in jax.tree.leaves(structure, is_leaf=_is_tensor) if isinstance(leaf, SymbolicTensor)]


def _is_tensor(value: Any) -> bool:
    return isinstance(value, (Variable, SymbolicTensor))


# --- shapes without numbers ------------------------------------------------------------------------------------------


@functools.cache
def _scope() -> Any:
    from jax import export

    return export.SymbolicScope()


@functools.cache
def _dimension(name: str) -> Any:
    from jax import export

    return export.symbolic_shape(name, scope=_scope())[0]


def _symbolic_size(size: Size, axis: int) -> Any:
    if size is None:
        return _dimension(f"_axis{axis}" if axis else "_batch")
    return _dimension(size) if isinstance(size, str) else size


def public_shape(sizes: Iterable[Any]) -> Shape:
    """Returns the shape as users see it: sizes that follow from unnamed unknown ones are None."""
    return tuple(_public_size(size) for size in sizes)


def _public_size(size: Any) -> Size:
    if size is None or isinstance(size, str):
        return size
    try:
        return operator.index(size)
    except TypeError:
        text = str(size)
    except Exception:  # jax's own error for a symbolic size that has no constant value
        text = str(size)
    return None if re.search(r"\b_(batch|axis\d+)\b", text) else text


Attempt = Callable[[], contextlib.AbstractContextManager[Any]]


def abstract_call(
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    attempt: Attempt = contextlib.nullcontext,
) -> Any:
    """Runs a call without numbers and returns its outputs as `jax.ShapeDtypeStruct`s with public shapes.

    Unknown sizes are symbolic dimensions; where the call cannot be traced with those, two stand-in sizes in turn tell
    which sizes of the outputs depend on them. What is written to variables is forgotten.

    Args:
        function: what to call.
        args: positional arguments; symbolic tensors stand for arrays.
        kwargs: keyword arguments, likewise.
        attempt: makes a context that undoes, where it is left by an exception, what the call builds.
    """
    leaves, tree = jax.tree.flatten((args, kwargs), is_leaf=_is_tensor)
    tensors = [leaf for leaf in leaves if isinstance(leaf, SymbolicTensor)]

    def run(size_of: Callable[[Size, int], Any]) -> Any:
        specs = [jax.ShapeDtypeStruct(tuple(size_of(size, axis) for axis, size in enumerate(t.shape)), t.dtype) for t in tensors]

        def traced(arrays: list[jax.Array]) -> Any:
            remaining = iter(arrays)
            filled = [next(remaining) if isinstance(leaf, SymbolicTensor) else leaf for leaf in leaves]
            full_args, full_kwargs = jax.tree.unflatten(tree, filled)
            with Frame():
                return _arrays_only(function(*full_args, **full_kwargs))

        return jax.eval_shape(traced, specs)

    if all(isinstance(size, int) for tensor in tensors for size in tensor.shape):
        return run(lambda size, _: size)
    try:
        return jax.tree.map(lambda spec: ShapeSpec(public_shape(spec.shape), spec.dtype), run(_symbolic_size))
    except Exception as error:
        try:
            first, second = (_measure(functools.partial(run, _stand_in(tensors, size)), attempt) for size in _STAND_INS)
            outputs, asked = (_what_agrees(a, b) for a, b in zip(first, second, strict=True))
        except Exception:
            raise error from None
        if asked:
            _asked.answers = iter(asked)
            try:
                run(_stand_in(tensors, _STAND_INS[0]))
            finally:
                _asked.answers = None
        return outputs


class _Asked(threading.local):
    """The shapes that calls with stand-in sizes have asked for, so that none of those ends up in a weight."""

    def __init__(self) -> None:
        self.log: list[Any] | None = None
        self.answers: Any = None


_asked = _Asked()


def settled(shapes: Any) -> Any:
    """Returns shapes that something is built for, with None for the sizes that only stand in for unknown ones.

    Args:
        shapes: a structure of sizes.
    """
    if _asked.log is not None:
        _asked.log.append(shapes)
    return shapes if _asked.answers is None else next(_asked.answers)


class _Measured(Exception):
    pass


def _measure(run: Callable[[], Any], attempt: Attempt) -> tuple[Any, list[Any]]:
    """Runs a call with stand-in sizes; returns the shapes of its outputs and those it asked for, and undoes what it built."""
    log: list[Any] = []
    _asked.log = log
    outputs = None
    try:
        with attempt():
            outputs = run()
            raise _Measured
    except _Measured:
        return jax.tree.map(lambda spec: ShapeSpec(spec.shape, spec.dtype), outputs), log
    finally:
        _asked.log = None


def _what_agrees(first: Any, second: Any) -> Any:
    """Returns two structures of sizes as one, with None for the sizes in which they differ."""

    def merge(a: Any, b: Any) -> Any:
        if isinstance(a, ShapeSpec):
            return ShapeSpec(_what_agrees(a.shape, b.shape), a.dtype)
        return a if a == b else None

    return jax.tree.map(merge, first, second, is_leaf=lambda leaf: leaf is None)


def _stand_in(tensors: list[SymbolicTensor], base: int) -> Callable[[Size, int], int]:
    """Returns the sizes to try: one for all unknown axes, except that axes of different names differ."""
    names = sorted({size for tensor in tensors for size in tensor.shape if isinstance(size, str)})
    sizes: dict[Size, int] = {None: base, **{name: base + 5 * i for i, name in enumerate(names)}}
    return lambda size, _: size if isinstance(size, int) else sizes[size]


class ShapeSpec:
    """A public shape and a dtype."""

    __slots__ = ("dtype", "shape")

    def __init__(self, shape: Shape, dtype: Any) -> None:
        self.shape = shape
        self.dtype = dtype


def _arrays_only(outputs: Any) -> Any:
    return jax.tree.map(jnp.asarray, outputs)


# --- recording -------------------------------------------------------------------------------------------------------


def record(
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    outputs: Any = None,
    attempt: Attempt = contextlib.nullcontext,
) -> Any:
    """Records a call on symbolic tensors and returns its outputs as symbolic tensors.

    Args:
        function: a layer, or a function of arrays.
        args: positional arguments.
        kwargs: keyword arguments.
        outputs: the outputs' shapes and dtypes, where they are known; else the call is run abstractly.
        attempt: see `abstract_call`.
    """
    if outputs is None:
        outputs = abstract_call(function, args, kwargs, attempt)
    node = Node(function, args, kwargs)
    node.outputs = jax.tree.map(lambda spec: SymbolicTensor(spec.shape, spec.dtype, node=node), outputs)
    return node.outputs


def op(function: Callable[P, R]) -> Callable[P, R]:
    """Lets a function of arrays take Variables and symbolic tensors too, alone or nested in lists, tuples and dicts."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        for arg in args:
            if type(arg) in _UNWRAPPED:
                break
        else:
            if not kwargs or not any(type(arg) in _UNWRAPPED for arg in kwargs.values()):
                return function(*args, **kwargs)
        leaves, tree = jax.tree.flatten((args, kwargs), is_leaf=_is_tensor)
        if any(isinstance(leaf, SymbolicTensor) for leaf in leaves):
            return record(call, args, kwargs)
        if any(isinstance(leaf, Variable) for leaf in leaves):
            leaves = [leaf.value if isinstance(leaf, Variable) else leaf for leaf in leaves]
            args, kwargs = jax.tree.unflatten(tree, leaves)
        return function(*args, **kwargs)

    return call


_UNWRAPPED = {Variable, SymbolicTensor, list, tuple, dict}


def replay(outputs: Any, feed: dict[SymbolicTensor, Any]) -> Any:
    """Computes symbolic outputs from the values of symbolic inputs, running each recorded call once.

    Args:
        outputs: a structure of symbolic tensors.
        feed: a value for each symbolic tensor that the computation starts from; it is filled as calls run.

    Raises:
        ValueError: if the outputs depend on an input that `feed` lacks.
    """
    wanted = symbolic_leaves(outputs)
    for node in order_of_calls(wanted, feed):
        args, kwargs = _fill((node.args, node.kwargs), feed)
        values = node.function(*args, **kwargs)
        tensors = jax.tree.leaves(node.outputs, is_leaf=_is_tensor)
        feed.update(zip(tensors, jax.tree.leaves(values, is_leaf=_is_tensor), strict=True))
    return _fill(outputs, feed)


def _fill(structure: Any, feed: dict[SymbolicTensor, Any]) -> Any:
    return jax.tree.map(lambda leaf: feed[leaf] if isinstance(leaf, SymbolicTensor) else leaf, structure, is_leaf=_is_tensor)


def order_of_calls(wanted: Iterable[SymbolicTensor], given: Iterable[SymbolicTensor]) -> list[Node]:
    """Returns the recorded calls that lead from the given tensors to the wanted ones, in an order in which they can run.

    Raises:
        ValueError: if a wanted tensor depends on an input that is not among the given ones.
    """
    given = set(given)
    order: dict[Node, None] = {}
    stack = [(tensor, False) for tensor in reversed(list(wanted))]
    while stack:
        tensor, ready = stack.pop()
        if tensor in given or tensor.node in order:
            continue
        if tensor.node is None:
            raise ValueError(f"The outputs depend on {tensor!r}, which is not among the inputs. Add it to the inputs of the model.")
        if ready:
            order[tensor.node] = None
        else:
            stack.append((tensor, True))
            stack.extend((source, False) for source in reversed(tensor.node.inputs))
    return list(order)


def _operators() -> None:
    """Gives SymbolicTensor the operators of arrays."""

    def binary(function: Callable[[Any, Any], Any]) -> Callable[[SymbolicTensor, Any], Any]:
        return lambda self, other: record(function, (self, other), {})

    def reflected(function: Callable[[Any, Any], Any]) -> Callable[[SymbolicTensor, Any], Any]:
        return lambda self, other: record(function, (other, self), {})

    def unary(function: Callable[[Any], Any]) -> Callable[[SymbolicTensor], Any]:
        return lambda self: record(function, (self,), {})

    for name in ("add", "sub", "mul", "matmul", "truediv", "floordiv", "mod", "pow", "and_", "or_", "xor"):
        function = getattr(operator, name)
        setattr(SymbolicTensor, f"__{name.strip('_')}__", binary(function))
        setattr(SymbolicTensor, f"__r{name.strip('_')}__", reflected(function))
    for name in ("eq", "ne", "lt", "le", "gt", "ge", "getitem"):
        setattr(SymbolicTensor, f"__{name}__", binary(getattr(operator, name)))
    for name in ("neg", "pos", "abs", "invert"):
        setattr(SymbolicTensor, f"__{name}__", unary(getattr(operator, name)))


_operators()
