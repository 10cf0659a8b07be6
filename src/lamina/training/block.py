"""A block: the samples of some steps, together on the device."""

from typing import Any, NamedTuple

import jax
import numpy as np

from lamina.core.placement import to_device


class Kind:
    """A kind of batch: what one program can take. Kinds are equal if nesting, shapes and dtypes are.

    Args:
        spec: the shapes and dtypes of a batch.
    """

    __slots__ = ("_hash", "_key", "spec")

    def __init__(self, spec: Any) -> None:
        self.spec = spec
        self._key = signature(spec)
        self._hash = hash(self._key)

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Kind) and self._key == other._key)

    def __hash__(self) -> int:
        return self._hash


class Block(NamedTuple):
    """Samples, and the order in which steps take them: step i takes those at `offset + i * batch_size` and after.

    Attributes:
        arrays: a structure of arrays whose first axis is the samples.
        order: the samples' numbers; None takes them as they lie.
        offset: where in the order the first step begins.
        batch_size: samples a step.
        steps: how many steps there are.
        kind: of which kind its batches are.
    """

    arrays: Any
    order: Any
    offset: int
    batch_size: int
    steps: int
    kind: Kind

    def part(self, start: int, steps: int) -> "Block":
        """Returns the block of some of its steps."""
        return self._replace(offset=self.offset + start * self.batch_size, steps=steps)

    def on_device(self) -> "Block":
        """Returns the block with its arrays on the device."""
        if all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(self.arrays)):
            return self
        order = None if self.order is None else to_device(self.order)
        return self._replace(arrays=jax.tree.map(to_device, self.arrays), order=order)

    def batch(self, step: int) -> Any:
        """Returns the batch of a step."""
        start = self.offset + step * self.batch_size
        rows = slice(start, start + self.batch_size)
        index = rows if self.order is None else self.order[rows]
        return jax.tree.map(lambda leaf: leaf[index], self.arrays)


def kind_of(arrays: Any, batch_size: int) -> Kind:
    """Returns the kind of batches of `batch_size` samples of the arrays."""
    return Kind(jax.tree.map(lambda leaf: batch_spec(leaf, batch_size), arrays))


def batch_spec(leaf: Any, size: int) -> jax.ShapeDtypeStruct:
    """Returns what a batch of `size` samples of an array looks like to a compiled step."""
    return jax.ShapeDtypeStruct((size, *leaf.shape[1:]), jax.dtypes.canonicalize_dtype(leaf.dtype))


def signature(structure: Any) -> Any:
    """Returns what two batches have in common that one program can take: nesting, shapes and dtypes."""
    leaves, tree = jax.tree.flatten(structure)
    return tree, tuple((leaf.shape, np.dtype(leaf.dtype)) for leaf in leaves)
