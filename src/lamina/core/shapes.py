"""Shapes without numbers: what a call would give, found by running it abstractly.

Unknown sizes are symbolic dimensions of JAX's. Some code cannot run with those (it asks whether a size is even, say); then
two stand-in sizes in turn tell which sizes depend on them, and nothing is ever built for a stand-in.
"""

import contextlib
import functools
import operator
from collections.abc import Callable, Iterable
from typing import Any

import jax
import jax.numpy as jnp

import lamina.core.events as events
from lamina.core.context import context
from lamina.core.frame import Frame
from lamina.core.jax_internals import eval_shape
from lamina.core.side_effects import checking_side_effects
from lamina.core.symbolic import Shape, Size, SymbolicTensor, is_tensor
from lamina.core.text import UNNAMED, ReprMixin, describe

_STAND_INS = (96, 144)


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
    return None if UNNAMED.search(text) else text


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
    leaves, tree = jax.tree.flatten((args, kwargs), is_leaf=is_tensor)
    tensors = [leaf for leaf in leaves if isinstance(leaf, SymbolicTensor)]

    def run(size_of: Callable[[Size, int], Any]) -> Any:
        specs = [jax.ShapeDtypeStruct(tuple(size_of(size, axis) for axis, size in enumerate(t.shape)), t.dtype) for t in tensors]

        def traced(arrays: list[jax.Array]) -> Any:
            remaining = iter(arrays)
            filled = [next(remaining) if isinstance(leaf, SymbolicTensor) else leaf for leaf in leaves]
            full_args, full_kwargs = jax.tree.unflatten(tree, filled)
            with Frame():
                return _arrays_only(function(*full_args, **full_kwargs))

        with events.reason("shapes"), events.attempt(), checking_side_effects("a run for shapes"):
            return eval_shape(traced, specs)

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
            context.sizes_known = iter(asked)
            try:
                run(_stand_in(tensors, _STAND_INS[0]))
            finally:
                context.sizes_known = None
        return outputs


def known_sizes(shapes: Any) -> Any:
    """Returns shapes that something is built for, with None for the sizes that only stand in for unknown ones.

    Args:
        shapes: a structure of sizes.
    """
    if context.sizes_asked is not None:
        context.sizes_asked.append(shapes)
    return shapes if context.sizes_known is None else next(context.sizes_known)


class _Measured(Exception):
    pass


def _measure(run: Callable[[], Any], attempt: Attempt) -> tuple[Any, list[Any]]:
    """Runs a call with stand-in sizes; returns the shapes of its outputs and those it asked for, and undoes what it built."""
    log: list[Any] = []
    context.sizes_asked = log
    outputs = None
    try:
        with events.attempt(), attempt():
            outputs = run()
            raise _Measured
    except _Measured:
        return jax.tree.map(lambda spec: ShapeSpec(spec.shape, spec.dtype), outputs), log
    finally:
        context.sizes_asked = None


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


class ShapeSpec(ReprMixin):
    """A public shape and a dtype."""

    __slots__ = ("dtype", "shape")

    def __init__(self, shape: Shape, dtype: Any) -> None:
        self.shape = shape
        self.dtype = dtype

    def _facts(self) -> Iterable[str]:
        return [describe(self)]


def _arrays_only(outputs: Any) -> Any:
    return jax.tree.map(jnp.asarray, outputs)
