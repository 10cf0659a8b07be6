"""Cross-entropies: −Σ target · log(output), for each example.

Outputs are probabilities, kept away from 0 and 1 by 1e-7 so that no loss is infinite, or, with `from_logits=True`, logits.
"""

from typing import Any

import jax
import jax.numpy as jnp

from lamina.core.text import show_shape
from lamina.core.variable import Array
from lamina.ops.wrap import binary, compiled

__all__ = ["binary_crossentropy", "categorical_crossentropy", "sparse_categorical_crossentropy"]

_EPSILON = 1e-7


@binary
@compiled("from_logits")
def binary_crossentropy(target: Any, output: Any, from_logits: bool = False) -> Array:
    """Returns −target · log(output) − (1 − target) · log(1 − output), element by element.

    Args:
        target: 0 or 1, or probabilities.
        output: probabilities, or logits; of the same shape.
        from_logits: whether they are logits.

    Raises:
        ValueError: for different shapes.

    >>> print(lamina.ops.binary_crossentropy([1.0, 0.0], [0.9, 0.1]).round(3))
    [0.105 0.105]
    """
    _check_same("binary_crossentropy", target, output)
    if from_logits:
        losses: Array = target * jax.nn.softplus(-output) + (1 - target) * jax.nn.softplus(output)
    else:
        output = _inside(output)
        losses = -(target * jnp.log(output) + (1 - target) * jnp.log1p(-output))
    return losses


@binary
@compiled("from_logits", "axis")
def categorical_crossentropy(target: Any, output: Any, from_logits: bool = False, axis: int = -1) -> Array:
    """Returns −Σ target · log(output) over the classes.

    Args:
        target: the probability of each class, most often one-hot.
        output: probabilities, which are divided by their sum, or logits; of the same shape.
        from_logits: whether they are logits.
        axis: the axis of the classes.

    Raises:
        ValueError: for different shapes.
    """
    _check_same("categorical_crossentropy", target, output)
    return -jnp.sum(target * _log_probabilities(output, from_logits, axis), axis)


@binary
@compiled("from_logits", "axis")
def sparse_categorical_crossentropy(target: Any, output: Any, from_logits: bool = False, axis: int = -1) -> Array:
    """Returns −log(output) of the class that is the target; 0 for a target that is not a class.

    Args:
        target: class numbers; an axis of size 1 in place of the classes is dropped.
        output: probabilities, which are divided by their sum, or logits.
        from_logits: whether they are logits.
        axis: the axis of the classes in `output`.

    Raises:
        ValueError: if the shape of `target` is not that of `output` without the classes.

    >>> print(lamina.ops.sparse_categorical_crossentropy([1], [[0.1, 0.9]]).round(3))
    [0.105]
    """
    if target.ndim == output.ndim and target.shape[axis] == 1:
        target = jnp.squeeze(target, axis)
    expected = list(output.shape)
    classes = expected.pop(axis)
    if list(target.shape) != expected:
        raise ValueError(
            f"sparse_categorical_crossentropy needs one class number for each {classes} outputs: a target of shape "
            f"{show_shape(expected)} for outputs of shape {show_shape(output.shape)}, not {show_shape(target.shape)}."
        )
    chosen = jax.nn.one_hot(target.astype(jnp.int32), classes, dtype=output.dtype, axis=axis)
    return -jnp.sum(chosen * _log_probabilities(output, from_logits, axis), axis)


def _log_probabilities(output: Array, from_logits: bool, axis: int) -> Array:
    if from_logits:
        return jax.nn.log_softmax(output, axis)
    return jnp.log(_inside(output / jnp.sum(output, axis, keepdims=True)))


def _inside(probabilities: Array) -> Array:
    return jnp.clip(probabilities, _EPSILON, 1 - _EPSILON)


def _check_same(name: str, target: Array, output: Array) -> None:
    if jnp.shape(target) != jnp.shape(output):
        raise ValueError(
            f"{name} needs a target and outputs of one shape, not {show_shape(jnp.shape(target))} and "
            f"{show_shape(jnp.shape(output))}."
        )
