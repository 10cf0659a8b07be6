"""What may be wrong with the targets or the predictions that a loss was given: asked only where something is."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from lamina.core.text import describe

_ONE_HOT = ("CategoricalCrossentropy", "CategoricalFocalCrossentropy", "KLDivergence")


def hint_for(loss: Any, y_true: Any, y_pred: Any) -> str | None:
    """Returns what to do about an error that a loss raised for these targets and predictions, or None.

    >>> hint_for(lamina.losses.MeanSquaredError(), np.ones((8, 2)), np.ones((8, 4)))
    'End the model in a layer of 2 units, or give targets whose last axis has size 4.'
    """
    true, pred = (value if hasattr(value, "shape") and hasattr(value, "dtype") else None for value in (y_true, y_pred))
    if true is None or pred is None:
        return None
    if jnp.issubdtype(true.dtype, jnp.floating) and not jnp.issubdtype(pred.dtype, jnp.floating):
        return (
            f"The arguments may be the wrong way round: a loss is called as loss(y_true, y_pred), targets first, and the "
            f"second is {describe(pred)}."
        )
    fewer = len(true.shape) == len(pred.shape) - 1 or (len(true.shape) == len(pred.shape) and true.shape[-1:] == (1,))
    name, classes = type(loss).__name__, pred.shape[-1] if pred.shape else 1
    if name in _ONE_HOT and fewer and classes != 1:
        return (
            f"Class numbers, as integers of shape {pred.shape[:-1]}, go with SparseCategoricalCrossentropy "
            f"('sparse_categorical_crossentropy'); {name} takes one-hot targets: lamina.ops.one_hot(y, {classes})."
        )
    if name == "BinaryCrossentropy" and fewer and classes != 1:
        return (
            "BinaryCrossentropy answers a yes-or-no question with each output: end the model in Dense(1) for one. For one of "
            f"{classes} classes use 'sparse_categorical_crossentropy' and softmax."
        )
    if len(true.shape) == len(pred.shape) and true.shape[:-1] == pred.shape[:-1] and true.shape[-1] != classes:
        return f"End the model in a layer of {true.shape[-1]} units, or give targets whose last axis has size {classes}."
    if fewer and classes != 1:
        return (
            f"End the model in a layer of one unit for targets of one number a sample, or give {classes} numbers a sample; axes of "
            "positions that the targets lack are taken away by a Flatten or a pooling layer."
        )
    return None


def outside_probabilities(y_true: np.ndarray) -> float | None:
    """Returns a target that is not between 0 and 1, as a probability is, or None.

    >>> outside_probabilities(np.array([0.0, 1.0, -1.0]))
    -1.0
    """
    if not y_true.size or y_true.dtype.kind not in "iuf":
        return None
    low, high = float(y_true.min()), float(y_true.max())
    return low if low < 0 else high if high > 1 else None
