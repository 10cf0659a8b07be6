"""Programs in flight: started on the device, and not yet waited for."""

import time
from dataclasses import dataclass
from typing import Any, Self

import jax

import lamina.core.events as events
from lamina.core.frame import Cell, commit
from lamina.training import memory
from lamina.training.block import Block

_MOST = 4  # programs, each of which takes no more than `DispatchTuner.short` allows


@dataclass
class Program:
    """A program that was started.

    Attributes:
        event: what reports it, where somebody watches.
        part: the steps that it runs.
        before: the state before it, where that is kept.
        results: what it computes; None where it could not be started.
    """

    event: events.Event | None
    part: Block
    before: dict[Cell, Any]
    results: Any = None


class InFlight:
    """Programs that were started and not yet waited for, in their order.

    It is the context of a pass: where one of them fails on the device, the state before it is put back, if that was kept. JAX
    raises the error where the results are looked at, which may be some programs later.
    """

    def __init__(self) -> None:
        self._programs: list[Program] = []

    @property
    def full(self) -> bool:
        """Whether they have to be waited for before another one is started."""
        return len(self._programs) == _MOST

    def begin(self, event: events.Event | None, part: Block, before: dict[Cell, Any]) -> Program:
        """Takes note of a program that is being started."""
        self._programs.append(Program(event, part, before))
        return self._programs[-1]

    def land(self) -> None:
        """Waits for all of them. Each runs from when it was started, or the one before it was done, until it is done."""
        done = 0.0
        while self._programs:
            program = self._programs[0]
            jax.block_until_ready(program.results)
            if (event := program.event) is not None:
                event.start = max(event.start, done)
                done = time.perf_counter()
                event.seconds = done - event.start
            self._programs.pop(0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, jax.errors.JaxRuntimeError) and (failed := self._first_that_failed()) is not None:
            if failed.before:
                commit(failed.before)
            memory.add_context(error, failed.part, kept=bool(failed.before))
        self._programs.clear()

    def _first_that_failed(self) -> Program | None:
        for program in self._programs:
            try:
                jax.block_until_ready(program.results)
            except jax.errors.JaxRuntimeError:
                return program
            if program.results is None:
                return program
        return None
