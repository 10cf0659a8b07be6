"""The losses as metrics: their means over all samples seen."""

from typing import Any

import lamina.losses as losses
from lamina.core.variable import Array
from lamina.losses.classification import share, without_class
from lamina.metrics.mean_of import MeanOf


class MeanSquaredError(MeanOf):
    """The mean of (y_true − y_pred)².

    Args:
        name: its name in logs.
        dtype: the dtype of its variables; by default float32.

    >>> print(lamina.metrics.MeanSquaredError()([[0.0, 1.0]], [[1.0, 1.0]]))
    0.5
    """

    values = staticmethod(losses.mean_squared_error)


class MeanAbsoluteError(MeanOf):
    """The mean of |y_true − y_pred|.

    Args:
        name: its name in logs.
        dtype: the dtype of its variables; by default float32.

    >>> print(lamina.metrics.MeanAbsoluteError()([[0.0, 1.0]], [[2.0, 1.0]]))
    1.0
    """

    values = staticmethod(losses.mean_absolute_error)


class MeanAbsolutePercentageError(MeanOf):
    """100 times the mean of |y_true − y_pred| / |y_true|; targets of 0 count as 1e-7.

    Args:
        name: its name in logs.
        dtype: the dtype of its variables; by default float32.

    >>> print(lamina.metrics.MeanAbsolutePercentageError()([[2.0, 4.0]], [[1.0, 4.0]]))
    25.0
    """

    values = staticmethod(losses.mean_absolute_percentage_error)


class MeanSquaredLogarithmicError(MeanOf):
    """The mean of (log(1 + y_true) − log(1 + y_pred))².

    Args:
        name: its name in logs.
        dtype: the dtype of its variables; by default float32.

    >>> print(f"{lamina.metrics.MeanSquaredLogarithmicError()([[0.0, 1.0]], [[0.0, 0.0]]):.3f}")
    0.240
    """

    values = staticmethod(losses.mean_squared_logarithmic_error)


class LogCoshError(MeanOf):
    """The mean of log(cosh(y_pred − y_true)).

    Args:
        name: its name in logs.
        dtype: the dtype of its variables; by default float32.

    >>> print(f"{lamina.metrics.LogCoshError()([[0.0, 0.0]], [[0.0, 1.0]]):.3f}")
    0.217
    """

    values = staticmethod(losses.log_cosh)

    def __init__(self, name: str | None = "logcosh", dtype: Any = None) -> None:
        super().__init__(name, dtype)


class CosineSimilarity(MeanOf):
    """The mean of y_true · y_pred / (‖y_true‖ ‖y_pred‖): 1 for equal directions; the loss of this name is its negative.

    Args:
        name: its name in logs.
        dtype: the dtype of its variables; by default float32.
        axis: the axis of the vectors. Default the last.

    >>> print(lamina.metrics.CosineSimilarity()([[0.0, 1.0]], [[0.0, 3.0]]))
    1.0
    """

    def __init__(self, name: str | None = None, dtype: Any = None, axis: int = -1) -> None:
        super().__init__(name, dtype)
        self.axis = axis

    def values(self, y_true: Array, y_pred: Array) -> Array:
        return -losses.cosine_similarity(y_true, y_pred, axis=self.axis)


class Hinge(MeanOf):
    """The mean of max(1 − y_true · y_pred, 0), for targets −1 and 1, or 0 and 1.

    Args:
        name: its name in logs.
        dtype: the dtype of its variables; by default float32.

    >>> print(lamina.metrics.Hinge()([[-1.0, 1.0]], [[-2.0, 0.5]]))
    0.25
    """

    values = staticmethod(losses.hinge)


class SquaredHinge(MeanOf):
    """The mean of max(1 − y_true · y_pred, 0)², for targets −1 and 1, or 0 and 1.

    Args:
        name: its name in logs.
        dtype: the dtype of its variables; by default float32.

    >>> print(lamina.metrics.SquaredHinge()([[-1.0, 1.0]], [[-2.0, 0.0]]))
    0.5
    """

    values = staticmethod(losses.squared_hinge)


class CategoricalHinge(MeanOf):
    """The mean of max(1 + max((1 − y_true) · y_pred) − Σ y_true · y_pred, 0), for one-hot targets.

    Args:
        name: its name in logs.
        dtype: the dtype of its variables; by default float32.

    >>> print(lamina.metrics.CategoricalHinge()([[0.0, 1.0]], [[0.5, 1.0]]))
    0.5
    """

    values = staticmethod(losses.categorical_hinge)


class KLDivergence(MeanOf):
    """The mean of Σ y_true · log(y_true / y_pred), of probabilities.

    Args:
        name: its name in logs.
        dtype: the dtype of its variables; by default float32.

    >>> print(f"{lamina.metrics.KLDivergence()([[0.5, 0.5]], [[0.25, 0.75]]):.4f}")
    0.1438
    """

    values = staticmethod(losses.kl_divergence)


class Poisson(MeanOf):
    """The mean of y_pred − y_true · log(y_pred + 1e-7).

    Args:
        name: its name in logs.
        dtype: the dtype of its variables; by default float32.

    >>> print(f"{lamina.metrics.Poisson()([[0.0, 2.0]], [[1.0, 1.0]]):.3f}")
    1.000
    """

    values = staticmethod(losses.poisson)


class BinaryCrossentropy(MeanOf):
    """The mean of −y_true · log p − (1 − y_true) · log(1 − p).

    Args:
        name: its name in logs.
        dtype: the dtype of its variables; by default float32.
        from_logits: whether predictions are logits rather than probabilities p.
        label_smoothing: s replaces y_true by y_true · (1 − s) + s / 2; in [0, 1].

    Raises:
        ValueError: for a label smoothing that is not in [0, 1].

    >>> print(f"{lamina.metrics.BinaryCrossentropy()([[1.0, 0.0]], [[0.9, 0.1]]):.3f}")
    0.105
    """

    def __init__(self, name: str | None = None, dtype: Any = None, from_logits: bool = False, label_smoothing: float = 0.0) -> None:
        super().__init__(name, dtype)
        self.from_logits, self.label_smoothing = from_logits, share(label_smoothing, "label_smoothing")

    def values(self, y_true: Array, y_pred: Array) -> Array:
        return losses.binary_crossentropy(y_true, y_pred, self.from_logits, self.label_smoothing)


class CategoricalCrossentropy(MeanOf):
    """The mean of −Σ y_true · log p over the classes, for one-hot targets or probabilities.

    Args:
        name: its name in logs.
        dtype: the dtype of its variables; by default float32.
        from_logits: whether predictions are logits rather than probabilities p.
        label_smoothing: s replaces y_true by y_true · (1 − s) + s / classes; in [0, 1].
        axis: the axis of the classes. Default the last.

    Raises:
        ValueError: for a label smoothing that is not in [0, 1].

    >>> print(f"{lamina.metrics.CategoricalCrossentropy()([[0.0, 1.0]], [[0.1, 0.9]]):.3f}")
    0.105
    """

    def __init__(
        self,
        name: str | None = None,
        dtype: Any = None,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
    ) -> None:
        super().__init__(name, dtype)
        self.from_logits, self.label_smoothing, self.axis = from_logits, share(label_smoothing, "label_smoothing"), axis

    def values(self, y_true: Array, y_pred: Array) -> Array:
        return losses.categorical_crossentropy(y_true, y_pred, self.from_logits, self.label_smoothing, self.axis)


class SparseCategoricalCrossentropy(MeanOf):
    """The mean of −log p[y_true], for class numbers.

    Targets to ignore do not count. (In Keras they count as 0, unless there are sample weights.)

    Args:
        name: its name in logs.
        dtype: the dtype of its variables; by default float32.
        from_logits: whether predictions are logits rather than probabilities p.
        ignore_class: a class number whose positions do not count; None for none.
        axis: the axis of the classes. Default the last.

    >>> print(f"{lamina.metrics.SparseCategoricalCrossentropy()([1], [[0.1, 0.9]]):.3f}")
    0.105
    """

    def __init__(
        self,
        name: str | None = None,
        dtype: Any = None,
        from_logits: bool = False,
        ignore_class: int | None = None,
        axis: int = -1,
    ) -> None:
        super().__init__(name, dtype)
        self.from_logits, self.ignore_class, self.axis = from_logits, ignore_class, axis

    def values(self, y_true: Array, y_pred: Array) -> Array:
        values = losses.sparse_categorical_crossentropy(y_true, y_pred, self.from_logits, self.ignore_class, self.axis)
        return without_class(values, y_true, self.ignore_class)
