"""Formulas: the public functions of targets and predictions that losses and metrics are made of."""

import functools
from collections.abc import Callable
from typing import Any, ParamSpec

import jax.numpy as jnp

from lamina.core.graph import op
from lamina.core.registry import open_table
from lamina.core.text import show_shape
from lamina.core.variable import Array
from lamina.ops.wrap import compiled

EPSILON = 1e-7  # Keras's: what keeps a logarithm or a quotient finite

P = ParamSpec("P")
_table = open_table("formulas")


def formula(*static: str, labels: bool = False) -> Callable[[Callable[P, Array]], Callable[P, Array]]:
    """Makes a public function of `f(y_true, y_pred, ...)`.

    It takes lists, Variables and symbolic tensors too, is compiled, and configs know it by its name. What it is given are
    predictions in float32 (or float64), for bfloat16 has no number between 0.996 and 1, and targets of their dtype and shape.

    Args:
        static: the options that decide what is compiled; the others may be arrays.
        labels: whether targets are class numbers, which stay as they are.
    """

    def decorate(function: Callable[P, Array]) -> Callable[P, Array]:
        fast = compiled(*static)(function)

        @functools.wraps(function)
        def call(y_true: Any, y_pred: Any, *args: Any, **kwargs: Any) -> Array:
            y_pred = at_least_float32(y_pred)
            if labels:
                y_true = jnp.asarray(y_true)
            else:
                y_true, y_pred = same_shape(jnp.asarray(y_true, y_pred.dtype), y_pred, function.__name__)
            return fast(y_true, y_pred, *args, **kwargs)

        public: Callable[P, Array] = op(call)  # type: ignore[arg-type]
        _table.add_own(public, function.__name__)
        return public

    return decorate


def get(identifier: Any) -> Callable[..., Array]:
    """Returns the function that an argument means: itself, or by name a public function of this package, or a registered one.

    Raises:
        ValueError: for a name that nothing has, with the nearest known one, or that several have.
        TypeError: for what is not a function.
    """
    if isinstance(identifier, str):
        named = _table.find(identifier, "function")
        identifier = named() if isinstance(named, type) else named
    if not callable(identifier):
        raise TypeError(f"A function of targets and predictions is needed, or the name of one, not {identifier!r}.")
    function: Callable[..., Array] = identifier
    return function


def at_least_float32(array: Any) -> Array:
    """Returns an array of floats, of no less precision than float32."""
    given = jnp.asarray(array)
    return given.astype(jnp.promote_types(given.dtype, "float32"))


def same_rank(y_true: Any, y_pred: Any) -> tuple[Any, Any]:
    """Returns targets and predictions with as many axes: a last one of size 1, missing in one of them, is added."""
    if y_true.ndim == y_pred.ndim - 1 and y_pred.shape[-1] == 1:
        return y_true[..., None], y_pred
    if y_pred.ndim == y_true.ndim - 1 and y_true.shape[-1] == 1:
        return y_true, y_pred[..., None]
    return y_true, y_pred


def same_shape(y_true: Array, y_pred: Array, whose: str) -> tuple[Array, Array]:
    """Returns targets and predictions in one shape: see `same_rank`.

    Keras broadcasts other shapes: targets of shape (classes,) would be compared with each sample.

    Raises:
        ValueError: with both shapes, if they do not fit.
    """
    y_true, y_pred = same_rank(y_true, y_pred)
    if y_true.shape != y_pred.shape:
        raise ValueError(
            f"{whose} compares targets and predictions of one shape, but targets have {show_shape(y_true.shape)} and "
            f"predictions {show_shape(y_pred.shape)}."
        )
    return y_true, y_pred
