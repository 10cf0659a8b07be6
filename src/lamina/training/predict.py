"""Prediction: the outputs of a step for all samples, many steps as one program on the device."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import lamina.core.events as events
from lamina.core.control import fori_loop
from lamina.core.lift import jit, touched_by
from lamina.core.variable import Array, Variable
from lamina.training.block import Block, Kind, in_order, kind_of
from lamina.training.data import ArrayData, BatchData
from lamina.training.interrupt import uninterrupted
from lamina.training.loop import Watch, explained, spoken

_PIECE_BYTES = 2**25
_PIECE_STEPS = 1024


class CompiledOutputs:
    """Runs a step over batches and collects its outputs.

    Args:
        step: takes a batch and returns outputs.
        read: variables that it is expected to read.
    """

    def __init__(self, step: Callable[[Any], Any], read: Sequence[Variable] = ()) -> None:
        self._name = spoken(step)
        self.step = jit(step)
        self.step.reason = self._name
        self._known: dict[Kind, tuple[Any, list[Variable]]] = {}
        self.step.expect(read, ())
        self._loop = jit(self._steps, static_argnames=("batch_size", "capacity"))
        self._loop.__name__, self._loop.told = f"{self.step.__name__}_loop", False

    def _steps(self, arrays: Any, count: Array, batch_size: int, capacity: int) -> Any:
        """`count` steps on the samples as they lie; the outputs of each, one behind the other."""
        batch = lambda i: jax.tree.map(lambda leaf: jax.lax.dynamic_slice_in_dim(leaf, i * batch_size, batch_size), arrays)  # noqa: E731
        specs, written = self._known[Kind(jax.eval_shape(batch, 0))]
        outputs = jax.tree.map(lambda spec: jnp.zeros((capacity, *spec.shape), spec.dtype), specs)

        def body(i: Array, outputs: Any) -> Any:
            put = jax.lax.dynamic_update_index_in_dim
            return jax.tree.map(lambda all, one: put(all, jnp.asarray(one, all.dtype), i, 0), outputs, self.step(batch(i)))

        return fori_loop(0, count, body, outputs, variables=written)

    def run(self, blocks: Iterable[Block], watch: Watch) -> tuple[list[Any], int]:
        """Runs a pass; returns the outputs of its blocks, as NumPy arrays, and how many steps it had."""
        parts: list[Any] = []
        done = 0
        for block in blocks:
            if watch.every or block.steps == 1:
                for step in range(block.steps):
                    if watch.every:
                        watch.begin(done)
                    start = step * block.batch_size
                    batch = jax.tree.map(lambda leaf: leaf[start : start + block.batch_size], block.arrays)  # noqa: B023
                    parts.append(self.batch(batch))
                    done += 1
                    watch.end(done, {"outputs": parts[-1]})
            else:
                parts.append(self._block(block))
                done += block.steps
                watch.end(done, {})
        return parts, done

    def batch(self, batch: Any) -> Any:
        """Returns the outputs for one batch, as NumPy arrays."""
        with uninterrupted(), events.run(self._name):
            outputs = self.step(batch)
        return jax.tree.map(np.asarray, outputs)

    def _block(self, block: Block) -> Any:
        if block.kind not in self._known:
            outputs, read, written = touched_by(self.step, block.kind.spec)
            self._known[block.kind] = outputs, written
            self._loop.expect(read, written)
        capacity = len(jax.tree.leaves(block.arrays)[0]) // block.batch_size
        with uninterrupted(), events.run(self._name, block.steps):
            outputs = self._loop(block.arrays, np.int32(block.steps), batch_size=block.batch_size, capacity=capacity)
        return jax.tree.map(lambda leaf: _joined(np.asarray(leaf)[: block.steps]), outputs)


class PythonOutputs:
    """Runs a step over batches as plain Python and collects its outputs.

    Args:
        step: takes a batch and returns outputs.
    """

    def __init__(self, step: Callable[[Any], Any]) -> None:
        self.step = explained(step)

    def run(self, blocks: Iterable[Block], watch: Watch) -> tuple[list[Any], int]:
        """Runs a pass; returns the outputs of its batches, as NumPy arrays, and how many steps it had."""
        parts: list[Any] = []
        for block in blocks:
            for step in range(block.steps):
                if watch.every:
                    watch.begin(len(parts))
                parts.append(self.batch(block.batch(step)))
                watch.end(len(parts), {"outputs": parts[-1]})
        return parts, len(parts)

    def batch(self, batch: Any) -> Any:
        """Returns the outputs for one batch, as NumPy arrays."""
        return jax.tree.map(np.asarray, self.step(jax.tree.map(jnp.asarray, batch)))


def pieces(data: ArrayData | BatchData, steps: int | None) -> Iterator[Block]:
    """Yields data in the order in which they lie, as blocks of few sizes: each size is a program of its own.

    Args:
        data: what to go through.
        steps: take no more than so many batches.
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
    return Block(arrays, in_order(capacity * batch_size), 0, batch_size, steps, kind_of(arrays, batch_size))


def joined(parts: Sequence[Any]) -> Any:
    """Returns the outputs of blocks as one, along the samples."""
    if len(parts) == 1:
        return parts[0]
    return jax.tree.map(lambda *leaves: np.concatenate([np.atleast_1d(leaf) for leaf in leaves]), *parts)


def _joined(outputs: np.ndarray) -> np.ndarray:
    """Returns the outputs of steps, which are stacked, one behind the other."""
    return outputs if outputs.ndim < 2 else outputs.reshape(-1, *outputs.shape[2:])
