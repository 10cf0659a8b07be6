"""What "crossentropy" and "accuracy" mean: the shapes of targets and predictions decide."""

from typing import Any, Literal

from lamina.core.variable import Array
from lamina.losses.classification import binary_crossentropy, categorical_crossentropy, sparse_categorical_crossentropy
from lamina.losses.loss import PlainLoss

_CROSSENTROPIES = {
    "binary": binary_crossentropy,
    "one-hot": categorical_crossentropy,
    "sparse": sparse_categorical_crossentropy,
}


def kind_of_targets(y_true: Any, y_pred: Any) -> Literal["binary", "one-hot", "sparse"]:
    """Tells how targets name classes: predictions whose last axis is 1 (or missing) are binary, targets of their shape one-hot."""
    if y_pred.ndim == 1 or y_pred.shape[-1] == 1:
        return "binary"
    return "one-hot" if y_true.shape == y_pred.shape else "sparse"


class CrossentropyByShape(PlainLoss):
    """What `loss="crossentropy"` means: binary, categorical or sparse cross-entropy, of probabilities.

    Args:
        reduction: see `Loss`.
        name: its name.
        dtype: see `Loss`.

    >>> print(lamina.losses.get("crossentropy")([1, 0], [[0.5, 0.5], [0.5, 0.5]]))
    0.6931472
    """

    _integer_targets = True

    def call(self, y_true: Any, y_pred: Any) -> Array:
        return _CROSSENTROPIES[kind_of_targets(y_true, y_pred)](y_true, y_pred)
