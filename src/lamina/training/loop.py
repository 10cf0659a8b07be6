"""The loop: many steps as one program on the device.

A step is stateful code, `step(batch) -> logs`. The loop is compiled once, with a trip count that is known at run time: the
data lie on the device, each step gathers its batch there by the epoch's permutation, and the state is donated. How many
steps a dispatch takes is measured: as many as fill about a tenth of a second, so that progress shows and Ctrl-C answers.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lamina.core.control import fori_loop
from lamina.core.errors import describe
from lamina.core.lift import jit, touched_by
from lamina.core.variable import Array, Variable
from lamina.training.data import ArrayData

_DISPATCH_SECONDS = 0.1

Progress = Callable[[int, Any], None]


class CompiledLoop:
    """Runs a step over the batches of an epoch, on the device.

    Args:
        step: takes a batch, reads and writes variables, returns logs: a dict of arrays.
        read: variables that it is expected to read.
        written: variables that it is expected to write. What it touches besides is found out, by one more trace.
    """

    def __init__(self, step: Callable[[Any], Any], read: Iterable[Variable] = (), written: Iterable[Variable] = ()) -> None:
        self._names: list[str] = []
        self.step = jit(_in_order(step, self._names))
        self.step.expect(list(read), list(written))
        self._written: list[Variable] = []
        self._logs: dict[Any, Any] = {}
        self._run = jit(self._steps, static_argnames="batch_size")
        self._seconds = 0.0

    def prepare(self, data: ArrayData) -> None:
        """Traces the step, once for this kind of batch, to know what it reads, writes and returns."""
        spec = data.batch_spec()
        key = _key(spec)
        if key not in self._logs:
            self._logs[key], read, written = touched_by(self.step, spec)
            self._written = list(dict.fromkeys([*self._written, *written]))
            self._run.expect(read, self._written)

    def _steps(self, data: Any, order: Array, offset: Array, count: Array, logs: Any, batch_size: int) -> Any:
        """`count` steps, starting with the sample at `offset` of the order."""

        def body(i: Array, _: Any) -> Any:
            index = jax.lax.dynamic_slice(order, (offset + i * batch_size,), (batch_size,))
            return jax.tree.map(_strong, self.step(jax.tree.map(lambda leaf: leaf[index], data)))

        return fori_loop(0, count, body, logs, variables=self._written)

    def run(self, data: ArrayData, arrays: Any, order: np.ndarray, progress: Progress) -> Any:
        """Runs one epoch and returns the logs of its last step.

        Args:
            data: the batches.
            arrays: `data.on_device()`.
            order: the samples' numbers in the order in which they are taken.
            progress: called after each dispatch with the number of steps done and their logs.
        """
        self.prepare(data)
        logs = jax.tree.map(lambda spec: jnp.zeros(spec.shape, spec.dtype), self._logs[_key(data.batch_spec())])
        device_order = jnp.asarray(order, "int32")
        whole, rest = divmod(data.size, data.batch_size)
        done = 0
        while done < whole:
            count = min(whole - done, max(1, int(_DISPATCH_SECONDS / self._seconds)) if self._seconds else 1)
            start = time.perf_counter()
            logs = self._dispatch(arrays, device_order, done * data.batch_size, count, logs, data.batch_size)
            seconds = (time.perf_counter() - start) / count
            # The first dispatch compiles, so what it took says nothing about the next.
            self._seconds = seconds if done or self._seconds else min(seconds, _DISPATCH_SECONDS)
            done += count
            progress(done, logs)
        if rest:
            logs = self._dispatch(arrays, device_order, whole * data.batch_size, 1, logs, rest)
            progress(done + 1, logs)
        jax.effects_barrier()
        return {name: logs[name] for name in self._names}

    def _dispatch(self, arrays: Any, order: Array, offset: int, count: int, logs: Any, batch_size: int) -> Any:
        logs = self._run(arrays, order, np.int32(offset), np.int32(count), logs, batch_size=batch_size)
        return jax.block_until_ready(logs)


class PythonLoop:
    """Runs a step over the batches of an epoch as plain Python: for `run_eagerly`, and for dynamic layers.

    Args:
        step: takes a batch and returns logs.
    """

    def __init__(self, step: Callable[[Any], Any]) -> None:
        self.step = step

    def run(self, data: ArrayData, arrays: Any, order: np.ndarray, progress: Progress) -> Any:
        """Runs one epoch and returns the logs of its last step; arguments as for `CompiledLoop.run`."""
        logs: Any = {}
        for number, start in enumerate(range(0, data.size, data.batch_size), 1):
            index = order[start : start + data.batch_size]
            logs = self.step(jax.tree.map(lambda leaf, index=index: leaf[index], arrays))
            progress(number, logs)
        return logs


def _in_order(step: Callable[[Any], Any], names: list[str]) -> Callable[[Any], Any]:
    """Returns the step, noting in which order it names its logs: JAX sorts the keys of dicts."""

    def noting(batch: Any) -> Any:
        logs = step(batch)
        if not isinstance(logs, Mapping):
            raise TypeError(f"A step must return a dict of named values, not {describe(logs)}.")
        names[:] = list(logs)
        return logs

    return noting


def _key(spec: Any) -> Any:
    leaves, tree = jax.tree.flatten(spec)
    return tree, tuple((leaf.shape[1:], leaf.dtype) for leaf in leaves)


def _strong(value: Any) -> Array:
    array = jnp.asarray(value)
    return jax.lax.convert_element_type(array, array.dtype)
