"""Data that come in batches: iterables, generators, loaders and datasets of other libraries, taken for what they offer."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import jax
import numpy as np

from lamina.core.host_random import HostStream
from lamina.core.interrupt import interruptible
from lamina.core.text import describe, suggest
from lamina.training.batch import as_arrays, pack, unpack, weighted
from lamina.training.batch_spec import leaf_spec
from lamina.training.block import Block
from lamina.training.gather import gather

_END = object()  # of batches


def has_batches(x: Any) -> bool:
    """Tells whether x gives batches, rather than being arrays.

    Arrays, frames, dicts, and lists and tuples of them are arrays; a list of tuples is a list of batches.
    """
    if isinstance(x, list):
        return bool(x) and all(isinstance(item, tuple) for item in x)
    if isinstance(x, (dict, tuple, str)) or hasattr(x, "dtype") or hasattr(x, "to_numpy"):
        return False
    return hasattr(x, "__iter__") or hasattr(x, "__next__") or (hasattr(x, "__getitem__") and hasattr(x, "__len__"))


class BatchData:
    """Batches from an iterable, a generator, or a dataset.

    Each batch is `x`, `(x, y)` or `(x, y, sample_weight)`; lists of two or three are taken as tuples, as PyTorch's loaders give
    them. An iterable is gone through anew for each pass; a generator goes on where it was.

    Args:
        source: where the batches come from.
        batch_size: samples a batch, where the source is a dataset of samples.
        shuffle: whether a source that is indexed, or a dataset of samples, is gone through in a random order.
        class_weight: a weight for each class, by its number.
        target: the column of the targets, where the source is a dataset with columns; the others are x, a dict if several.

    Raises:
        ValueError: if there are no batches at all, or no such column.
    """

    resident = False

    def __init__(
        self,
        source: Any,
        batch_size: int = 32,
        shuffle: bool | str = False,
        class_weight: Mapping[int, float] | None = None,
        target: str | None = None,
    ) -> None:
        if target is not None and target not in getattr(source, "column_names", ()):
            raise ValueError(f"{_name(source)} has no column {target!r}. {suggest(target, getattr(source, 'column_names', ()))}")
        self._source = source
        self._target = target
        self._batch_size = batch_size
        self._shuffle = shuffle
        self._stream = HostStream()
        self._class_weight = class_weight
        self._check: Callable[[Any], None] | None = None
        self._ends = hasattr(source, "__next__")
        self.steps = _length(source, batch_size)
        self._begun: Iterator[Any] | None = self._one_pass()
        self._taken_already = list(itertools.islice(self._begun, 1))
        if not self._taken_already:
            raise ValueError(f"There are no batches in {_name(source)}.")
        self._first = self._taken_already[0]

    def first(self) -> Any:
        """Returns the first batch."""
        return self._first

    def spec(self) -> Any:
        """Returns the shapes and dtypes of the first batch."""
        return jax.tree.map(lambda leaf: leaf_spec(leaf, len(leaf)), self._first)

    def check(self, check: Callable[[Any], None]) -> None:
        """Has the first batch checked now, and each later one when it comes."""
        check(self._first)
        self._check = check

    def blocks(self, steps: int | None = None) -> Iterator[Block]:
        """Yields one pass over the batches, or `steps` steps, passing over the batches as often as that takes."""
        if steps is None:
            return gather(self._pass(), self.steps)
        return gather(itertools.islice(self._passes(), steps), steps)

    # --- where another run has been ----------------------------------------------------------------------------------

    @property
    def begins_anew(self) -> bool:
        """Whether each pass gives the batches from the first on; an iterator gives each of its batches once."""
        return not self._ends

    def skip_passes(self, passes: int) -> None:
        """Goes on as if there had been a number of passes before."""
        if self._ends or not passes:
            return
        self._begun, self._taken_already = None, []
        if self._shuffle:
            self._stream.drawn = passes
        if hasattr(self._source, "on_epoch_end"):
            for _ in range(passes):
                self._source.on_epoch_end()

    def state(self) -> dict[str, Any]:
        """Returns what decides in which order batches come."""
        return {"stream": list(self._stream.key)}

    def set_state(self, state: dict[str, Any]) -> None:
        """Makes batches come in the order of another run."""
        self._stream = HostStream(tuple(state["stream"]))
        if self._shuffle and not self._ends:
            self._begun, self._taken_already = None, []

    def _passes(self) -> Iterator[Any]:
        some = True
        while some:
            some = False
            for batch in self._pass():
                some = True
                yield batch

    def _pass(self) -> Iterator[Any]:
        begun = self._one_pass() if self._begun is None else self._begun
        self._begun = begun if self._ends else None
        while self._taken_already:
            yield self._taken_already.pop()
        for batch in begun:
            if self._check is not None:
                self._check(batch)
            yield batch

    def _one_pass(self) -> Iterator[Any]:
        source, shuffle = self._source, self._shuffle
        if hasattr(source, "iter") and hasattr(source, "column_names"):  # a Hugging Face dataset of samples
            rows = source.shuffle(seed=int(self._stream.next().integers(2**31))) if shuffle else source
            found: Iterable[Any] = rows.with_format("numpy").iter(batch_size=self._batch_size)
        elif hasattr(source, "as_numpy_iterator"):  # a tf.data.Dataset
            found = source.as_numpy_iterator()
        elif (hasattr(source, "__getitem__") and hasattr(source, "on_epoch_end")) or not hasattr(source, "__iter__"):
            found = _indexed(source, self._stream.next() if shuffle else None)
        else:
            found = source
        batches = iter(found)
        while True:
            with interruptible():
                batch = next(batches, _END)
            if batch is _END:
                return
            yield self._taken(batch)

    def _taken(self, batch: Any) -> Any:
        """Returns a batch as arrays, nested as a step takes it."""
        if self._target is not None:
            columns = {name: column for name, column in batch.items() if name != self._target}
            batch = next(iter(columns.values())) if len(columns) == 1 else columns, batch[self._target]
        elif isinstance(batch, list) and 1 <= len(batch) <= 3:
            batch = tuple(batch)
        x, y, sample_weight = unpack(batch)
        packed = pack(*weighted(x, y, sample_weight, self._class_weight))
        arrays = jax.tree.map(np.asarray, as_arrays(packed))
        lengths = sorted({len(leaf) for leaf in jax.tree.leaves(arrays)})
        if len(lengths) != 1 or not lengths[0]:
            raise ValueError(f"The arrays of a batch must have the same number of samples, and at least one: {describe(arrays)}.")
        return arrays


def _indexed(source: Any, generator: np.random.Generator | None) -> Iterator[Any]:
    count = len(source)
    for index in range(count) if generator is None else generator.permutation(count):
        yield source[int(index)]
    if hasattr(source, "on_epoch_end"):
        source.on_epoch_end()


def _length(source: Any, batch_size: int) -> int | None:
    try:
        length = len(source)
    except TypeError:  # it has none, or is infinite
        return None
    return -(-length // batch_size) if hasattr(source, "column_names") else length


def _name(source: Any) -> str:
    return f"{type(source).__name__} {getattr(source, '__name__', '')}".strip()
