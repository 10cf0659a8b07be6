"""Steps: a model's steps of one kind, run over blocks of batches: many as one program on the device, or as plain Python.

A step is stateful code: it takes a batch, and returns logs or outputs. The loop around it is compiled once, with a trip count that
is known at run time: the samples lie on the device, and each step gathers its batch there by their order. While a short program
runs, Python goes on and prepares the next.

A program that fails while it runs, because memory runs out or a callback on the host raises, leaves the state before it: the arrays
that it was given are kept until it is over. Only where the state takes much of the memory are they given to the program to write
over; then what failed takes them along, and the error says so.
"""

import functools
import time
from collections.abc import Callable, Iterable
from typing import Any, Protocol

import jax
import numpy as np

import lamina.core.events as events
from lamina.core.context import context
from lamina.core.control import fori_loop
from lamina.core.errors import add_context
from lamina.core.frame import Cell, transact
from lamina.core.interrupt import check_interrupt, interruptible
from lamina.core.jit import Compiled
from lamina.core.lift import touched_by
from lamina.core.placement import to_device
from lamina.core.text import describe
from lamina.core.variable import Array, Variable
from lamina.training import memory
from lamina.training.batch_spec import BatchSpec
from lamina.training.block import Block
from lamina.training.dispatch_tuner import DispatchTuner, new_tuner
from lamina.training.in_flight import InFlight
from lamina.training.results import AllOutputs, LastLogs


class Observer(Protocol):
    """Who looks on as the steps of a pass go by."""

    def ahead(self) -> int | None:
        """Returns how many steps may be one dispatch until one is to be seen, or None for no end."""

    @property
    def stopped(self) -> bool:
        """Whether the pass is to end here."""

    def begin(self, step: int) -> None:
        """A step begins: the first is number 0. Called where it is to be seen."""

    def progress(self, done: int) -> dict[Cell, Any]:
        """Returns the values that cells have once `done` steps of the pass are done."""

    def end(self, done: int, logs: Any) -> None:
        """So many steps are done, the last of which gave these logs."""


class Steps:
    """The steps of one kind.

    Args:
        step: takes a batch, reads and writes variables, and returns logs (a dict of arrays) or outputs.
        results: what is kept of what it returns.
        eagerly: whether it runs as plain Python.
        read: variables that it is expected to read.
        written: variables that it is expected to write. Others that it touches are found by one more trace.
        because: why there are new steps, for those who watch.

    Attributes:
        read, written: the variables that it was found to read and to write.
    """

    def __init__(
        self,
        step: Callable[[Any], Any],
        results: type[LastLogs] | type[AllOutputs],
        eagerly: bool = False,
        read: Iterable[Variable] = (),
        written: Iterable[Variable] = (),
        because: str = "first time",
    ) -> None:
        self.name = getattr(step, "__name__", "step").replace("_", " ")
        self.results = results
        self.eagerly = eagerly
        self._plain = step

        @functools.wraps(step)
        def compiled_step(batch: Any) -> Any:
            return results.of(step(batch))

        self._step = Compiled(compiled_step, borrows=True, reason=self.name, because=because)
        self._step._expect(read, written)
        around = functools.partial(Compiled, borrows=True, reported=False)  # what calls the step, which tells of itself
        self._loop = around(self._steps, static_argnames=("size", "room"), name=f"{self._step.__name__}_loop")
        self._single = around(self._one, static_argnames="size")
        self.read: list[Variable] = []
        self.written: list[Variable] = []
        self._donates = True
        self._result_specs: dict[BatchSpec, Any] = {}
        self._tuners: dict[BatchSpec, DispatchTuner] = {}

    # --- as one program ----------------------------------------------------------------------------------------------

    def _one(self, arrays: Any, order: Any, offset: Array, size: int) -> Any:
        """The step on the samples from `offset` of the order on; as they lie, if there is no order."""
        if order is None:
            batch = jax.tree.map(lambda leaf: jax.lax.dynamic_slice_in_dim(leaf, offset, size), arrays)
        else:
            index = jax.lax.dynamic_slice(order, (offset,), (size,))
            batch = jax.tree.map(lambda leaf: leaf.at[index].get(mode="promise_in_bounds"), arrays)  # no clamping
        return self._step(batch)

    def _steps(self, arrays: Any, order: Any, offset: Array, count: Array, size: int, room: int) -> Any:
        """`count` steps, starting with the sample at `offset` of the order."""
        first = self.results.room(self._result_specs[BatchSpec.of(arrays, size)], room)

        def body(i: Array, carried: Any) -> Any:
            return self.results.put(carried, i, self._one(arrays, order, offset + i * size, size))

        return fori_loop(0, count, body, first, variables=self.written)

    def _prepare(self, batch: BatchSpec) -> None:
        """Traces the step, once for each kind of batch, to know what it reads, writes and returns."""
        if batch in self._result_specs:
            return
        self._result_specs[batch], read, written = touched_by(self._step, batch.structure)
        self.read = list(dict.fromkeys([*self.read, *read]))
        self.written = list(dict.fromkeys([*self.written, *written, *self._step._written]))
        self._donates = not memory.may_be_kept_twice(self.written)
        for program in (self._loop, self._single):
            program._expect(self.read, self.written, self._donates)

    # --- a pass ------------------------------------------------------------------------------------------------------

    def run(self, blocks: Iterable[Block], watch: Observer, results: LastLogs | AllOutputs, flight: InFlight) -> int:
        """Runs a pass and returns how many steps it had. For the last of them the device may still be at work.

        Args:
            blocks: what the steps are given.
            watch: who looks on.
            results: takes what they return.
            flight: takes note of programs that are not waited for.
        """
        done = 0
        for block in blocks:
            dispatch = self._dispatching(block, watch, flight)
            start = 0
            while start < block.steps and not watch.stopped:
                ahead = watch.ahead()
                if ahead == 1:
                    watch.begin(done)
                part, result = dispatch(start, min(block.steps - start, ahead or block.steps), done)
                start, done = start + part.steps, done + part.steps
                watch.end(done, results.take(result, part))
                check_interrupt()
            if watch.stopped:
                break
        if events.listeners:
            flight.land()
        jax.effects_barrier()
        return done

    def _dispatching(self, block: Block, watch: Observer, flight: InFlight) -> Callable[[int, int, int], tuple[Block, Any]]:
        """Returns `dispatch(start, most, done)`, which runs steps of a block: returns which, and what they gave.

        It is given the number of the first step in the block, how many it may run, and how many the pass has had.
        """
        if self.eagerly:
            return lambda start, most, done: self._as_python(block.part(start, 1), watch.progress(done + 1))
        if self.results is AllOutputs:
            return lambda start, most, done: self._at_once(block.part(start, most), watch.progress(done + most))
        there = block.on_device()
        self._prepare(there.spec)
        tuner = self._tuners.setdefault(there.spec, new_tuner())

        def dispatch(start: int, most: int, done: int) -> tuple[Block, Any]:
            part = there.part(start, tuner.steps(most))
            return part, self._tuned(part, tuner, flight, lambda steps: watch.progress(done + steps))

        return dispatch

    def one(self, batch: Any) -> Any:
        """Runs one step on one batch, and returns what it gave."""
        if self.eagerly:
            return self._as_python_step(batch, {})
        with events.run(self.name):
            return jax.block_until_ready(self._step._call((batch,), {}, {}))

    # --- a dispatch --------------------------------------------------------------------------------------------------

    def _as_python(self, part: Block, also: dict[Cell, Any]) -> tuple[Block, Any]:
        return part, self._as_python_step(part.batch(0), also)

    def _as_python_step(self, batch: Any, also: dict[Cell, Any]) -> Any:
        """Runs a step as plain Python. One that fails or is interrupted changes nothing."""

        def step(batch: Any) -> Any:
            with events.reason(self.name), interruptible():
                result = self.results.of_python(self._plain(batch))
            for cell, value in also.items():
                cell._write(value)
            return result

        batch = jax.tree.map(to_device, batch)
        try:
            return step(batch) if context.frames else transact(step, batch)
        except BaseException as error:
            add_context(error, f"the {self.name}", describe(batch))
            raise

    def _at_once(self, part: Block, also: dict[Cell, Any]) -> tuple[Block, Any]:
        """Runs all steps of a block as one program; a single one by itself, without the loop."""
        with events.run(self.name, part.steps):
            if part.steps == 1:
                return part, self._step._call((part.batch(0),), {}, also)
            self._prepare(part.spec)
            room = len(jax.tree.leaves(part.arrays)[0]) // part.batch_size
            return part, self._run_loop(part, room, also)

    def _run_loop(self, part: Block, room: int, also: dict[Cell, Any]) -> Any:
        given = (part.arrays, part.order, np.int32(part.offset), np.int32(part.steps))
        return self._loop._call(given, {"size": part.batch_size, "room": room}, also)

    def _tuned(self, part: Block, tuner: DispatchTuner, flight: InFlight, progress: Callable[[int], dict[Cell, Any]]) -> Any:
        """Runs steps as one program, or one by one where that is faster, and waits for them unless they are soon over."""
        short = tuner.short(part.steps)
        if not short or flight.full:
            flight.land()
        began = time.perf_counter()
        before = _before((*self.written, *progress(0)), not tuner.begun or not self._donates)
        with events.run(self.name, part.steps) as event:
            program = flight.begin(event, part, before)
            if tuner.alone:
                for i in range(part.steps):
                    given = (part.arrays, part.order, np.int32(part.offset + i * part.batch_size))
                    logs = self._single._call(given, {"size": part.batch_size}, progress(i + 1))
            else:
                logs = self._run_loop(part, 0, progress(part.steps))
            program.results = logs
            if not short:
                jax.block_until_ready([variable._value for variable in self.written[:1]])
                flight.land()
        if not short:
            tuner.took(part.steps, time.perf_counter() - began)
        return logs


def _before(cells: Iterable[Cell], kept: bool) -> dict[Cell, Any]:
    """Returns the values of cells now, to go back to; nothing where they are not kept, or a frame keeps them."""
    return {cell: cell._value for cell in cells} if kept and not context.frames else {}
