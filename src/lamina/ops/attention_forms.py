"""How attention is computed: by JAX's own function, by cuDNN's fused kernel, or, for the CPU, tile by tile.

All of them take queries of shape (batch, heads, time, depth), keys and values of shape (batch, key heads, places, depth); a bias, a
mask and what dropout keeps, which broadcast to (batch, heads, time, places), or None; and a factor of the scores, or None.

Tiles are some heads of some samples, as many as the caches hold the scores of. No scores are kept for the gradient, which computes
them again; fetching them from memory would take longer (Dao et al., FlashAttention, 2022).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from lamina.core.variable import Array


def outputs(query: Array, key: Array, value: Array, *_: Array | None, **settings: Any) -> Array:
    """Returns what has the shape and the dtype of what attention returns."""
    return jnp.zeros((*query.shape[:3], value.shape[3]), query.dtype)


def by_xla(
    query: Array,
    key: Array,
    value: Array,
    bias: Array | None,
    mask: Array | None,
    keep: Array | None,
    factor: Array | None,
    *,
    scale: float,
    is_causal: bool,
    flash_attention: bool | None,
) -> Array:
    """Returns attention as JAX computes it, with all scores at once; what JAX's function does not take, by the same formula."""
    if keep is None and key.shape == value.shape and query.dtype in (jnp.float16, jnp.bfloat16, jnp.float32):
        scaled = scale if factor is None else scale * factor
        return _by_jax(query, key, value, bias, mask, scaled, is_causal, "xla")
    operands = _operands(query, key, value, bias, mask, keep, factor, scale, is_causal)
    scores = operands.query @ jnp.swapaxes(operands.key, 2, 3)
    scores = scores if operands.bias is None else scores + operands.bias
    scores = scores if operands.mask is None else jnp.where(operands.mask, scores, jnp.finfo(scores.dtype).min)
    weights = jax.nn.softmax(scores, -1)
    weights = weights if operands.keep is None else jnp.where(operands.keep, weights, 0)
    return (weights @ operands.value).astype(query.dtype)


def by_cudnn(
    query: Array,
    key: Array,
    value: Array,
    bias: Array | None,
    mask: Array | None,
    keep: Array | None,
    factor: Array | None,
    *,
    scale: float,
    is_causal: bool,
    flash_attention: bool | None,
) -> Array:
    """Returns attention by cuDNN's fused kernel where it is asked for, and as `by_xla` does elsewhere.

    Raises:
        ValueError: for what the kernel cannot do.
        NotImplementedError: for dtypes and sizes that it does not take.
        RuntimeError: on a machine where JAX finds no cuDNN, whose version it has to know.
    """
    if not flash_attention:
        options: dict[str, Any] = dict(scale=scale, is_causal=is_causal, flash_attention=flash_attention)
        return by_xla(query, key, value, bias, mask, keep, factor, **options)
    if keep is not None or key.shape != value.shape:
        raise ValueError(
            "cuDNN's fused attention has no dropout, and its values have the depth of its keys: leave out flash_attention=True."
        )
    if factor is not None:
        query = (query.astype(jnp.float32) * factor).astype(query.dtype)
    scores = (query.shape[2], key.shape[2])
    bias, mask = (x if x is None else jnp.broadcast_to(x, (*x.shape[:-2], *scores)) for x in map(_of_rank_four, (bias, mask)))
    try:
        return _by_jax(query, key, value, bias, mask, scale, is_causal, "cudnn")
    except NotImplementedError:
        raise
    except RuntimeError as error:
        raise RuntimeError(
            "A program with flash_attention=True can be compiled or exported for an NVIDIA GPU only where JAX finds cuDNN, whose "
            "version it has to know: on a machine with such a GPU, and jax[cuda12] or jax[cuda13]. Without flash_attention=True it "
            "can be done on any machine."
        ) from error


def without_cudnn(*arrays: Array | None, scale: float, is_causal: bool, flash_attention: bool | None) -> Array:
    """Returns attention as `by_xla` does; raises ValueError where a fused kernel is asked for."""
    if flash_attention:
        raise ValueError("flash_attention=True is cuDNN's, for NVIDIA GPUs; leave it out to compile or export for this platform.")
    return by_xla(*arrays, scale=scale, is_causal=is_causal, flash_attention=flash_attention)  # type: ignore[arg-type]


def _by_jax(
    query: Array, key: Array, value: Array, bias: Array | None, mask: Array | None, scale: Any, is_causal: bool, implementation: Any
) -> Array:
    """Computes it with JAX's own function, which wants the time before the heads.

    cuDNN's is asked for what its gradient needs, too: then both passes have the same call in them, of which XLA makes one.
    """
    q, k, v = (jnp.swapaxes(array, 1, 2) for array in (query, key, value))
    outputs: Any = jax.nn.dot_product_attention(
        q,
        k,
        v,
        bias,
        mask,
        scale=scale,
        is_causal=is_causal,
        implementation=implementation,
        return_residual=implementation == "cudnn",
    )
    return jnp.swapaxes(outputs[0] if implementation == "cudnn" else outputs, 1, 2)


# --- tiles ----------------------------------------------------------------------------------------------------------------


def in_tiles(
    query: Array,
    key: Array,
    value: Array,
    bias: Array | None,
    mask: Array | None,
    keep: Array | None,
    factor: Array | None,
    *,
    scale: float,
    is_causal: bool,
    flash_attention: bool | None,
) -> Array:
    """Returns attention, computed in tiles whose scores stay in the processor's caches."""
    return _in_tiles(_operands(query, key, value, bias, mask, keep, factor, scale, is_causal)).astype(query.dtype)


class _Operands(NamedTuple):
    """What a tile is computed from. Queries are scaled; axes of the last three may be 1, for all."""

    query: Array  # (batch, heads, time, depth)
    key: Array  # (batch, heads, places, depth)
    value: Array  # (batch, heads, places, value depth)
    bias: Array | None  # (batch, heads, time, places)
    mask: Array | None
    keep: Array | None


def _operands(
    query: Array,
    key: Array,
    value: Array,
    bias: Array | None,
    mask: Array | None,
    keep: Array | None,
    factor: Array | None,
    scale: float,
    is_causal: bool,
) -> _Operands:
    """Returns what attention is computed from, in at least float32, with a key for each of the query's heads."""
    if query.shape[1] != key.shape[1]:
        key, value = (jnp.repeat(array, query.shape[1] // key.shape[1], axis=1) for array in (key, value))
    if is_causal:
        past = jnp.tri(query.shape[2], key.shape[2], dtype=bool)
        mask = past if mask is None else mask & past
    wide = jnp.promote_types(query.dtype, jnp.float32)
    scaled = query.astype(wide) * (scale if factor is None else scale * factor)
    return _Operands(scaled, key.astype(wide), value.astype(wide), *map(_of_rank_four, (bias, mask, keep)))


_MOST_SCORES = 2**19  # of a tile: 2 MiB, about what the caches near the processor hold


def _of_rank_four(array: Array | None) -> Array | None:
    return array if array is None else array.reshape((1,) * (4 - array.ndim) + array.shape)


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
    turned: Array = jax.lax.optimization_barrier(jnp.swapaxes(x, -1, -2))
    return turned


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
