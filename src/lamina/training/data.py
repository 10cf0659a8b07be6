"""Arrays in memory as batches."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lamina.core.errors import describe


class ArrayData:
    """Arrays, or structures of arrays, whose first axis is the samples.

    Args:
        data: what a step takes, with all samples instead of one batch.
        batch_size: samples a step; the last batch may be smaller.

    Raises:
        ValueError: if arrays differ in length, there are no samples, or batch_size is no positive integer.
        TypeError: for what is no array.
    """

    def __init__(self, data: Any, batch_size: int = 32) -> None:
        if isinstance(batch_size, bool) or not isinstance(batch_size, (int, np.integer)) or batch_size < 1:
            raise ValueError(f"batch_size must be a positive integer, not {batch_size!r}.")
        leaves, self.tree = jax.tree.flatten(data)
        self.leaves = [_array(leaf) for leaf in leaves]
        lengths = sorted({len(leaf) for leaf in self.leaves})
        if len(lengths) != 1:
            raise ValueError(f"All arrays must have as many samples as the others, but there are {lengths}: {describe(data)}.")
        if lengths[0] == 0:
            raise ValueError(f"There are no samples in {describe(data)}.")
        self.size = lengths[0]
        self.batch_size = int(batch_size)

    @property
    def steps(self) -> int:
        """How many batches there are, the last smaller one included."""
        return -(-self.size // self.batch_size)

    def on_device(self) -> Any:
        """Returns all samples as JAX arrays."""
        return jax.tree.unflatten(self.tree, [jnp.asarray(leaf) for leaf in self.leaves])

    def first_batch(self) -> Any:
        """Returns the first batch."""
        return jax.tree.unflatten(self.tree, [leaf[: self.batch_size] for leaf in self.leaves])

    def batch_spec(self) -> Any:
        """Returns the shapes and dtypes of a batch."""
        size = min(self.batch_size, self.size)
        dtypes = [jax.dtypes.canonicalize_dtype(leaf.dtype) for leaf in self.leaves]
        specs = [jax.ShapeDtypeStruct((size, *a.shape[1:]), d) for a, d in zip(self.leaves, dtypes, strict=True)]
        return jax.tree.unflatten(self.tree, specs)

    def split(self, fraction: float) -> "tuple[ArrayData, ArrayData]":
        """Returns the samples before and in the last `fraction`.

        Raises:
            ValueError: if either part would be empty.
        """
        first = int(self.size * (1 - fraction))
        if not 0 < first < self.size:
            raise ValueError(f"validation_split={fraction} of {self.size} samples leaves no samples for one of the two parts.")
        parts = ([leaf[:first] for leaf in self.leaves], [leaf[first:] for leaf in self.leaves])
        before, after = (ArrayData(jax.tree.unflatten(self.tree, part), self.batch_size) for part in parts)
        return before, after


def _array(leaf: Any) -> Any:
    array = leaf if isinstance(leaf, jax.Array) else np.asarray(leaf)
    if array.ndim == 0 or array.dtype == object:
        raise TypeError(f"Data must be arrays whose first axis is the samples, not {describe(leaf)}.")
    return array


def pack(x: Any, y: Any = None, sample_weight: Any = None) -> Any:
    """Returns what a step takes: x alone, (x, y), or (x, y, sample_weight)."""
    if sample_weight is not None:
        return x, y, sample_weight
    if y is not None:
        return x, y
    return (x,) if isinstance(x, (list, tuple)) else x


def unpack(data: Any) -> tuple[Any, Any, Any]:
    """Returns x, y and sample_weight of what a step was given; None for what is not there.

    >>> unpack(("x", "y"))
    ('x', 'y', None)
    """
    if not isinstance(data, tuple):
        return data, None, None
    return (*data, None, None)[:3]
