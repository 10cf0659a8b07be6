"""Graphs: recording calls on symbolic tensors, and running what was recorded."""

import contextlib
import functools
import operator
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, ParamSpec, TypeVar

import jax
import numpy as np

from lamina.core.errors import add_context, filter_traceback, filtered
from lamina.core.placement import own_memory
from lamina.core.shapes import Attempt, abstract_call
from lamina.core.symbolic import Node, SymbolicTensor, is_tensor, symbolic_leaves
from lamina.core.text import describe_call
from lamina.core.variable import Variable

P = ParamSpec("P")
R = TypeVar("R")


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
    args, kwargs = _own(args, kwargs)
    if outputs is None:
        try:
            outputs = abstract_call(function, args, kwargs, attempt)
        except Exception as error:
            add_context(error, f"the operation {getattr(function, '__name__', function)!r}", describe_call(args, kwargs))
            filter_traceback(error)
            raise
    node = Node(function, args, kwargs)
    node.outputs = jax.tree.map(lambda spec: SymbolicTensor(spec.shape, spec.dtype, node=node), outputs)
    return node.outputs


def _own(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Returns the arguments of a call with copies of arrays of NumPy, which their owner may write to once it has returned."""
    leaves, tree = jax.tree.flatten((args, kwargs), is_leaf=is_tensor)
    if not any(isinstance(leaf, np.ndarray) for leaf in leaves):
        return args, kwargs
    own: tuple[tuple[Any, ...], dict[str, Any]] = jax.tree.unflatten(tree, map(own_memory, leaves))
    return own


def op(function: Callable[P, R]) -> Callable[P, R]:
    """Lets a function of arrays take Variables and symbolic tensors too, alone or nested in lists, tuples and dicts.

    Arrays of NumPy are copied first: a program on the device may read them when the call has returned.

    What graphs record is the attribute `recorded` of the result: itself.
    """

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            for arg in args:
                if type(arg) in _UNWRAPPED:
                    break
            else:
                if not kwargs or not any(type(arg) in _UNWRAPPED for arg in kwargs.values()):
                    return function(*args, **kwargs)
            leaves, tree = jax.tree.flatten((args, kwargs), is_leaf=is_tensor)
            if any(isinstance(leaf, SymbolicTensor) for leaf in leaves):
                return record(call, args, kwargs)
            if any(isinstance(leaf, (Variable, np.ndarray)) for leaf in leaves):
                leaves = [leaf.value if isinstance(leaf, Variable) else own_memory(leaf) for leaf in leaves]
                args, kwargs = jax.tree.unflatten(tree, leaves)
            return function(*args, **kwargs)
        except Exception as error:
            filter_traceback(error)
            raise

    call.recorded = call  # type: ignore[attr-defined]
    return call


_UNWRAPPED = {Variable, SymbolicTensor, np.ndarray, list, tuple, dict}


class Structure(NamedTuple):
    """How the parts of a model are connected, where that is known.

    Attributes:
        is_chain: whether each part has its inputs from the one before it alone.
        parts: its layers, and between them the calls of functions, in order.
        calls: the recorded calls, where it is not a chain.
        starts: the tensors that it starts from, each with the layer that takes it, where these are known from the beginning.
        inputs: the symbolic inputs, nested as they were given; None before they are known.
    """

    is_chain: bool
    parts: list[Any]
    calls: list[Node]
    starts: dict[SymbolicTensor, Any]
    inputs: Any


def replay(outputs: Any, feed: dict[SymbolicTensor, Any]) -> Any:
    """Computes symbolic outputs from the values of symbolic inputs, running each recorded call once.

    Args:
        outputs: a structure of symbolic tensors.
        feed: a value for each symbolic tensor that the computation starts from; it is filled as calls run.

    Raises:
        ValueError: if the outputs depend on an input that `feed` lacks.
    """
    run_calls(order_of_calls(symbolic_leaves(outputs), feed), feed)
    return fill(outputs, feed)


def run_calls(calls: Iterable[Node], feed: dict[SymbolicTensor, Any], call: Callable[..., Any] | None = None) -> None:
    """Runs recorded calls, in the given order, and enters their results in `feed`.

    Args:
        calls: in an order in which each finds its inputs.
        feed: the values of the symbolic tensors so far.
        call: what to do instead of a call: it is given the recorded function, and then the arguments.
    """
    for node in calls:
        args, kwargs = fill((node.args, node.kwargs), feed)
        values = node.function(*args, **kwargs) if call is None else call(node.function, *args, **kwargs)
        tensors = jax.tree.leaves(node.outputs, is_leaf=is_tensor)
        feed.update(zip(tensors, jax.tree.leaves(values, is_leaf=is_tensor), strict=True))


def fill(structure: Any, feed: dict[SymbolicTensor, Any]) -> Any:
    """Returns a structure with the values of its symbolic tensors in their place."""
    return jax.tree.map(lambda leaf: feed[leaf] if isinstance(leaf, SymbolicTensor) else leaf, structure, is_leaf=is_tensor)


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
        if tensor in given or tensor._node in order:
            continue
        if tensor._node is None or tensor._is_input:
            raise ValueError(f"The outputs depend on {tensor!r}, which is not among the inputs. Add it to the inputs of the model.")
        if ready:
            order[tensor._node] = None
        else:
            stack.append((tensor, True))
            stack.extend((source, False) for source in reversed(tensor._node.inputs))
    return list(order)


# What Python's operators record, by name.
_BINARY = ("add", "sub", "mul", "matmul", "truediv", "floordiv", "mod", "pow", "and_", "or_", "xor")
_ONE_SIDED = ("eq", "ne", "lt", "le", "gt", "ge", "getitem")
_UNARY = ("neg", "pos", "abs", "invert")
OPERATORS: dict[str, Callable[..., Any]] = {name: getattr(operator, name) for name in (*_BINARY, *_ONE_SIDED, *_UNARY)}


def _operators() -> None:
    """Gives SymbolicTensor the operators of arrays."""

    def binary(function: Callable[[Any, Any], Any]) -> Callable[[SymbolicTensor, Any], Any]:
        return filtered(lambda self, other: record(function, (self, other), {}))

    def reflected(function: Callable[[Any, Any], Any]) -> Callable[[SymbolicTensor, Any], Any]:
        return filtered(lambda self, other: record(function, (other, self), {}))

    def unary(function: Callable[[Any], Any]) -> Callable[[SymbolicTensor], Any]:
        return filtered(lambda self: record(function, (self,), {}))

    for name in _BINARY:
        setattr(SymbolicTensor, f"__{name.strip('_')}__", binary(OPERATORS[name]))
        setattr(SymbolicTensor, f"__r{name.strip('_')}__", reflected(OPERATORS[name]))
    for name in _ONE_SIDED:
        setattr(SymbolicTensor, f"__{name}__", binary(OPERATORS[name]))
    for name in _UNARY:
        setattr(SymbolicTensor, f"__{name}__", unary(OPERATORS[name]))


_operators()
