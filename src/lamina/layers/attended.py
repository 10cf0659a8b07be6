"""Attention over some of the axes of projected queries, keys and values, with masks of all kinds."""

import functools
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp

from lamina.core.errors import show_shape
from lamina.core.variable import Array
from lamina.ops.attention import attend


class Attended(NamedTuple):
    """How attention is computed."""

    axes: tuple[int, ...]  # over which of the inputs' axes it goes; the others between batch and features are like the batch
    causal: bool  # whether a query looks only at places up to its own
    window: int | None  # how near they must be
    dropout: float
    flash_attention: bool | None
    scores: bool  # whether the weights are wanted


@functools.partial(jax.jit, static_argnames="settings")
def attention_of_heads(
    query: Array,
    key: Array,
    value: Array,
    masks: Mapping[str, Array | None],
    draw: Array | None,
    settings: Attended,
) -> tuple[Array, Array | None]:
    """Returns softmax(query · keyᵀ / √depth) · value for each head, and, where they are wanted, the weights that softmax gives.

    A query that may look nowhere gets zeros from a layer with dropout, or that returns the weights, and the mean of all values
    from others; it is so in Keras.

    Args:
        query: of shape (batch, ..., heads, depth).
        key: of shape (batch, ..., key heads, depth).
        value: of shape (batch, ..., key heads, value depth).
        masks: by name: those of "query", "key" and "value" have their shapes without the last two axes; that of "attention"
            broadcasts to the weights, where axes before the attended ones may be missing, those of the heads first.
        draw: a random key for the dropout; None is none.
        settings: how.

    Returns:
        An array of shape (batch, ..., heads, value depth), and the weights, of shape (batch, *axes that are not attended, heads,
        *attended axes of the queries, *attended axes of the keys), or None.

    Raises:
        ValueError: for sizes that do not fit together.
    """
    axes = settings.axes
    _check(query, key, value, masks, axes)
    free = tuple(axis for axis in range(1, query.ndim - 2) if axis not in axes)
    q, k, v = (_by_heads(array, free, axes) for array in (query, key, value))
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


def _check(query: Array, key: Array, value: Array, masks: Mapping[str, Array | None], axes: tuple[int, ...]) -> None:
    shapes = {"query": query.shape[:-2], "key": key.shape[:-2], "value": value.shape[:-2]}
    if query.ndim != key.ndim or any(
        a != b for i, (a, b) in enumerate(zip(*list(shapes.values())[:2], strict=True)) if i not in axes
    ):
        raise ValueError(
            f"Queries of shape {show_shape((*shapes['query'], '...'))} cannot look at keys of shape "
            f"{show_shape((*shapes['key'], '...'))}: they must be equal in all axes but the attended ones, {axes}."
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


def _by_heads(array: Array, free: tuple[int, ...], axes: tuple[int, ...]) -> Array:
    """Returns an array as (batch and free axes, heads, attended axes, depth), with groups of axes flattened to one."""
    heads, depth = array.shape[-2:]
    array = array.transpose(0, *free, array.ndim - 2, *axes, array.ndim - 1)
    if len(axes) == 1 and not free:
        return array
    places = math.prod(array.shape[len(free) + 2 : -1])
    return array.reshape(math.prod(array.shape[: len(free) + 1]), heads, places, depth)


def _joined_mask(
    masks: Mapping[str, Array | None], free: tuple[int, ...], full: tuple[int, ...], settings: Attended
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
    attended = groups[2] + groups[3]
    missing = len(full) - mask.ndim
    sizes = (*mask.shape[: mask.ndim - attended], *(1,) * missing, *mask.shape[mask.ndim - attended :])
    if mask.ndim < attended or missing < 0 or any(size not in (1, own) for size, own in zip(sizes, full, strict=True)):
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
