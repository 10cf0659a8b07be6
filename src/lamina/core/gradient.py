"""Gradients of stateful functions: `grad` and `value_and_grad`."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

import lamina.core.events as events
from lamina.core.errors import add_context, filter_traceback, filtered
from lamina.core.frame import Frame, whole
from lamina.core.lift import run_in_frame
from lamina.core.masks import masks_of, put_masks
from lamina.core.side_effects import checking_side_effects
from lamina.core.text import describe_call
from lamina.core.variable import Variable


def value_and_grad(
    function: Callable[..., Any], wrt: Any = None, *, argnums: int | Sequence[int] = 0, has_aux: bool = False
) -> Callable[..., tuple[Any, Any]]:
    """Returns a function that computes a value and its gradients.

    State that `function` writes (batch statistics, seeds) is kept, as if it had been called plainly.

    Args:
        function: returns a scalar, or `(scalar, auxiliary)` with `has_aux`.
        wrt: a variable, or a list or other structure of them, to differentiate with respect to. If None, the
            gradient is that with respect to the arguments `argnums`, as in `jax.value_and_grad`.
        argnums: the position or positions of the arguments, where `wrt` is None.
        has_aux: whether `function` also returns something that is not differentiated.

    Returns:
        A function of the same arguments that returns `(value, gradients)`, or `((value, auxiliary), gradients)`. Gradients
        are nested as `wrt` is, each with its variable's shape and dtype.

    Raises:
        ValueError: if `wrt` has no variables, which often means that the layer is not built yet.
        TypeError: if it holds something that is not a variable of a floating dtype.

    >>> w = lamina.Variable(3.0, name="w")
    >>> value, gradient = lamina.value_and_grad(lambda x: w * w * x, w)(2.0)
    >>> print(value, gradient)
    18.0 12.0
    """
    if wrt is not None:
        check_wrt(wrt)

    @whole
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        written: list[Variable] = []
        masks = masks_of(jax.tree.leaves(args))
        wanted, tree = jax.tree.flatten(wrt, is_leaf=lambda leaf: isinstance(leaf, Variable))
        targets = list(dict.fromkeys(wanted))

        def pure(values: Any, *args: Any) -> tuple[Any, Any]:
            put_masks(jax.tree.leaves(args), masks)
            frame = Frame(zip(targets, values, strict=True) if targets else ())
            with events.reason("gradient"):
                out, wrote, new = run_in_frame(frame, function, *args, **kwargs)
            written[:] = wrote
            value, aux = out if has_aux else (out, None)
            return value, (aux, masks_of(jax.tree.leaves(aux)), new)

        values = [target._read() for target in targets]
        try:
            with checking_side_effects("a gradient", function=function):
                if wrt is None:
                    numbers = (argnums,) if isinstance(argnums, int) else argnums
                    positions = tuple(n % len(args) + 1 if -len(args) <= n < len(args) else n + 1 for n in numbers)
                    (value, (aux, aux_masks, new)), grads = jax.value_and_grad(pure, positions, has_aux=True)([], *args)
                    grads = grads[0] if isinstance(argnums, int) else grads
                else:
                    (value, (aux, aux_masks, new)), grads = jax.value_and_grad(pure, has_aux=True)(values, *args)
                    by_target = dict(zip(targets, grads, strict=True))
                    grads = jax.tree.unflatten(tree, [by_target[target] for target in wanted])
        except Exception as error:
            add_context(error, f"a gradient of {getattr(function, '__name__', 'a function')!r}", describe_call(args, kwargs))
            filter_traceback(error)
            raise
        put_masks(jax.tree.leaves(aux), aux_masks)
        for variable, array in zip(written, new, strict=True):
            variable.assign(array)
        return ((value, aux) if has_aux else value), grads

    return call


def grad(
    function: Callable[..., Any], wrt: Any = None, *, argnums: int | Sequence[int] = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """Returns a function that computes gradients: as `value_and_grad`, without the value.

    With `has_aux` it returns `(gradients, auxiliary)`.

    >>> print(lamina.grad(lambda x: x**3)(2.0))
    12.0
    """
    compute = value_and_grad(function, wrt, argnums=argnums, has_aux=has_aux)

    @filtered
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        value, grads = compute(*args, **kwargs)
        return (grads, value[1]) if has_aux else grads

    return call


def check_wrt(wrt: Any) -> None:
    """Raises ValueError or TypeError, as `value_and_grad` promises, for what cannot be differentiated with respect to."""
    targets = jax.tree.leaves(wrt, is_leaf=lambda leaf: isinstance(leaf, Variable))
    if not targets:
        raise ValueError(
            "There are no variables to differentiate with respect to. If they are a layer's weights, build the layer first: "
            "call it on data, or layer.build(shape)."
        )
    for target in targets:
        if not isinstance(target, Variable):
            raise TypeError(f"wrt takes variables, not {target!r}. For gradients of arguments leave wrt out and use argnums.")
        if not jnp.issubdtype(target.dtype, jnp.inexact):
            raise TypeError(f"{target!r} cannot be differentiated with respect to: it is not of a floating dtype.")
