"""The blocks of a run, epoch by epoch."""

from collections.abc import Iterator

from lamina.training.block import Block
from lamina.training.data import Data
from lamina.training.gather import Ahead


class Feed:
    """The blocks of a run, epoch by epoch; what is not on the device is gathered ahead, in the background.

    Args:
        data: where they come from.
        steps: how many steps an epoch has; by default one pass over the data.
        epochs: how many epochs there will be at most.
    """

    def __init__(self, data: Data, steps: int | None = None, epochs: int = 1) -> None:
        self._data = data
        self._steps = steps
        self._rest: Block | None = None
        self._stream = None if steps is None else self._open(steps * epochs)

    @property
    def steps(self) -> int | None:
        """How many steps an epoch has, if that is known."""
        return self._data.steps if self._steps is None else self._steps

    def epoch(self) -> Iterator[Block]:
        """Yields the blocks of the next epoch."""
        if self._steps is None:
            self._stream = self._open(None)
            yield from self._stream
            return
        left = self._steps
        while left and self._stream is not None:
            block = self._rest or next(self._stream, None)
            if block is None:
                return
            now = min(left, block.steps)
            self._rest = block.part(now, block.steps - now) if now < block.steps else None
            left -= now
            yield block.part(0, now)

    def _open(self, steps: int | None) -> Iterator[Block]:
        blocks = self._data.blocks(steps)
        return blocks if self._data.resident else Ahead(blocks)

    def close(self) -> None:
        """Ends what runs in the background."""
        if isinstance(self._stream, Ahead):
            self._stream.close()
