"""Random numbers drawn on the host with NumPy: the same on every device and JAX version, and concrete inside a trace.

NumPy's Philox generator is keyed with a pair (seed, stream). Stream 0 of a seed belongs to those who name that seed; the
library-wide sequence hands out the streams from 1 on, one a call.
"""

import itertools
import secrets
from collections.abc import Iterator

import numpy as np

_WORD = 2**64


def _streams(seed: int) -> Iterator[tuple[int, int]]:
    return zip(itertools.repeat(seed), itertools.count(1))


# Both set_host_seed and next() are one step for the interpreter, so threads never get the same stream.
_sequence = _streams(secrets.randbits(64))


def set_host_seed(seed: int) -> None:
    """Starts the library-wide sequence anew; until the first call its seed comes from the operating system.

    >>> set_host_seed(1)
    >>> first = next_host_generator().random(3)
    >>> set_host_seed(1)
    >>> bool((next_host_generator().random(3) == first).all())
    True
    """
    global _sequence
    _sequence = _streams(seed)


def next_host_generator() -> np.random.Generator:
    """Returns the next generator of the library-wide sequence; no two of them share numbers."""
    seed, stream = next(_sequence)
    return _generator(seed, stream)


def next_host_seed() -> int:
    """Returns a fresh seed from the library-wide sequence: an integer in [0, 2³¹)."""
    return int(next_host_generator().integers(2**31))


def host_generator(seed: int) -> np.random.Generator:
    """Returns the generator of a seed: the same numbers at each call.

    >>> int(host_generator(7).integers(100)) == int(host_generator(7).integers(100))
    True
    """
    return _generator(seed, 0)


def _generator(seed: int, stream: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=np.array([seed % _WORD, stream], np.uint64)))
