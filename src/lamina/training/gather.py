"""Batches that come one by one, gathered into blocks."""

import time
from collections.abc import Iterable, Iterator
from typing import Any

import jax
import numpy as np

from lamina.core.process import process
from lamina.training.batch_spec import BatchSpec, signature
from lamina.training.block import Block

_BLOCK_BYTES = 2**25
_BLOCK_STEPS = 256
_BLOCK_SECONDS = 0.1


def gather(batches: Iterable[Any], steps: int | None = None) -> Iterator[Block]:
    """Gathers batches of NumPy arrays into blocks of as many as one dispatch should take.

    A block ends when it is full, when a batch comes that is not like the others, or a tenth of a second after it began. Blocks
    have one of two sizes, since each size is a program of its own: full, or a single batch.

    Args:
        batches: structures of NumPy arrays.
        steps: how many there will be, if that is known.
    """
    group: _Group | None = None
    filled: set[Any] = set()
    try:
        for batch in batches:
            like = signature(batch)
            if group is not None and group.like != like:
                yield from group.blocks(filled)
                group = None
            group = group or _Group(batch, like, steps)
            group.add(batch)
            late = process.measures and time.perf_counter() - group.began > _BLOCK_SECONDS
            if group.count == group.capacity or late:
                yield from group.blocks(filled)
                group = None
    except Exception:
        if group is not None:  # what came before the error still counts
            yield from group.blocks(filled)
        raise
    if group is not None:
        yield from group.blocks(filled)


class _Group:
    """Batches that are alike, copied one behind the other: their maker may use its arrays again."""

    def __init__(self, batch: Any, like: Any, steps: int | None) -> None:
        leaves, self.tree = jax.tree.flatten(batch)
        self.like = like
        self.batch_size = leaves[0].shape[0]
        size = sum(leaf.nbytes for leaf in leaves)
        self.capacity = max(1, min(steps or _BLOCK_STEPS, _BLOCK_STEPS, _BLOCK_BYTES // max(size, 1)))
        dtypes = [jax.dtypes.canonicalize_dtype(leaf.dtype) for leaf in leaves]
        self.buffers = [np.empty((self.capacity, *a.shape), dtype) for a, dtype in zip(leaves, dtypes, strict=True)]
        self.count = 0
        self.began = time.perf_counter()

    def add(self, batch: Any) -> None:
        for buffer, leaf in zip(self.buffers, jax.tree.leaves(batch), strict=True):
            buffer[self.count] = leaf
        self.count += 1

    def blocks(self, filled: set[Any]) -> Iterator[Block]:
        """Yields the batches as one block, or one by one where they are too few to be worth a full block's program."""
        if self.like in filled or 4 * self.count >= self.capacity:
            filled.add(self.like)
            yield self._block(self.buffers, self.count)
        else:
            for i in range(self.count):
                yield self._block([buffer[i : i + 1] for buffer in self.buffers], 1)

    def _block(self, buffers: list[np.ndarray], steps: int) -> Block:
        samples = len(buffers[0]) * self.batch_size
        rows = [buffer.reshape(samples, *buffer.shape[2:]) for buffer in buffers]
        arrays = jax.tree.unflatten(self.tree, rows)
        return Block(arrays, None, 0, self.batch_size, steps, BatchSpec.of(arrays, self.batch_size))
