"""Masks: which positions of an array count. They travel beside the arrays, through code that knows nothing of them."""

import weakref
from collections.abc import Iterable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from lamina.core.text import show_shape

# By the identity of an array, traced ones too: JAX lets nobody put attributes on those. An entry goes when its array does.
_masks: "dict[int, tuple[weakref.ref[Any], Any]]" = {}


def mask_of(value: Any) -> Any:
    """Returns the mask that an array carries, or the masks of a structure's arrays; None where there is none."""
    if isinstance(value, (list, tuple)):
        masks = [mask_of(item) for item in value]
        return None if all(mask is None for mask in masks) else masks
    if isinstance(value, dict):
        by_key = {key: mask_of(item) for key, item in value.items()}
        return None if all(mask is None for mask in by_key.values()) else by_key
    entry = _masks.get(id(value))
    return entry[1] if entry is not None and entry[0]() is value else None


def with_mask(value: Any, mask: Any, inputs: Iterable[Any] = ()) -> Any:
    """Returns the value, carrying the mask; a copy of it where it is one of `inputs`, which keep the masks they have.

    Args:
        value: an array, or a structure of arrays.
        mask: a mask, None for none, or a structure of them, nested as the value is.
        inputs: the arrays that the caller holds.
    """
    if isinstance(value, (list, tuple)):
        parts = mask if isinstance(mask, (list, tuple)) else [mask] * len(value)
        return type(value)([with_mask(item, own, inputs) for item, own in zip(value, parts, strict=True)])
    if isinstance(value, dict):
        return {key: with_mask(item, mask[key] if isinstance(mask, dict) else mask, inputs) for key, item in value.items()}
    if not isinstance(value, jax.Array) or mask_of(value) is mask:
        return value
    if any(value is array for array in inputs):
        value = jnp.copy(value)
    if mask is None:
        _masks.pop(id(value), None)
    else:
        key, forget = id(value), _masks.pop  # which is there until Python ends, as the name of the table is not
        _masks[key] = (weakref.ref(value, lambda _: forget(key, None)), mask)
    return value


def check_masks(inputs: Any, masks: Any, layer: Any = None) -> None:
    """Raises ValueError for a mask whose sizes are not those of the first axes of its inputs: none is broadcast.

    Args:
        inputs: an array, or a list or tuple of arrays.
        masks: a mask, None for none, or a list of them, nested as the inputs are.
        layer: the layer that they are given to, if it is one, for the message.
    """
    if isinstance(inputs, (list, tuple)) and isinstance(masks, (list, tuple)):
        for item, own in zip(inputs, masks, strict=False):
            check_masks(item, own, layer)
    elif isinstance(inputs, jax.Array) and hasattr(masks, "shape") and masks.shape != inputs.shape[: masks.ndim]:
        owner = "The mask" if layer is None else f"The mask of the layer {layer.path!r}"
        raise ValueError(
            f"{owner} has shape {show_shape(masks.shape)}, which is not that of the first axes of inputs of shape "
            f"{show_shape(inputs.shape)}."
        )


def any_masks() -> bool:
    """Tells whether any array carries a mask."""
    return bool(_masks)


def masks_of(leaves: Sequence[Any]) -> dict[int, Any]:
    """Returns the masks that a list's arrays carry, by position: what `put_masks` puts on the arrays that stand for them."""
    if not _masks:
        return {}
    return {i: mask for i, leaf in enumerate(leaves) if (mask := mask_of(leaf)) is not None}


def put_masks(leaves: Sequence[Any], masks: dict[int, Any]) -> None:
    """Puts masks on a list's arrays, by position."""
    for i, mask in masks.items():
        with_mask(leaves[i], mask, ())
