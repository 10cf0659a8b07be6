"""Attention: what each query looks for among keys, and the mean of their values, weighted by how well they match.

On the CPU it is computed tile by tile: some heads of some samples at a time, as many as the caches hold the scores of. No scores
are kept for the gradient, which computes them again; fetching them from memory would take longer (Dao et al., FlashAttention,
2022). On other devices it is JAX's.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from lamina.core.errors import show_shape
from lamina.core.graph import op
from lamina.core.variable import Array
from lamina.ops.windows import on_cpu
from lamina.ops.wrap import compiled

__all__ = ["dot_product_attention"]


@op
def dot_product_attention(
    query: Any,
    key: Any,
    value: Any,
    bias: Any = None,
    mask: Any = None,
    scale: float | None = None,
    is_causal: bool = False,
    flash_attention: bool | None = None,
) -> Array:
    """Returns softmax(query · keyᵀ · scale + bias) · value, for each head (Vaswani et al., 2017).

    Args:
        query: of shape (batch, time, heads, depth).
        key: of shape (batch, places, key heads, depth), where the key heads divide the heads.
        value: of shape (batch, places, key heads, value depth).
        bias: added to the logits; broadcast to (batch, heads, time, places).
        mask: true where a query may look; broadcast likewise. A query that may look nowhere gets the mean of all values.
        scale: 1 / √depth by default.
        is_causal: whether a query may only look at places up to its own.
        flash_attention: whether to use cuDNN's fused attention on a GPU, which needs half precision; None leaves it to JAX. On
            the CPU the scores are never held as a whole.

    Raises:
        ValueError: for arrays that have not four axes, or whose sizes do not fit together.

    >>> x = jnp.ones((2, 4, 8, 16))
    >>> lamina.ops.dot_product_attention(x, x, x, is_causal=True).shape
    (2, 4, 8, 16)
    """
    for name, array in (("query", query), ("key", key), ("value", value)):
        if jnp.ndim(array) != 4:
            raise ValueError(
                f"dot_product_attention needs arrays of shape (batch, time, heads, depth); {name} has shape {jnp.shape(array)}."
            )
    return _by_heads(query, key, value, bias, mask, scale, is_causal, flash_attention)


@compiled("is_causal", "flash_attention")
def _by_heads(
    query: Any,
    key: Any,
    value: Any,
    bias: Any,
    mask: Any,
    scale: Any,
    is_causal: bool,
    flash_attention: bool | None,
) -> Array:
    dtype = jnp.result_type(query, key, value)
    q, k, v = (jnp.swapaxes(jnp.asarray(array, dtype), 1, 2) for array in (query, key, value))
    return jnp.swapaxes(attend(q, k, v, bias, mask, scale, is_causal, flash_attention), 1, 2)


def attend(
    query: Array,
    key: Array,
    value: Array,
    bias: Array | None = None,
    mask: Array | None = None,
    scale: Any = None,
    is_causal: bool = False,
    flash_attention: bool | None = None,
    keep: Array | None = None,
) -> Array:
    """Returns what `dot_product_attention` does, of arrays that have their heads before their time.

    Args:
        query: of shape (batch, heads, time, depth).
        key: of shape (batch, key heads, places, depth).
        value: of shape (batch, key heads, places, value depth).
        bias: see `dot_product_attention`.
        mask: likewise.
        scale: likewise.
        is_causal: likewise.
        flash_attention: likewise.
        keep: false where a weight is left out of the mean, which stays as large as it is: dropout. Broadcast as the mask.
    """
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    _check(query, key, value, bias, mask)
    mask = None if mask is None else jnp.asarray(mask, bool)
    if not on_cpu() and keep is None and key.shape == value.shape:
        return _by_jax(query, key, value, bias, mask, scale, is_causal, flash_attention)
    if query.shape[1] != key.shape[1]:
        key, value = (jnp.repeat(array, query.shape[1] // key.shape[1], axis=1) for array in (key, value))
    if is_causal:
        past = jnp.tri(query.shape[2], key.shape[2], dtype=bool)
        mask = past if mask is None else mask & past
    if query.size == 0 or value.size == 0:
        return jnp.zeros((*query.shape[:3], value.shape[3]), query.dtype)
    wide = jnp.promote_types(query.dtype, jnp.float32)
    bias, mask, keep = (None if array is None else _of_rank_four(array) for array in (bias, mask, keep))
    operands = _Operands(query.astype(wide) * scale, key.astype(wide), value.astype(wide), bias, mask, keep)
    return _in_tiles(operands).astype(query.dtype)


def _check(query: Array, key: Array, value: Array, bias: Array | None, mask: Array | None) -> None:
    """Raises ValueError for sizes that do not fit together."""
    shapes = f"{show_shape(query.shape)}, {show_shape(key.shape)} and {show_shape(value.shape)} (with the heads before the time)"
    if not (query.shape[0] == key.shape[0] == value.shape[0] and query.shape[3] == key.shape[3]):
        raise ValueError(f"Query, key and value of shapes {shapes} do not fit together: batches and depths must be equal.")
    if key.shape[1:3] != value.shape[1:3]:
        raise ValueError(f"Query, key and value of shapes {shapes} do not fit together: each key needs one value.")
    if query.shape[1] % key.shape[1]:
        raise ValueError(f"Query, key and value of shapes {shapes} do not fit together: the key's heads must divide the query's.")
    full = (*query.shape[:3], key.shape[2])
    for name, array in (("bias", bias), ("mask", mask)):
        sizes = () if array is None else jnp.shape(array)
        if len(sizes) > 4 or any(size not in (1, own) for size, own in zip(sizes[::-1], full[::-1], strict=False)):
            raise ValueError(f"A {name} of shape {show_shape(sizes)} does not broadcast to scores of shape {show_shape(full)}.")


def _by_jax(
    query: Array,
    key: Array,
    value: Array,
    bias: Array | None,
    mask: Array | None,
    scale: Any,
    is_causal: bool,
    flash_attention: bool | None,
) -> Array:
    """Computes it with JAX's own function, which knows cuDNN's and wants the time before the heads."""
    implementation: Any = {None: None, True: "cudnn", False: "xla"}[flash_attention]
    q, k, v = (jnp.swapaxes(array, 1, 2) for array in (query, key, value))
    outputs = jax.nn.dot_product_attention(q, k, v, bias, mask, scale=scale, is_causal=is_causal, implementation=implementation)
    return jnp.swapaxes(outputs, 1, 2)


# --- tiles ------------------------------------------------------------------------------------------------------------


class _Operands(NamedTuple):
    """What a tile is computed from. Queries are scaled; axes of the last three may be 1, for all."""

    query: Array  # (batch, heads, time, depth)
    key: Array  # (batch, heads, places, depth)
    value: Array  # (batch, heads, places, value depth)
    bias: Array | None  # (batch, heads, time, places)
    mask: Array | None
    keep: Array | None


_MOST_SCORES = 2**19  # of a tile: 2 MiB, about what the caches near the processor hold


def _of_rank_four(array: Any) -> Array:
    array = jnp.asarray(array)
    return array.reshape((1,) * (4 - array.ndim) + array.shape)


def _in_tiles(operands: _Operands) -> Array:
    """Computes attention in parts: of the batch; where one sample is too large, of its heads; then of its queries."""
    *sizes, places = *operands.query.shape[:3], operands.key.shape[2]
    if not all(isinstance(size, int) for size in (*sizes, places)):
        return _tile(*operands)
    scores = places * sizes[0] * sizes[1] * sizes[2]
    for axis, size in enumerate(sizes):
        if scores > _MOST_SCORES and size > 1:
            most = max(_MOST_SCORES * size // scores, 1)
            return _in_parts(_in_tiles, operands, axis, most)
    return _tile(*operands)


def _in_parts(function: Callable[[_Operands], Array], operands: _Operands, axis: int, most: int) -> Array:
    """Applies a function to at most so many positions along an axis at a time, and joins the results."""
    size = operands.query.shape[axis]
    # Equal parts, if that does not take parts of less than half the size.
    part = next(count for count in range(most, 0, -1) if size % count == 0 or 2 * count <= most)
    whole = size - size % part
    of_queries = axis == 2  # all of them look at the same keys
    split = [
        array is not None and array.shape[axis] > 1 and not (of_queries and name in ("key", "value"))
        for name, array in operands._asdict().items()
    ]

    def pick(choose: Callable[[Any], Any]) -> list[Any]:
        return [choose(array) if parted else array for array, parted in zip(operands, split, strict=True)]

    def stacked(array: Array) -> Array:
        array = jax.lax.slice_in_dim(array, 0, whole, axis=axis)
        return jnp.moveaxis(array.reshape(*array.shape[:axis], -1, part, *array.shape[axis + 1 :]), axis, 0)

    def one(parts: list[Array]) -> Array:
        remaining = iter(parts)
        return function(_Operands(*pick(lambda _: next(remaining))))

    parts = [array for array, parted in zip(pick(stacked), split, strict=True) if parted]
    outputs = jnp.moveaxis(jax.lax.map(one, parts), 0, axis)
    outputs = outputs.reshape(*outputs.shape[:axis], -1, *outputs.shape[axis + 2 :])
    if whole == size:
        return outputs
    rest = function(_Operands(*pick(lambda array: jax.lax.slice_in_dim(array, whole, size, axis=axis))))
    return jnp.concatenate([outputs, rest], axis)


@jax.custom_jvp
def _tile(query: Array, key: Array, value: Array, bias: Array | None, mask: Array | None, keep: Array | None) -> Array:
    """Computes attention of all operands at once. What makes the weights add up to 1 is divided by last: that is fewer numbers."""
    weights = _exponentials(query @ _turned(key), bias, mask, -1)
    kept = weights if keep is None else jnp.where(keep, weights, 0)
    return kept @ value / jnp.sum(weights, -1, keepdims=True)


def _turned(x: Array) -> Array:
    """Returns an array with its last two axes exchanged, in memory: XLA's product with one that is not takes four times as long."""
    return jax.lax.optimization_barrier(jnp.swapaxes(x, -1, -2))


@_tile.defjvp
def _tile_rule(primals: Any, tangents: Any) -> Any:
    """Its derivative, from the operands alone: the checkpoint keeps JAX from storing the weights for the backward pass."""
    *arrays, mask, keep = primals
    return _tile(*primals), jax.checkpoint(_tangent)(arrays, list(tangents[:4]), mask, keep)


def _tangent(arrays: list[Any], tangents: list[Any], mask: Array | None, keep: Array | None) -> Array:
    """Written so that the products of the gradient, which JAX makes by transposing, are of matrices as they lie in memory."""
    query, key, value, bias = arrays
    dquery, dkey, dvalue, dbias = tangents
    bias, mask, keep, dbias = (None if array is None else array.swapaxes(2, 3) for array in (bias, mask, keep, dbias))
    weights = _exponentials(key @ _turned(query), bias, mask, 2)
    weights = weights / jnp.sum(weights, 2, keepdims=True)
    slope = key @ jnp.swapaxes(dquery, 2, 3) + dkey @ jnp.swapaxes(query, 2, 3)
    slope = slope if dbias is None else slope + dbias
    slope = slope if mask is None else jnp.where(mask, slope, 0)
    dweights = weights * (slope - jnp.sum(weights * slope, 2, keepdims=True))
    if keep is not None:
        weights, dweights = jnp.where(keep, weights, 0), jnp.where(keep, dweights, 0)
    turned = jnp.swapaxes(value, 2, 3) @ dweights + jnp.swapaxes(dvalue, 2, 3) @ weights
    return jnp.swapaxes(turned, 2, 3)


def _exponentials(scores: Array, bias: Array | None, mask: Array | None, axis: int) -> Array:
    """Returns e to the scores less their maximum along an axis."""
    scores = scores if bias is None else scores + bias
    scores = scores if mask is None else jnp.where(mask, scores, jnp.finfo(scores.dtype).min)
    return jnp.exp(scores - jnp.max(scores, axis, keepdims=True))
