"""Control flow that knows about state: what a body writes to variables is carried from turn to turn and out.

Arguments and results are those of the functions of the same name in `jax.lax` and `jax`.
"""

import functools
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lamina.core.errors import StateError, in_context
from lamina.core.frame import Frame, whole
from lamina.core.jax_internals import differs_between_lanes, is_batched, is_tracer
from lamina.core.lift import run_in_frame
from lamina.core.masks import masks_of, put_masks
from lamina.core.variable import Array, Variable

_lanes = itertools.count()


def written_by(function: Callable[..., Any], *args: Any) -> list[Variable]:
    """Returns the variables that a call writes, by running it abstractly; what it writes is forgotten."""
    written: list[Variable] = []

    def traced(*args: Any) -> Any:
        out, wrote, _ = run_in_frame(Frame(), function, *args)
        written.extend(wrote)
        return out

    jax.eval_shape(traced, *args)
    return written


def _with_state(
    function: Callable[..., Any], variables: Sequence[Variable], alone: bool = False
) -> Callable[..., tuple[Any, list[Array]]]:
    """Returns `f(values, *args) -> (out, new values)`; where it may write the variables alone, writing others is refused."""

    def pure(values: Sequence[Array], *args: Any) -> tuple[Any, list[Array]]:
        with Frame(zip(variables, values, strict=True), owned=variables if alone else None) as frame:
            out = jax.tree.map(jnp.asarray, function(*args))
        return out, [frame.values[variable] for variable in variables]

    return pure


def _read(variables: Sequence[Variable]) -> list[Array]:
    return [variable._read() for variable in variables]


def _assign(variables: Sequence[Variable], values: Sequence[Array]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


@in_context("lamina.scan")
@whole
def scan(
    f: Callable[[Any, Any], tuple[Any, Any]],
    init: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
    unroll: int | bool = 1,
) -> tuple[Any, Any]:
    """Runs `carry, y = f(carry, x)` over the leading axis of `xs`; returns the last carry and the stacked `y`.

    As `jax.lax.scan`; variables that `f` writes are carried too.

    >>> total = lamina.Variable(0.0)
    >>> def step(carry, x):
    ...     total.assign_add(x)
    ...     return carry + 1, total.value
    >>> lamina.scan(step, 0, jnp.arange(3.0))
    (Array(3, dtype=int32, weak_type=True), Array([0., 1., 3.], dtype=float32))
    >>> print(total.numpy())
    3.0
    """
    x = jax.tree.map(lambda array: jax.ShapeDtypeStruct(array.shape[1:], array.dtype), jax.tree.map(jnp.asarray, xs))
    variables = written_by(f, init, x)
    step = _with_state(f, variables)

    def body(carry: Any, x: Any) -> tuple[Any, Any]:
        (new, y), values = step(carry[1], carry[0], x)
        return (new, values), y

    (carry, values), ys = jax.lax.scan(body, (init, _read(variables)), xs, length, reverse, unroll)
    _assign(variables, values)
    return carry, ys


@in_context("lamina.fori_loop")
@whole
def fori_loop(
    lower: Any,
    upper: Any,
    body_fun: Callable[[Any, Any], Any],
    init_val: Any,
    *,
    variables: Sequence[Variable] | None = None,
) -> Any:
    """Runs `value = body_fun(i, value)` for i from `lower` to `upper - 1`; as `jax.lax.fori_loop`, with state.

    Args:
        lower: the first i.
        upper: one past the last i; it may be known only at run time.
        body_fun: takes i and the value, returns the new value.
        init_val: the first value.
        variables: those that `body_fun` writes, where they are known; else they are found by an abstract run.
    """
    if variables is None:
        variables = written_by(body_fun, jnp.asarray(lower), init_val)
    step = _with_state(body_fun, variables, alone=True)
    value, values = jax.lax.fori_loop(lower, upper, lambda i, c: step(c[1], i, c[0]), (init_val, _read(variables)))
    _assign(variables, values)
    return value


@in_context("lamina.while_loop")
@whole
def while_loop(cond_fun: Callable[[Any], Any], body_fun: Callable[[Any], Any], init_val: Any) -> Any:
    """Runs `value = body_fun(value)` while `cond_fun(value)` is true; as `jax.lax.while_loop`, with state.

    Raises:
        StateError: if the condition writes a variable; only the body may.
    """
    if wrote := written_by(cond_fun, init_val):
        raise StateError(f"The condition of while_loop writes {wrote[0]!r}; write it in the body.")
    variables = written_by(body_fun, init_val)
    condition, step = _with_state(cond_fun, variables), _with_state(body_fun, variables)
    value, values = jax.lax.while_loop(lambda c: condition(c[1], c[0])[0], lambda c: step(c[1], c[0]), (init_val, _read(variables)))
    _assign(variables, values)
    return value


@in_context("lamina.cond")
@whole
def cond(pred: Any, true_fun: Callable[..., Any], false_fun: Callable[..., Any], *operands: Any) -> Any:
    """Returns `true_fun(*operands)` if `pred` is true, else `false_fun(*operands)`; as `jax.lax.cond`, with state.

    Where the value of `pred` is known, only that branch runs, as plain Python.
    """
    pred = pred.value if isinstance(pred, Variable) else pred
    if not is_tracer(pred):
        return (true_fun if bool(pred) else false_fun)(*operands)
    return _choose(lambda *branches: functools.partial(jax.lax.cond, pred, *branches), (true_fun, false_fun), operands)


@in_context("lamina.switch")
@whole
def switch(index: Any, branches: Sequence[Callable[..., Any]], *operands: Any) -> Any:
    """Returns `branches[index](*operands)`, the index clamped to what there is; as `jax.lax.switch`, with state.

    Where the value of `index` is known, only that branch runs, as plain Python.
    """
    index = index.value if isinstance(index, Variable) else index
    if not is_tracer(index):
        return branches[min(max(int(index), 0), len(branches) - 1)](*operands)
    return _choose(lambda *pures: functools.partial(jax.lax.switch, index, pures), tuple(branches), operands)


def _choose(choice: Callable[..., Any], branches: Sequence[Callable[..., Any]], operands: Sequence[Any]) -> Any:
    variables = list(dict.fromkeys(v for branch in branches for v in written_by(branch, *operands)))
    out, values = choice(*(_with_state(branch, variables) for branch in branches))(_read(variables), *operands)
    _assign(variables, values)
    return out


@in_context("lamina.map")
@whole
def map(f: Callable[[Any], Any], xs: Any) -> Any:
    """Returns `f(x)` for each x along the leading axis of `xs`, stacked; one after the other, with state."""
    return scan(lambda carry, x: (carry, f(x)), None, xs)[1]


def vmap(f: Callable[..., Any], in_axes: Any = 0, out_axes: Any = 0, axis_name: Any = None) -> Callable[..., Any]:
    """Returns `f` for a batch at once; as `jax.vmap`, with state.

    Random draws inside differ from lane to lane. A variable may be written if all lanes write the same value.

    Raises:
        StateError: from the returned function, if a written value differs between lanes.

    >>> lamina.vmap(lambda x, y: x @ y)(jnp.ones((5, 3)), jnp.ones((5, 3)))
    Array([3., 3., 3., 3., 3.], dtype=float32)
    """
    name = axis_name if axis_name is not None else f"lane_{next(_lanes)}"

    @in_context("a function of lamina.vmap")
    @whole
    @functools.wraps(f)
    def call(*args: Any, **kwargs: Any) -> Any:
        written: list[Variable] = []
        differing: list[Variable] = []

        def one(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, list[Array]]:
            out, wrote, new = run_in_frame(Frame(axis_name=name), f, *args, **kwargs)
            written[:] = wrote
            differing[:] = [v for v, a in zip(wrote, new, strict=True) if is_batched(a)]
            return out, new

        axes = tuple(in_axes) if isinstance(in_axes, list) else in_axes
        mapped = jax.vmap(one, in_axes=(axes, 0), out_axes=(out_axes, None), axis_name=name)
        try:
            out, new = mapped(args, kwargs)
        except ValueError as error:
            if written and differs_between_lanes(error):
                paths = ", ".join(repr(variable.path) for variable in differing)
                raise StateError(
                    f"Inside vmap a value that differs between the lanes was written to one of the variables {paths}. "
                    "Return it from the function, reduce it over the lanes, and assign it outside."
                ) from error
            raise
        _assign(written, new)
        return out

    return call


def remat(f: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    """Returns `f` with its intermediate results computed again for the gradient instead of kept; as `jax.checkpoint`.

    Args:
        f: any function.
        options: what `jax.checkpoint` takes besides: `policy`, `prevent_cse`, ... Arguments that are not arrays are static
            by themselves, so `static_argnums` is not needed.
    """
    options.pop("static_argnums", None)

    @in_context("a function of lamina.remat")
    @whole
    @functools.wraps(f)
    def call(*args: Any, **kwargs: Any) -> Any:
        written: list[Variable] = []

        leaves, tree = jax.tree.flatten((args, kwargs))
        traced = [isinstance(leaf, (jax.Array, np.ndarray)) for leaf in leaves]
        masks = masks_of(leaves)

        def pure(arrays: list[Any]) -> tuple[Any, list[Array]]:
            remaining = iter(arrays)
            filled = [next(remaining) if is_array else leaf for leaf, is_array in zip(leaves, traced, strict=True)]
            put_masks(filled, masks)
            args, kwargs = jax.tree.unflatten(tree, filled)
            out, wrote, new = run_in_frame(Frame(), f, *args, **kwargs)
            written[:] = wrote
            return out, new

        arrays = [leaf for leaf, is_array in zip(leaves, traced, strict=True) if is_array]
        out, new = jax.checkpoint(pure, **options)(arrays)
        _assign(written, new)
        return out

    return call


def custom_gradient(f: Callable[..., tuple[Any, Callable[..., Any]]]) -> Callable[..., Any]:
    """Gives a function a gradient of its own: `f(*args)` returns `(out, rule)`; as `jax.custom_gradient`, with state.

    Args:
        f: returns its result and `rule(upstream)`, which returns the gradient for each argument.

    >>> @lamina.custom_gradient
    ... def log1pexp(x):
    ...     e = jnp.exp(x)
    ...     return jnp.log(1 + e), lambda upstream: upstream * (1 - 1 / (1 + e))
    >>> print(lamina.grad(log1pexp)(100.0))
    1.0
    """

    @in_context("a function of lamina.custom_gradient")
    @whole
    @functools.wraps(f)
    def call(*args: Any) -> Any:
        written: list[Variable] = []

        def pure(*args: Any) -> Any:
            with Frame() as frame:
                out, rule = f(*args)
            written[:] = [cell for cell in frame.written if isinstance(cell, Variable)]
            return (out, [frame.values[variable] for variable in written]), lambda upstream: rule(upstream[0])

        out, new = jax.custom_gradient(pure)(*args)
        _assign(written, new)
        return out

    return call
