"""How the arrays of variables are laid out for an optimizer: many small ones in one vector, each other one by itself."""

import itertools
import math
from collections.abc import Container, Hashable, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from lamina.core.variable import Array, Variable


class Packing:
    """Turns a list of arrays, one for each variable, into a dict of fewer arrays, and back.

    On a CPU a kernel takes about a microsecond to start, which is longer than a small array takes to update; in one vector all
    of them are updated by one kernel.

    Args:
        variables: whose arrays are laid out.
        kinds: for each variable None, and it stays by itself under its path, or what it has to have in common with those
            beside it in one vector.
    """

    def __init__(self, variables: Sequence[Variable], kinds: Sequence[Hashable]) -> None:
        groups: dict[Any, list[int]] = {}
        for i, kind in enumerate(kinds):
            groups.setdefault((i,) if kind is None else ("shared", kind), []).append(i)
        self.shapes = [variable.shape for variable in variables]
        self.members: dict[str, list[int]] = {}
        for members in groups.values():
            self.members[unused(variables[members[0]].path if len(members) == 1 else "packed", self.members)] = members
        self._place: dict[int, tuple[str, int]] = {}
        for name, members in self.members.items():
            starts = itertools.accumulate((math.prod(self.shapes[i]) for i in members), initial=0)
            self._place.update((i, (name, start)) for i, start in zip(members, starts, strict=False))

    def pack(self, arrays: Sequence[Array], numpy: Any = jnp) -> dict[str, Array]:
        """Returns the arrays as they are laid out; vectors are made by `numpy`, which NumPy itself does without compiling."""
        return {
            name: arrays[members[0]] if len(members) == 1 else numpy.concatenate([numpy.ravel(arrays[i]) for i in members])
            for name, members in self.members.items()
        }

    def unpack(self, packed: dict[str, Array]) -> list[Array]:
        """Returns one array for each variable."""
        return [self.part(i, packed[self._place[i][0]]) for i in range(len(self.shapes))]

    def part(self, i: int, array: Array) -> Array:
        """Returns what belongs to variable number i in the array that holds it."""
        name, start = self._place[i]
        if len(self.members[name]) == 1:
            return array
        return array[start : start + math.prod(self.shapes[i])].reshape(self.shapes[i])

    def name_of(self, i: int) -> str:
        """Returns the name of the array that holds variable number i."""
        return self._place[i][0]

    def marks(self, flags: Sequence[bool]) -> dict[str, Any]:
        """Returns one flag for each variable as booleans that fit the arrays."""
        return {
            name: np.bool_(flags[members[0]])
            if len(members) == 1
            else np.concatenate([np.full(math.prod(self.shapes[i]), flags[i]) for i in members])
            for name, members in self.members.items()
        }


def unused(name: str, taken: Container[str]) -> str:
    """Returns the name, numbered if it is taken."""
    names = itertools.chain([name], (f"{name}_{n}" for n in itertools.count(1)))
    return next(candidate for candidate in names if candidate not in taken)
