"""Losses for sequences whose labels are not lined up with time."""

from typing import Any

import jax.numpy as jnp

import lamina.ops as ops
from lamina.core.text import show_shape
from lamina.core.variable import Array
from lamina.losses.formula import formula
from lamina.losses.loss import PlainLoss


@formula(labels=True)
def ctc(y_true: Any, y_pred: Any) -> Array:
    """Returns −log of the probability of the labels, over all ways to place them in time. Class 0 is the blank.

    Source: Graves et al., Connectionist Temporal Classification, 2006.

    Args:
        y_true: labels of shape (batch, labels), filled up with 0.
        y_pred: logits of shape (batch, time, classes).

    Raises:
        ValueError: for other shapes.

    >>> print(f"{lamina.losses.ctc([[1, 0]], np.zeros((1, 2, 2)))[0]:.4f}")
    0.2877
    """
    if y_true.ndim != 2 or y_pred.ndim != 3:
        raise ValueError(
            "ctc takes labels of shape (batch, labels) and logits of shape (batch, time, classes), not "
            f"{show_shape(y_true.shape)} and {show_shape(y_pred.shape)}."
        )
    length = jnp.full(y_pred.shape[0], y_pred.shape[1])
    return ops.ctc_loss(y_true.astype("int32"), y_pred, jnp.sum(y_true != 0, axis=-1), length, mask_index=0)


class CTC(PlainLoss):
    """−log of the probability of the labels, over all ways to place them in time. Class 0 is the blank.

    Targets are labels of shape (batch, labels), filled up with 0; predictions are logits of shape (batch, time, classes).

    Source: Graves et al., Connectionist Temporal Classification, 2006.

    Args:
        reduction: see `Loss`.
        name: its name.
        dtype: see `Loss`.

    >>> print(f"{lamina.losses.CTC()([[1, 0]], np.zeros((1, 2, 2))):.4f}")
    0.2877
    """

    _integer_targets = True
    call = staticmethod(ctc)
