"""Integers as vectors: how the layers that look things up give their results."""

from typing import Any

import jax
import jax.numpy as jnp

from lamina.core.variable import Array

MODES = ("int", "one_hot", "multi_hot", "count")


def encoded(indices: Array, mode: str, depth: int, dtype: Any, weights: Array | None = None) -> Array:
    """Returns integers in one of the modes. Those that are negative or too large count for nothing.

    Args:
        indices: integers of shape (..., n).
        mode: "int": as they are. "one_hot": each as a vector of zeros and a 1, of shape (..., n, depth), or (..., depth) where n
            is 1. "multi_hot": a vector for the last axis, (..., depth), with 1 for each integer that is there. "count": likewise,
            with how often it is there.
        depth: the size of the vectors.
        dtype: that of the vectors.
        weights: what each counts for in "count", of the shape of the integers; 1 by default.
    """
    if mode == "int":
        return indices
    if mode == "one_hot":
        alone = indices.ndim > 1 and indices.shape[-1] == 1
        return jax.nn.one_hot(indices[..., 0] if alone else indices, depth, dtype=dtype)
    indices = indices[None] if indices.ndim == 0 else indices
    vectors = jax.nn.one_hot(indices, depth, dtype=dtype)
    if mode == "multi_hot":
        return jnp.max(vectors, axis=-2)
    return jnp.sum(vectors if weights is None else vectors * jnp.asarray(weights, dtype)[..., None], axis=-2)


def no_sparse(sparse: bool, layer: Any) -> None:
    """Raises ValueError for `sparse=True`: there are no sparse arrays here."""
    if sparse:
        raise ValueError(f"{type(layer).__name__} gives dense arrays only: leave sparse=True out.")
