"""Pieces: the blocks of prediction, which are of few sizes."""

from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

from lamina.training.batch_spec import BatchSpec
from lamina.training.block import Block
from lamina.training.data import ArrayData, BatchData

_PIECE_BYTES = 2**25
_PIECE_STEPS = 1024


def pieces(data: ArrayData | BatchData, steps: int | None) -> Iterator[Block]:
    """Yields data in the order in which they lie, as blocks of few sizes: each size is a program of its own.

    Args:
        data: what to go through.
        steps: how many batches to take at most; None for all.
    """
    if isinstance(data, BatchData):
        yield from data.blocks() if steps is None else data.blocks(steps)
        return
    whole, rest = divmod(data.size, data.batch_size)
    if steps is not None and steps <= whole:
        whole, rest = steps, 0
    size = sum(leaf.nbytes // len(leaf) for leaf in data.leaves) * data.batch_size
    most = max(1, min(_PIECE_STEPS, _PIECE_BYTES // max(size, 1)))
    capacity = min(most, 1 << (whole - 1).bit_length()) if whole else 0
    for start in range(0, whole, capacity or 1):
        count = min(capacity, whole - start)
        yield _piece(data, start * data.batch_size, data.batch_size, count, capacity)
    if rest:
        yield _piece(data, whole * data.batch_size, rest, 1, 1)


def _piece(data: ArrayData, start: int, batch_size: int, steps: int, capacity: int) -> Block:
    def rows(leaf: Any) -> Any:
        part = leaf[start : start + steps * batch_size]
        if steps == capacity:
            return part
        padded = np.zeros((capacity * batch_size, *leaf.shape[1:]), leaf.dtype)
        padded[: len(part)] = part
        return padded

    arrays = jax.tree.unflatten(data.tree, [rows(leaf) for leaf in data.leaves])
    return Block(arrays, None, 0, batch_size, steps, BatchSpec.of(arrays, batch_size))
