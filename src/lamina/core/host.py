"""Random numbers drawn on the host with NumPy: the same on every device and JAX version, and concrete inside a trace.

NumPy's SeedSequence makes the key of a Philox generator from a seed and the number of a stream. Stream 0 of a seed belongs to
those who name that seed; the library-wide sequence hands out the streams from 1 on, one at a time.
"""

import secrets
import threading

import numpy as np

_WORD = 2**64


class _Sequence:
    """The library-wide sequence: its seed, and the last stream that it has handed out."""

    def __init__(self) -> None:
        self.seed = secrets.randbits(64)  # until set_host_seed is called
        self.stream = 0
        self.lock = threading.Lock()


_sequence = _Sequence()


def set_host_seed(seed: int) -> None:
    """Starts the library-wide sequence anew; until the first call its seed comes from the operating system.

    >>> set_host_seed(1)
    >>> first = next_host_generator().random(3)
    >>> set_host_seed(1)
    >>> bool((next_host_generator().random(3) == first).all())
    True
    """
    with _sequence.lock:
        _sequence.seed, _sequence.stream = seed, 0


class HostStream:
    """A stream of the library-wide sequence: generator after generator, no two of which share numbers.

    Which numbers they give is settled when the stream is taken.

    Attributes:
        drawn: how many generators it has given.
    """

    def __init__(self) -> None:
        with _sequence.lock:
            _sequence.stream += 1
            self._key = _sequence.seed, _sequence.stream
        self.drawn = 0

    def next(self) -> np.random.Generator:
        """Returns its next generator."""
        self.drawn += 1
        return _generator(*self._key, self.drawn - 1)


def next_host_generator() -> np.random.Generator:
    """Returns the first generator of the library-wide sequence's next stream."""
    return HostStream().next()


def host_position() -> tuple[int, int]:
    """Returns where the library-wide sequence stands, for `rewind_host`."""
    with _sequence.lock:
        return _sequence.seed, _sequence.stream


def rewind_host(position: tuple[int, int]) -> None:
    """Puts the library-wide sequence back, so that what was undone has drawn nothing."""
    with _sequence.lock:
        _sequence.seed, _sequence.stream = position


def next_host_seed() -> int:
    """Returns a fresh seed from the library-wide sequence: an integer in [0, 2³¹)."""
    return int(next_host_generator().integers(2**31))


def host_generator(seed: int) -> np.random.Generator:
    """Returns the generator of a seed: the same numbers at each call.

    >>> int(host_generator(7).integers(100)) == int(host_generator(7).integers(100))
    True
    """
    return _generator(seed, 0)


def _generator(seed: int, stream: int, part: int = 0) -> np.random.Generator:
    mixed = np.random.SeedSequence(seed % _WORD, spawn_key=(stream, part))
    return np.random.Generator(np.random.Philox(mixed))
