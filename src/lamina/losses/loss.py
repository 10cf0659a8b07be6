"""Loss: a number that says how far predictions are from targets."""

from collections.abc import Sequence
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from lamina.core.config import Configurable
from lamina.core.errors import describe_call, forgotten_init, show_shape
from lamina.core.leaving import explain, leave
from lamina.core.masks import mask_of
from lamina.core.naming import snake_case
from lamina.core.variable import Array
from lamina.losses.hints import hint_for

_REDUCTIONS = ("sum_over_batch_size", "mean", "sum", "none", None)


class Loss(Configurable, family="losses"):
    """The weighted losses of all samples, reduced to one number.

    A subclass defines `call(y_true, y_pred)`, which returns one value a sample (and position).

    Args:
        name: its name; by default the class's in snake case.
        reduction: `sum_over_batch_size` (the sum over the number of values), `sum`, `mean` (the weighted mean), or `none`.

    Raises:
        ValueError: for an unknown reduction.
    """

    integer_targets: ClassVar[bool] = False

    def __init__(self, name: str | None = None, reduction: str | None = "sum_over_batch_size") -> None:
        if reduction not in _REDUCTIONS:
            raise ValueError(f"Unknown reduction {reduction!r}. Known ones: {', '.join(map(str, _REDUCTIONS))}.")
        self.name = name or snake_case(type(self).__name__)
        self.reduction = reduction

    def call(self, y_true: Any, y_pred: Any) -> Array:
        """Returns one value a sample (and position)."""
        raise NotImplementedError(f"{type(self).__name__} has no call(self, y_true, y_pred). Define it.")

    def check(self, y_true: Any, shape: Sequence[int]) -> None:
        """Raises ValueError for targets that cannot be compared with predictions of a shape, whatever those are."""

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Array:
        """Returns the reduced loss; structures of targets and predictions are summed over.

        Positions that the mask of `y_pred` leaves out do not count.
        """
        try:
            pairs = zip(_arrays(y_true), _arrays(y_pred), strict=True)
            return sum(self._one(true, pred, sample_weight) for true, pred in pairs)  # type: ignore[return-value]
        except Exception as error:
            if "reduction" not in vars(self):
                raise forgotten_init(type(self)) from None
            given = describe_call((), {"targets": y_true, "predictions": y_pred})
            explain(error, f"the loss {self.name!r} ({type(self).__name__})", given, precisely=True)
            if hint := hint_for(self, y_true, y_pred):
                error.add_note(hint)
            leave(error)
            raise

    def _one(self, y_true: Any, y_pred: Any, sample_weight: Any) -> Array:
        mask = mask_of(y_pred)
        y_pred = jnp.asarray(y_pred)
        y_pred = y_pred.astype(jnp.promote_types(y_pred.dtype, "float32"))
        y_true = jnp.asarray(y_true) if self.integer_targets else jnp.asarray(y_true, y_pred.dtype)
        values = self.call(y_true, y_pred)
        weights = jnp.ones((), values.dtype) if sample_weight is None else jnp.asarray(sample_weight, values.dtype)
        weights = _like(weights, values)
        if mask is not None:
            counts = _like(jnp.asarray(mask, values.dtype), values)
            if self.reduction == "sum_over_batch_size":  # over the positions that count
                counts = counts * (counts.size / jnp.maximum(jnp.sum(counts), 1.0))
            weights = weights * counts
        weighted = values * weights
        if self.reduction in ("none", None):
            return weighted
        if self.reduction == "sum":
            return jnp.sum(weighted)
        if self.reduction == "mean":
            return jnp.sum(weighted) / jnp.sum(jnp.broadcast_to(weights, values.shape))
        return jnp.sum(weighted) / max(values.size, 1)


class FunctionLoss(Loss):
    """A function `f(y_true, y_pred)` as a loss; it may return any shape.

    Args:
        function: returns one value a sample, or any array of values.
        name: by default the function's name.
        reduction: see `Loss`.
    """

    integer_targets = True

    def __init__(self, function: Any, name: str | None = None, reduction: str | None = "sum_over_batch_size") -> None:
        super().__init__(name or getattr(function, "__name__", "loss"), reduction)
        self.function = function

    def call(self, y_true: Any, y_pred: Any) -> Array:
        """Returns `function(y_true, y_pred)`."""
        return jnp.asarray(self.function(y_true, y_pred))


def _like(weights: Array, values: Array) -> Array:
    """Returns weights with the axes of values: those that weights lack at the end are added, those too many are taken off."""
    if weights.ndim > values.ndim:
        return weights.reshape(weights.shape[: values.ndim])
    return weights.reshape(weights.shape + (1,) * (values.ndim - weights.ndim if weights.ndim else 0))


def _arrays(structure: Any) -> list[Any]:
    """Returns the arrays of a structure; nested lists of numbers are one array."""
    leaves = jax.tree.leaves(structure)
    if leaves and all(isinstance(leaf, (bool, int, float)) for leaf in leaves):
        return [jnp.asarray(structure)]
    return leaves


def same_shape(y_true: Array, y_pred: Array, whose: str) -> tuple[Array, Array]:
    """Returns targets and predictions in one shape: a last axis of size 1 may be missing in either.

    Raises:
        ValueError: with both shapes, if they do not fit.
    """
    if y_true.ndim == y_pred.ndim - 1 and y_pred.shape[-1] == 1:
        y_true = y_true[..., None]
    elif y_pred.ndim == y_true.ndim - 1 and y_true.shape[-1] == 1:
        y_pred = y_pred[..., None]
    if y_true.shape != y_pred.shape:
        raise ValueError(
            f"{whose} compares targets and predictions of one shape, but targets have {show_shape(y_true.shape)} and "
            f"predictions {show_shape(y_pred.shape)}."
        )
    return y_true, y_pred
