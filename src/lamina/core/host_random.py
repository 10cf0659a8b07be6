"""Random numbers drawn on the host with NumPy: the same on every device and JAX version, and concrete inside a trace.

NumPy's SeedSequence makes the key of a Philox generator from a seed and the number of a stream. Stream 0 of a seed belongs to
those who name that seed; the streams from 1 on are handed out one at a time, in a sequence of its own in each thread.
"""

import itertools
import threading
from typing import Any

import numpy as np

from lamina.core.process import process

_WORD = 2**64


class _Seeding:
    """What one seed starts: a sequence of streams for each thread that draws, so that no thread changes what another draws."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.threads = itertools.count()


class _Position(threading.local):
    """Where this thread's sequence stands."""

    def __init__(self) -> None:
        self.seeding: _Seeding | None = None
        self.thread = 0
        self.stream = 0  # the last one that was handed out

    def begin(self, seeding: _Seeding) -> None:
        """Takes the next sequence of a seed: the first one, if this thread is the first to draw."""
        self.seeding, self.thread, self.stream = seeding, next(seeding.threads), 1


_seeding = [_Seeding(process.seed())]  # until set_host_seed is called
_position = _Position()


def set_host_seed(seed: int) -> int:
    """Starts the sequences of all threads anew; until the first call their seed comes from the operating system.

    Returns:
        A seed for what is drawn on the device.

    >>> shared = set_host_seed(1)
    >>> first = next_host_generator().random(3)
    >>> shared == set_host_seed(1), bool((next_host_generator().random(3) == first).all())
    (True, True)
    """
    _seeding[0] = _Seeding(seed)
    return int(_generator(seed, 1).integers(2**31))


class HostStream:
    """A stream of this thread's sequence: generator after generator, no two of which share numbers.

    Which numbers they give is decided when the stream is taken.

    Args:
        key: that of another stream, which this one is to be like; by default the next stream of this thread.

    Attributes:
        key: the seed, the number of the thread's sequence, and that of the stream in it.
        drawn: how many generators it has given.
    """

    def __init__(self, key: tuple[int, int, int] | None = None) -> None:
        if key is None:
            if _position.seeding is not _seeding[0]:
                _position.begin(_seeding[0])
            _position.stream += 1
            key = _seeding[0].seed, _position.thread, _position.stream
        self.key = key
        self.drawn = 0

    def next(self) -> np.random.Generator:
        """Returns its next generator."""
        self.drawn += 1
        seed, thread, stream = self.key
        return _generator(seed, stream, self.drawn - 1, thread)


def next_host_generator() -> np.random.Generator:
    """Returns the first generator of the next stream of this thread's sequence."""
    return HostStream().next()


def host_position() -> tuple[int, int, int]:
    """Returns where this thread's sequence stands: its seed, its number, and the last stream that it has handed out."""
    if _position.seeding is not _seeding[0]:
        _position.begin(_seeding[0])
    return _seeding[0].seed, _position.thread, _position.stream


def mark_host() -> Any:
    """Returns where this thread's sequence stands, for `rewind_host`."""
    return _seeding[0], _position.stream if _position.seeding is _seeding[0] else 1


def set_host_position(seed: int, thread: int, stream: int) -> None:
    """Puts this thread's sequence where that of another process stood."""
    seeding = _Seeding(seed)
    seeding.threads = itertools.count(thread + 1)
    _position.seeding, _position.thread, _position.stream = seeding, thread, stream
    _seeding[0] = seeding


def rewind_host(position: Any) -> None:
    """Puts this thread's sequence back, so that what was undone has drawn nothing."""
    seeding, stream = position
    if _position.seeding is seeding:
        _position.stream = stream


def next_host_seed() -> int:
    """Returns a fresh seed from this thread's sequence: an integer in [0, 2³¹)."""
    return int(next_host_generator().integers(2**31))


def host_generator(seed: int) -> np.random.Generator:
    """Returns the generator of a seed: the same numbers at each call.

    >>> int(host_generator(7).integers(100)) == int(host_generator(7).integers(100))
    True
    """
    return _generator(seed, 0)


def _generator(seed: int, stream: int, part: int = 0, thread: int = 0) -> np.random.Generator:
    mixed = np.random.SeedSequence(seed % _WORD, spawn_key=(stream, part, thread) if thread else (stream, part))
    return np.random.Generator(np.random.Philox(mixed))
