"""Data: what `fit`, `evaluate` and `predict` take, as blocks of steps."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import jax
import numpy as np

from lamina.core.checks import at_least
from lamina.core.errors import warn
from lamina.core.host_random import HostStream
from lamina.core.jax_internals import out_of_memory
from lamina.core.placement import to_device
from lamina.core.text import describe
from lamina.training.batch import as_arrays, pack, unpack, weighted
from lamina.training.batch_spec import BatchSpec, leaf_spec
from lamina.training.batches import BatchData, has_batches
from lamina.training.block import Block
from lamina.training.gather import gather
from lamina.training.memory import room

_SMALL_ORDER = 2**18  # bytes that are faster handed to each dispatch than put on the device first


class ArrayData:
    """Arrays, or structures of arrays, whose first axis is the samples.

    Those that fit into the memory of the device are copied there once. Larger ones are gathered batch by batch.

    Args:
        data: what a step takes, with all samples instead of one batch.
        batch_size: samples a step; the last batch may be smaller.
        shuffle: whether each pass takes the samples in a new random order; "batch" takes whole batches in one.

    Raises:
        ValueError: if arrays differ in length, there are no samples, or batch_size is not a positive integer.
        TypeError: for what is not an array.
    """

    def __init__(self, data: Any, batch_size: int = 32, shuffle: bool | str = False) -> None:
        self.batch_size = at_least(1, batch_size, "batch_size")
        self.leaves, self.tree = jax.tree.flatten(as_arrays(data))
        lengths = sorted({len(leaf) for leaf in self.leaves})
        if len(lengths) > 1:
            raise ValueError(
                f"All arrays must have as many samples as the others, but there are {lengths}: {describe(data)}. "
                "The first axis is the samples: a single sample is a batch of one as x[None]."
            )
        if lengths in ([], [0]):
            raise ValueError(f"There are no samples in {describe(data)}.")
        self.size = lengths[0]
        self.shuffle = shuffle
        self._stream = HostStream()
        self.resident = sum(leaf.nbytes for leaf in self.leaves) <= room()
        self._arrays: Any = None
        self._specs: dict[int, BatchSpec] = {}

    @property
    def steps(self) -> int:
        """How many batches there are, the last smaller one included."""
        return -(-self.size // self.batch_size)

    def first(self) -> Any:
        """Returns the first batch."""
        return self._unflatten(leaf[: self.batch_size] for leaf in self.leaves)

    def spec(self) -> Any:
        """Returns the shapes and dtypes of a batch."""
        return self._unflatten(leaf_spec(leaf, min(self.batch_size, self.size)) for leaf in self.leaves)

    def check(self, check: Callable[[Any], None]) -> None:
        """Has all samples checked."""
        check(self._unflatten(self.leaves))

    def blocks(self, steps: int | None = None) -> Iterator[Block]:
        """Yields one pass over the samples, or `steps` steps, passing over the samples as often as that takes."""
        if steps is None:
            return self._pass()
        return itertools.chain.from_iterable(self._pass() for _ in range(-(-steps // self.steps)))

    def _pass(self) -> Iterator[Block]:
        arrays = self._on_device() if self.resident else None
        order = self._order()
        if arrays is None:
            yield from gather(self._batches(order), self.steps)
            return
        whole, rest = divmod(self.size, self.batch_size)
        taken: Any = None if order is None else order.astype("int32")
        if taken is not None and taken.nbytes > _SMALL_ORDER:
            taken = to_device(taken)
        if whole:
            yield Block(arrays, taken, 0, self.batch_size, whole, self._batch_spec(self.batch_size))
        if rest:
            yield Block(arrays, taken, whole * self.batch_size, rest, 1, self._batch_spec(rest))

    def _batch_spec(self, size: int) -> BatchSpec:
        if size not in self._specs:
            self._specs[size] = BatchSpec.of(self._unflatten(self.leaves), size)
        return self._specs[size]

    # --- where another run has been ----------------------------------------------------------------------------------

    begins_anew = True  # each pass

    def skip_passes(self, passes: int) -> None:
        """Goes on as if there had been a number of passes before."""
        if self.shuffle:
            self._stream.drawn += passes

    def state(self) -> dict[str, Any]:
        """Returns what decides in which order samples come."""
        return {"stream": list(self._stream.key)}

    def set_state(self, state: dict[str, Any]) -> None:
        """Makes samples come in the order of another run."""
        self._stream = HostStream(tuple(state["stream"]))

    def _on_device(self) -> Any:
        if self._arrays is None:
            try:
                self._arrays = self._unflatten(map(to_device, self.leaves))
            except (MemoryError, jax.errors.JaxRuntimeError) as error:
                if not out_of_memory(error):
                    raise
                size = sum(leaf.nbytes for leaf in self.leaves)
                warn(f"The data ({size:,} bytes) stay on the host, for they do not fit on the device: {error}")
                self.resident = False
        return self._arrays

    def _batches(self, order: np.ndarray | None) -> Iterator[Any]:
        for start in range(0, self.size, self.batch_size):
            rows = slice(start, start + self.batch_size)
            index = rows if order is None else order[rows]
            yield self._unflatten(np.asarray(leaf[index]) for leaf in self.leaves)

    def _order(self) -> np.ndarray | None:
        """Returns the samples' numbers in the order in which a pass takes them; None as they lie."""
        if self.shuffle == "batch":
            starts = self._stream.next().permutation(self.size // self.batch_size) * self.batch_size
            whole = (starts[:, None] + np.arange(self.batch_size)).reshape(-1)
            return np.concatenate([whole, np.arange(len(whole), self.size)])
        return self._stream.next().permutation(self.size) if self.shuffle else None

    def _unflatten(self, leaves: Iterable[Any]) -> Any:
        return jax.tree.unflatten(self.tree, list(leaves))

    def split(self, fraction: float) -> "tuple[ArrayData, ArrayData]":
        """Returns the samples before and in the last `fraction`.

        Raises:
            ValueError: if either part would be empty.
        """
        first = int(self.size * (1 - fraction))
        if not 0 < first < self.size:
            raise ValueError(f"validation_split={fraction} of {self.size} samples leaves no samples for one of the two parts.")
        parts = ([leaf[:first] for leaf in self.leaves], [leaf[first:] for leaf in self.leaves])
        before, after = (self._unflatten(part) for part in parts)
        return ArrayData(before, self.batch_size, self.shuffle), ArrayData(after, self.batch_size)


Data = ArrayData | BatchData


def as_data(
    x: Any,
    y: Any = None,
    sample_weight: Any = None,
    *,
    batch_size: int | None = None,
    shuffle: bool | str = False,
    class_weight: Mapping[int, float] | None = None,
) -> Data:
    """Returns what a user gave as data.

    Args:
        x: arrays, frames, or structures of them; or batches: an iterable, a generator, a loader or a dataset.
        y: targets, where x is arrays; or the name of their column, where x is a dataset with columns.
        sample_weight: weights, likewise.
        batch_size: samples a step, 32 by default, where x is arrays (or a dataset of samples).
        shuffle: see `ArrayData` and `BatchData`.
        class_weight: a weight for each class, by its number, in the loss.

    Raises:
        ValueError: if y or sample_weight is given beside batches, which hold them already, or see `ArrayData`.
        TypeError: for what is neither.
    """
    if isinstance(x, (ArrayData, BatchData)):
        return x
    target = y if isinstance(y, str) else None
    if (y is None or target) and has_batches(x):
        if sample_weight is not None:
            raise ValueError("sample_weight goes with arrays. Where x gives batches, let each be (x, y, sample_weight).")
        return BatchData(x, batch_size or 32, shuffle, class_weight, target)
    if has_batches(x):
        raise ValueError(f"y goes with arrays, but x gives batches ({type(x).__name__}). Let each batch be (x, y).")
    packed = pack(*weighted(x, y, sample_weight, class_weight))
    return ArrayData(packed, 32 if batch_size is None else batch_size, shuffle)


def parts_of(data: Any) -> tuple[Any, ...]:
    """Returns x, y and sample_weight of what is given as one: a tuple or a list of arrays; x alone for anything else."""
    if isinstance(data, list) and 2 <= len(data) <= 3 and not has_batches(data):
        return tuple(data)
    return data if isinstance(data, tuple) else (data,)


def split(data: Data, fraction: float) -> tuple[ArrayData, ArrayData]:
    """Returns the samples before and in the last `fraction`; raises ValueError for batches, and if a part would be empty."""
    if not isinstance(data, ArrayData):
        raise ValueError("validation_split needs arrays. Give batches to validate on as validation_data.")
    return data.split(fraction)


__all__ = ["ArrayData", "BatchData", "Data", "as_data", "pack", "split", "unpack"]
