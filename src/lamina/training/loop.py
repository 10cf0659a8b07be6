"""The loop: many steps as one program on the device.

A step is stateful code, `step(batch) -> logs`. The loop is compiled once, with a trip count that is known at run time: the
samples lie on the device, each step gathers its batch there by their order, and the state is donated. While a short program
runs, Python goes on and prepares the next.
"""

import functools
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np

import lamina.core.events as events
from lamina.core.control import fori_loop
from lamina.core.errors import describe
from lamina.core.frame import Transaction
from lamina.core.leaving import explain as explain_place
from lamina.core.lift import jit, touched_by
from lamina.core.variable import Array, Variable
from lamina.training.block import Block, Kind, kind_of
from lamina.training.interrupt import uninterrupted
from lamina.training.memory import explain
from lamina.training.pace import Pace

_IN_FLIGHT = 4  # programs, each of which takes no more than `Pace.short` allows


class Watch(Protocol):
    """Who looks on as the steps of a pass go by."""

    @property
    def every(self) -> bool:
        """Whether each step is to be seen, so that each is dispatched by itself."""

    def ahead(self) -> int | None:
        """Returns how many steps may be one dispatch until one is to be seen, or None for no end."""

    @property
    def stopped(self) -> bool:
        """Whether the pass is to end here."""

    def begin(self, step: int) -> None:
        """A step begins: the first is number 0. Called where it is to be seen."""

    def end(self, done: int, logs: Any) -> None:
        """So many steps are done, the last of which gave these logs."""


class CompiledLoop:
    """Runs a step over the batches of a pass, on the device.

    Args:
        step: takes a batch, reads and writes variables, returns logs: a dict of arrays.
        read: variables that it is expected to read.
        written: variables that it is expected to write. What it touches besides is found out, by one more trace.
    """

    def __init__(self, step: Callable[[Any], Any], read: Iterable[Variable] = (), written: Iterable[Variable] = ()) -> None:
        self._names: list[str] = []
        self._name = spoken(step)
        self.step = jit(_in_order(step, self._names))
        self.step.reason = self._name
        self.step.expect(list(read), list(written))
        self._read: list[Variable] = []
        self._written: list[Variable] = []
        self._logs: dict[Kind, Any] = {}
        self._paces: dict[Kind, Pace] = {}
        self._loop = jit(self._steps, static_argnames="batch_size")
        self._single = jit(self._step, static_argnames="batch_size")
        self._loop.__name__ = f"{self.step.__name__}_loop"
        self._loop.told = self._single.told = False

    def prepare(self, kind: Kind) -> None:
        """Traces the step, once for each kind of batch, to know what it reads, writes and returns."""
        if kind not in self._logs:
            self._logs[kind], read, written = touched_by(self.step, kind.spec)
            self._read = list(dict.fromkeys([*self._read, *read]))
            self._written = list(dict.fromkeys([*self._written, *written]))
            self._loop.expect(self._read, self._written)
            self._single.expect(self._read, self._written)

    def _step(self, arrays: Any, order: Array, offset: Array, batch_size: int) -> Any:
        """The step on the samples from `offset` of the order on."""
        index = jax.lax.dynamic_slice(order, (offset,), (batch_size,))
        batch = jax.tree.map(lambda leaf: leaf.at[index].get(mode="promise_in_bounds"), arrays)  # no clamping
        return _packed(self.step(batch))

    def _steps(self, arrays: Any, order: Array, offset: Array, count: Array, batch_size: int) -> Any:
        """`count` steps, starting with the sample at `offset` of the order."""
        specs = self._logs[kind_of(arrays, batch_size)]
        logs = jax.tree.map(lambda spec: jnp.zeros(spec.shape, spec.dtype), jax.eval_shape(_packed, specs))
        body = lambda i, _: self._step(arrays, order, offset + i * batch_size, batch_size)  # noqa: E731
        return fori_loop(0, count, body, logs, variables=self._written)

    def run(self, blocks: Iterable[Block], watch: Watch) -> tuple[Mapping[str, Any], int]:
        """Runs a pass; returns the logs of its last step, for which the device may still be at work, and how many steps it had."""
        logs: Mapping[str, Any] = {}
        done = 0
        flight = _Flight()
        for block in blocks:
            block = block.on_device()
            self.prepare(block.kind)
            pace = self._paces.setdefault(block.kind, Pace())
            start = 0
            while start < block.steps and not watch.stopped:
                ahead = watch.ahead()
                if ahead == 1:
                    watch.begin(done)
                count = pace.steps(min(block.steps - start, ahead or block.steps))
                logs = self._dispatch(block.part(start, count), pace, flight)
                start, done = start + count, done + count
                watch.end(done, logs)
            if watch.stopped:
                break
        if events.listeners:
            flight.land()
        jax.effects_barrier()
        return logs, done

    def _dispatch(self, block: Block, pace: Pace, flight: "_Flight") -> Mapping[str, Any]:
        short = pace.short(block.steps)
        if not short or len(flight) == _IN_FLIGHT:
            flight.land()
        began = time.perf_counter()
        arrays, order, size = block.arrays, block.order, block.batch_size
        # A program that fails while it runs takes along what it was given to write over. The first time it gets copies.
        before = [] if pace.begun else [(variable, variable._value) for variable in self._written]
        try:
            with uninterrupted(), events.run(self._name, block.steps) as event:
                if pace.alone:
                    for step in range(block.steps):
                        logs = self._single(arrays, order, np.int32(block.offset + step * size), batch_size=size)
                else:
                    logs = self._loop(arrays, order, np.int32(block.offset), np.int32(block.steps), batch_size=size)
                if not short:
                    jax.block_until_ready((logs, [variable._value for variable in self._written[:1]]))
        except jax.errors.JaxRuntimeError as error:
            for variable, value in before:
                variable._value = value
            explain(error, block)
            raise
        if short:
            flight.begin(event, logs)
        else:
            pace.took(block.steps, time.perf_counter() - began)
        return _Logs(logs, self._names)

    def batch(self, batch: Any) -> dict[str, Any]:
        """Runs one step on one batch and returns its logs."""
        with uninterrupted(), events.run(self._name):
            logs = jax.block_until_ready(self.step(batch))
        return {name: logs[name] for name in self._names}


class _Flight:
    """Programs that were started and not yet waited for, in their order."""

    def __init__(self) -> None:
        self._programs: list[tuple[events.Event | None, Any]] = []

    def __len__(self) -> int:
        return len(self._programs)

    def begin(self, event: events.Event | None, results: Any) -> None:
        """A program was started; the event tells of it, where somebody watches."""
        self._programs.append((event, results))

    def land(self) -> None:
        """Waits for all of them. Each runs from when it was started, or the one before it was done, until it is done."""
        done = 0.0
        for event, results in self._programs:
            jax.block_until_ready(results)
            if event is not None:
                event.start = max(event.start, done)
                done = time.perf_counter()
                event.seconds = done - event.start
        self._programs.clear()


class _Logs(Mapping[str, Any]):
    """Logs by name, read from the device when they are first asked for."""

    def __init__(self, packed: tuple[Array, dict[str, Array]], names: Iterable[str]) -> None:
        self._packed, self._names = packed, tuple(names)

    @functools.cached_property
    def _by_name(self) -> dict[str, Any]:
        return _unpacked(self._packed, self._names)

    def __getitem__(self, name: str) -> Any:
        return self._by_name[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


class PythonLoop:
    """Runs a step over the batches of a pass as plain Python: for `run_eagerly`, and for dynamic layers.

    Args:
        step: takes a batch and returns logs.
    """

    def __init__(self, step: Callable[[Any], Any]) -> None:
        self._name = spoken(step)
        self.step = explained(step)

    def run(self, blocks: Iterable[Block], watch: Watch) -> tuple[dict[str, Any], int]:
        """Runs a pass; returns the logs of its last step and how many steps it had."""
        logs: dict[str, Any] = {}
        done = 0
        for block in blocks:
            for step in range(block.steps):
                if watch.ahead() == 1:
                    watch.begin(done)
                logs = self.batch(block.batch(step))
                done += 1
                watch.end(done, logs)
                if watch.stopped:
                    return logs, done
        return logs, done

    def batch(self, batch: Any) -> dict[str, Any]:
        """Runs one step on one batch and returns its logs. A step that is interrupted changes nothing."""
        transaction = Transaction()
        transaction.__enter__()
        try:
            logs = dict(_checked(self.step(jax.tree.map(jnp.asarray, batch))))
        except BaseException as error:
            transaction.__exit__(*sys.exc_info())
            explain_place(error, f"the {self._name}", describe(batch))
            raise
        with uninterrupted():
            transaction.__exit__(None, None, None)
        return logs


def spoken(step: Callable[..., Any]) -> str:
    """Returns the name of a step as people say it: "train step"."""
    return getattr(step, "__name__", "step").replace("_", " ")


def explained(step: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Returns the step, saying that it is why layers are called inside."""
    why = spoken(step)

    @functools.wraps(step)
    def told(data: Any) -> Any:
        with events.reason(why):
            return step(data)

    return told


def _in_order(step: Callable[[Any], Any], names: list[str]) -> Callable[[Any], Any]:
    """Returns the step, noting in which order it names its logs: JAX sorts the keys of dicts."""

    @functools.wraps(step)
    def noting(data: Any) -> Any:
        logs = _checked(step(data))
        names[:] = list(logs)
        return logs

    return noting


def _checked(logs: Any) -> Mapping[str, Any]:
    if not isinstance(logs, Mapping):
        raise TypeError(f"A step must return a dict of named values, not {describe(logs)}.")
    return logs


def _packed(logs: dict[str, Any]) -> tuple[Array, dict[str, Array]]:
    """Returns logs with all scalars in one vector: on the CPU each array by itself costs a kernel, and a transfer."""
    arrays = {name: jnp.asarray(value) for name, value in logs.items()}
    scalars = [array.astype("float32") for _, array in sorted(arrays.items()) if _is_scalar(array)]
    others = {name: jax.lax.convert_element_type(a, a.dtype) for name, a in arrays.items() if not _is_scalar(a)}
    return jnp.stack(scalars) if scalars else jnp.zeros(0), others


def _unpacked(logs: tuple[Array, dict[str, Array]], names: Sequence[str]) -> dict[str, Any]:
    """Returns the logs by name again, the scalars as NumPy's."""
    scalars, others = logs
    by_name = dict(zip(sorted(name for name in names if name not in others), np.asarray(scalars), strict=True))
    return {name: others[name] if name in others else by_name[name] for name in names}


def _is_scalar(array: Array) -> bool:
    return array.ndim == 0 and jnp.issubdtype(array.dtype, jnp.floating) and array.dtype.itemsize <= 4
