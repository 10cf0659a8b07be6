"""A block: several batches as one, the samples of some steps together."""

from typing import Any, NamedTuple

import jax

from lamina.core.placement import to_device
from lamina.training.batch_spec import BatchSpec


class Block(NamedTuple):
    """Several batches as one: samples, and the order in which steps take them.

    Step i takes those at `offset + i * batch_size` of the order, and after.

    Attributes:
        arrays: a structure of arrays whose first axis is the samples.
        order: the samples' numbers; None takes them as they lie.
        offset: where in the order the first step begins.
        batch_size: samples a step.
        steps: how many steps there are.
        spec: the shapes and dtypes of its batches.
    """

    arrays: Any
    order: Any
    offset: int
    batch_size: int
    steps: int
    spec: BatchSpec

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
