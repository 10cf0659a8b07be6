"""The mean over all samples of a function of targets and predictions."""

from typing import Any

import jax.numpy as jnp

import lamina.losses.formula as formula
from lamina.core.masks import mask_of
from lamina.core.metric import Mean
from lamina.core.names import snake_case
from lamina.core.variable import Array
from lamina.losses.loss import Loss


class MeanOf(Mean):
    """The weighted mean over all samples seen of `values(y_true, y_pred)`, which a subclass defines.

    Args:
        name: its name in logs; by default the class's in snake case.
        dtype: the dtype of its variables; by default float32.
    """

    def __init__(self, name: str | None = None, dtype: Any = None) -> None:
        super().__init__(name or snake_case(type(self).__name__), dtype)

    def values(self, y_true: Array, y_pred: Array) -> Array:
        """Returns one value a sample (and position); what a mask on them leaves out does not count."""
        raise NotImplementedError(f"{type(self).__name__} has no values(self, y_true, y_pred). Define it.")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:  # type: ignore[override]
        """Takes a batch in; positions that the mask of `y_pred` leaves out do not count."""
        self._add(self.values(jnp.asarray(y_true), jnp.asarray(y_pred)), sample_weight, mask_of(y_pred))


class MeanMetricWrapper(MeanOf):
    """The mean over all samples seen of a function of targets and predictions.

    Args:
        fn: `fn(y_true, y_pred, **kwargs)`, which returns one value a sample; the name of a public function of `lamina.losses` or
            `lamina.metrics`; or a Loss, whose values before reduction are meant.
        name: its name in logs; by default the function's.
        dtype: the dtype of its variables; by default float32.
        **kwargs: options of the function.

    Raises:
        ValueError: for an unknown name.
        TypeError: for what is not a function.

    >>> error = lamina.metrics.MeanMetricWrapper("huber", delta=2.0)
    >>> print(error([[0.0], [0.0]], [[1.0], [3.0]]))
    2.25
    """

    def __init__(self, fn: Any, name: str | None = None, dtype: Any = None, **kwargs: Any) -> None:
        self.function = fn if isinstance(fn, Loss) else formula.get(fn)
        super().__init__(name or _name_of(self.function), dtype)
        self.options = kwargs

    def values(self, y_true: Array, y_pred: Array) -> Array:
        """Returns what the function returns."""
        if not isinstance(self.function, Loss):
            return self.function(*formula.same_rank(y_true, y_pred), **self.options)
        losses: Array = self.function.call(y_true if self.function._integer_targets else y_true.astype(y_pred.dtype), y_pred)
        return losses


def _name_of(function: Any) -> str:
    return str(getattr(function, "name", None) or getattr(function, "__name__", None) or snake_case(type(function).__name__))
