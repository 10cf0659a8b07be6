"""Batches that come one by one, gathered into blocks, ahead of the device and in the background."""

import queue
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any

import jax
import numpy as np

from lamina.core.interrupt import interruptible
from lamina.core.process import process
from lamina.training.block import Block, kind_of, signature

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
    """Batches of one kind, copied one behind the other: their maker may use its arrays again."""

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
        return Block(arrays, None, 0, self.batch_size, steps, kind_of(arrays, self.batch_size))


class Ahead:
    """An iterator that is run in a background thread, some items ahead of who takes them.

    Args:
        source: what to iterate over. What it raises is raised where the items are taken.
        items: how many to have ready.
    """

    _END = object()

    def __init__(self, source: Iterable[Any], items: int = 2) -> None:
        self._queue: queue.Queue[Any] = queue.Queue(items)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(source,), daemon=True, name="lamina-data")
        self._thread.start()

    def _run(self, source: Iterable[Any]) -> None:
        try:
            for item in source:
                if not self._put((item, None)):
                    return
            self._put((self._END, None))
        except BaseException as error:
            self._put((self._END, error))

    def _put(self, item: Any) -> bool:
        while not self._stop.is_set():
            try:
                self._queue.put(item, timeout=0.05)
                return True
            except queue.Full:
                continue
        return False

    def __iter__(self) -> "Ahead":
        return self

    def __next__(self) -> Any:
        if self._stop.is_set():
            raise StopIteration
        with interruptible():
            item, error = self._queue.get()
        if item is self._END:
            self.close()
            if error is not None:
                raise error
            raise StopIteration
        return item

    def close(self) -> None:
        """Ends the thread as soon as it has the item that it is at, and waits for that: then the source is at rest."""
        self._stop.set()
        if threading.current_thread() is not self._thread:
            with interruptible():
                self._thread.join()
