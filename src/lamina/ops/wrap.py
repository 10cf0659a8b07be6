"""How a function of `jax.numpy` becomes a function of `lamina.ops`.

`lamina.core.graph.op` lets it take Variables and symbolic tensors. Keras takes lists of numbers as arrays too, which
`jax.numpy` refuses, and calls arrays `x`, `x1`, `x2` and `xs`: `unary`, `binary` and `ternary` are `op` for functions whose first
one, two or three arguments are arrays, and `joining` for those whose first argument is a list of them.
"""

import functools
import inspect
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import jax
import jax.numpy as jnp

from lamina.core.graph import op

P = ParamSpec("P")
R = TypeVar("R")


def unary(function: Callable[P, R]) -> Callable[P, R]:
    """Makes an op of a function of one array and other arguments."""
    return op(_take_lists(function, 1))


def binary(function: Callable[P, R]) -> Callable[P, R]:
    """Makes an op of a function of two arrays and other arguments."""
    return op(_take_lists(function, 2))


def ternary(function: Callable[P, R]) -> Callable[P, R]:
    """Makes an op of a function of three arrays and other arguments."""
    return op(_take_lists(function, 3))


def joining(function: Callable[P, R]) -> Callable[P, R]:
    """Makes an op of a function of a list of arrays and other arguments."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> R:
        if not args:
            args, kwargs = _placed((), kwargs, (("xs",), ("x",)))
        return function(*args, **kwargs)

    return op(call)


_NAMES: dict[int, Any] = {
    1: (("x",), ("array",), ("variable",)),
    2: (("x1", "x2"), ("x", "y"), ("x", "indices"), ("sorted_sequence", "values")),
    3: (),
}


def _placed(args: tuple[Any, ...], kwargs: dict[str, Any], names: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Returns arguments with those at their places that were given by Keras's names."""
    for known in names:
        if kwargs.keys() >= set(known[len(args) :]):
            return args + tuple(kwargs[name] for name in known[len(args) :]), {k: v for k, v in kwargs.items() if k not in known}
    return args, kwargs


def _take_lists(function: Callable[P, R], arrays: int) -> Callable[P, R]:
    """Lets the first positional arguments be lists and tuples of numbers, and go by Keras's names."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> R:
        if len(args) < arrays:
            args, kwargs = _placed(args, kwargs, _NAMES[arrays])
        for arg in args[:arrays]:
            if type(arg) is list or type(arg) is tuple:
                first: list[Any] = [jnp.asarray(a) if isinstance(a, (list, tuple)) else a for a in args[:arrays]]
                args = (*first, *args[arrays:])
                break
        return function(*args, **kwargs)

    return call


def compiled(*static: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Compiles a function of several steps, so that called eagerly it costs one dispatch.

    Args:
        static: the names of the arguments that are not arrays: numbers, names, tuples and lists of them.
    """

    def compile(function: Callable[P, R]) -> Callable[P, R]:
        fast = jax.jit(function, static_argnames=static)
        if not static:
            return fast
        names = tuple(inspect.signature(function).parameters)

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            # What is static has to be hashable, which lists are not.
            if list in map(type, args):
                args = tuple(_hashable(arg) if name in static else arg for name, arg in zip(names, args, strict=False))
            if list in map(type, kwargs.values()):
                kwargs = {name: _hashable(arg) if name in static else arg for name, arg in kwargs.items()}
            return fast(*args, **kwargs)

        return call

    return compile


def _hashable(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
