"""Batches that are made when they are asked for: datasets for `fit`."""

from collections.abc import Callable
from typing import Any

import numpy as np

from lamina.core.text import ReprMixin


class PyDataset(ReprMixin):
    """A dataset of batches: override `__len__` and `__getitem__`. `fit`, `evaluate` and `predict` take it.

    Args:
        workers: taken as Keras has it; batches are made by one thread, ahead of training.
        use_multiprocessing: likewise.
        max_queue_size: likewise.

    >>> class Squares(lamina.utils.PyDataset):
    ...     def __len__(self):
    ...         return 3
    ...     def __getitem__(self, index):
    ...         x = np.full((4, 1), index, "float32")
    ...         return x, x**2
    >>> model = lamina.Sequential([lamina.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> len(model.fit(Squares(), epochs=2, verbose=0).history["loss"])
    2
    """

    def __init__(self, workers: int = 1, use_multiprocessing: bool = False, max_queue_size: int = 10) -> None:
        self.workers, self.use_multiprocessing, self.max_queue_size = workers, use_multiprocessing, max_queue_size

    def __len__(self) -> int:
        """How many batches there are."""
        raise NotImplementedError(f"{type(self).__name__} has no __len__(self). Define it: the number of batches.")

    def __getitem__(self, index: int) -> Any:
        """The batch of that number: x, (x, y) or (x, y, sample_weight)."""
        raise NotImplementedError(f"{type(self).__name__} has no __getitem__(self, index). Define it: it returns a batch.")

    def on_epoch_end(self) -> None:
        """Called after each pass."""


class Samples(PyDataset):
    """Samples in batches, in an order of their own.

    Args:
        take: returns the samples of some numbers, as one batch.
        number: how many samples there are.
        batch_size: samples a batch; the last one may be smaller. None is one sample at a time, without an axis for the batch.
        shuffle: whether their order is random, and another one in each pass.
        seed: of that order.
    """

    def __init__(
        self, take: Callable[[np.ndarray], Any], number: int, batch_size: int | None, shuffle: bool = False, seed: int | None = None
    ) -> None:
        super().__init__()
        if batch_size is not None and (not isinstance(batch_size, int) or batch_size < 1):
            raise ValueError(f"batch_size must be a positive integer or None, not {batch_size!r}.")
        self._take, self.number, self.batch_size = take, number, batch_size
        self._random = np.random.default_rng(seed) if shuffle else None
        self._order = np.arange(number)
        self.on_epoch_end()

    def __len__(self) -> int:
        return self.number if self.batch_size is None else -(-self.number // self.batch_size)

    def __getitem__(self, index: int) -> Any:
        if not 0 <= index < len(self):
            raise IndexError(f"There are {len(self)} batches, so none has the number {index}.")
        if self.batch_size is None:
            return _map_arrays(lambda leaf: leaf[0], self._take(self._order[index : index + 1]))
        return self._take(self._order[index * self.batch_size : (index + 1) * self.batch_size])

    def __iter__(self) -> Any:
        yield from (self[index] for index in range(len(self)))
        self.on_epoch_end()

    def on_epoch_end(self) -> None:
        """Draws the order of the next pass."""
        if self._random is not None:
            self._order = self._random.permutation(self.number)

    def map(self, function: Callable[..., Any]) -> "Samples":
        """Returns a dataset whose batches a function has changed: `function(x)`, `function(x, y)`, ... gives the new one."""
        changed = object.__new__(Samples)
        vars(changed).update(vars(self))

        def take(numbers: np.ndarray) -> Any:
            batch = self._take(numbers)
            return function(*batch) if isinstance(batch, tuple) else function(batch)

        changed._take = take
        return changed


def _map_arrays(function: Callable[[Any], Any], batch: Any) -> Any:
    return tuple(function(part) for part in batch) if isinstance(batch, tuple) else function(batch)


def timeseries_dataset_from_array(
    data: Any,
    targets: Any,
    sequence_length: int,
    sequence_stride: int = 1,
    sampling_rate: int = 1,
    batch_size: int | None = 128,
    shuffle: bool = False,
    seed: int | None = None,
    start_index: int | None = None,
    end_index: int | None = None,
) -> Samples:
    """Returns windows of a time series, and what comes with each.

    Window i has the steps i, i + sampling_rate, ..., sequence_length of them, and the target targets[i].

    Args:
        data: an array whose first axis is time.
        targets: one for the first step of each window, or None.
        sequence_length: steps in a window.
        sequence_stride: from the beginning of a window to that of the next.
        sampling_rate: from a step of a window to the next.
        batch_size: windows a batch; None is one at a time.
        shuffle: whether their order is random.
        seed: of that order.
        start_index: where in time to begin.
        end_index: before which to end.

    Raises:
        ValueError: for numbers that are not positive, or if there is no window at all.

    >>> x, y = timeseries_dataset_from_array(np.arange(6), np.arange(6) * 10, sequence_length=3)[0]
    >>> x[:, 0], x[0], y
    (array([0, 1, 2, 3]), array([0, 1, 2]), array([ 0, 10, 20, 30]))
    """
    for name, value in {
        "sequence_length": sequence_length,
        "sequence_stride": sequence_stride,
        "sampling_rate": sampling_rate,
    }.items():
        if not isinstance(value, int) or value < 1:
            raise ValueError(f"{name} must be a positive integer, not {value!r}.")
    series = np.asarray(data)[start_index:end_index]
    wanted = None if targets is None else np.asarray(targets)[start_index:end_index]
    reach = (sequence_length - 1) * sampling_rate
    windows = min(len(series) - reach, len(series) if wanted is None else len(wanted))
    if windows < 1:
        raise ValueError(f"A window reaches over {reach + 1} steps, but there are only {len(series)} of them.")
    starts = np.arange(0, windows, sequence_stride)
    steps = np.arange(0, reach + 1, sampling_rate)

    def take(numbers: np.ndarray) -> Any:
        x = series[starts[numbers][:, None] + steps]
        return x if wanted is None else (x, wanted[starts[numbers]])

    return Samples(take, len(starts), batch_size, shuffle, seed)


def split_dataset(
    dataset: Any, left_size: float | None = None, right_size: float | None = None, shuffle: bool = False, seed: int | None = None
) -> tuple[Any, Any]:
    """Returns the samples of arrays in two parts.

    Args:
        dataset: an array, or a tuple, list or dict of arrays with as many samples.
        left_size: how many samples the first part has, or, as a fraction between 0 and 1, which share of them.
        right_size: likewise for the second part; one of the two may be left out.
        shuffle: whether to draw them in a random order.
        seed: of that order.

    Raises:
        ValueError: for parts that are empty or too large together, or arrays of different lengths.

    >>> split_dataset(np.arange(5), left_size=0.4)
    (array([0, 1]), array([2, 3, 4]))
    """
    import jax

    leaves = jax.tree.leaves(dataset)
    lengths = {len(leaf) for leaf in leaves}
    if len(lengths) != 1:
        raise ValueError(f"The arrays must have the same number of samples, and some, not {sorted(lengths)}.")
    total = lengths.pop()
    if left_size is None and right_size is None:
        raise ValueError("split_dataset takes left_size or right_size, or both.")
    left, right = (
        None if size is None else round(total * size) if isinstance(size, float) else size for size in (left_size, right_size)
    )
    left = total - (right or 0) if left is None else left
    right = total - left if right is None else right
    if left < 1 or right < 1 or left + right > total:
        raise ValueError(f"{total} samples cannot be split into parts of {left} and {right}: each needs some of them.")
    order = np.random.default_rng(seed).permutation(total) if shuffle else np.arange(total)
    first, second = order[:left], order[total - right :] if left + right == total else order[left : left + right]
    return jax.tree.map(lambda leaf: np.asarray(leaf)[first], dataset), jax.tree.map(lambda leaf: np.asarray(leaf)[second], dataset)
