"""rearrange: reshaping and transposing as one pattern (Rogozhnikov, Einops, 2022)."""

__all__ = ["rearrange"]

import math
import re
from typing import Any

import jax.numpy as jnp

from lamina.core.variable import Array
from lamina.ops.wrap import unary

Groups = list[list[str]]


@unary
def rearrange(tensor: Any, pattern: str, **axes_lengths: int) -> Array:
    """Returns the elements of `tensor` rearranged from the axes left of `->` to those right of it.

    Args:
        tensor: an array.
        pattern: axes by name, those in parentheses together being one axis: "b (h p) c -> b h (p c)".
        axes_lengths: sizes of axes; in each pair of parentheses on the left at most one may be left out.

    Raises:
        ValueError: if the pattern does not fit the tensor, or a size does not follow from it.

    >>> lamina.ops.rearrange(np.zeros((2, 6, 5)), "batch (time part) width -> batch time (part width)", part=3).shape
    (2, 2, 15)
    """
    before, after = _sides(pattern)
    shape = jnp.shape(tensor)
    if len(before) != len(shape):
        raise ValueError(f"The pattern {pattern!r} has {len(before)} axes on the left, but the tensor's shape is {shape}.")
    sizes: dict[str, Any] = dict(axes_lengths)
    for group, size in zip(before, shape, strict=True):
        unknown = [name for name in group if name not in sizes]
        known = math.prod(sizes[name] for name in group if name in sizes)
        if len(unknown) > 1:
            raise ValueError(f"The sizes of {unknown} do not follow from the pattern {pattern!r}: give all but one.")
        if unknown:
            sizes[unknown[0]] = size // known
        if math.prod(sizes[name] for name in group) != size:
            raise ValueError(f"An axis of size {size} cannot be ({' '.join(group)}) with {axes_lengths}, in {pattern!r}.")
    names = [name for group in before for name in group]
    order = [names.index(name) for group in after for name in group]
    parts = jnp.transpose(jnp.reshape(tensor, [sizes[name] for name in names]), order)
    return jnp.reshape(parts, [math.prod(sizes[name] for name in group) for group in after])


def _sides(pattern: str) -> tuple[Groups, Groups]:
    """Reads "a (b c) -> c a b" as [[a], [b, c]] and [[c], [a], [b]]; an axis written as 1 is an empty group."""
    sides = [
        [[name for name in axis.strip("()").split() if name != "1"] for axis in re.findall(r"\([^()]*\)|[^\s()]+", side)]
        for side in pattern.split("->")
    ]
    names = [sorted(name for group in side for name in group) for side in sides]
    if len(sides) != 2 or names[0] != names[1] or len(set(names[0])) != len(names[0]):
        raise ValueError(f"The pattern {pattern!r} must name the same axes, each once, left and right of one '->'.")
    return sides[0], sides[1]
