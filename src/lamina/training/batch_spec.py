"""What a batch looks like to a compiled step: shapes and dtypes, which decide whether two batches can share a program."""

from typing import Any, Self

import jax
import numpy as np


class BatchSpec:
    """The shapes and dtypes of a batch, as a key: two are equal where one program can take both batches.

    Args:
        structure: the shapes and dtypes, nested as the batch is.
    """

    __slots__ = ("_hash", "_key", "structure")

    def __init__(self, structure: Any) -> None:
        self.structure = structure
        self._key = signature(structure)
        self._hash = hash(self._key)

    @classmethod
    def of(cls, arrays: Any, batch_size: int) -> Self:
        """Returns that of batches of `batch_size` samples of the arrays."""
        return cls(jax.tree.map(lambda leaf: leaf_spec(leaf, batch_size), arrays))

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, BatchSpec) and self._key == other._key)

    def __hash__(self) -> int:
        return self._hash


def leaf_spec(leaf: Any, size: int) -> jax.ShapeDtypeStruct:
    """Returns what a batch of `size` samples of an array looks like to a compiled step."""
    return jax.ShapeDtypeStruct((size, *leaf.shape[1:]), jax.dtypes.canonicalize_dtype(leaf.dtype))


def signature(structure: Any) -> Any:
    """Returns what two batches have in common that one program can take: nesting, shapes and dtypes."""
    leaves, tree = jax.tree.flatten(structure)
    return tree, tuple((leaf.shape, np.dtype(leaf.dtype)) for leaf in leaves)
