"""Intersection over union: what two segmentations have in common.

The state counts in float32 (in Keras in int32, which cuts weights such as 0.5 to 0, and overflows after 2³¹ pixels).
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from lamina.core.masks import mask_of
from lamina.core.sample_weights import weights_of
from lamina.core.variable import Array
from lamina.metrics.accuracy import positive
from lamina.metrics.from_sums import FromSums
from lamina.ops.numpy import divide_no_nan


class IoU(FromSums):
    """The mean over some classes of TP / (TP + FP + FN), the Jaccard index, of those that occur.

    Positions whose target or prediction is not a class do not count.

    Source: Jaccard, The Distribution of the Flora in the Alpine Zone, 1912.

    Args:
        num_classes: how many classes there are.
        target_class_ids: the numbers of the classes that the mean is over.
        name: its name in logs.
        dtype: the dtype of its variables; by default float32.
        ignore_class: a class number; positions with that target do not count. None is none.
        sparse_y_true: whether targets are class numbers, rather than one-hot.
        sparse_y_pred: whether predictions are class numbers, rather than one value for each class.
        axis: the axis of the classes, where there is one. Default the last.

    Raises:
        ValueError: for a target class that is none.

    >>> iou = lamina.metrics.IoU(num_classes=2, target_class_ids=[0])
    >>> print(f"{iou([0, 0, 1, 1], [0, 1, 0, 1]):.3f}")
    0.333
    """

    def __init__(
        self,
        num_classes: int,
        target_class_ids: Sequence[int],
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_true: bool = True,
        sparse_y_pred: bool = True,
        axis: int = -1,
    ) -> None:
        super().__init__(name, dtype)
        self.num_classes = positive(num_classes, "num_classes")
        whole = isinstance(target_class_ids, Sequence) and all(hasattr(target, "__index__") for target in target_class_ids)
        if not whole or any(not 0 <= target < num_classes for target in target_class_ids):
            raise ValueError(f"target_class_ids must be class numbers from 0 to {num_classes - 1}, not {target_class_ids!r}.")
        self.target_class_ids = list(target_class_ids)
        self.ignore_class, self.axis = ignore_class, axis
        self.sparse_y_true, self.sparse_y_pred = sparse_y_true, sparse_y_pred
        self._make_sums((num_classes, num_classes))

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Takes a batch in; positions that the mask of `y_pred` leaves out do not count."""
        mask = mask_of(y_pred)
        y_true, y_pred = jnp.asarray(y_true), jnp.asarray(y_pred)
        y_true = y_true if self.sparse_y_true else jnp.argmax(y_true, self.axis)
        y_pred = y_pred if self.sparse_y_pred else jnp.argmax(y_pred, self.axis)
        if y_true.size != y_pred.size:
            raise ValueError(
                f"{type(self).__name__} needs as many targets as predictions, not class numbers of shapes {y_true.shape} and "
                f"{y_pred.shape}. Say with sparse_y_true and sparse_y_pred what has an axis of classes."
            )
        ones = jnp.ones(y_pred.shape)
        weights = weights_of(sample_weight, (mask,), ones)
        weights = (ones if weights is None else weights).reshape(-1)
        y_true, y_pred = (y.reshape(-1).astype("int32") for y in (y_true, y_pred))
        counts = [(y >= 0) & (y < self.num_classes) for y in (y_true, y_pred)]
        if self.ignore_class is not None:
            counts.append(y_true != self.ignore_class)
        weights = jnp.where(jnp.all(jnp.stack(counts), axis=0), weights, 0)
        cells = jnp.where(weights != 0, y_true * self.num_classes + y_pred, 0)
        matrix = jax.ops.segment_sum(weights, cells, self.num_classes**2)
        self._add_sums(matrix.reshape(self.num_classes, self.num_classes))

    def _from_sums(self, sums: Array) -> Array:
        common = jnp.diagonal(sums)
        union = jnp.sum(sums, axis=0) + jnp.sum(sums, axis=1) - common
        common, union = (each[jnp.array(self.target_class_ids)].astype("float32") for each in (common, union))
        return divide_no_nan(jnp.sum(divide_no_nan(common, union)), jnp.sum(union > 0))


class BinaryIoU(IoU):
    """The mean of TP / (TP + FP + FN) over two classes: what is below a threshold, and what is not.

    Args:
        target_class_ids: which of the classes 0 and 1 the mean is over. Default both.
        threshold: predictions of at least that much count as 1. Default 0.5.
        name: its name in logs.
        dtype: the dtype of its variables; by default float32.

    Raises:
        ValueError: for a target class that is none.

    >>> print(f"{lamina.metrics.BinaryIoU()([0, 1, 0, 1], [0.1, 0.2, 0.4, 0.7]):.4f}")
    0.5833
    """

    def __init__(
        self,
        target_class_ids: Sequence[int] = (0, 1),
        threshold: float = 0.5,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(2, target_class_ids, name, dtype)
        self.threshold = threshold

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Takes a batch in; positions that the mask of `y_pred` leaves out do not count."""
        mask, y_pred = mask_of(y_pred), jnp.asarray(y_pred)
        weights = weights_of(sample_weight, (mask,), jnp.ones(y_pred.shape))
        super().update_state(y_true, y_pred >= self.threshold, weights)


class MeanIoU(IoU):
    """The mean over all classes that occur of TP / (TP + FP + FN).

    Args:
        num_classes: how many classes there are.
        name: its name in logs.
        dtype: the dtype of its variables; by default float32.
        ignore_class: a class number; positions with that target do not count. None is none.
        sparse_y_true: whether targets are class numbers, rather than one-hot.
        sparse_y_pred: whether predictions are class numbers, rather than one value for each class.
        axis: the axis of the classes, where there is one. Default the last.

    >>> print(f"{lamina.metrics.MeanIoU(num_classes=2)([0, 0, 1, 1], [0, 1, 0, 1]):.3f}")
    0.333
    """

    def __init__(
        self,
        num_classes: int,
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_true: bool = True,
        sparse_y_pred: bool = True,
        axis: int = -1,
    ) -> None:
        classes = range(positive(num_classes, "num_classes"))
        super().__init__(num_classes, classes, name, dtype, ignore_class, sparse_y_true, sparse_y_pred, axis)


class OneHotIoU(IoU):
    """`IoU` for one-hot targets, and predictions with one value for each class.

    Args:
        num_classes: how many classes there are.
        target_class_ids: the numbers of the classes that the mean is over.
        name: its name in logs.
        dtype: the dtype of its variables; by default float32.
        ignore_class: a class number; positions with that target do not count. None is none.
        sparse_y_pred: whether predictions are class numbers.
        axis: the axis of the classes. Default the last.

    Raises:
        ValueError: for a target class that is none.

    >>> iou = lamina.metrics.OneHotIoU(num_classes=2, target_class_ids=[1])
    >>> print(iou([[0, 1], [1, 0]], [[0.2, 0.8], [0.4, 0.6]]))
    0.5
    """

    def __init__(
        self,
        num_classes: int,
        target_class_ids: Sequence[int],
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_pred: bool = False,
        axis: int = -1,
    ) -> None:
        super().__init__(num_classes, target_class_ids, name, dtype, ignore_class, False, sparse_y_pred, axis)


class OneHotMeanIoU(MeanIoU):
    """`MeanIoU` for one-hot targets, and predictions with one value for each class.

    Args:
        num_classes: how many classes there are.
        name: its name in logs.
        dtype: the dtype of its variables; by default float32.
        ignore_class: a class number; positions with that target do not count. None is none.
        sparse_y_pred: whether predictions are class numbers.
        axis: the axis of the classes. Default the last.

    >>> print(lamina.metrics.OneHotMeanIoU(num_classes=2)([[0, 1], [1, 0]], [[0.2, 0.8], [0.4, 0.6]]))
    0.25
    """

    def __init__(
        self,
        num_classes: int,
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_pred: bool = False,
        axis: int = -1,
    ) -> None:
        super().__init__(num_classes, name, dtype, ignore_class, False, sparse_y_pred, axis)
