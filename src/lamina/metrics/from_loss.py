"""Losses as metrics."""

from typing import Any

from lamina.core.variable import Array
from lamina.losses.loss import FunctionLoss, Loss
from lamina.metrics.mean_of import MeanOf


class LossMetric(MeanOf):
    """The mean of a loss's values over all samples seen.

    Args:
        loss: a Loss, or a function of targets and predictions that returns one value a sample.
        name: its name; by default the loss's.
        dtype: the dtype of its variables.
    """

    def __init__(self, loss: Any, name: str | None = None, dtype: Any = None) -> None:
        self.loss = loss if isinstance(loss, Loss) else FunctionLoss(loss)
        super().__init__(name or self.loss.name, dtype)

    def values(self, y_true: Array, y_pred: Array) -> Array:
        """Returns one loss a sample (and position)."""
        return self.loss.call(y_true if self.loss.integer_targets else y_true.astype(y_pred.dtype), y_pred)
