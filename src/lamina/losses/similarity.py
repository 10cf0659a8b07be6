"""Losses for embeddings, which bring what is of one class together."""

from typing import Any

import jax
import jax.numpy as jnp

from lamina.core.masks import with_mask
from lamina.core.text import show_shape
from lamina.core.variable import Array
from lamina.losses.formula import formula
from lamina.losses.loss import Loss


@formula("remove_diagonal", labels=True)
def circle(
    y_true: Any,
    y_pred: Any,
    ref_labels: Any = None,
    ref_embeddings: Any = None,
    remove_diagonal: bool = True,
    gamma: Any = 80.0,
    margin: Any = 0.4,
) -> Array:
    """Returns log(1 + Σ exp(γ w_n (1 − m − d_n)) · Σ exp(−γ w_p (m − d_p))) for each sample.

    The sums are over the other samples of its class (p) and those of other classes (n), d = max(1 − cosine, 0) are the
    distances to them, and the weights are w_p = m + d_p and w_n = max(1 + m − d_n, 0). A sample without either has the loss 0.

    Source: Sun et al., Circle Loss: A Unified Perspective of Pair Similarity Optimization, 2020.

    Args:
        y_true: class numbers of shape (batch,) or (batch, 1).
        y_pred: embeddings of length 1, of shape (batch, features).
        ref_labels: the class numbers of what samples are compared with; by default of each other.
        ref_embeddings: its embeddings.
        remove_diagonal: whether sample i is not compared with embedding i, itself most often.
        gamma: γ. Default 80.
        margin: m. Default 0.4.

    Raises:
        ValueError: for embeddings that are not a matrix.

    >>> a, b = [1.0, 0.0], [0.0, 1.0]
    >>> print(lamina.losses.circle([0, 0, 1], [a, a, b], gamma=1.0).round(3))
    [0.546 0.546 0.   ]
    """
    if y_pred.ndim != 2:
        raise ValueError(f"circle takes embeddings of shape (batch, features), not {show_shape(y_pred.shape)}.")
    labels, others = (jnp.asarray(y_true if given is None else given).reshape(-1) for given in (None, ref_labels))
    embeddings = y_pred if ref_embeddings is None else jnp.asarray(ref_embeddings, y_pred.dtype)
    distance = jnp.maximum(1 - y_pred @ embeddings.T, 0)
    same = labels[:, None] == others[None, :]
    kin = same & ~jnp.eye(same.shape[0], same.shape[1], dtype=bool) if remove_diagonal else same
    near = _log_sum_exp(gamma * (margin + distance) * (distance - margin), kin)
    far = _log_sum_exp(gamma * jnp.maximum(1 + margin - distance, 0) * (1 - margin - distance), ~same)
    return jax.nn.softplus(near + far)


def _log_sum_exp(x: Array, where: Array) -> Array:
    """Returns log(Σ exp(x)) over what is chosen of each row; −∞, with a gradient of 0, where nothing is."""
    some = jnp.any(where, axis=1)
    return jnp.where(some, jax.nn.logsumexp(x, axis=1, where=where | ~some[:, None]), -jnp.inf)


class Circle(Loss):
    """log(1 + Σ exp(γ w_n (1 − m − d_n)) · Σ exp(−γ w_p (m − d_p))) for each sample: see `lamina.losses.circle`.

    Samples whose loss is 0 do not count in a mean.

    Source: Sun et al., Circle Loss: A Unified Perspective of Pair Similarity Optimization, 2020.

    Args:
        gamma: γ, how steep it is. Default 80.
        margin: m, how near is near enough. Default 0.4.
        remove_diagonal: whether a sample is not compared with itself.
        reduction: see `Loss`.
        name: its name.
        dtype: see `Loss`.

    >>> loss = lamina.losses.Circle(gamma=1.0)
    >>> print(f"{loss([0, 0, 1], [[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]):.3f}")
    0.546
    """

    _integer_targets = True

    def __init__(
        self,
        gamma: float = 80.0,
        margin: float = 0.4,
        remove_diagonal: bool = True,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction, dtype)
        self.gamma, self.margin, self.remove_diagonal = gamma, margin, remove_diagonal

    def call(self, y_true: Any, y_pred: Any) -> Array:
        values = circle(y_true, y_pred, remove_diagonal=self.remove_diagonal, gamma=self.gamma, margin=self.margin)
        masked: Array = with_mask(values, values > 0)
        return masked
