"""Loss: a number that says how far predictions are from targets."""

from collections.abc import Sequence
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

import lamina.losses.formula as formula
from lamina.core.config import Configurable
from lamina.core.errors import add_context, filter_traceback, forgotten_init
from lamina.core.masks import mask_of
from lamina.core.names import snake_case
from lamina.core.placement import own_memory
from lamina.core.sample_weights import counting, per_value
from lamina.core.text import describe_call
from lamina.core.variable import Array
from lamina.losses.hints import hint_for
from lamina.ops.numpy import divide_no_nan

_REDUCTIONS = ("sum_over_batch_size", "mean", "mean_with_sample_weight", "sum", "none", None)


class Loss(Configurable, family="losses"):
    """The weighted losses of all samples, reduced to one number.

    A subclass defines `call(y_true, y_pred)`, which returns one value a sample (and position).

    With weights w for the values v, of which there are n, the reductions are `sum_over_batch_size` and `mean`: Σ w v / n;
    `sum`: Σ w v; `mean_with_sample_weight`: Σ w v / Σ w; and `none`: w v. Weights of shape (batch,) hold for all values of a
    sample. (Keras lines them up with the last axis of v, and counts a weight once in Σ w that holds for several values.)

    Args:
        name: its name; by default the class's in snake case.
        reduction: how values become one number. Default `sum_over_batch_size`.
        dtype: what predictions, targets and values are cast to; by default that of the predictions, but at least float32.

    Raises:
        ValueError: for an unknown reduction.
    """

    _checked_types = (bool, int, float)
    _integer_targets: ClassVar[bool] = False

    def __init__(self, name: str | None = None, reduction: str | None = "sum_over_batch_size", dtype: Any = None) -> None:
        if reduction not in _REDUCTIONS:
            raise ValueError(f"Unknown reduction {reduction!r}. Known ones: {', '.join(map(str, _REDUCTIONS))}.")
        self.name = name or snake_case(type(self).__name__)
        self.reduction = reduction
        self.dtype = None if dtype is None else jnp.dtype(dtype)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Returns one value a sample (and position); what a mask on them leaves out does not count."""
        raise NotImplementedError(f"{type(self).__name__} has no call(self, y_true, y_pred). Define it.")

    def _check(self, y_true: Any, shape: Sequence[int]) -> None:
        """Raises ValueError for targets that cannot be compared with predictions of a shape, whatever those are."""

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Array:
        """Returns the reduced loss; structures of targets and predictions are summed over.

        Positions that the mask of `y_pred` leaves out do not count.
        """
        try:
            pairs = zip(own_memory(_arrays(y_true)), own_memory(_arrays(y_pred)), strict=True)
            return sum(self._one(true, pred, own_memory(sample_weight)) for true, pred in pairs)  # type: ignore[return-value]
        except Exception as error:
            if "reduction" not in vars(self):
                raise forgotten_init(type(self)) from None
            given = describe_call((), {"targets": y_true, "predictions": y_pred})
            add_context(error, f"the loss {self.name!r} ({type(self).__name__})", given, kind="part")
            if hint := hint_for(self, y_true, y_pred):
                error.add_note(hint)
            filter_traceback(error)
            raise

    def _one(self, y_true: Any, y_pred: Any, sample_weight: Any) -> Array:
        mask = mask_of(y_pred)
        y_pred = formula.at_least_float32(y_pred) if self.dtype is None else jnp.asarray(y_pred, self.dtype)
        y_true = jnp.asarray(y_true) if self._integer_targets else jnp.asarray(y_true, y_pred.dtype)
        values = self.call(y_true, y_pred)
        masks = mask, mask_of(values)
        return _reduced(jnp.asarray(values, self.dtype), sample_weight, masks, self.reduction)


class PlainLoss(Loss):
    """A loss without options of its own, which takes its arguments in the order that all losses but `Loss` have."""

    def __init__(self, reduction: str | None = "sum_over_batch_size", name: str | None = None, dtype: Any = None) -> None:
        super().__init__(name, reduction, dtype)


class FunctionLoss(Loss):
    """A function `f(y_true, y_pred)` as a loss; it may return any shape.

    Args:
        function: returns one value a sample, or any array of values; or the name of a function of `lamina.losses`.
        name: by default the function's name.
        reduction: see `Loss`.
    """

    _integer_targets = True

    def __init__(self, function: Any, name: str | None = None, reduction: str | None = "sum_over_batch_size") -> None:
        self.function = formula.get(function)
        super().__init__(name or getattr(self.function, "__name__", "loss"), reduction)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Returns `function(y_true, y_pred)`."""
        return self.function(*formula.same_rank(y_true, y_pred))


def _reduced(values: Array, sample_weight: Any, masks: tuple[Any, ...], reduction: str | None) -> Array:
    """Returns the values weighted and reduced; a mean is over those that the masks leave in."""
    weights = jnp.ones_like(values) if sample_weight is None else per_value(sample_weight, values)
    counts = counting(masks, values)
    if counts is not None:
        weights = weights * counts
    weighted = values * weights
    if reduction in ("none", None):
        return weighted
    total = jnp.sum(weighted)
    if reduction == "sum":
        return total
    if reduction == "mean_with_sample_weight":
        return divide_no_nan(total, jnp.sum(weights))
    return total / max(values.size, 1) if counts is None else divide_no_nan(total, jnp.sum(counts))


def _arrays(structure: Any) -> list[Any]:
    """Returns the arrays of a structure; nested lists of numbers are one array."""
    leaves = jax.tree.leaves(structure)
    if leaves and all(isinstance(leaf, (bool, int, float)) for leaf in leaves):
        return [jnp.asarray(structure)]
    return leaves
