"""SeedGenerator: the state of randomness, which is a variable like any other."""

import contextlib
from collections.abc import Iterable
from typing import Any

import jax
import numpy as np

from lamina.core.context import context
from lamina.core.frame import state_lock
from lamina.core.host_random import next_host_seed, set_host_seed
from lamina.core.module import Module
from lamina.core.variable import Array, Variable


class SeedGenerator(Module, family="seed_generators"):
    """Gives a new key for each random draw.

    Its state is a variable (the seed, and how many keys were given), so code that draws can be compiled, looped and resumed.

    Args:
        seed: an integer of at most 32 bits; None takes the next one of the sequence that `set_seed` starts.
        name: its name.

    Raises:
        ValueError: for a seed that is not such an integer.

    >>> seed = lamina.random.SeedGenerator(42)
    >>> lamina.random.normal((2,), seed=seed).shape, seed.state.numpy().tolist()
    ((2,), [42, 1])
    """

    def __init__(self, seed: int | None = None, name: str | None = None) -> None:
        if seed is None:
            seed = next_host_seed()
        self.initial_seed = check_seed(seed)
        self._lamina.name = name
        self.state = Variable(np.array([seed, 0], "uint32"), trainable=False, name="state")

    def _facts(self) -> Iterable[str]:
        seed, given = np.asarray(self.state._value).tolist()
        return [f"seed={seed}", f"{given:,} key{'' if given == 1 else 's'} given"]

    def next(self) -> Array:
        """Returns a new `jax.random` key; inside `lamina.vmap`, another one in each lane."""
        with contextlib.nullcontext() if context.frames else state_lock:
            key: Array
            key, state = _advance(self.state._read())
            self.state.assign(state)
        for frame in context.frames:
            if frame.axis_name is not None:
                key = jax.random.fold_in(key, jax.lax.axis_index(frame.axis_name))
        return key


@jax.jit
def _advance(state: Array) -> tuple[Array, Array]:
    return jax.random.wrap_key_data(state), state + np.array([0, 1], "uint32")


def check_seed(seed: Any) -> int:
    """Returns the seed; raises ValueError for what is not an integer of 32 bits."""
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**32:
        raise ValueError(f"A seed is an integer from 0 to 2**32 - 1 or a lamina.random.SeedGenerator, not {seed!r}.")
    return int(seed)


_shared: list[SeedGenerator] = []


def shared_generator() -> SeedGenerator:
    """Returns the generator behind draws that are given no seed."""
    if not _shared:
        _shared.append(SeedGenerator(name="shared_seed_generator"))
    return _shared[0]


def set_seed(seed: int) -> None:
    """Starts all randomness of Lamina anew from one integer: initial weights, shuffling, dropout, `lamina.random`.

    >>> lamina.random.set_seed(0)
    >>> first = lamina.random.uniform(())
    >>> lamina.random.set_seed(0)
    >>> bool(first == lamina.random.uniform(()))
    True
    """
    shared_generator().state.assign(np.array([set_host_seed(check_seed(seed)), 0], "uint32"))


def key_of(seed: int | SeedGenerator | None) -> Array:
    """Returns the key for a draw: a new one from a generator or from the shared one, or always the same for an integer."""
    if isinstance(seed, SeedGenerator):
        return seed.next()
    if seed is None:
        return shared_generator().next()
    return jax.random.key(check_seed(seed))
