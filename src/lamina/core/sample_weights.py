"""Sample weights and masks: how much each value of a batch counts."""

from typing import Any

import jax
import jax.numpy as jnp

from lamina.core.text import show_shape

Array = jax.Array


def per_value(weights: Any, values: Array) -> Array:
    """Returns one weight for each value, in their dtype.

    The axes of weights are the first ones of values, so that weights of shape (batch,) or (batch, 1) hold for whole samples.
    NumPy would line up the last ones.

    Args:
        weights: of the shape of values; axes may be missing at the end, or have size 1.
        values: any array.

    Raises:
        ValueError: with both shapes, if they do not fit.

    >>> print(per_value([2.0, 3.0], jnp.zeros((2, 2))))
    [[2. 2.]
     [3. 3.]]
    """
    given = jnp.asarray(weights, values.dtype)
    shape = given.shape
    while len(shape) > values.ndim and shape[-1] == 1:
        shape = shape[:-1]
    shape += (1,) * (values.ndim - len(shape) if shape else 0)
    fits = len(shape) <= values.ndim and all(size in (1, whole) for size, whole in zip(shape, values.shape, strict=False))
    if not fits:
        raise ValueError(
            f"Sample weights of shape {show_shape(given.shape)} do not fit values of shape {show_shape(values.shape)}. Give one "
            "weight for each sample, or for each value."
        )
    return jnp.broadcast_to(given.reshape(shape), values.shape)


def counting(masks: tuple[Any, ...], values: Array) -> Array | None:
    """Returns 1 for each value that all masks leave in, else 0; None if there are no masks.

    Where a mask has more axes than the values, a value counts if any of the positions behind it does.

    Args:
        masks: masks, or None, whose axes are the first ones of values.
        values: any array of floats.
    """
    counts = None
    for mask in masks:
        if mask is not None:
            mask = jnp.asarray(mask, bool)
            mask = per_value(jnp.any(mask, axis=tuple(range(values.ndim, mask.ndim))), values)
            counts = mask if counts is None else counts * mask
    return counts


def weights_of(sample_weight: Any, masks: tuple[Any, ...], values: Array) -> Array | None:
    """Returns how much each value counts: its sample weight, or 0 if a mask leaves it out; None if all count alike.

    Args:
        sample_weight: see `per_value`; None for none.
        masks: see `counting`.
        values: any array of floats.
    """
    counts = counting(masks, values)
    if sample_weight is None:
        return counts
    weights = per_value(sample_weight, values)
    return weights if counts is None else weights * counts
