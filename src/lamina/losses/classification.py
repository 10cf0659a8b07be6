"""Losses for classes: cross-entropies, and their kin for classes of unequal size and for labels that are sometimes wrong.

Probabilities are kept in [1e-7, 1 − 1e-7]. `from_logits` says that predictions are logits instead.
"""

import numbers
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import lamina.ops as ops
from lamina.core.errors import warn
from lamina.core.masks import with_mask
from lamina.core.text import show_shape
from lamina.core.variable import Array
from lamina.losses.formula import EPSILON, formula
from lamina.losses.loss import Loss

# --- two classes -----------------------------------------------------------------------------------------------------


def _smooth(y_true: Array, label_smoothing: Array | float, classes: int) -> Array:
    """Returns y_true · (1 − s) + s / classes."""
    return y_true * (1 - label_smoothing) + label_smoothing / classes


@formula("from_logits", "axis")
def binary_crossentropy(y_true: Any, y_pred: Any, from_logits: bool = False, label_smoothing: Any = 0.0, axis: int = -1) -> Array:
    """Returns −mean(y_true · log p + (1 − y_true) · log(1 − p)) over an axis.

    Args:
        y_true: 0 or 1, or probabilities.
        y_pred: p, or its logits; of the same shape.
        from_logits: whether predictions are logits.
        label_smoothing: s replaces y_true by y_true · (1 − s) + s / 2 (Szegedy et al., 2016).
        axis: the axis of the mean.

    Raises:
        ValueError: for shapes that do not fit.

    >>> print(f"{lamina.losses.binary_crossentropy([[1.0, 0.0]], [[0.9, 0.1]])[0]:.3f}")
    0.105
    """
    values = ops.binary_crossentropy(_smooth(y_true, label_smoothing, 2), y_pred, from_logits=from_logits)
    return jnp.mean(values, axis=axis)


class BinaryCrossentropy(Loss):
    """−mean(y_true · log p + (1 − y_true) · log(1 − p)) over an axis.

    Args:
        from_logits: whether predictions are logits (p = sigmoid(y_pred)) rather than probabilities.
        label_smoothing: s replaces y_true by y_true · (1 − s) + s / 2; in [0, 1].
        axis: the axis of the mean. Default the last.
        reduction: see `Loss`.
        name: its name.
        dtype: see `Loss`.

    Raises:
        ValueError: for a label smoothing that is not in [0, 1].

    >>> print(f"{lamina.losses.BinaryCrossentropy()([[1.0, 0.0]], [[0.9, 0.1]]):.3f}")
    0.105
    """

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction, dtype)
        self.from_logits, self.axis = from_logits, axis
        self.label_smoothing = share(label_smoothing, "label_smoothing")

    def call(self, y_true: Any, y_pred: Any) -> Array:
        return binary_crossentropy(y_true, y_pred, self.from_logits, self.label_smoothing, self.axis)


@formula("apply_class_balancing", "from_logits", "axis")
def binary_focal_crossentropy(
    y_true: Any,
    y_pred: Any,
    apply_class_balancing: bool = False,
    alpha: Any = 0.25,
    gamma: Any = 2.0,
    from_logits: bool = False,
    label_smoothing: Any = 0.0,
    axis: int = -1,
) -> Array:
    """Returns mean((1 − p_t)^γ · c) over an axis, with c the binary cross-entropy and p_t the probability of what is so.

    Keras makes probabilities of logits first, and so loses the digits of those that are far from 0; here it does not.

    Source: Lin et al., Focal Loss for Dense Object Detection, 2017.

    Args:
        y_true: 0 or 1.
        y_pred: p, or its logits; of the same shape.
        apply_class_balancing: whether samples of class 1 weigh α, and those of class 0 1 − α.
        alpha: α. Default 0.25.
        gamma: γ, how much less counts what is right already. Default 2.
        from_logits: whether predictions are logits.
        label_smoothing: s replaces y_true by y_true · (1 − s) + s / 2.
        axis: the axis of the mean.

    Raises:
        ValueError: for shapes that do not fit.

    >>> print(f"{lamina.losses.binary_focal_crossentropy([[1.0, 0.0]], [[0.5, 0.5]])[0]:.4f}")
    0.1733
    """
    y_true = _smooth(y_true, label_smoothing, 2)
    one, zero = (jax.nn.sigmoid(y_pred), jax.nn.sigmoid(-y_pred)) if from_logits else (y_pred, 1 - y_pred)
    values = (y_true * zero + (1 - y_true) * one) ** gamma * ops.binary_crossentropy(y_true, y_pred, from_logits=from_logits)
    if apply_class_balancing:
        values *= y_true * alpha + (1 - y_true) * (1 - alpha)
    return jnp.mean(values, axis=axis)


class BinaryFocalCrossentropy(Loss):
    """mean((1 − p_t)^γ · c) over an axis, with c the binary cross-entropy and p_t the probability of what is so.

    Source: Lin et al., Focal Loss for Dense Object Detection, 2017.

    Args:
        apply_class_balancing: whether samples of class 1 weigh α, and those of class 0 1 − α.
        alpha: α, in [0, 1]. Default 0.25.
        gamma: γ, how much less counts what is right already. Default 2.
        from_logits: whether predictions are logits.
        label_smoothing: s replaces y_true by y_true · (1 − s) + s / 2; in [0, 1].
        axis: the axis of the mean. Default the last.
        reduction: see `Loss`.
        name: its name.
        dtype: see `Loss`.

    Raises:
        ValueError: for a label smoothing or an alpha that is not in [0, 1].

    >>> print(f"{lamina.losses.BinaryFocalCrossentropy()([[1.0, 0.0]], [[0.5, 0.5]]):.4f}")
    0.1733
    """

    def __init__(
        self,
        apply_class_balancing: bool = False,
        alpha: float = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction, dtype)
        self.apply_class_balancing, self.from_logits, self.axis, self.gamma = apply_class_balancing, from_logits, axis, gamma
        self.alpha = share(alpha, "alpha")
        self.label_smoothing = share(label_smoothing, "label_smoothing")

    def call(self, y_true: Any, y_pred: Any) -> Array:
        return binary_focal_crossentropy(
            y_true,
            y_pred,
            self.apply_class_balancing,
            self.alpha,
            self.gamma,
            self.from_logits,
            self.label_smoothing,
            self.axis,
        )


# --- several classes, one-hot ----------------------------------------------------------------------------------------


@formula("from_logits", "axis")
def categorical_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, label_smoothing: Any = 0.0, axis: int = -1
) -> Array:
    """Returns −Σ y_true · log p over the classes.

    Keras smooths by the size of the last axis, wherever the classes are; here it is by the number of classes.

    Args:
        y_true: one-hot targets, or probabilities.
        y_pred: p, which is divided by its sum, or its logits; of the same shape.
        from_logits: whether predictions are logits.
        label_smoothing: s replaces y_true by y_true · (1 − s) + s / classes (Szegedy et al., 2016).
        axis: the axis of the classes.

    Raises:
        ValueError: for shapes that do not fit.

    >>> print(f"{lamina.losses.categorical_crossentropy([[0.0, 1.0]], [[0.1, 0.9]])[0]:.3f}")
    0.105
    """
    _warn_of_one_class("categorical_crossentropy", y_pred, axis)
    return ops.categorical_crossentropy(
        _smooth(y_true, label_smoothing, y_pred.shape[axis]), y_pred, from_logits=from_logits, axis=axis
    )


class CategoricalCrossentropy(Loss):
    """−Σ y_true · log p over the classes, for one-hot targets or probabilities.

    Args:
        from_logits: whether predictions are logits (p = softmax(y_pred)) rather than probabilities.
        label_smoothing: s replaces y_true by y_true · (1 − s) + s / classes; in [0, 1].
        axis: the axis of the classes. Default the last.
        reduction: see `Loss`.
        name: its name.
        dtype: see `Loss`.

    Raises:
        ValueError: for a label smoothing that is not in [0, 1].

    >>> print(f"{lamina.losses.CategoricalCrossentropy()([[0.0, 1.0]], [[0.1, 0.9]]):.3f}")
    0.105
    """

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction, dtype)
        self.from_logits, self.axis = from_logits, axis
        self.label_smoothing = share(label_smoothing, "label_smoothing")

    def call(self, y_true: Any, y_pred: Any) -> Array:
        return categorical_crossentropy(y_true, y_pred, self.from_logits, self.label_smoothing, self.axis)


@formula("from_logits", "axis")
def categorical_focal_crossentropy(
    y_true: Any,
    y_pred: Any,
    alpha: Any = 0.25,
    gamma: Any = 2.0,
    from_logits: bool = False,
    label_smoothing: Any = 0.0,
    axis: int = -1,
) -> Array:
    """Returns −Σ α · (1 − p)^γ · y_true · log p over the classes.

    Source: Lin et al., Focal Loss for Dense Object Detection, 2017.

    Args:
        y_true: one-hot targets.
        y_pred: p, which is divided by its sum, or its logits; of the same shape.
        alpha: α, one number, or one for each class of the last axis. Default 0.25.
        gamma: γ, how much less counts what is right already. Default 2.
        from_logits: whether predictions are logits.
        label_smoothing: s replaces y_true by y_true · (1 − s) + s / classes.
        axis: the axis of the classes.

    Raises:
        ValueError: for shapes that do not fit.

    >>> print(f"{lamina.losses.categorical_focal_crossentropy([[0.0, 1.0]], [[0.5, 0.5]])[0]:.4f}")
    0.0433
    """
    _warn_of_one_class("categorical_focal_crossentropy", y_pred, axis)
    y_true = _smooth(y_true, label_smoothing, y_pred.shape[axis])
    p = jax.nn.softmax(y_pred, axis) if from_logits else y_pred / jnp.sum(y_pred, axis, keepdims=True)
    p = jnp.clip(p, EPSILON, 1 - EPSILON)
    return -jnp.sum(jnp.asarray(alpha) * (1 - p) ** gamma * y_true * jnp.log(p), axis=axis)


class CategoricalFocalCrossentropy(Loss):
    """−Σ α · (1 − p)^γ · y_true · log p over the classes, for one-hot targets.

    Source: Lin et al., Focal Loss for Dense Object Detection, 2017.

    Args:
        alpha: α, one number, or one for each class of the last axis. Default 0.25.
        gamma: γ, how much less counts what is right already. Default 2.
        from_logits: whether predictions are logits (p = softmax(y_pred)) rather than probabilities.
        label_smoothing: s replaces y_true by y_true · (1 − s) + s / classes; in [0, 1].
        axis: the axis of the classes. Default the last.
        reduction: see `Loss`.
        name: its name.
        dtype: see `Loss`.

    Raises:
        ValueError: for a label smoothing that is not in [0, 1].

    >>> print(f"{lamina.losses.CategoricalFocalCrossentropy()([[0.0, 1.0]], [[0.5, 0.5]]):.4f}")
    0.0433
    """

    def __init__(
        self,
        alpha: float | Sequence[float] = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction, dtype)
        if not np.issubdtype(np.asarray(alpha).dtype, np.number) or np.isnan(np.asarray(alpha)).any():
            raise TypeError(f"alpha must be a number, or one for each class, not {alpha!r}.")
        self.alpha, self.gamma, self.from_logits, self.axis = alpha, gamma, from_logits, axis
        self.label_smoothing = share(label_smoothing, "label_smoothing")

    def call(self, y_true: Any, y_pred: Any) -> Array:
        return categorical_focal_crossentropy(
            y_true, y_pred, self.alpha, self.gamma, self.from_logits, self.label_smoothing, self.axis
        )


# --- several classes, by number --------------------------------------------------------------------------------------


@formula("from_logits", "axis", labels=True)
def sparse_categorical_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, ignore_class: int | None = None, axis: int = -1
) -> Array:
    """Returns −log p[y_true], for class numbers; 0 for a target that is not a class.

    Args:
        y_true: class numbers; an axis of size 1 in place of the classes is dropped.
        y_pred: p, which is divided by its sum, or its logits.
        from_logits: whether predictions are logits.
        ignore_class: a class number for which the value is 0.
        axis: the axis of the classes in `y_pred`.

    Raises:
        ValueError: if targets do not have the shape of the predictions without the classes.

    >>> print(f"{lamina.losses.sparse_categorical_crossentropy([1], [[0.1, 0.9]])[0]:.3f}")
    0.105
    """
    labels = _labels(y_true, y_pred, axis)
    values = ops.sparse_categorical_crossentropy(labels, y_pred, from_logits=from_logits, axis=axis)
    return values if ignore_class is None else jnp.where(labels == ignore_class, 0, values)


class SparseCategoricalCrossentropy(Loss):
    """−log p[y_true], for integer targets.

    Targets have shape (batch, ...) or (batch, ..., 1), predictions (batch, ..., classes).

    Args:
        from_logits: whether predictions are logits (p = softmax(y_pred)) rather than probabilities.
        ignore_class: a class number whose positions do not count; None for none.
        reduction: see `Loss`.
        axis: the axis of the classes. Default the last.
        name: its name.
        dtype: see `Loss`.

    Raises:
        ValueError: when called, if targets do not have the shape of the predictions without the classes.

    >>> loss = lamina.losses.SparseCategoricalCrossentropy(from_logits=True)
    >>> print(loss([1], [[0.0, 0.0]]))
    0.6931472
    """

    _integer_targets = True

    def __init__(
        self,
        from_logits: bool = False,
        ignore_class: int | None = None,
        reduction: str | None = "sum_over_batch_size",
        axis: int = -1,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction, dtype)
        self.from_logits, self.ignore_class, self.axis = from_logits, ignore_class, axis

    def _check(self, y_true: Any, shape: Sequence[int]) -> None:
        """Raises ValueError for a label that is not a class."""
        _check_labels(y_true, shape, shape[self.axis], self.ignore_class)

    def call(self, y_true: Any, y_pred: Any) -> Array:
        values = sparse_categorical_crossentropy(y_true, y_pred, self.from_logits, self.ignore_class, self.axis)
        return without_class(values, y_true, self.ignore_class)


def without_class(values: Array, y_true: Any, ignore_class: int | None) -> Array:
    """Returns the values with a mask that leaves out those whose target is the class; None is none."""
    return values if ignore_class is None else with_mask(values, (jnp.asarray(y_true) != ignore_class).reshape(values.shape))


@formula(labels=True)
def categorical_generalized_cross_entropy(y_true: Any, y_pred: Any, q: Any) -> Array:
    """Returns (1 − p[y_true]^q) / q, for class numbers: between cross-entropy (q → 0) and absolute error (q = 1).

    Source: Zhang and Sabuncu, Generalized Cross Entropy Loss for Training Deep Neural Networks with Noisy Labels, 2018.

    Args:
        y_true: class numbers of shape (batch, ...) or (batch, ..., 1).
        y_pred: probabilities of shape (batch, ..., classes).
        q: between 0 and 1; the greater, the less do wrong labels harm.

    Raises:
        ValueError: if targets do not have the shape of the predictions without the classes.

    >>> print(lamina.losses.categorical_generalized_cross_entropy([1], [[0.75, 0.25]], q=0.5))
    [1.]
    """
    chosen = jax.nn.one_hot(_labels(y_true, y_pred, -1).astype("int32"), y_pred.shape[-1], dtype=y_pred.dtype)
    p = jnp.sum(chosen * y_pred, axis=-1)
    power: Array = jnp.where(p > 0, jnp.where(p > 0, p, 1) ** q, 0)  # whose slope at 0 is infinite
    losses: Array = (1 - power) / q
    return losses


class CategoricalGeneralizedCrossEntropy(Loss):
    """(1 − p[y_true]^q) / q, for class numbers: a cross-entropy that wrong labels harm less.

    Source: Zhang and Sabuncu, Generalized Cross Entropy Loss for Training Deep Neural Networks with Noisy Labels, 2018.

    Args:
        q: between 0 and 1, both left out; the greater, the less do wrong labels harm. Default 0.5.
        reduction: see `Loss`.
        name: its name.
        dtype: see `Loss`.

    Raises:
        ValueError: for another q.

    >>> print(lamina.losses.CategoricalGeneralizedCrossEntropy()([1], [[0.75, 0.25]]))
    1.0
    """

    _integer_targets = True

    def __init__(
        self,
        q: float = 0.5,
        reduction: str | None = "sum_over_batch_size",
        name: str = "categorical_generalized_cross_entropy",
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction, dtype)
        if not 0 < q < 1:
            raise ValueError(f"q must lie between 0 and 1, not {q!r}.")
        self.q = q

    def _check(self, y_true: Any, shape: Sequence[int]) -> None:
        """Raises ValueError for a label that is not a class."""
        _check_labels(y_true, shape, shape[-1])

    def call(self, y_true: Any, y_pred: Any) -> Array:
        return categorical_generalized_cross_entropy(y_true, y_pred, self.q)


# --- what they share -------------------------------------------------------------------------------------------------


def share(value: float, name: str) -> float:
    """Returns a number in [0, 1]; raises ValueError, with the argument's name, for any other."""
    if not isinstance(value, numbers.Real) or not 0 <= value <= 1:
        raise ValueError(f"{name} must be a number from 0 to 1, not {value!r}.")
    return value


def _labels(y_true: Array, y_pred: Array, axis: int) -> Array:
    """Returns class numbers in the shape of the predictions without the classes; raises ValueError if they do not have it."""
    if y_true.ndim == y_pred.ndim and y_true.shape[axis] == 1:
        y_true = jnp.squeeze(y_true, axis)
    expected = list(y_pred.shape)
    del expected[axis]
    if list(y_true.shape) != expected:
        raise ValueError(
            f"One class number a sample is needed: for predictions of shape {show_shape(y_pred.shape)} targets of shape "
            f"{show_shape(expected)}, not {show_shape(y_true.shape)}. For one-hot targets use CategoricalCrossentropy."
        )
    return y_true


def _check_labels(y_true: Any, shape: Sequence[int], classes: int, ignore_class: int | None = None) -> None:
    labels = y_true if ignore_class is None else np.asarray(y_true)[np.asarray(y_true) != ignore_class]
    if not labels.size:
        return
    low, high = int(labels.min()), int(labels.max())
    if not 0 <= low <= high < classes:
        raise ValueError(
            f"There is a label {low if low < 0 else high}, but predictions of shape {show_shape(shape)} are for the {classes} "
            f"classes 0 to {classes - 1}."
        )


def _warn_of_one_class(name: str, y_pred: Array, axis: int) -> None:
    if y_pred.shape[axis] == 1:
        warn(
            f"{name} is 0 whatever is predicted, for there is one class: predictions have shape {show_shape(y_pred.shape)}. "
            "For two classes with one output use binary_crossentropy."
        )
