"""The blocks of a pass: of training, epoch by epoch; of prediction, in pieces of few sizes."""

from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

from lamina.training.block import Block, kind_of
from lamina.training.data import ArrayData, BatchData, Data
from lamina.training.gather import Ahead

_PIECE_BYTES = 2**25
_PIECE_STEPS = 1024


class Feed:
    """The blocks of a run, epoch by epoch; what is not on the device is gathered ahead, in the background.

    Args:
        data: where they come from.
        steps: how many steps an epoch has; by default one pass over the data.
        epochs: how many epochs there will be at most.
        passed: how many epochs another run has had, which this one goes on with.
    """

    def __init__(self, data: Data, steps: int | None = None, epochs: int = 1, passed: int = 0) -> None:
        self._data = data
        self._steps = steps
        self._rest: Block | None = None
        self._left_out = 0  # steps at the beginning that the other run has had
        if steps is None:
            data.skip_passes(passed)
            self._stream: Iterator[Block] | None = None
            return
        whole, self._left_out = divmod(passed * steps, data.steps) if data.begins_anew and data.steps else (0, passed * steps)
        data.skip_passes(whole)
        self._stream = self._open(self._left_out + steps * epochs)

    @property
    def steps(self) -> int | None:
        """How many steps an epoch has, if that is known."""
        return self._data.steps if self._steps is None else self._steps

    def epoch(self, done: int = 0) -> Iterator[Block]:
        """Yields the blocks of the next epoch, but for its first `done` steps."""
        if self._steps is None:
            self._stream = self._open(None)
            yield from _without(self._stream, done)
            return
        list(self._next(self._left_out + done))
        self._left_out = 0
        yield from self._next(self._steps - done)

    def _next(self, steps: int) -> Iterator[Block]:
        """Yields the next `steps` steps of the stream, as blocks."""
        while steps and self._stream is not None:
            block = self._rest or next(self._stream, None)
            if block is None:
                return
            now = min(steps, block.steps)
            self._rest = block.part(now, block.steps - now) if now < block.steps else None
            steps -= now
            yield block.part(0, now)

    def _open(self, steps: int | None) -> Iterator[Block]:
        blocks = self._data.blocks(steps)
        return blocks if self._data.resident else Ahead(blocks)

    def close(self) -> None:
        """Ends what runs in the background."""
        if isinstance(self._stream, Ahead):
            self._stream.close()


def _without(blocks: Iterator[Block], steps: int) -> Iterator[Block]:
    """Yields blocks without their first `steps` steps."""
    for block in blocks:
        left_out = min(steps, block.steps)
        steps -= left_out
        if left_out < block.steps:
            yield block.part(left_out, block.steps - left_out)


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
    return Block(arrays, None, 0, batch_size, steps, kind_of(arrays, batch_size))
