"""Attention: what each query looks for among keys, and the mean of their values, weighted by how well they match.

How it is computed on which platform stands in `kernels`.
"""

import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from lamina.core.graph import op
from lamina.core.text import show_shape
from lamina.core.variable import Array
from lamina.ops.kernels import attention
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
        flash_attention: True asks for cuDNN's fused attention on an NVIDIA GPU, which needs half precision. On a CPU the scores are
            never held as a whole; for other devices the program is refused. None leaves it to JAX.

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
    # A number is part of the program, as cuDNN wants it; an array is an argument.
    scale, factor = (scale, None) if scale is None or isinstance(scale, (int, float)) else (1.0, scale)
    return _by_heads(query, key, value, bias, mask, factor, scale, is_causal, flash_attention)


@compiled("scale", "is_causal", "flash_attention")
def _by_heads(
    query: Any,
    key: Any,
    value: Any,
    bias: Any,
    mask: Any,
    factor: Any,
    scale: float | None,
    is_causal: bool,
    flash_attention: bool | None,
) -> Array:
    dtype = jnp.result_type(query, key, value)
    q, k, v = (jnp.swapaxes(jnp.asarray(array, dtype), 1, 2) for array in (query, key, value))
    return jnp.swapaxes(attend(q, k, v, bias, mask, scale, is_causal, flash_attention, factor=factor), 1, 2)


def attend(
    query: Array,
    key: Array,
    value: Array,
    bias: Array | None = None,
    mask: Array | None = None,
    scale: float | None = None,
    is_causal: bool = False,
    flash_attention: bool | None = None,
    keep: Array | None = None,
    factor: Array | None = None,
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
        factor: multiplies the scale; a scalar.
    """
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    _check(query, key, value, bias, mask)
    if query.size == 0 or value.size == 0:
        return jnp.zeros((*query.shape[:3], value.shape[3]), query.dtype)
    mask = None if mask is None else jnp.asarray(mask, bool)
    bias, keep, factor = (None if array is None else jnp.asarray(array) for array in (bias, keep, factor))
    settings: dict[str, Any] = dict(scale=scale, is_causal=is_causal, flash_attention=flash_attention)
    return attention(query, key, value, bias, mask, keep, factor, **settings)


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


class AttentionSettings(NamedTuple):
    """How `masked_attention` is computed."""

    axes: tuple[int, ...]  # the axes of the inputs to attend over; the others between batch and features are like the batch
    causal: bool  # whether a query looks only at places up to its own
    window: int | None  # how near they must be
    dropout: float
    flash_attention: bool | None
    scores: bool  # whether the weights are wanted


@functools.partial(jax.jit, static_argnames="settings")
def masked_attention(
    query: Array,
    key: Array,
    value: Array,
    masks: Mapping[str, Array | None],
    draw: Array | None,
    settings: AttentionSettings,
) -> tuple[Array, Array | None]:
    """Returns softmax(query · keyᵀ / √depth) · value for each head, and, where they are wanted, the weights that softmax gives.

    A query that may look nowhere gets zeros from a layer with dropout, or that returns the weights, and the mean of all values
    from others; it is so in Keras.

    Args:
        query: of shape (batch, ..., heads, depth).
        key: of shape (batch, ..., key heads, depth).
        value: of shape (batch, ..., key heads, value depth).
        masks: by name: those of "query", "key" and "value" have their shapes without the last two axes; that of "attention"
            broadcasts to the weights, where axes before the attention axes may be missing, those of the heads first.
        draw: a random key for the dropout; None is none.
        settings: how.

    Returns:
        An array of shape (batch, ..., heads, value depth), and the weights, of shape (batch, *other axes, heads,
        *attention axes of the queries, *attention axes of the keys), or None.

    Raises:
        ValueError: for sizes that do not fit together.
    """
    axes = settings.axes
    _check_masked(query, key, value, masks, axes)
    free = tuple(axis for axis in range(1, query.ndim - 2) if axis not in axes)
    q, k, v = (_heads_first(array, free, axes) for array in (query, key, value))
    times, places = ([array.shape[axis] for axis in axes] for array in (query, key))
    full = (*(query.shape[axis] for axis in (0, *free)), query.shape[-2], *times, *places)
    mask = _joined_mask(masks, free, full, settings)
    keep = None if draw is None else jax.random.bernoulli(draw, 1 - settings.dropout, full).reshape(*q.shape[:3], k.shape[2])
    if settings.scores:
        mixed, weights = _with_weights(q, k, v, mask, keep)
    else:
        mixed, weights = attend(q, k, v, None, mask, None, False, settings.flash_attention, keep), None
        if settings.dropout and mask is not None:
            mixed = jnp.where(jnp.any(mask, -1, keepdims=True), mixed, 0)
    if keep is not None and settings.dropout < 1:
        mixed = mixed / (1 - settings.dropout)
    mixed = mixed.reshape(*full[: len(free) + 2], *times, value.shape[-1])
    order = (0, *free, query.ndim - 2, *axes, query.ndim - 1)
    back = sorted(range(query.ndim), key=order.__getitem__)
    return mixed.transpose(back), None if weights is None else weights.reshape(full)


def _check_masked(query: Array, key: Array, value: Array, masks: Mapping[str, Array | None], axes: tuple[int, ...]) -> None:
    shapes = {"query": query.shape[:-2], "key": key.shape[:-2], "value": value.shape[:-2]}
    if query.ndim != key.ndim or any(
        a != b for i, (a, b) in enumerate(zip(*list(shapes.values())[:2], strict=True)) if i not in axes
    ):
        raise ValueError(
            f"Queries of shape {show_shape((*shapes['query'], '...'))} cannot look at keys of shape "
            f"{show_shape((*shapes['key'], '...'))}: they must be equal in all axes but the attention axes, {axes}."
        )
    if shapes["key"] != shapes["value"]:
        raise ValueError(
            f"Each key needs one value, but the keys have shape {show_shape((*shapes['key'], '...'))}, and the values "
            f"{show_shape((*shapes['value'], '...'))}."
        )
    for name, shape in shapes.items():
        mask = masks[name]
        if mask is not None and mask.shape != shape:
            raise ValueError(
                f"The {name}_mask must have shape {show_shape(shape)}, as the {name} has, not {show_shape(mask.shape)}."
            )


def _heads_first(array: Array, free: tuple[int, ...], axes: tuple[int, ...]) -> Array:
    """Returns an array as (batch and free axes, heads, attention axes, depth), with groups of axes flattened to one."""
    heads, depth = array.shape[-2:]
    array = array.transpose(0, *free, array.ndim - 2, *axes, array.ndim - 1)
    if len(axes) == 1 and not free:
        return array
    places = math.prod(array.shape[len(free) + 2 : -1])
    return array.reshape(math.prod(array.shape[: len(free) + 1]), heads, places, depth)


def _joined_mask(
    masks: Mapping[str, Array | None], free: tuple[int, ...], full: tuple[int, ...], settings: AttentionSettings
) -> Array | None:
    """Returns what all masks allow, of shape (batch, heads, time, places) or with axes of size 1; None if that is everything."""
    count = len(settings.axes)
    batch, time, place = (math.prod(sizes) for sizes in (full[: len(free) + 1], full[-2 * count : -count], full[-count:]))
    parts = []
    for name, sizes in (("query", (time, 1)), ("value", (1, place)), ("key", (1, place))):
        if masks[name] is not None:
            parts.append(jnp.asarray(masks[name], bool).transpose(0, *free, *settings.axes).reshape(batch, 1, *sizes))
    if masks["attention"] is not None:
        parts.append(_flattened(jnp.asarray(masks["attention"], bool), full, (len(free) + 1, 1, count, count)))
    if settings.causal:
        parts.append(jnp.tri(time, place, dtype=bool)[None, None])
    if settings.window is not None:
        distance = jnp.arange(time)[:, None] - jnp.arange(place)
        parts.append((jnp.abs(distance) < settings.window)[None, None])
    return functools.reduce(jnp.logical_and, parts) if parts else None


def _flattened(mask: Array, full: tuple[int, ...], groups: Sequence[int]) -> Array:
    """Returns a mask of the weights with each group of their axes flattened to one, or to 1 where it is the same all along it.

    Args:
        mask: broadcasts to `full` once the axes that it lacks are put before those of the times and places.
        full: the shape of the weights.
        groups: how many axes each group has.
    """
    last = groups[2] + groups[3]
    missing = len(full) - mask.ndim
    sizes = (*mask.shape[: mask.ndim - last], *(1,) * missing, *mask.shape[mask.ndim - last :])
    if mask.ndim < last or missing < 0 or any(size not in (1, own) for size, own in zip(sizes, full, strict=True)):
        raise ValueError(
            f"An attention_mask of shape {show_shape(mask.shape)} does not fit weights of shape {show_shape(full)} (batch, heads, "
            "time, places). Axes may be of size 1, and those before the times may be missing."
        )
    mask, start, flat = mask.reshape(sizes), 0, []
    for count in groups:
        whole = full[start : start + count]
        if any(size != 1 for size in mask.shape[start : start + count]):
            mask = jnp.broadcast_to(mask, (*mask.shape[:start], *whole, *mask.shape[start + count :]))
        flat.append(math.prod(mask.shape[start : start + count]))
        start += count
    return mask.reshape(flat)


def _with_weights(query: Array, key: Array, value: Array, mask: Array | None, keep: Array | None) -> tuple[Array, Array]:
    """Returns what attention gives, and its weights, before the dropout."""
    key, value = (jnp.repeat(array, query.shape[1] // key.shape[1], axis=1) for array in (key, value))
    wide = jnp.promote_types(query.dtype, jnp.float32)
    scores = jnp.einsum("bntd,bnsd->bnts", query.astype(wide) * query.shape[-1] ** -0.5, key.astype(wide))
    if mask is not None:
        scores = jnp.where(mask, scores, jnp.finfo(wide).min)
    weights = jax.nn.softmax(scores, -1)
    weights = weights if mask is None else jnp.where(mask, weights, 0)
    kept = weights if keep is None else jnp.where(keep, weights, 0)
    mixed = jnp.einsum("bnts,bnsd->bntd", kept, value.astype(wide))
    return mixed.astype(query.dtype), weights.astype(query.dtype)
