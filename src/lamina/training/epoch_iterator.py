"""The batches of a run, epoch by epoch, as blocks."""

from collections.abc import Iterator

from lamina.training.block import Block
from lamina.training.data import Data
from lamina.training.prefetch import Prefetch


class EpochIterator:
    """The batches of a run, epoch by epoch, as blocks; what is not on the device is prefetched.

    Args:
        data: where they come from.
        steps: how many steps an epoch has; by default one pass over the data.
        epochs: how many epochs there will be at most.
        passed: how many epochs another run has had, which this one goes on with.

    Attributes:
        data: the same.
    """

    def __init__(self, data: Data, steps: int | None = None, epochs: int = 1, passed: int = 0) -> None:
        self.data = data
        self._steps = steps
        self._rest: Block | None = None
        self._left_out = 0  # steps at the beginning that the other run has had
        if steps is None:
            data.skip_passes(passed)
            self._stream: Iterator[Block] | None = None
            return
        whole, self._left_out = divmod(passed * steps, data.steps) if data.begins_anew and data.steps else (0, passed * steps)
        data.skip_passes(whole)
        self._stream = self._open(self._left_out + steps * epochs)

    @property
    def steps(self) -> int | None:
        """How many steps an epoch has, if that is known."""
        return self.data.steps if self._steps is None else self._steps

    def next_epoch(self, done: int = 0) -> Iterator[Block]:
        """Yields the blocks of the next epoch, but for its first `done` steps."""
        if self._steps is None:
            self._stream = self._open(None)
            yield from _without(self._stream, done)
            return
        list(self._next(self._left_out + done))
        self._left_out = 0
        yield from self._next(self._steps - done)

    def _next(self, steps: int) -> Iterator[Block]:
        """Yields the next `steps` steps of the stream, as blocks."""
        while steps and self._stream is not None:
            block = self._rest or next(self._stream, None)
            if block is None:
                return
            now = min(steps, block.steps)
            self._rest = block.part(now, block.steps - now) if now < block.steps else None
            steps -= now
            yield block.part(0, now)

    def _open(self, steps: int | None) -> Iterator[Block]:
        blocks = self.data.blocks(steps)
        return blocks if self.data.resident else Prefetch(blocks)

    def close(self) -> None:
        """Ends what runs in the background."""
        if isinstance(self._stream, Prefetch):
            self._stream.close()


def _without(blocks: Iterator[Block], steps: int) -> Iterator[Block]:
    """Yields blocks without their first `steps` steps."""
    for block in blocks:
        left_out = min(steps, block.steps)
        steps -= left_out
        if left_out < block.steps:
            yield block.part(left_out, block.steps - left_out)
