"""Merging: one output from a list of inputs, as layers and as functions.

The functions make no layer, unless they are given an option of one, such as `name`.

What is merged place by place is brought to one rank first: axes of size 1 are put in after the batch. The output of such a
merge counts where any of the inputs counts, and has a mask if all of them have one.
"""

import functools
import inspect
import operator
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

import jax
import jax.numpy as jnp

from lamina.core.checks import is_integer
from lamina.core.graph import op
from lamina.core.layer import Layer
from lamina.core.masks import check_masks, mask_of, with_mask
from lamina.core.text import describe, show_shape
from lamina.core.variable import Array
from lamina.layers.checks import integer
from lamina.ops.wrap import compiled

Inputs = Sequence[Array]
Masks = Sequence[Array | None] | None
F = TypeVar("F", bound=Callable[..., Any])

# --- what merges share -----------------------------------------------------------------------------------------------


class _Merge(Layer):
    """A layer that takes a list of inputs, and whose output counts where any of them counts."""

    supports_masking = True

    def compute_mask(self, inputs: Inputs, mask: Masks = None) -> Array | None:
        return None if mask is None else _any_mask(mask)


def _function_of(layer: type[Layer]) -> Callable[[F], F]:
    """Lets a function of a list of arrays take symbolic tensors, and a layer's options: with those it makes the layer."""

    def decorate(function: F) -> F:
        merge = op(function)
        _, *own = inspect.signature(function).parameters.values()
        defaults = {parameter.name: parameter.default for parameter in own}

        @functools.wraps(function)
        def call(inputs: Inputs, *args: Any, **kwargs: Any) -> Any:
            if kwargs.keys() <= defaults.keys():
                return merge(inputs, *args, **kwargs)
            return layer(**{**defaults, **dict(zip(defaults, args, strict=False)), **kwargs})(inputs)

        call.recorded = merge  # type: ignore[attr-defined]
        return cast(F, call)

    return decorate


def _listed(inputs: Any) -> Inputs:
    if not isinstance(inputs, (list, tuple)) or not inputs:
        raise ValueError(f"What is merged must be a list of inputs, for example [a, b], not {describe(inputs)}.")
    return inputs


def _pair(inputs: Any) -> tuple[Array, Array]:
    if len(_listed(inputs)) != 2:
        raise ValueError(f"Two inputs are needed here, not {len(inputs)}: {describe(inputs)}.")
    first, second = inputs
    return first, second


def _mismatch(inputs: Inputs, why: str) -> ValueError:
    return ValueError(f"Inputs of shapes {' and '.join(show_shape(x.shape) for x in inputs)} cannot be merged: {why}.")


def _of_rank(x: Array, rank: int) -> Array:
    """Returns an array with axes of size 1 put in after the first, up to a rank."""
    return x.reshape(*x.shape[:1], *(1,) * (rank - x.ndim), *x.shape[1:])


def _of_one_rank(inputs: Any) -> list[Array]:
    """Returns inputs that broadcast; raises ValueError for those that do not."""
    rank = max(x.ndim for x in _listed(inputs))
    aligned = [_of_rank(x, rank) for x in inputs]
    try:
        jnp.broadcast_shapes(*(x.shape for x in aligned))
    except ValueError:
        raise _mismatch(inputs, "along each axis their sizes must be equal, or 1") from None
    return aligned


def _element_masks(inputs: Inputs, masks: Masks) -> list[Array | None]:
    """Returns a mask for the elements of each input, of the rank that `_of_one_rank` gives it."""
    rank = max(x.ndim for x in inputs)
    check_masks(inputs, masks)
    return [
        None if mask is None else _of_rank(mask.reshape(*mask.shape, *(1,) * (x.ndim - mask.ndim)), rank)
        for x, mask in zip(inputs, masks or [None] * len(inputs), strict=True)
    ]


@compiled()
def _any_mask(masks: Sequence[Array | None]) -> Array | None:
    """Returns where any input counts, or None if one of them has no mask: that one counts everywhere."""
    given = [mask for mask in masks if mask is not None]
    if len(given) < len(masks):
        return None
    rank = max(mask.ndim for mask in given)
    return functools.reduce(jnp.logical_or, [_of_rank(mask, rank) for mask in given])


# --- element by element ----------------------------------------------------------------------------------------------


class Add(_Merge):
    """The sum of the inputs, place by place.

    Raises:
        ValueError: from the call, for what is not a list of inputs, or for shapes that do not broadcast.

    >>> print(lamina.layers.Add()([np.array([[1.0, 2.0]]), np.array([[10.0, 20.0]])]))
    [[11. 22.]]
    """

    def call(self, inputs: Inputs) -> Array:
        return _sum(inputs)


@_function_of(Add)
def add(inputs: Inputs) -> Array:
    """Returns the sum of the inputs: `Add` as a function, with a layer's options.

    >>> print(lamina.layers.add([jnp.ones(2), jnp.ones(2)]))
    [2. 2.]
    """
    return _with_any_mask(_sum(inputs), inputs)


@compiled()
def _sum(inputs: Inputs) -> Array:
    return functools.reduce(operator.add, _of_one_rank(inputs))


def _with_any_mask(output: Array, inputs: Inputs) -> Array:
    masks = mask_of(inputs)
    return output if masks is None else with_mask(output, _any_mask(masks), inputs)


class Subtract(_Merge):
    """The first of two inputs minus the second.

    Raises:
        ValueError: from the call, for what is not a list of two inputs, or for shapes that do not broadcast.

    >>> print(lamina.layers.Subtract()([np.array([3.0]), np.array([1.0])]))
    [2.]
    """

    def call(self, inputs: Inputs) -> Array:
        return _difference(inputs)


@_function_of(Subtract)
def subtract(inputs: Inputs) -> Array:
    """Returns the first input minus the second: `Subtract` as a function, with a layer's options.

    >>> print(lamina.layers.subtract([jnp.array([3.0]), jnp.array([1.0])]))
    [2.]
    """
    return _with_any_mask(_difference(inputs), inputs)


@compiled()
def _difference(inputs: Inputs) -> Array:
    difference: Array = operator.sub(*_of_one_rank(_pair(inputs)))
    return difference


class Multiply(_Merge):
    """The product of the inputs, place by place; what is masked counts as 1, and what is masked in all inputs is 0.

    Raises:
        ValueError: from the call, for what is not a list of inputs, or for shapes that do not broadcast.

    >>> print(lamina.layers.Multiply()([np.array([3.0]), np.array([2.0])]))
    [6.]
    """

    def call(self, inputs: Inputs, mask: Masks = None) -> Array:
        return _product(inputs, mask)


@_function_of(Multiply)
def multiply(inputs: Inputs) -> Array:
    """Returns the product of the inputs: `Multiply` as a function, with a layer's options.

    >>> print(lamina.layers.multiply([jnp.array([3.0]), jnp.array([2.0])]))
    [6.]
    """
    return _with_any_mask(_product(inputs, mask_of(inputs)), inputs)


@compiled()
def _product(inputs: Inputs, masks: Masks) -> Array:
    factors, counts = _of_one_rank(inputs), _element_masks(inputs, masks)
    counted = [x if own is None else jnp.where(own, x, 1) for x, own in zip(factors, counts, strict=True)]
    product = functools.reduce(operator.mul, counted)
    some = _any_mask(counts)
    return product if some is None else jnp.where(some, product, 0)


class Average(_Merge):
    """The mean of the inputs, place by place.

    Raises:
        ValueError: from the call, for what is not a list of inputs, or for shapes that do not broadcast.

    >>> print(lamina.layers.Average()([np.array([1.0]), np.array([4.0])]))
    [2.5]
    """

    def call(self, inputs: Inputs) -> Array:
        return _mean(inputs)


@_function_of(Average)
def average(inputs: Inputs) -> Array:
    """Returns the mean of the inputs: `Average` as a function, with a layer's options.

    >>> print(lamina.layers.average([jnp.array([1.0]), jnp.array([4.0])]))
    [2.5]
    """
    return _with_any_mask(_mean(inputs), inputs)


@compiled()
def _mean(inputs: Inputs) -> Array:
    return _sum(inputs) / len(inputs)


class Maximum(_Merge):
    """The greatest of the inputs, place by place; what is masked does not count.

    Raises:
        ValueError: from the call, for what is not a list of inputs, or for shapes that do not broadcast.

    >>> print(lamina.layers.Maximum()([np.array([1.0, 2.0]), np.array([3.0, 0.0])]))
    [3. 2.]
    """

    def call(self, inputs: Inputs, mask: Masks = None) -> Array:
        return _greatest(inputs, mask)


@_function_of(Maximum)
def maximum(inputs: Inputs) -> Array:
    """Returns the greatest of the inputs: `Maximum` as a function, with a layer's options.

    >>> print(lamina.layers.maximum([jnp.array([1.0, 2.0]), jnp.array([3.0, 0.0])]))
    [3. 2.]
    """
    return _with_any_mask(_greatest(inputs, mask_of(inputs)), inputs)


class Minimum(_Merge):
    """The least of the inputs, place by place; what is masked does not count.

    Raises:
        ValueError: from the call, for what is not a list of inputs, or for shapes that do not broadcast.

    >>> print(lamina.layers.Minimum()([np.array([1.0, 2.0]), np.array([3.0, 0.0])]))
    [1. 0.]
    """

    def call(self, inputs: Inputs, mask: Masks = None) -> Array:
        return _least(inputs, mask)


@_function_of(Minimum)
def minimum(inputs: Inputs) -> Array:
    """Returns the least of the inputs: `Minimum` as a function, with a layer's options.

    >>> print(lamina.layers.minimum([jnp.array([1.0, 2.0]), jnp.array([3.0, 0.0])]))
    [1. 0.]
    """
    return _with_any_mask(_least(inputs, mask_of(inputs)), inputs)


@compiled()
def _greatest(inputs: Inputs, masks: Masks) -> Array:
    return _choose(jnp.maximum, inputs, masks)


@compiled()
def _least(inputs: Inputs, masks: Masks) -> Array:
    return _choose(jnp.minimum, inputs, masks)


def _choose(better: Callable[[Array, Array], Array], inputs: Inputs, masks: Masks) -> Array:
    """Returns the best of the inputs that count, and the first one where none does. A mask of None counts everywhere."""
    (best, *others), (counts, *masks) = _of_one_rank(inputs), _element_masks(inputs, masks)
    for x, own in zip(others, masks, strict=True):
        chosen = better(best, x)
        if counts is not None:
            chosen = jnp.where(counts, chosen, x)
        if own is not None:
            chosen = jnp.where(own, chosen, best)
        best, counts = chosen, None if counts is None or own is None else counts | own
    return best


# --- along an axis ---------------------------------------------------------------------------------------------------


class Concatenate(_Merge):
    """The inputs one after the other along an axis.

    The masks are joined likewise; along the last axis the output counts where any input counts.

    Args:
        axis: along which they may differ in size.
        kwargs: what `lamina.Layer` takes.

    Raises:
        TypeError: if axis is not an integer.
        ValueError: from the call, for what is not a list of inputs, or for shapes that differ along another axis.

    >>> print(lamina.layers.Concatenate()([np.array([[1.0, 2.0]]), np.array([[3.0]])]))
    [[1. 2. 3.]]
    """

    def __init__(self, axis: int = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = integer(axis, "axis", self)

    def call(self, inputs: Inputs) -> Array:
        return _joined(inputs, self.axis)

    def compute_mask(self, inputs: Inputs, mask: Masks = None) -> Array | None:
        return None if mask is None else _joined_mask(inputs, mask, self.axis)


@_function_of(Concatenate)
def concatenate(inputs: Inputs, axis: int = -1) -> Array:
    """Returns the inputs one after the other along an axis: `Concatenate` as a function, with a layer's options.

    >>> print(lamina.layers.concatenate([jnp.array([[1.0, 2.0]]), jnp.array([[3.0]])]))
    [[1. 2. 3.]]
    """
    masks = mask_of(inputs)
    output = _joined(inputs, axis)
    return output if masks is None else with_mask(output, _joined_mask(inputs, masks, axis), inputs)


@compiled("axis")
def _joined(inputs: Inputs, axis: int) -> Array:
    rank = _listed(inputs)[0].ndim
    if any(x.ndim != rank for x in inputs) or not -rank <= axis < rank:
        raise _mismatch(inputs, f"they must have the same number of axes, and among them axis {axis}")
    if len({(*x.shape[: axis % rank], *x.shape[axis % rank + 1 :]) for x in inputs}) > 1:
        raise _mismatch(inputs, f"their sizes may differ along axis {axis} only")
    return jnp.concatenate(inputs, axis)


@compiled("axis")
def _joined_mask(inputs: Inputs, masks: Sequence[Array | None], axis: int) -> Array:
    counts = [
        jnp.broadcast_to(True if mask is None else mask, x.shape)
        for x, mask in zip(inputs, _element_masks(inputs, masks), strict=True)
    ]
    return jnp.any(jnp.concatenate(counts, axis), axis=-1)


class Dot(_Merge):
    """The sum over one axis of products of two inputs, sample by sample: (batch, …, n, …) twice to (batch, …, …).

    The axes that are left follow in the order of the inputs; where none is left, the output has shape (batch, 1).

    Args:
        axes: the axis of each input to sum over, as a pair, or as one integer for both; not 0, the batch.
        normalize: whether to scale each input to length 1 along its axis first: then it is their cosine.
        kwargs: what `lamina.Layer` takes.

    Raises:
        ValueError: for axes that are not integers or not two; from the call, for what is not a list of two inputs, for axes that
            they lack, or for sizes that differ.

    >>> print(lamina.layers.Dot(axes=1)([np.array([[1.0, 2.0]]), np.array([[3.0, 4.0]])]))
    [[11.]]
    """

    def __init__(self, axes: int | Sequence[int], normalize: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        pair: Any = tuple(axes) if isinstance(axes, (list, tuple)) else (axes, axes)
        if len(pair) != 2 or not all(map(is_integer, pair)):
            raise ValueError(f"axes of Dot must be an integer or two of them, not {axes!r}.")
        self.axes: int | tuple[int, int] = pair if isinstance(axes, (list, tuple)) else pair[0]
        self.normalize = normalize

    def call(self, inputs: Inputs) -> Array:
        return _dot(inputs, self.axes, self.normalize)

    def compute_mask(self, inputs: Inputs, mask: Masks = None) -> None:
        return None


@_function_of(Dot)
def dot(inputs: Inputs, axes: int | Sequence[int] = -1, normalize: bool = False) -> Array:
    """Returns the sum over one axis of products of two inputs: `Dot` as a function, with a layer's options.

    >>> print(lamina.layers.dot([jnp.array([[1.0, 2.0]]), jnp.array([[3.0, 4.0]])]))
    [[11.]]
    """
    pair: Any = axes if isinstance(axes, int) else tuple(axes)
    return _dot(inputs, pair, normalize)


@compiled("axes", "normalize")
def _dot(inputs: Inputs, axes: int | tuple[int, int], normalize: bool) -> Array:
    x, y = _pair(inputs)
    first, second = (axes, axes) if isinstance(axes, int) else axes
    if not (_is_axis(first, x) and _is_axis(second, y)):
        raise _mismatch(inputs, f"axes {axes} must be among those of the inputs, and not the batch")
    if x.shape[0] != y.shape[0] or x.shape[first] != y.shape[second]:
        raise _mismatch(inputs, f"the batch and the axes {axes} to sum over must have the same sizes in both")
    if normalize:
        x, y = _unit(x, first), _unit(y, second)
    dtype = jnp.promote_types(x.dtype, y.dtype)
    summed = (first % x.ndim,), (second % y.ndim,)
    products = jax.lax.dot_general(x.astype(dtype), y.astype(dtype), (summed, ((0,), (0,))))
    return products if products.ndim > 1 else products[:, None]


def _is_axis(axis: int, x: Array) -> bool:
    return -x.ndim < axis < x.ndim and axis != 0


def _unit(x: Array, axis: int) -> Array:
    """Returns an array scaled to length 1 along an axis, of shorter than 10⁻⁷ as if that were the length."""
    squares = jnp.sum(jnp.square(x.astype(jnp.promote_types(x.dtype, "float32"))), axis, keepdims=True)
    return (x * jax.lax.rsqrt(jnp.maximum(squares, 1e-14))).astype(x.dtype)
