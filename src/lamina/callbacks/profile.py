"""Profile: what the device and Python do during some batches, for TensorBoard's profiler page."""

import contextlib
from pathlib import Path

import jax

from lamina.core.errors import warn


class Profile:
    """A trace of some batches by JAX's profiler.

    There is one profiler for all of a program. If something else is using it, there is a warning and no trace.

    Args:
        folder: the run's folder; the trace goes where TensorBoard looks for it, to `plugins/profile` inside.
        first: the number of the first batch.
        last: the number of the last one.
    """

    def __init__(self, folder: Path, first: int, last: int) -> None:
        self._folder = folder
        self._first, self._last = first, last
        self._running = False
        self._step = contextlib.ExitStack()

    def begin(self, batch: int) -> None:
        """A batch begins: starts the trace with the first."""
        if batch == self._first:
            try:
                jax.profiler.start_trace(str(self._folder))
            except RuntimeError as error:
                warn(f"Batch {batch} is not profiled: {error}")
            else:
                self._running = True
        if self._running:
            self._step.enter_context(jax.profiler.StepTraceAnnotation("train", step_num=batch))

    def end(self, batch: int) -> None:
        """A batch is done: ends the trace with the last."""
        self._step.close()
        if batch >= self._last:
            self.stop()

    def wait(self, done: int) -> int | None:
        """Returns how many batches may run after so many until one is profiled: 1 is the next; None if none is any more."""
        return None if done >= self._last else max(self._first - 1 - done, 1)

    def stop(self) -> None:
        """Ends the trace and writes it, if there is one."""
        self._step.close()
        if self._running:
            self._running = False
            jax.profiler.stop_trace()
