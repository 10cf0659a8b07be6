"""Many small arrays as one vector, for the length of one update.

On a CPU a kernel takes about a microsecond to start, which is longer than a small array takes to update; in one vector all of them
are updated by one kernel. What is kept between updates stays an array for each variable.
"""

import itertools
import math
from collections.abc import Hashable, Sequence

import jax.numpy as jnp

from lamina.core.variable import Array

MOST = 16384  # elements of an array; beyond, copying it into a vector costs what is saved


class Groups:
    """Turns a list of arrays, one for each variable, into a dict of fewer arrays, and back.

    Args:
        names: what each variable is called.
        shapes: the shapes of their arrays.
        kinds: for each variable None, and it stays by itself under its name, or what it has to have in common with those
            beside it in one vector.
    """

    def __init__(self, names: Sequence[str], shapes: Sequence[tuple[int, ...]], kinds: Sequence[Hashable]) -> None:
        groups: dict[Hashable, list[int]] = {}
        for i, kind in enumerate(kinds):
            groups.setdefault(("alone", i) if kind is None else ("together", kind), []).append(i)
        self.shapes = list(shapes)
        alone = (names[members[0]] if len(members) == 1 else f" {number}" for number, members in enumerate(groups.values()))
        self.members: dict[str, list[int]] = dict(zip(alone, groups.values(), strict=True))

    def join(self, arrays: Sequence[Array]) -> dict[str, Array]:
        """Returns the arrays by name, those of a group as one vector."""
        return {name: self.join_one(name, arrays) for name in self.members}

    def join_one(self, name: str, arrays: Sequence[Array]) -> Array:
        """Returns the array of a name, from those of all variables."""
        members = self.members[name]
        return arrays[members[0]] if len(members) == 1 else jnp.concatenate([jnp.ravel(arrays[i]) for i in members])

    def split(self, joined: dict[str, Array]) -> list[Array]:
        """Returns one array for each variable."""
        arrays = dict(part for name, array in joined.items() for part in self.split_one(name, array))
        return [arrays[i] for i in range(len(self.shapes))]

    def split_one(self, name: str, array: Array) -> list[tuple[int, Array]]:
        """Returns the arrays in that of a name, each with the number of its variable."""
        members = self.members[name]
        if len(members) == 1:
            return [(members[0], array)]
        starts = itertools.accumulate((math.prod(self.shapes[i]) for i in members), initial=0)
        return [
            (i, array[start : start + math.prod(self.shapes[i])].reshape(self.shapes[i]))
            for i, start in zip(members, starts, strict=False)
        ]
